"""Arguments of d3rlpy's buffer that a buffer of offctx does not take, and what to do instead."""

from collections.abc import Mapping
from typing import Any

from d3rlpy.dataset import BasicTrajectorySlicer, BasicTransitionPicker

from offctx.errors import DatasetError

_DEFAULTS = {"transition_picker": BasicTransitionPicker, "trajectory_slicer": BasicTrajectorySlicer}


def check_d3rlpy_arguments(arguments: Mapping[str, Any]) -> None:
    """That these arguments, beside those of a buffer of offctx, are none, or d3rlpy's defaults.

    Raises:
        DatasetError: another picker or slicer of d3rlpy; the message says how d3rlpy's own buffer gets the data.
        TypeError: a name that d3rlpy does not know either.
    """
    for name, value in arguments.items():
        if name not in _DEFAULTS:
            raise TypeError(
                f"replay_buffer() got an unexpected keyword argument {name!r}; it takes context, augmentation, seed"
            )
        if value is not None and type(value) is not _DEFAULTS[name]:
            raise DatasetError(
                f"a buffer of offctx draws single transitions, whole batches at once, and takes no {type(value).__name__}. For "
                f"n-step returns or stacked frames, write the transitions for d3rlpy's own buffer, without augmentation: "
                f'`with open("data.h5", "w+b") as f: dataset.replay_buffer().dump(f)`, then `with open("data.h5", "rb") as f: '
                f"d3rlpy.dataset.ReplayBuffer.load(f, d3rlpy.dataset.InfiniteBuffer(), {name}=...)`"
            )
