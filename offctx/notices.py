"""What other libraries print: gym's notice, d3rlpy's log lines, warnings of Minari and Gymnasium."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


def quiet() -> None:
    """Silences gym's notice, d3rlpy's log lines, and the warnings of gym, Gymnasium, Minari and d3rlpy, for this process.

    Call it at the start of a script, before `import d3rlpy`: d3rlpy imports gym, which prints its notice then. Errors are still
    printed, and so are the warnings of all other libraries. d3rlpy also writes a folder `d3rlpy_logs/` at each `fit`, unless
    `fit` is given `logger_adapter=d3rlpy.logging.NoopAdapterFactory()`; `offctx.algos.train` gives it that.

    Example::

        import offctx

        offctx.quiet()

        import d3rlpy
    """
    import structlog

    with contextlib.suppress(ImportError):  # gym and its notices come with d3rlpy, and may leave with it
        from gym_notices.notices import notices

        notices.clear()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    warnings.filterwarnings("ignore", module=r"(gym|gymnasium|minari|d3rlpy)(\.|$)")
    # Gymnasium's own warnings are attributed to the code that called it. They start so, after a code for the colour.
    warnings.filterwarnings("ignore", message=r"(\x1b\[\d+m)?WARN: ")


def import_gym_silently() -> None:
    """Imports gym, which d3rlpy needs, without its notice. The packages of offctx that import d3rlpy call this first.

    The notice asks users of gym to move to Gymnasium. Users of offctx do not use gym, and cannot change what d3rlpy imports.
    """
    with contextlib.suppress(ImportError):
        from gym_notices.notices import notices

        kept = dict(notices)
        notices.clear()
        try:
            import gym  # noqa: F401
        finally:
            notices.update(kept)


@contextlib.contextmanager
def d3rlpy_log_hidden() -> Iterator[None]:
    """Hides d3rlpy's log lines below warnings in a `with` block. A logger that the user configured stays as it is."""
    import structlog

    settings = structlog.get_config()
    if settings["wrapper_class"] is not structlog.make_filtering_bound_logger(logging.NOTSET):  # structlog's default
        yield
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=settings["wrapper_class"])
