"""The context derivatives of transitions, computed batch by batch, and their description for the metadata.

Dimensions: N transitions, R = N + E rows, E episodes, n transitions of one batch, o observation, p context.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
from tqdm.auto import tqdm

from offctx.data.derivatives.differentiator import Differentiator, here
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.saved_batches import SavedBatches
from offctx.data.episodes import Episodes
from offctx.data.layout import DERROR, DNEXT, DREWARD
from offctx.data.metadata import Derivatives
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import DatasetError

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
) -> dict[str, Array]:
    """Computes the context derivatives of all transitions, and their errors where the environment estimates them.

    Args:
        env: the environment family.
        inputs: the N transitions.
        batch_size: transitions differentiated at once.
        progress: show a progress bar.
        saved: batches on disk; those that exist are loaded, the others are saved as they are computed.
        differentiator: who computes them; this process where not given.

    Returns:
        Infos with R rows: row t + 1 of an episode belongs to its transition t; row 0 is zero.

    Raises:
        DerivativeError: a derivative is not finite.
    """
    (o,), p = env.observation_space.shape or (), env.context_space.size
    infos = {
        DNEXT: np.zeros((inputs.size, o, p), dtype=inputs.dtype),
        DREWARD: np.zeros((inputs.size, p), dtype=inputs.dtype),
    }
    with tqdm(total=len(inputs), desc="derivatives", unit="transition", disable=not progress) as bar:
        for begin, packed in _packed_batches(differentiator or here(env), inputs, batch_size or _BATCH_SIZE, saved):
            rows = inputs.rows[begin : begin + len(packed)] + 1
            infos[DNEXT][rows] = packed[:, : o * p].reshape(-1, o, p)
            infos[DREWARD][rows] = packed[:, o * p : (o + 1) * p]
            if packed.shape[1] > (o + 1) * p:
                infos.setdefault(DERROR, np.zeros(inputs.size, dtype=inputs.dtype))[rows] = packed[:, -1]
            bar.update(len(packed))
        if DERROR in infos:
            bar.set_postfix_str(_summary(describe_errors(env, infos[DERROR][inputs.rows + 1])))
    return infos


def _packed_batches(
    differentiator: Differentiator, inputs: SimulationInputs, batch_size: int, saved: SavedBatches | None
) -> Iterator[tuple[int, Array]]:
    """The first transition of each batch and its packed derivatives. Saved batches may have other sizes than new ones."""
    missing, begin = [], 0
    while begin < len(inputs):
        size = saved.size(begin) if saved else None
        if size is None:
            missing.append(slice(begin, min(begin + batch_size, len(inputs))))
        begin += size or batch_size
    computed_here = {batch.start for batch in missing}
    with contextlib.closing(differentiator.derivatives(inputs, missing)) as computed:
        begin = 0
        while begin < len(inputs):
            if begin in computed_here:
                packed = next(computed)
                if saved:
                    saved.save(begin, packed)
            else:
                loaded = saved.load(begin) if saved else None
                if loaded is None:
                    raise DatasetError(f"saved derivatives of transition {begin} and others have disappeared: call again")
                packed = loaded
            yield begin, packed
            begin += len(packed)


def describe_derivatives(env: ContextualEnv, episodes: Episodes) -> Derivatives:
    """Describes the derivatives among the infos of `episodes`, which `env` computed, for the metadata."""
    return describe_errors(env, episodes.infos[DERROR][episodes.first_rows + 1] if DERROR in episodes.infos else None)


def describe_errors(env: ContextualEnv, errors: Array | None) -> Derivatives:
    """The same from the errors of all transitions (N,); None where the derivatives are exact up to rounding."""
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
