"""Property 9 with discrete coordinates: contexts do something in each of their values, and neighbouring values differ.

The value of a discrete coordinate is a mode of the family. A mode in which another coordinate does nothing, or two modes that
are the same, raise no error elsewhere; they make wrong data.

Dimensions: N rows, E episodes, p context, K combinations, d discrete coordinates.
"""

import itertools

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.context_draws import draw_contexts, whole_bounds, with_other_values
from offctx.envs.testing.case import Case
from offctx.words import count

_TRIED = 24  # values of a coordinate, and combinations of values; a sample where there are more
_FIRST_ROWS = 16  # simulated first: most changes show there


def check_discrete_values(case: Case) -> None:
    """In each value of discrete coordinates, every continuous one changes something; neighbouring values differ."""
    space = case.env.context_space
    discrete, continuous = np.flatnonzero(~space.continuous), np.flatnonzero(space.continuous)
    rng = np.random.default_rng([case.seed, 2])
    others = np.roll(draw_contexts(space, rng, len(case.rows[2])), 1, axis=0)
    values = [_values(space, int(k), rng) for k in discrete]
    for combination in _combinations(values, rng):
        contexts = case.rows[2].copy()
        contexts[:, discrete] = combination
        if not space.valid(contexts).any():
            continue  # against a constraint
        contexts = _usable_rows(space.valid(contexts), contexts)
        for k in continuous:
            moved = with_other_values(space, contexts, others, int(k))
            mode = " and ".join(f"{space.names[d]!r} is {value:g}" for d, value in zip(discrete, combination, strict=True))
            assert _changes(case, contexts, moved), (
                f"{case.name}: expected context coordinate {space.names[k]!r} to change some next state, reward, termination "
                f"or start where {mode}; found none changed in {_tests(case)}. Does a branch of the equations leave it out?"
            )
    for k, tried in zip(discrete, values, strict=True):
        _check_neighbours(case, int(k), tried)


def _check_neighbours(case: Case, k: int, values: Array) -> None:
    """Each of the values (V,) of discrete coordinate k and its next value give another outcome somewhere."""
    space = case.env.context_space
    for value, next_value in _pairs(space, k, values):
        before, after = case.rows[2].copy(), case.rows[2].copy()
        before[:, k], after[:, k] = value, next_value
        valid = space.valid(before) & space.valid(after)
        assert not valid.any() or _changes(case, _usable_rows(valid, before), _usable_rows(valid, after)), (
            f"{case.name}: expected the values {value:g} and {next_value:g} of discrete context coordinate {space.names[k]!r} "
            f"to differ in some next state, reward, termination or start; found the same in {_tests(case)}"
        )


def _pairs(space: ContextSpace, k: int, values: Array) -> list[tuple[float, float]]:
    """Each of the values (V,) of discrete coordinate k that has a next one, with the next one."""
    listed = space.listed.get(space.names[k])
    if listed is not None:
        return [(a, b) for a, b in itertools.pairwise(listed.tolist()) if a in values]
    return [(value, value + 1) for value in values.tolist() if value < whole_bounds(space)[1][k]]


def _values(space: ContextSpace, k: int, rng: np.random.Generator) -> Array:
    """The values of discrete coordinate k to try, in order; a sample with the first and the last where there are many."""
    listed = space.listed.get(space.names[k])
    if listed is not None:
        return listed if len(listed) <= _TRIED else np.sort(rng.choice(listed, _TRIED, replace=False))
    first, last = (int(bound[k]) for bound in whole_bounds(space))
    if last - first < _TRIED:
        return np.arange(first, last + 1, dtype=float)
    return np.unique([first, last - 1, last, *rng.integers(first, last, _TRIED - 3, endpoint=True)]).astype(float)


def _combinations(values: list[Array], rng: np.random.Generator) -> Array:
    """Combinations (K, d) of the values of d coordinates: all, or a sample with each value at least once."""
    if not values:
        return np.empty((0, 0))
    if np.prod([float(len(each)) for each in values]) <= _TRIED:
        return np.array(list(itertools.product(*values)))
    return np.stack([rng.permutation(np.resize(each, _TRIED)) for each in values], axis=1)


def _usable_rows(usable: Array, contexts: Contexts) -> Contexts:
    """Contexts (N, p), those that are not usable (N,) replaced by the first that is."""
    return np.where(usable[:, None], contexts, contexts[np.argmax(usable)])


def _changes(case: Case, contexts: Contexts, others: Contexts) -> bool:
    """Whether other contexts (N, p) change what `simulate` gives for some row, or the start of some episode."""
    for part in (slice(_FIRST_ROWS), slice(_FIRST_ROWS, None)):
        states, actions, _, noise = (array[part] for array in case.rows)
        if len(states):
            pair = (case.simulate((states, actions, chosen[part], noise)) for chosen in (contexts, others))
            if any((np.isfinite(a) & (a != b)).any() for a, b in zip(*pair, strict=True)):
                return True
    seeds = [int(seed) for seed in case.seeds]
    starts = (
        [case.env.start(np.random.default_rng(s), c) for s, c in zip(seeds, of, strict=False)] for of in (contexts, others)
    )
    before, after = map(np.stack, starts)
    return not np.array_equal(before, after)


def _tests(case: Case) -> str:
    return f"{count(len(case.rows[2]), 'random transition')} and {count(len(case.seeds), 'start')}"
