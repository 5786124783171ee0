"""Where the model files of DeepMind Control's suite are. Light: it imports neither `dm_control` nor mujoco."""

import importlib.util
from pathlib import Path

from offctx.errors import EnvError

_INSTALL = "pip install 'offctx[dm-control]'"


def suite_folder(name: str) -> Path:
    """The folder of the suite in the installed `dm_control`.

    Args:
        name: of the model that is wanted, for messages.

    Raises:
        EnvError: `dm_control` is not installed, or cannot be located.
    """
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
