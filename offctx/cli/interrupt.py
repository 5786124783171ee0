"""What an interrupt (Ctrl-C, or a request to terminate) does to a command. Light: it is there before the libraries are."""

import signal

EXIT_CODE = 130


def stopped(stop: KeyboardInterrupt) -> str:
    """What the user reads after an interrupt: what became of the work, where the work said so."""
    return f"stopped: {stop}" if str(stop) else "stopped"


def interrupt_on_termination() -> None:
    """Treat a request to terminate as an interrupt, so that half-written files are removed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signal_number: int, frame: object) -> None:
    raise KeyboardInterrupt
