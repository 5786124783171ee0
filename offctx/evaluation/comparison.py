"""The numbers of several methods, side by side on the same contexts.

Dimensions: R training runs (seeds) of one method, K contexts of a split, M episodes per context, n training contexts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from offctx.analysis.sensitivity import Sensitivity
from offctx.errors import EvaluationError
from offctx.evaluation.comparability import check_comparable
from offctx.evaluation.fields import lookup
from offctx.evaluation.provenance import Provenance
from offctx.evaluation.run import EvaluatedRun
from offctx.evaluation.statistics import (
    Array,
    Interval,
    bootstrap_interval,
    context_intervals,
    difference,
    mean_interval,
)
from offctx.evaluation.statistics.streams import statistic_rng


@dataclass(frozen=True, eq=False)
class ComparedRuns:
    """Methods side by side on the same contexts, one run for each training seed of a method.

    Every number is a function of the runs and `seed`. It does not depend on what was computed before. `Comparison` adds
    printing and files.

    Attributes:
        methods: method -> its runs.
        baseline: the method that is judged against beside the null controls, or None.
        reference: the method at which a gap is closed, or None.
        confidence: of the intervals, in (0, 1).
        replicates: of the standard error of `iqm` where units are drawn (8 or more), at least 2.
        seed: of these replicates.
        title: of the written report; the environment's id where None.
        sensitivity: of the data that the methods were trained on, or None.
        provenance: where the numbers come from, or None.

    Raises:
        EvaluationError: the runs cannot be compared, or baseline and reference are not two of the methods.
    """

    methods: Mapping[str, tuple[EvaluatedRun, ...]]
    baseline: str | None = None
    reference: str | None = None
    confidence: float = 0.95
    replicates: int = 2000
    seed: int = 0
    title: str | None = None
    sensitivity: Sensitivity | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        check_comparable(self.methods)
        if self.sensitivity is not None and self.sensitivity.context_space.names != self.first.context_names:
            raise EvaluationError(
                f"expected the sensitivity of data with context {self.first.context_names}, as in the reports, found that "
                f"of {self.sensitivity.dataset_id} with {self.sensitivity.context_space.names}"
            )
        pair = (self.baseline, self.reference)
        if self.reference is not None and self.reference == self.baseline:
            raise EvaluationError(f"expected baseline and reference as two methods, found {pair}")
        if self.reference is not None and self.baseline is None:
            raise EvaluationError(f"expected a baseline beside the reference {self.reference!r}, found none")
        for name in pair:
            if name is not None:
                lookup(self.methods, name, "method")
        object.__setattr__(self, "methods", dict(self.methods))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.methods)}, {self.first.env_id!r}, splits {list(self.splits)})"

    @property
    def first(self) -> EvaluatedRun:
        """The first run. The environment, context names and contexts of all other runs are the same."""
        return next(iter(self.methods.values()))[0]

    @property
    def heading(self) -> str:
        """The title, or the environment's id where there is none."""
        return self.first.env_id if self.title is None else self.title

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order of the first run."""
        return self.first.splits

    @property
    def train_contexts(self) -> Array:
        """Every context that some run of some method was trained on, (n, p), each once."""
        runs = [run.train_contexts for runs in self.methods.values() for run in runs]
        return np.unique(np.concatenate(runs), axis=0)

    def returns(self, method: str, split: str) -> Array:
        """Returns the returns of a method in a split, undiscounted.

        Args:
            method: its name.
            split: its name.

        Returns:
            (R, K, M).

        Raises:
            EvaluationError: no such method or split.
        """
        runs = lookup(self.methods, method, "method")
        lookup(self.first.returns, split, "split")
        return np.stack([run.returns[split] for run in runs])

    def seed_means(self, method: str, split: str) -> Array:
        """Returns the mean return of each run over contexts and episodes.

        Args:
            method: its name.
            split: its name.

        Returns:
            (R,), in the order of the runs.

        Raises:
            EvaluationError: no such method or split.
        """
        return np.asarray(self.returns(method, split).mean(axis=(1, 2)))

    def aer(self, method: str, split: str) -> Interval:
        """Returns the average episode return over runs, contexts and episodes, with its interval.

        Args:
            method: its name.
            split: its name.

        Returns:
            the interval over seeds and episodes where the method has 5 runs or more, over episodes where it has one; with 2
            to 4 runs no interval, but the values of the runs.

        Raises:
            EvaluationError: no such method or split.
        """
        return mean_interval(self.returns(method, split), confidence=self.confidence)

    def difference(self, method: str, other: str, split: str) -> Interval:
        """Returns the mean return of a method minus that of another one, with its interval.

        Methods with the same number of runs are paired by the positions of their runs, which are the training seeds. A method
        with one run is a constant over the seeds of the other. All methods are paired by episode.

        Args:
            method: its name.
            other: the name of the method that is subtracted.
            split: its name.

        Raises:
            EvaluationError: no such methods or split.
        """
        return difference(self.returns(method, split), self.returns(other, split), confidence=self.confidence)

    def iqm(self, method: str, split: str) -> Interval:
        """Returns the interquartile mean with its interval, which is over seeds or episodes as that of `aer`.

        The mean is over episodes and contexts where the method has one run, else over runs and contexts.

        Args:
            method: its name.
            split: its name.

        Raises:
            EvaluationError: no such method or split.
        """
        return bootstrap_interval(
            self.returns(method, split),
            "iqm",
            rng=statistic_rng(self.seed, split, "iqm"),
            replicates=self.replicates,
            confidence=self.confidence,
        )

    def context_intervals(self, method: str, split: str) -> tuple[Array, Array, Array]:
        """Returns the mean return in each context with its interval, which is over seeds or episodes as that of `aer`.

        The same episodes have the same interval: in the only context of a split that of `aer`, and in a context of several
        splits one for all of them.

        Args:
            method: its name.
            split: its name.

        Returns:
            estimate (K,), low (K,), high (K,); bounds are NaN where `aer` has none.

        Raises:
            EvaluationError: no such method or split.
        """
        lookup(self.methods, method, "method")
        lookup(self.first.returns, split, "split")
        estimate, low, high = self.per_context[split][method]
        return estimate.copy(), low.copy(), high.copy()

    @cached_property
    def per_context(self) -> Mapping[str, Mapping[str, tuple[Array, Array, Array]]]:
        """split -> method -> `context_intervals`, computed once for pictures and tables."""
        return {
            split: {name: context_intervals(self.returns(name, split), confidence=self.confidence) for name in self.methods}
            for split in self.splits
        }

    @cached_property
    def distances(self) -> Mapping[str, Array]:
        """split -> distances (K,) of its contexts from those of the data, as `Sensitivity.from_data`; {} without sensitivity.

        A distance is infinite where a discrete coordinate differs.
        """
        if self.sensitivity is None:
            return {}
        return {split: self.sensitivity.from_data(rows) for split, rows in self.first.contexts.items()}
