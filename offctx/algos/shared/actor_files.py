"""Reads actors from safetensors files. Such a file holds numbers and one line of text, so that loading it runs nothing."""

import json
import os
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from safetensors import SafetensorError, safe_open

from offctx.algos.shared.actor import FORMAT, GaussianActor, Sampler
from offctx.envs.base import Array
from offctx.errors import PolicyError
from offctx.files import check_regular_file


@overload
def load_actor(path: str | os.PathLike[str], *, stochastic: Literal[True] = True) -> Sampler: ...


@overload
def load_actor(path: str | os.PathLike[str], *, stochastic: Literal[False]) -> GaussianActor: ...


def load_actor(path: str | os.PathLike[str], *, stochastic: bool = True) -> Sampler | GaussianActor:
    """The policy in a safetensors file that `save_actor` or `GaussianActor.save` wrote.

    Loading runs nothing that the file holds: it has float32 arrays and one line of JSON.

    Args:
        path: the file.
        stochastic: whether the policy draws its actions, or takes the mode.

    Returns:
        A `Sampler`, called with (observations (N, o), contexts, rng); or a `GaussianActor`, with `predict(observations)`.
        Both are policies for `offctx.collect` and `offctx.evaluate`. Where the file gives no name, the policy has the file's.

    Raises:
        PolicyError: there is no such file, or it holds no such policy.

    Example::

        policy = load_actor("datasets/weights/ant-expert.safetensors")
        report = offctx.evaluate(policy, "offctx/AntDirection-v0", context="hidden")
    """
    path = Path(path)
    try:
        check_regular_file(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise PolicyError(f"expected the format {FORMAT!r}; found {metadata.get('format')!r:.120}")
            parts = {name: _float32(file, name) for name in file.keys()}  # noqa: SIM118  # a handle, not a dict
        actor = GaussianActor.from_arrays(parts, {"name": path.stem} | _about(metadata))
    except FileNotFoundError as error:
        raise PolicyError(f"no actor at {path}") from error
    except (PolicyError, SafetensorError, OSError) as error:
        raise PolicyError(f"{path} is not an actor saved by offctx: {error}") from error
    return actor.sampler() if stochastic else actor


def _float32(file: Any, name: str) -> Array:
    kind = file.get_slice(name).get_dtype()
    if kind != "F32":
        raise PolicyError(f"expected float32 weights; {name!r:.60} has {kind}")
    return np.asarray(file.get_tensor(name))


def _about(metadata: dict[str, str]) -> dict[str, Any]:
    try:
        about = json.loads(metadata.get("about", "{}"))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"its metadata 'about' is not JSON: {error}") from error
    if not isinstance(about, dict):
        raise PolicyError(f"its metadata 'about' must be a JSON object; found {type(about).__name__}")
    return about
