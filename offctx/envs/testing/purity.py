"""Properties 4 and 5: `simulate` is a pure function, and its rows are independent.

Dimensions: N rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from offctx.envs.base import Array
from offctx.envs.testing.case import Case
from offctx.envs.testing.comparison import OUTCOME, assert_same
from offctx.envs.testing.modes import silent_mode


def check_pure(case: Case) -> None:
    """`simulate` returns the promised shapes, does not change its arguments and remembers nothing."""
    rows = tuple(array.copy() for array in case.rows)
    states, actions, contexts, noise = rows
    expected = case.env.simulate(states, actions, contexts, noise)
    n = len(states)
    assert [np.shape(part) for part in expected] == [states.shape, (n,), (n,)] and expected[2].dtype == bool, (
        f"expected simulate to return next states {states.shape}, rewards ({n},) and boolean terminations ({n},); "
        f"found {[(np.shape(part), np.asarray(part).dtype) for part in expected]}"
    )
    assert_same(case.rows, rows, ("states", "actions", "contexts", "noise"), "simulate must not change its arguments")
    case.env.reset(seed=case.seed, options={"context": case.contexts[-1]})
    for env in (case.env, case.make()):
        with _naming_silent_mode(case):
            assert_same(expected, case.simulate(env=env), OUTCOME, "simulate called again must not remember anything")


def check_rows_independent(case: Case) -> None:
    """The results of a row do not depend on how many rows there are, nor on their order, nor on their contexts."""
    states, actions, contexts, noise = case.rows
    n = len(states)
    order = np.random.default_rng(case.seed).permutation(n)
    for size in (1, 3, n // 2 or 1, n):
        _compare(case, case.rows, order, size)
    _compare(case, (states, actions, np.tile(contexts[0], (n, 1)), noise), order, 1)


def _compare(case: Case, rows: tuple[Array, ...], order: Array, size: int) -> None:
    """Simulates all rows at once, and in batches of some size in another order."""
    expected, n = case.simulate(rows), len(order)
    batches = [order[begin : begin + size] for begin in range(0, n, size)]
    parts = [case.simulate(tuple(array[batch] for array in rows)) for batch in batches]
    simulated = [np.concatenate(part) for part in zip(*parts, strict=True)]
    where = f"a row must not depend on the rows it is simulated with: {n} at once against {size} in another order"
    with _naming_silent_mode(case):
        assert_same([part[order] for part in expected], simulated, OUTCOME, where)


@contextmanager
def _naming_silent_mode(case: Case) -> Iterator[None]:
    """Adds to an AssertionError in which mode contexts do nothing, if in one."""
    try:
        yield
    except AssertionError as error:
        hint = silent_mode(case)
        if not hint:
            raise
        raise AssertionError(f"{error}{hint}") from error
