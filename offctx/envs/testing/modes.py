"""Property 11: a context that changes transitions changes them in every mode of use: alone and in batches, extrapolated, and in
derivatives. A context that does nothing in one mode raises no error there; it makes wrong data.

Dimensions: N rows, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.context_draws import widths
from offctx.envs.testing.case import Case
from offctx.envs.testing.coordinates import outcomes

_ROWS = 32  # simulated one at a time


def check_contexts_in_every_mode(case: Case) -> None:
    """Contexts beyond the bounds, derivatives of one row and directional derivatives do something where contexts do."""
    for k in np.flatnonzero(case.env.context_space.continuous):
        _check_extrapolation(case, int(k))
    if case.env.has_derivatives:
        _check_derivatives_of_one_row(case)
        _check_expand(case)


def silent_mode(case: Case) -> str:
    """In which mode contexts do nothing, as the end of an error message; empty where they do the same in all modes.

    Args:
        case: one in which `simulate` gave two results for the same rows.
    """
    contexts = case.rows[2]
    others = np.roll(contexts, 1, axis=0)
    first = others.copy()
    first[0] = contexts[0]
    changed_alone = any(_differ(case, contexts[i : i + 1], others[i : i + 1], [i]) for i in range(min(_ROWS, len(contexts))))
    changed_together = _differ(case, contexts, others)
    if changed_together and not _differ(case, contexts, first):
        return (
            ". Every row is simulated in the context of the first row: take a coordinate of all rows by context[..., 0], "
            "not by context[0]"
        )
    same = _differ(case, np.tile(contexts[0], (len(contexts), 1)), np.tile(contexts[-1], (len(contexts), 1)))
    done = {
        "one row alone": changed_alone,
        "several rows of different contexts": changed_together,
        "several rows of one context": same,
    }
    if not any(done.values()):
        return (
            ". `simulate` ignores its argument `contexts`; it must use that one, not self.context"
            if _reset_matters(case)
            else ""
        )
    silent = [mode for mode, effect in done.items() if not effect]
    return f". Contexts do nothing where `simulate` gets {' or '.join(silent)}" if silent else ""


def _differ(case: Case, contexts: Contexts, others: Contexts, rows: list[int] | None = None) -> bool:
    """Whether other contexts change what `simulate` gives for some of the rows of the case."""
    states, actions, _, noise = (array if rows is None else array[rows] for array in case.rows)
    env = case.make()
    env.reset(seed=case.seed)
    pairs = zip(*(case.simulate((states, actions, chosen, noise), env=env) for chosen in (contexts, others)), strict=True)
    return any(not np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _reset_matters(case: Case) -> bool:
    """Whether the context of the last reset changes what `simulate` gives for the same rows."""
    results = []
    for context in (case.contexts[0], case.contexts[-1]):
        env = case.make()
        env.reset(seed=case.seed, options={"context": context})
        results.append(case.simulate(env=env))
    return any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(*results, strict=True))


def _check_extrapolation(case: Case, k: int) -> None:
    """A coordinate that does something within its bounds does something beyond them, where `extrapolate` admits that."""
    space = case.env.context_space
    for bound, sign in ((space.low[k], -1.0), (space.high[k], 1.0)):
        if not np.isfinite(bound):
            continue
        values = [bound - sign * widths(space)[k] / 10, bound, bound + sign * widths(space)[k] / 10]
        moved = [(_with(case.rows[2], k, value), _with(case.contexts, k, value)) for value in values]
        if not all(space.valid(part, extrapolate=True).all() for pair in moved for part in pair):
            continue  # against a constraint in some row
        inside, at, beyond = (outcomes(case, *pair) for pair in moved)
        assert not _changed(inside, at) or _changed(at, beyond), (
            f"{case.name}: context coordinate {space.names[k]!r} does nothing beyond its bound {bound:g}, although "
            f"reset(options={{'extrapolate': True}}) admits {values[2]:g}. Does an equation clip it to the bounds? Leave that "
            f"out, or refuse such contexts by constraints=[...] of the context space"
        )


def _check_derivatives_of_one_row(case: Case) -> None:
    rows = tuple(array[:_ROWS].copy() for array in case.rows)
    all_at_once = case.env.derivatives(*rows)
    one_by_one = [case.env.derivatives(*(array[i : i + 1] for array in rows)) for i in range(len(rows[0]))]
    for name, part, batch in zip(("next observations", "rewards"), zip(*one_by_one, strict=True), all_at_once, strict=True):
        assert np.concatenate(part).any() or not batch.any(), (
            f"{case.name}: `derivatives` of {name} are 0 for one row alone, and not 0 for {len(rows[0])} rows together"
        )


def _check_expand(case: Case) -> None:
    """`expand` along the context is not 0 everywhere where `derivatives` are not."""
    space = case.env.context_space
    states, actions, contexts, noise = (array[:_ROWS].copy() for array in case.rows)
    direction = np.tile(space.continuous * widths(space) / 1000, (len(states), 1))
    derivatives = case.env.derivatives(states, actions, contexts, noise)
    expected = [np.einsum("n...p,np->n...", part, direction) for part in derivatives]
    expanded = case.env.expand(states, actions, contexts, None, None, direction, noise)
    for name, a, b in zip(("next observations", "rewards"), expected, expanded, strict=True):
        assert np.any(b) or not _clear(a), (
            f"{case.name}: `expand` along the context gives 0 for all {name}, and `derivatives` do not: does it leave out "
            f"`dcontexts`?"
        )


def _clear(changes: Array) -> bool:
    """Whether changes are larger than what differences of float32 observations resolve."""
    return bool(np.abs(changes).max(initial=0) > 1e-5)


def _changed(before: list[Array], after: list[Array]) -> bool:
    return any((np.isfinite(a) & (a != b)).any() for a, b in zip(before, after, strict=True))


def _with(contexts: Contexts, k: int, value: float) -> Contexts:
    moved = contexts.copy()
    moved[:, k] = value
    return moved
