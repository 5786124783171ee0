"""Whether runs may be compared: the same environment, contexts and numbers of episodes."""

from collections.abc import Mapping

import numpy as np

from offctx.errors import EvaluationError
from offctx.evaluation.arms import is_fixed
from offctx.evaluation.run import EvaluatedRun


def check_comparable(methods: Mapping[str, tuple[EvaluatedRun, ...]]) -> None:
    """Raises EvaluationError where a method has no run, or where a run differs from the first one.

    A zero, random or constant action may have fewer episodes: they estimate one number, and a comparison that spans a physics
    simulator need not wait for more.
    """
    counts = {name: len(runs) for name, runs in methods.items()}
    if not counts or 0 in counts.values():
        raise EvaluationError(f"expected at least one method and a report for each, found {counts}")
    first_name, first_runs = next(iter(methods.items()))
    for name, runs in methods.items():
        for index, run in enumerate(runs):
            difference = _difference(first_runs[0], run, fewer_episodes=is_fixed(name))
            if difference is not None:
                raise EvaluationError(f"expected {name!r} (run {index}) as {first_name!r}: {difference}")
    _check_warm_ups(methods)


def _check_warm_ups(methods: Mapping[str, tuple[EvaluatedRun, ...]]) -> None:
    """Raises EvaluationError where runs were scored after different warm-ups. A method may have none."""
    warm_ups_of = {
        name: {None if run.adaptation is None else run.adaptation.seen for run in runs} for name, runs in methods.items()
    }
    for name, warm_ups in warm_ups_of.items():
        if len(warm_ups) > 1:
            raise EvaluationError(
                f"expected all runs of {name!r} after the same warm-ups, found numbers of steps {list(warm_ups)}"
            )
    several = {next(iter(warm_ups)) for warm_ups in warm_ups_of.values()} - {None}
    if len(several) > 1:
        raise EvaluationError(f"expected the same warm-ups for all methods, found numbers of steps {list(several)}")


def _difference(first: EvaluatedRun, other: EvaluatedRun, *, fewer_episodes: bool) -> str | None:
    """What keeps two runs from being compared, in words, or None."""
    if not isinstance(other, EvaluatedRun):
        return f"expected a ZeroShotReport, found {type(other).__name__}"
    for field in ("env_id", "context_names", "context_units"):
        if getattr(first, field) != getattr(other, field):
            return f"{field} is {getattr(first, field)!r} there, {getattr(other, field)!r} here"
    if set(first.splits) != set(other.splits):
        return f"splits are {list(first.splits)} there, {list(other.splits)} here"
    for split in first.splits:
        expected, actual = first.returns[split].shape, other.returns[split].shape
        if expected != actual and not (fewer_episodes and expected[0] == actual[0] and expected[1] > actual[1]):
            return f"contexts x episodes of split {split!r} are {expected} there, {actual} here"
        if not np.allclose(first.contexts[split], other.contexts[split], rtol=1e-9, atol=1e-12):
            return f"the contexts of split {split!r} differ"
    return None
