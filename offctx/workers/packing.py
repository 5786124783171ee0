"""Pickling what goes to workers within the user's own machine or cluster, never out of a dataset."""

from typing import Any

import cloudpickle

from offctx.checks import ErrorClass


def pack(value: Any, what: str, error: ErrorClass) -> bytes:
    """Pickles what goes to workers.

    Args:
        value: anything; functions and classes of the main script go by value, those of modules by name.
        what: its name, for the error.
        error: the class of the error.

    Raises:
        OffctxError: of the class `error`: it cannot be pickled.
    """
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as fault:  # whatever the objects inside raise
        raise error(f"{what} cannot be sent to worker processes, as it cannot be pickled: {fault}; use n_jobs=1") from fault
