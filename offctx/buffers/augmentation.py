"""What an augmentation is: a function from batch to batch, and what it requires of the data."""

from collections.abc import Callable

import numpy as np

from offctx.buffers.batch import DERIVATIVES, ContextualMiniBatch
from offctx.envs.labels import LabelTransitions
from offctx.errors import DerivativeError

Augmentation = Callable[["ContextualMiniBatch", np.random.Generator], "ContextualMiniBatch"]


def required_arrays(augmentation: Augmentation | None) -> tuple[str, ...]:
    """The arrays of a dataset that an augmentation says it cannot do without."""
    return tuple(getattr(augmentation, "requires", ()))


def check_labels(augmentation: Augmentation | None, labels: LabelTransitions) -> None:
    """That an environment labels its transitions with what the augmentation requires, or a DerivativeError."""
    asked = [name for name in required_arrays(augmentation) if name in DERIVATIVES]
    if asked and not labels.gradients:
        raise DerivativeError(
            f"{type(augmentation).__name__} needs {', '.join(asked)}: wrap the environment by LabelTransitions(env, "
            f"gradients=True)"
        )
    if "noise" in required_arrays(augmentation) and not labels.contextual.noise_size:
        raise DerivativeError(
            f"{type(augmentation).__name__} needs noise; {type(labels.contextual).__name__} is deterministic and has none"
        )
