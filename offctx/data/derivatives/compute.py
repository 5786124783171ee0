"""The context derivatives of transitions, computed batch by batch, and their description for the metadata.

Dimensions: N transitions, n of one batch, o observation, p context.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
from tqdm.auto import tqdm

from offctx.data.derivatives.differentiator import Differentiator, in_this_process
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.saved_batches import SavedBatches
from offctx.data.layout import DERROR, DNEXT, DREWARD
from offctx.data.metadata import Derivatives
from offctx.data.storage.scratch import Allocate, release
from offctx.data.transitions import BLOCK_BYTES
from offctx.envs.base import Array, ContextualEnv

_BATCH_SIZE = 16384
_QUANTILE = 0.99  # of the errors that are not flagged, for the metadata


def compute_derivatives(
    env: ContextualEnv,
    inputs: SimulationInputs,
    batch_size: int | None = None,
    *,
    progress: bool,
    saved: SavedBatches | None = None,
    differentiator: Differentiator | None = None,
    allocate: Allocate = np.zeros,
) -> dict[str, Array]:
    """Computes the context derivatives of all transitions, and their errors where the environment estimates them.

    Args:
        env: the environment family.
        inputs: the N transitions.
        batch_size: transitions differentiated at once.
        progress: show a progress bar.
        saved: batches on disk; those that exist are loaded, the others are saved as they are computed.
        differentiator: who computes them; this process where not given.
        allocate: makes the arrays, such as in files; rows that belong to no transition stay as it makes them.

    Returns:
        Infos with `inputs.size` rows, in which `inputs.rows` says the row of each transition.

    Raises:
        DerivativeError: a derivative is not finite.
    """
    (o,), p = env.observation_space.shape or (), env.context_space.size
    infos = {
        DNEXT: allocate((inputs.size, o, p), inputs.dtype),
        DREWARD: allocate((inputs.size, p), inputs.dtype),
    }
    written = 0
    with tqdm(total=len(inputs), desc="derivatives", unit="transition", disable=not progress) as bar:
        for begin, packed in _packed_batches(differentiator or in_this_process(env), inputs, batch_size or _BATCH_SIZE, saved):
            rows = inputs.stored_at(begin, begin + len(packed))
            infos[DNEXT][rows] = packed[:, : o * p].reshape(-1, o, p)
            infos[DREWARD][rows] = packed[:, o * p : (o + 1) * p]
            if packed.shape[1] > (o + 1) * p:
                if DERROR not in infos:
                    infos[DERROR] = allocate((inputs.size,), inputs.dtype)
                infos[DERROR][rows] = packed[:, -1]
            written += packed.nbytes
            if written > BLOCK_BYTES:
                written = 0
                release(*infos.values())
            bar.update(len(packed))
        if DERROR in infos:
            bar.set_postfix_str(_summary(describe_errors(env, infos[DERROR][inputs.stored_at(0, len(inputs))])))
    return infos


def _packed_batches(
    differentiator: Differentiator, inputs: SimulationInputs, batch_size: int, saved: SavedBatches | None
) -> Iterator[tuple[int, Array]]:
    """The first transition of each batch and its packed derivatives: saved ones, which may have other sizes, then new ones."""
    missing, begin = [], 0
    while begin < len(inputs):
        packed = saved.load(begin) if saved else None
        if packed is not None:
            yield begin, packed
            begin += len(packed)
        else:
            end = min(begin + batch_size, len(inputs), saved.next_after(begin) if saved else len(inputs))
            missing.append(slice(begin, end))
            begin = end
    if saved and missing:
        saved.make()
    with contextlib.closing(differentiator.derivatives(inputs, missing, saved)) as computed:
        yield from computed


def describe_errors(env: ContextualEnv, errors: Array | None) -> Derivatives:
    """Describes the derivatives that `env` computed, for the metadata.

    Args:
        env: the environment family.
        errors: of the derivatives of all transitions (N,); None where these are exact up to rounding.
    """
    steps = None if env.derivative_steps is None else np.asarray(env.derivative_steps, dtype=np.float64).tolist()
    if errors is None:
        return Derivatives(source=env.derivative_source, steps=steps)
    tolerance = env.derivative_tolerance
    flagged = np.zeros(len(errors), dtype=bool) if tolerance is None else errors > tolerance
    not_flagged = errors[~flagged]
    return Derivatives(
        source=env.derivative_source,
        error=float(np.quantile(not_flagged, _QUANTILE)) if len(not_flagged) else None,
        steps=steps,
        tolerance=tolerance,
        flagged=None if tolerance is None else int(flagged.sum()),
    )


def _summary(derivatives: Derivatives) -> str:
    error = "none" if derivatives.error is None else f"{derivatives.error:.1e}"
    return f"flagged {derivatives.flagged}, error of the others {error} ({_QUANTILE:.0%} quantile)"
