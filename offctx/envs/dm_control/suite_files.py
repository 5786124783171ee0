"""The model files of DeepMind Control's suite, from the installed `dm_control`, none of whose Python is imported."""

import importlib.util
from pathlib import Path

import mujoco

from offctx.errors import EnvError

_INSTALL = "pip install 'offctx[dm-control]'"
_SHARED = ("skybox", "visual", "materials")  # which the models include


def suite_model(name: str) -> mujoco.MjSpec:
    """The specification of a model of the suite, without materials and textures, which nothing but a renderer reads.

    They take 99.8 % of the memory of a model, and 99 % of the time in which it is compiled.

    Args:
        name: of its file, such as "cartpole".

    Raises:
        EnvError: `dm_control` is not installed, cannot be located, or has no such file.
    """
    folder = _suite_folder(name)
    try:
        shared = {f"./common/{each}.xml": (folder / "common" / f"{each}.xml").read_bytes() for each in _SHARED}
        spec = mujoco.MjSpec.from_string((folder / f"{name}.xml").read_text(encoding="utf-8"), include=shared)
    except (OSError, ValueError) as error:
        raise EnvError(
            f"the installed dm_control, {folder.parent}, has no usable model of {name!r}: {type(error).__name__}: {error}. "
            f"Install DeepMind Control anew, pip install --force-reinstall dm_control, or move what else has this name"
        ) from error
    for geom in spec.geoms:
        geom.material = ""
    for unused in (*spec.materials, *spec.textures):
        spec.delete(unused)
    return spec


def _suite_folder(name: str) -> Path:
    try:
        spec = importlib.util.find_spec("dm_control")  # of a top-level package: imports nothing
    except Exception as error:  # a finder of modules may raise anything, and so does a module without a specification
        raise EnvError(
            f"the model of {name!r} is DeepMind Control's, whose package dm_control cannot be located: {type(error).__name__}: "
            f"{error}. Install it with {_INSTALL}"
        ) from error
    if spec is None:
        raise EnvError(f"the model of {name!r} is DeepMind Control's, which is not installed: install it with {_INSTALL}")
    if not spec.submodule_search_locations:
        raise EnvError(
            f"the model of {name!r} is DeepMind Control's, but {spec.origin} is another module called dm_control: put it out "
            f"of the way, and install DeepMind Control with {_INSTALL}"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "suite"
