"""What the tasks with an action factor have in common.

Dimensions: N rows, a action, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.dm_control.family import DmControlFamily


class ActionFactor(DmControlFamily):
    """A family whose coordinate `action_factor`, 1 or -1, multiplies the action: -1 inverts all actuators."""

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        return np.asarray(actions * contexts[:, [self.context_space.index("action_factor")]])
