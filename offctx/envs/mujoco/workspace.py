"""What one thread needs to simulate: a scratch model and its data, and the models of recent contexts.

Dimensions: p context.
"""

import copy
from collections.abc import Callable

import mujoco

from offctx.contexts.space import Contexts

Apply = Callable[[mujoco.MjModel, mujoco.MjData, Contexts], None]


class Workspace:
    """A scratch model and its data, for one thread, and the models of recent contexts.

    Args:
        model: the scratch model.
        apply: changes a model to that of a context (p,), whatever its context was before.
        kept: how many models of recent contexts, so that contexts that take turns do not need a new model at every step.
    """

    def __init__(self, model: mujoco.MjModel, apply: Apply, kept: int = 32) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        self._apply, self._kept = apply, kept
        self._context: bytes | None = None  # of the scratch model
        self._models: dict[bytes, mujoco.MjModel] = {}  # the most recent last

    def set_context(self, context: Contexts) -> None:
        """Changes the scratch model to that of a context (p,)."""
        key = context.tobytes()
        if key != self._context:
            self._apply(self.model, self.data, context)
            self._context = key

    def model_of(self, context: Contexts) -> mujoco.MjModel:
        """A model of a context (p,): a recent one, or else the least recent one, changed to this context."""
        key = context.tobytes()
        model = self._models.pop(key, None)
        if model is None:
            full = len(self._models) == self._kept
            model = self._models.pop(next(iter(self._models))) if full else copy.copy(self.model)
            self._apply(model, self.data, context)
        self._models[key] = model
        return model
