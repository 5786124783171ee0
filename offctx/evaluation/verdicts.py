"""Verdicts: what a comparison lets one conclude of each method, against the strongest null control.

1. The strongest null is the one with the highest mean return in the split, of the baseline and the null controls
   (`offctx.evaluation.arms`).
2. A method is "above" (or "below") where the whole interval of the joint difference to it lies above (below) 0, and "not
   above" else. The interval is over training seeds; with fewer than five of them there is no such verdict.
3. A learner that does not lie above the zero action in the split "train" is "not learned", and nothing is concluded from it.
   Where all methods have the same returns there, random actions included, there is nothing to learn in this split.
4. References (LDR, GDR) know more than the method does. The share of their gain over the baseline is reported, not judged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from offctx.evaluation.arms import NULL_CONTROLS, REFERENCES, is_fixed, names_of
from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.run import TRAIN
from offctx.evaluation.statistics import MIN_SEEDS, GapClosed, Interval, gap_closed

_ROUNDING = 1e-6  # of the larger return: smaller differences of returns are rounding errors

Status = Literal["above", "not above", "below", "not learned", "no interval over seeds", "no control"]


@dataclass(frozen=True)
class Verdict:
    """What is concluded of one method in one split.

    Attributes:
        method: its name.
        split: its name.
        status: "above", "not above" or "below" the strongest null; "not learned"; "no interval over seeds" where a method has
            fewer than five runs; "no control" where there is neither a baseline nor a null control.
        null: the name of the strongest null, or None.
        difference: the mean return of the method minus that of `null`, or None.
        shares: reference -> the share of its gain over the baseline; empty without a baseline, and where nothing is concluded.
    """

    method: str
    split: str
    status: Status
    null: str | None
    difference: Interval | None
    shares: Mapping[str, GapClosed]

    def to_dict(self) -> dict[str, Any]:
        """The record for strict JSON."""
        return vars(self) | {
            "difference": None if self.difference is None else self.difference.to_dict(),
            "shares": {name: share.to_dict() for name, share in self.shares.items()},
        }


@dataclass(frozen=True, eq=False, repr=False)
class JudgedRuns(ComparedRuns):
    """Compared runs with a verdict on each method.

    Attributes:
        controls: methods that are null controls besides those that are recognised by their names.
        controls_note: which null controls were left out or cut short, in a sentence; "" where none was.
    """

    controls: tuple[str, ...] = ()
    controls_note: str = ""

    @property
    def null_controls(self) -> tuple[str, ...]:
        """The methods that are null controls, the baseline apart."""
        named = {*names_of(self.methods, NULL_CONTROLS), *self.controls} - {self.baseline, self.reference}
        return tuple(method for method in self.methods if method in named)

    @property
    def references(self) -> tuple[str, ...]:
        """The methods that were given more than the others: the reference first."""
        named = [method for method in names_of(self.methods, REFERENCES) if method != self.baseline]
        return tuple(dict.fromkeys([*([] if self.reference is None else [self.reference]), *named]))

    @cached_property
    def learned(self) -> Mapping[str, bool | None]:
        """learner -> whether its return in the split "train" lies above that of the zero action.

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

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One verdict for each split and method that is neither the baseline nor a null control."""
        judged = [method for method in self.methods if method != self.baseline and method not in self.null_controls]
        return tuple(self._verdict(method, split) for split in self.splits for method in judged)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """method -> its name in tables and pictures, with a mark where it has not learnt."""
        return {method: f"{method} (not learned)" if self.learned.get(method) is False else method for method in self.methods}

    def _has_learned(self, method: str) -> bool | None:
        if self.null_action is None or TRAIN not in self.splits or self.nothing_to_learn:
            return None
        difference = self.difference(method, self.null_action, TRAIN)
        if not math.isnan(difference.low):
            return difference.low > 0
        return min(difference.values) > 0 if difference.values else None

    def _verdict(self, method: str, split: str) -> Verdict:
        nulls = [*([] if self.baseline is None else [self.baseline]), *self.null_controls]
        if not nulls:
            return Verdict(method, split, "no control", None, None, {})
        null = max(nulls, key=lambda name: float(self.returns(name, split).mean()))
        difference = self.difference(method, null, split)
        status = self._status(method, null, difference)
        shares = {} if status == "not learned" else self._shares(method, split)
        return Verdict(method, split, status, null, difference, shares)

    def _status(self, method: str, null: str, difference: Interval) -> Status:
        if self.learned.get(method) is False:
            return "not learned"
        constant = (is_fixed(null) or null in self.controls) and len(self.methods[null]) == 1
        arms = [method] if constant else [method, null]
        if min(len(self.methods[arm]) for arm in arms) < MIN_SEEDS:
            return "no interval over seeds"
        return "above" if difference.low > 0 else "below" if difference.high < 0 else "not above"

    def _shares(self, method: str, split: str) -> dict[str, GapClosed]:
        if self.baseline is None:
            return {}
        return {name: self._share(method, name, split) for name in self.references if name != method}

    def _share(self, method: str, reference: str, split: str) -> GapClosed:
        assert self.baseline is not None
        arms = (self.returns(name, split) for name in (method, self.baseline, reference))
        share = gap_closed(*arms, confidence=self.confidence)
        if self.learned.get(reference) is False:
            return GapClosed(None, False, share.difference, f"{reference} is not learned")
        return share
