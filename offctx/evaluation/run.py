"""The episodes that one trained policy played, and the numbers that follow from them alone.

Dimensions: K contexts of a split, M episodes per context, n training contexts, p context coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from offctx.contexts.kinds import Kinds
from offctx.errors import EvaluationError
from offctx.evaluation.adaptation import Adaptation
from offctx.evaluation.fields import (
    check_names,
    checked_context_kinds,
    checked_contexts,
    checked_lengths,
    checked_returns,
    finite_or_none,
    kinds_lists,
    lookup,
)
from offctx.evaluation.statistics import Array, Interval, bootstrap_interval, context_intervals
from offctx.evaluation.statistics.streams import statistic_rng

RunT = TypeVar("RunT", bound="EvaluatedRun")

RUN_SCHEMA = "offctx.report.run/1"
TRAIN = "train"  # the split that the train-to-test gap starts from


@dataclass(frozen=True, eq=False)
class EvaluatedRun:
    """The episodes that one policy played in the contexts of each split. Checked and read-only.

    `ZeroShotReport` adds printing and files.

    Attributes:
        policy: its label.
        env_id: the environment.
        context_names: of the p coordinates.
        context_units: of the p coordinates, "" where dimensionless.
        train_contexts: (n, p), the contexts that the policy was trained on, marked in pictures; n may be 0.
        contexts: split -> (K, p).
        returns: split -> (K, M), undiscounted.
        lengths: split -> (K, M), in steps.
        seed: of the evaluation, >= 0.
        context: "append" where the policy observed the context, after its observation; "hidden" where it did not.
        registered: whether `gymnasium.make(env_id)` makes the environment that was played, as it was played.
        context_kinds: what each of the p coordinates is declared to change, such as ("dynamics", "reward"); () for none. Where
            not given, nothing is declared.
        adaptation: the scores after warm-ups, beside the cold ones, which are `returns`; None where no warm-up was asked.

    Raises:
        EvaluationError: fields do not fit each other, or numbers are not finite.
    """

    policy: str
    env_id: str
    context_names: tuple[str, ...]
    context_units: tuple[str, ...]
    train_contexts: Array
    contexts: Mapping[str, Array]
    returns: Mapping[str, Array]
    lengths: Mapping[str, npt.NDArray[np.int64]]
    seed: int
    context: str
    registered: bool = False
    adaptation: Adaptation | None = None
    context_kinds: tuple[Kinds, ...] = ()

    def __post_init__(self) -> None:
        names, units = tuple(self.context_names), tuple(self.context_units)
        check_names(names, units)
        if self.context not in ("append", "hidden"):
            raise EvaluationError(f"expected context as 'append' or 'hidden', found {self.context!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, (int, np.integer)) or self.seed < 0:
            raise EvaluationError(f"expected seed as an integer of at least 0, found {self.seed!r}")
        if not self.contexts or not set(self.contexts) == set(self.returns) == set(self.lengths):
            raise EvaluationError(
                "expected the same splits, at least one, in contexts, returns and lengths, "
                f"found {list(self.contexts)}, {list(self.returns)} and {list(self.lengths)}"
            )
        if self.adaptation is not None and not set(self.adaptation.returns[0]) == set(self.contexts):
            raise EvaluationError(
                f"expected an adaptation of splits {list(self.contexts)}, found {list(self.adaptation.returns[0])}"
            )
        width = len(names)
        contexts = {k: checked_contexts(rows, width, f"contexts[{k!r}]") for k, rows in self.contexts.items()}
        returns = {k: checked_returns(self.returns[k], len(rows), f"returns[{k!r}]") for k, rows in contexts.items()}
        lengths = {k: checked_lengths(self.lengths[k], rows.shape, f"lengths[{k!r}]") for k, rows in returns.items()}
        checked = {
            "context_names": names,
            "context_units": units,
            "context_kinds": checked_context_kinds(self.context_kinds, names),
            "train_contexts": checked_contexts(self.train_contexts, width, "train_contexts", may_be_empty=True),
            "contexts": MappingProxyType(contexts),
            "returns": MappingProxyType(returns),
            "lengths": MappingProxyType(lengths),
            "seed": int(self.seed),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send reports by pickle, which keeps neither mapping proxies nor read-only arrays.
        return type(self).from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split}: {k} x {m}" for split, (k, m) in self.sizes().items())
        return f"{type(self).__name__}({self.policy!r}, {self.env_id!r}, contexts x episodes {{{sizes}}})"

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order in which they were given."""
        return tuple(self.contexts)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """The number of contexts and of episodes per context: split -> (K, M)."""
        return {split: (values.shape[0], values.shape[1]) for split, values in self.returns.items()}

    def aer(self, split: str) -> float:
        """Returns the average episode return: the mean over the contexts and episodes of the split.

        Args:
            split: its name.

        Raises:
            EvaluationError: no such split.
        """
        return float(lookup(self.returns, split, "split").mean())

    def iqm(self, split: str, confidence: float = 0.95, replicates: int = 2000) -> Interval:
        """Returns the interquartile mean over contexts and episodes, with its interval.

        The interval covers evaluation episodes, not training seeds. `seed` seeds the resampling of its standard error.

        Args:
            split: its name.
            confidence: of the interval, in (0, 1).
            replicates: of the standard error where there are 8 episodes or more, at least 2.

        Raises:
            EvaluationError: no such split, or a bad confidence or number of replicates.
        """
        returns = lookup(self.returns, split, "split")[np.newaxis]
        rng = statistic_rng(self.seed, split, "iqm")
        return bootstrap_interval(returns, "iqm", rng=rng, replicates=replicates, confidence=confidence)

    def worst_context(self, split: str) -> tuple[Array, float]:
        """Returns the context (p,) with the smallest mean return, and that mean return.

        Args:
            split: its name.

        Raises:
            EvaluationError: no such split.
        """
        means = lookup(self.returns, split, "split").mean(axis=1)
        worst = int(means.argmin())
        return self.contexts[split][worst], float(means[worst])

    def gap(self, split: str) -> float | None:
        """Returns the train-to-test gap, aer("train") - aer(split); None where there is no split "train".

        Args:
            split: its name.

        Raises:
            EvaluationError: no such split.
        """
        aer = self.aer(split)
        return self.aer(TRAIN) - aer if TRAIN in self.returns else None

    def after(self: RunT, seen: int) -> RunT:
        """Returns the scores after a number of transitions seen in the context, as a report of their own.

        Args:
            seen: one of `adaptation.seen`; 0 for the cold start.

        Raises:
            EvaluationError: the policy was not scored after so many transitions.

        Example::

            report = offctx.evaluate(policy, env, episodes=20, seed=0, warmup=(25, 128))
            report.after(128).aer("test") - report.after(0).aer("test")
        """
        if self.adaptation is None:
            if seen != 0:
                raise EvaluationError(f"expected a report with warmup={seen!r}, found one without warm-up")
            return self
        self.adaptation.check_seen(seen)
        returns, lengths = self.adaptation.returns[seen], self.adaptation.lengths[seen]
        return replace(self, returns=returns, lengths=lengths, adaptation=None)

    def table(self, split: str) -> list[dict[str, float | int | None]]:
        """Returns the numbers of each context of a split.

        Args:
            split: its name.

        Returns:
            One row per context: its coordinates by name, and mean, std, low, high and episodes. std is over episodes, with
            M - 1 in its denominator; low and high are the bounds of the 95 % interval of the mean over episodes. These three
            are None where M is 1. A coordinate with the name of a statistic appears as "context.<name>".

        Raises:
            EvaluationError: no such split.
        """
        returns = lookup(self.returns, split, "split")
        episodes = returns.shape[1]
        mean, low, high = context_intervals(returns[np.newaxis])
        spread = returns.std(axis=1, ddof=1) if episodes > 1 else np.full(len(returns), np.nan)
        statistics = {"mean": mean, "std": spread, "low": low, "high": high}
        names = [f"context.{name}" if name in {*statistics, "episodes"} else name for name in self.context_names]
        columns = dict(zip(names, self.contexts[split].T, strict=True)) | statistics
        rows = [{name: finite_or_none(column[k]) for name, column in columns.items()} for k in range(len(returns))]
        return [row | {"episodes": episodes} for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything, every episode included, for strict JSON. `from_dict` reads it."""
        run = self.own_dict()
        for split, values in run["splits"].items():
            values["contexts"] = self.contexts[split].tolist()
        names, units = list(self.context_names), list(self.context_units)
        kinds = {"context_kinds": kinds_lists(self.context_kinds)} if any(self.context_kinds) else {}
        return {"schema": RUN_SCHEMA, "env_id": self.env_id, "context_names": names, "context_units": units} | kinds | run

    def own_dict(self) -> dict[str, Any]:
        """Returns the fields in which the runs of a comparison may differ, for strict JSON."""
        adaptation = {} if self.adaptation is None else {"adaptation": self.adaptation.to_dict()}
        return {
            "policy": self.policy,
            "context": self.context,
            "registered": self.registered,
            "seed": self.seed,
            "train_contexts": self.train_contexts.tolist(),
            "splits": {
                split: {"returns": self.returns[split].tolist(), "lengths": self.lengths[split].tolist()}
                for split in self.splits
            },
        } | adaptation

    @classmethod
    def from_dict(cls: type[RunT], data: Mapping[str, Any]) -> RunT:
        """Returns what `to_dict` wrote.

        Args:
            data: the dict, or what strict JSON makes of it.

        Raises:
            EvaluationError: keys are missing, or their values do not fit each other.
        """
        try:
            width = len(data["context_names"])
            returns = {split: values["returns"] for split, values in data["splits"].items()}
            lengths = {split: values["lengths"] for split, values in data["splits"].items()}
            adaptation = data.get("adaptation")
            same = ("policy", "env_id", "context_names", "context_units", "seed", "context")
            return cls(
                train_contexts=np.reshape(np.asarray(data["train_contexts"], dtype=np.float64), (-1, width)),
                contexts={split: values["contexts"] for split, values in data["splits"].items()},
                returns=returns,
                lengths=lengths,
                adaptation=None if adaptation is None else Adaptation.from_dict(adaptation, returns, lengths),
                registered=bool(data.get("registered", False)),
                context_kinds=data.get("context_kinds") or (),  # reports before version 0.5 have none
                **{key: data[key] for key in same},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"expected a ZeroShotReport as a dict, found one with a fault: {error!r}") from error
