"""Contextual environments and their context derivatives. Importing this registers the Gymnasium ids `offctx/...`.

A class is imported on first use: importing this package imports neither torch nor mujoco. `registry.py` lists the environments.
"""

from typing import TYPE_CHECKING, Any

from offctx.envs.registry import class_modules, register
from offctx.lazy import lazy_exports

if TYPE_CHECKING:
    from offctx.envs import testing as testing
    from offctx.envs.actuator_contexts import ActuatorContexts as ActuatorContexts
    from offctx.envs.base import ContextualEnv as ContextualEnv
    from offctx.envs.differentiable import DifferentiableEnv as DifferentiableEnv
    from offctx.envs.labels import LabelTransitions as LabelTransitions
    from offctx.envs.observation_contexts import ObservationContexts as ObservationContexts
    from offctx.envs.policies_with_memory import PolicyWithMemory as PolicyWithMemory
    from offctx.envs.policies_with_memory import Transitions as Transitions
    from offctx.envs.recurrent_module import RecurrentModule as RecurrentModule
    from offctx.envs.recurrent_predictor import RecurrentPredictor as RecurrentPredictor
    from offctx.envs.wrappers import AppendContext as AppendContext
    from offctx.envs.wrappers import CycleContexts as CycleContexts
    from offctx.envs.wrappers import RandomContexts as RandomContexts

    def __getattr__(name: str) -> Any:
        """The environments of the registry."""


_MODULES = class_modules() | {
    "ActuatorContexts": "offctx.envs.actuator_contexts",
    "AppendContext": "offctx.envs.wrappers",
    "ContextualEnv": "offctx.envs.base",
    "CycleContexts": "offctx.envs.wrappers",
    "DifferentiableEnv": "offctx.envs.differentiable",
    "LabelTransitions": "offctx.envs.labels",
    "ObservationContexts": "offctx.envs.observation_contexts",
    "PolicyWithMemory": "offctx.envs.policies_with_memory",
    "RecurrentModule": "offctx.envs.recurrent_module",
    "RecurrentPredictor": "offctx.envs.recurrent_predictor",
    "Transitions": "offctx.envs.policies_with_memory",
    "RandomContexts": "offctx.envs.wrappers",
    "testing": "offctx.envs.testing",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605  # the names of the environments come from the registry
__getattr__, __dir__ = lazy_exports(__name__, _MODULES)

register()
