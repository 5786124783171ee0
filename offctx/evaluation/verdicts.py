"""Verdicts: what a comparison lets one conclude of each method, against baseline and null controls by `rule`.

1. A method is judged against the baseline and each of the null controls (`offctx.evaluation.arms`). `rule` says when it is
   above, not above or below.
2. A learner that does not lie above the zero action and a random action in the split "train" is "not learned", and nothing is
   concluded from it. (The zero action is clipped to the bounds: with actions in [0, 2] it is an extreme, and a poor bar alone.)
   Where all methods have the same returns there, random actions included, there is nothing to learn in this split.
3. Beside the verdict stands the lead over the best null of each context: the method against a control that takes in each
   context the null that has the highest mean return there. The choice is made on the same returns, so that the lead errs on
   the low side.
4. References (LDR, GDR) know more than the method does. The share of their gain over the strongest null of the split is
   reported, not judged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from offctx.evaluation.arms import is_fixed, names_of
from offctx.evaluation.controlled import ControlledRuns
from offctx.evaluation.rule import Status, best_nulls, deciding_null, returns_of_each_context, status_of
from offctx.evaluation.run import TRAIN
from offctx.evaluation.statistics import MIN_SEEDS, GapClosed, Interval, difference

_ROUNDING = 1e-6  # of the larger return: smaller differences of returns are rounding errors


@dataclass(frozen=True)
class Verdict:
    """What is concluded of one method in one split.

    Attributes:
        method: its name.
        split: its name.
        status: "above" all nulls, "not above" or "below" the deciding one; "not learned"; "no interval over seeds" where a
            method has fewer than five runs, or fewer than five that differ; "no control" where there is neither a baseline nor
            a null control.
        null: the name of the deciding null, whose interval of method - null has the lowest lower end, or None.
        difference: the mean return of the method minus that of `null`, or None.
        shares: reference -> the share of its gain over `start`; empty without nulls, and where nothing is concluded.
        start: the name of the strongest null, with the highest mean return in the split, or None.
        lead: the mean return of the method minus that of the best null of each context, or None.
    """

    method: str
    split: str
    status: Status
    null: str | None
    difference: Interval | None
    shares: Mapping[str, GapClosed]
    start: str | None = None
    lead: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record for strict JSON."""
        return vars(self) | {
            "difference": None if self.difference is None else self.difference.to_dict(),
            "shares": {name: share.to_dict() for name, share in self.shares.items()},
            "lead": None if self.lead is None else self.lead.to_dict(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class JudgedRuns(ControlledRuns):
    """Compared runs with a verdict on each method."""

    @cached_property
    def learned(self) -> Mapping[str, bool | None]:
        """learner -> whether its return in the split "train" lies above those of the zero action and of a random action.

        With five runs or more, or with one, the whole interval of the difference must lie above 0 (over seeds, or over the
        episodes of the one agent); with two to four runs, the difference of every seed. None where this cannot be said: there
        is no split "train" or no zero (or constant) action, one episode gives no interval, or there is nothing to learn.
        """
        return {method: self._has_learned(method) for method in self.methods if not is_fixed(method)}

    @cached_property
    def nothing_to_learn(self) -> bool:
        """Whether all methods, random actions among them, have the same returns in the split "train", episode by episode.

        No action changes the return there, as in SimpleDirection at c = (0, 0). The other splits decide then.
        """
        if TRAIN not in self.splits or not names_of(self.methods, ["random"]):
            return False
        returns = [run.returns[TRAIN] for runs in self.methods.values() for run in runs]
        played = min(episodes.shape[1] for episodes in returns)  # a control may have fewer episodes
        together = np.stack([episodes[:, :played] for episodes in returns])
        return bool(np.ptp(together, axis=0).max() <= _ROUNDING * max(1.0, float(np.abs(together).max())))

    @property
    def null_action(self) -> str | None:
        """The method that plays the zero action, or where there is none, the constant action."""
        return next(iter((*names_of(self.methods, ["zero"]), *names_of(self.methods, ["constant"]))), None)

    @property
    def bar(self) -> tuple[str, ...]:
        """What a learner must be above in the split "train": the null action, and a random action where there is one."""
        return () if self.null_action is None else (self.null_action, *names_of(self.methods, ["random"]))

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One verdict for each split and method that is neither the baseline nor a null control."""
        learners = [method for method in self.methods if method != self.baseline and method not in self.null_controls]
        return tuple(self._verdict(method, split) for split in self.splits for method in learners)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """method -> its name in tables and pictures, with a mark where it has not learnt."""
        return {method: f"{method} (not learned)" if self.learned.get(method) is False else method for method in self.methods}

    def _has_learned(self, method: str) -> bool | None:
        if self.null_action is None or TRAIN not in self.splits or self.nothing_to_learn:
            return None
        above = {_above(self.difference(method, null, TRAIN)) for null in self.bar}
        return False if False in above else None if None in above else True

    def _verdict(self, method: str, split: str) -> Verdict:
        if not self.nulls:
            return Verdict(method, split, "no control", None, None, {})
        differences = {null: self._difference_from(method, null, split) for null in self.nulls}
        null = deciding_null(differences)
        status = status_of(differences[null], learned=self.learned.get(method) is not False)
        shares = {} if status == "not learned" else self._shares(method, split)
        return Verdict(method, split, status, null, differences[null], shares, self.start(split), self._lead(method, split))

    def _difference_from(self, method: str, null: str, split: str) -> Interval:
        """method - null; without an interval where the null is a learner whose seeds one run does not show."""
        interval = self.difference(method, null, split)
        return _without_bounds(interval) if self._no_seeds(method, null) else interval

    def _no_seeds(self, *methods: str) -> bool:
        """Whether the runs of these methods, the first against the others, are no sample of training seeds."""
        return any(map(self._too_often_repeated, methods)) or any(
            self._unknown_seeds(methods[0], other) for other in methods[1:]
        )

    def _too_often_repeated(self, method: str) -> bool:
        """Whether a method has identical runs, and fewer than five beside them: one report several times is no sample."""
        return method in self.repeated and self.distinct_runs(method) < MIN_SEEDS

    def _unknown_seeds(self, method: str, null: str) -> bool:
        """Whether one run of a learner would pass for a constant over the seeds of the other method."""
        runs, of_null = len(self.methods[method]), len(self.methods[null])
        constant = of_null == 1 and (is_fixed(null) or null in self.controls)
        return not constant and min(runs, of_null) == 1 < max(runs, of_null)

    def _lead(self, method: str, split: str) -> Interval:
        """method - best null of each context."""
        nulls = {null: self.returns(null, split) for null in self.nulls}
        chosen = best_nulls(nulls)
        interval = difference(self.returns(method, split), returns_of_each_context(nulls, chosen), confidence=self.confidence)
        return _without_bounds(interval) if self._no_seeds(method, *set(chosen)) else interval

    def _shares(self, method: str, split: str) -> dict[str, GapClosed]:
        return {name: self._learned_share(method, name, split) for name in self.references if name != method}

    def _learned_share(self, method: str, reference: str, split: str) -> GapClosed:
        share = self.share(method, reference, split)
        if self.learned.get(reference) is False:
            return GapClosed(None, False, share.difference, f"{reference} is not learned")
        repeated = [name for name in (method, self.start(split), reference) if name and self._too_often_repeated(name)]
        if repeated:
            return GapClosed(None, False, share.difference, f"fewer than {MIN_SEEDS} runs of {repeated[0]} differ")
        return share


def _above(difference: Interval) -> bool | None:
    """Whether a difference lies above 0: its interval, or the values of all seeds; None where it has neither."""
    if not math.isnan(difference.low):
        return difference.low > 0
    return min(difference.values) > 0 if difference.values else None


def _without_bounds(interval: Interval) -> Interval:
    return replace(interval, low=math.nan, high=math.nan, over=None)
