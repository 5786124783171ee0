"""Properties 12 and 13: invalid contexts and actions are refused, and Box actions are clipped."""

from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.context_draws import widths
from offctx.envs.testing.case import Case
from offctx.envs.testing.comparison import assert_same
from offctx.envs.testing.interface import assert_context_in_force
from offctx.envs.testing.replay import EPISODE, play_episode
from offctx.errors import ContextError, PolicyError

_DRAWS = 10_000  # in search of contexts against a constraint


def check_bad_contexts_refused(case: Case) -> None:
    """Invalid contexts are refused with ContextError; `extrapolate` admits one that is only out of bounds."""
    space = case.env.context_space
    with_nan = space.default.copy()
    with_nan[-1] = np.nan
    invalid: list[tuple[Any, str]] = [
        (np.append(space.default, 0.0), "wrong size"),
        (space.default[:-1], "wrong size"),
        (with_nan, "NaN"),
        (np.full(space.size, np.inf), "infinite"),
        ({"_".join([*space.names, "unknown"]): 0.0}, "unknown name"),
        *((row, "not a value of a discrete coordinate") for row in _beside_values(space)),
        *((row, "against a constraint") for row in _against_constraints(space, np.random.default_rng(case.seed))),
    ]
    for context, reason in invalid:
        _assert_refused(case, {"context": context}, reason)
        _assert_refused(case, {"context": context, "extrapolate": True}, reason)
    for k in range(space.size):
        for bound, sign in ((space.low[k], -1.0), (space.high[k], 1.0)):
            if np.isfinite(bound):
                _check_beyond_bound(case, k, bound + sign * widths(space)[k] / 10)


def _check_beyond_bound(case: Case, k: int, value: float) -> None:
    """The default context with this value of coordinate k, out of bounds, is refused unless `extrapolate` is given."""
    env, space = case.env, case.env.context_space
    outside = space.default.copy()
    outside[k] = value
    _assert_refused(case, {"context": outside}, f"{space.names[k]} out of bounds")
    if space.valid(outside[None], extrapolate=True)[0]:
        _, info = env.reset(seed=case.seed, options={"context": outside, "extrapolate": True})
        assert_context_in_force(env, info, outside, f"reset to {outside} with extrapolate=True")


def check_bad_actions_refused(case: Case) -> None:
    """Actions that are NaN, of the wrong shape or that do not exist are refused with PolicyError; Box actions are clipped."""
    env, space = case.env, case.env.action_space
    if isinstance(space, spaces.Discrete):
        invalid: list[Any] = [space.start + space.n, space.start - 1, np.array([space.start, space.start])]
    else:
        assert isinstance(space, spaces.Box)
        invalid = [np.full(space.shape, np.nan), np.zeros(space.shape[0] + 1)]
        for bound, sign in ((space.low, -1), (space.high, 1)):
            _check_clipped(case, space, bound, sign)
    for action in invalid:
        env.reset(seed=case.seed, options={"context": case.contexts[0]})
        try:
            env.step(action)
        except PolicyError:
            continue
        raise AssertionError(f"expected action {action!r} of {space} to be refused with PolicyError; found it accepted")


def _check_clipped(case: Case, space: spaces.Box, bound: Any, sign: int) -> None:
    """An action beyond a bound gives the same episode as the action at the bound."""
    at = np.where(np.isfinite(bound), bound, 0).astype(space.dtype)
    beyond = np.where(np.isfinite(bound), bound + sign, 0).astype(space.dtype)
    expected, clipped = (play_episode(case.env, case.seed, case.contexts[0], [action]) for action in (at, beyond))
    assert_same(expected, clipped, EPISODE, f"action {beyond} must be clipped to {at}")


def _beside_values(space: ContextSpace) -> Contexts:
    """The default context with a number that the coordinate does not take, for each discrete coordinate: (d, p)."""
    discrete = np.flatnonzero(~space.continuous)
    rows = np.tile(space.default, (len(discrete), 1))
    for row, k in zip(rows, discrete, strict=True):
        listed = space.listed.get(space.names[k])
        lowest = space.default[k] if listed is None else listed[0]
        next_value = lowest + 1 if listed is None or len(listed) == 1 else listed[1]
        row[k] = (lowest + next_value) / 2
    return rows


def _against_constraints(space: ContextSpace, rng: np.random.Generator) -> Contexts:
    """Up to three contexts (K, p) that break only a constraint, if any are found."""
    low = np.where(np.isfinite(space.low), space.low, -1e3)
    high = np.where(np.isfinite(space.high), space.high, 1e3)
    rows = rng.uniform(low, high, size=(_DRAWS if space.constraints else 0, space.size))
    return rows[~space.valid(rows)][:3]


def _assert_refused(case: Case, options: dict[str, Any], reason: str) -> None:
    try:
        case.env.reset(seed=case.seed, options=options)
    except ContextError:
        return
    raise AssertionError(f"expected reset(options={options}) to be refused with ContextError ({reason}); found it accepted")
