"""What an interrupt (Ctrl-C, or a request to terminate) does to a command. Light: it is there before the libraries are."""

import contextlib
import signal
from collections.abc import Iterator

EXIT_CODE = 130


def stopped(stop: KeyboardInterrupt) -> str:
    """What the user reads after an interrupt: what became of the work, where the work said so."""
    return f"stopped: {stop}" if str(stop) else "stopped"


@contextlib.contextmanager
def before_training(verb: str) -> Iterator[None]:
    """An interrupt in the block says that no agent was saved, where the verb is one that saves agents."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if verb != "train" or str(stop):
            raise
        raise KeyboardInterrupt("before the training began; no agent was saved") from stop


def interrupt_on_termination() -> None:
    """Treat a request to terminate as an interrupt, so that half-written files are removed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signal_number: int, frame: object) -> None:
    raise KeyboardInterrupt
