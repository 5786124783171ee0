"""What a zero-shot evaluation found: the report of one policy, and the comparison of several.

Dimensions: R training runs (seeds) of one method, K contexts of a split, M episodes per context, n training contexts,
p context coordinates.

`ZeroShotReport` holds the episodes of one policy; `Comparison` sets the reports of several methods, one report for each
training run, side by side, and writes report.json, report.md, report.html and a picture per split. report.json:

    {"schema": "offctx.report/1", "env_id": str, "title": str, "context_names": [p], "context_units": [p],
     "train_contexts": [[p]] of all methods, "confidence": float, "replicates": int, "seed": int,
     "baseline": str | null, "reference": str | null, "splits": {split: {"contexts": [[p]]}},
     "sensitivity": null | `Sensitivity.to_dict` and {"dataset_id": str, "distances": {split: [K], null where infinite}},
     "methods": {method: {"runs": [{"policy", "context", "seed", "train_contexts",
                                    "splits": {split: {"returns": [[M]], "lengths": [[M]]}}}]}},
     "summary": [the rows of `Comparison.summary`]}

It is strict JSON: a number that does not exist (the bound of an interval over one episode) is null.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from offctx.analysis.sensitivity import Sensitivity
from offctx.errors import EvaluationError
from offctx.evaluation import render
from offctx.evaluation.statistics import (
    Array,
    GapClosed,
    Interval,
    Statistic,
    as_returns,
    bootstrap_interval,
    context_intervals,
    gap_closed,
)

SCHEMA = "offctx.report/1"
_RUN_SCHEMA = "offctx.report.run/1"
_TRAIN = "train"

_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class ZeroShotReport:
    """The episodes that one policy played in the contexts of each split. Checked and read-only.

    policy: its label. env_id: the environment. context_names, context_units: (p,), "" where dimensionless.
    train_contexts: (n, p), those the policy learnt from, n may be 0; marked in pictures.
    contexts: split -> (K, p).
    returns: split -> (K, M), undiscounted. lengths: split -> (K, M), in steps. seed: of the evaluation, >= 0.
    context: "append" where the policy saw the context after its observation, "hidden" where not.
    Raises EvaluationError where fields do not fit each other or returns are not finite.
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

    def __post_init__(self) -> None:
        names, units = tuple(self.context_names), tuple(self.context_units)
        _check_names(names, units)
        if self.context not in ("append", "hidden"):
            raise EvaluationError(f"expected context as 'append' or 'hidden', found {self.context!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, (int, np.integer)) or self.seed < 0:
            raise EvaluationError(f"expected seed as an integer of at least 0, found {self.seed!r}")
        if not self.contexts or not set(self.contexts) == set(self.returns) == set(self.lengths):
            raise EvaluationError(
                "expected the same splits, at least one, in contexts, returns and lengths, "
                f"found {list(self.contexts)}, {list(self.returns)} and {list(self.lengths)}"
            )
        width = len(names)
        contexts = {k: _points(rows, width, f"contexts[{k!r}]") for k, rows in self.contexts.items()}
        returns = {k: _episodes(self.returns[k], len(rows), f"returns[{k!r}]") for k, rows in contexts.items()}
        lengths = {k: _steps(self.lengths[k], rows.shape, f"lengths[{k!r}]") for k, rows in returns.items()}
        made = {
            "context_names": names,
            "context_units": units,
            "train_contexts": _points(self.train_contexts, width, "train_contexts"),
            "contexts": MappingProxyType(contexts),
            "returns": MappingProxyType(returns),
            "lengths": MappingProxyType(lengths),
            "seed": int(self.seed),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # Reports come back from worker processes by pickle, which keeps neither mapping proxies nor read-only arrays.
        return ZeroShotReport.from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split}: {k} x {m}" for split, (k, m) in self.sizes().items())
        return f"ZeroShotReport({self.policy!r}, {self.env_id!r}, contexts x episodes {{{sizes}}})"

    def __str__(self) -> str:
        return str(self._alone())

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order they were given."""
        return tuple(self.contexts)

    def aer(self, split: str) -> float:
        """The average episode return: the mean over the contexts and episodes of the split."""
        return float(_of(self.returns, split, "split").mean())

    def iqm(self, split: str, confidence: float = 0.95, replicates: int = 2000) -> Interval:
        """The interquartile mean over contexts and episodes, with its stratified bootstrap interval.

        The interval covers evaluation episodes, not training seeds. The bootstrap is seeded by `seed`.
        """
        returns = _of(self.returns, split, "split")[np.newaxis]
        rng = _rng(self.seed, split, "iqm")
        return bootstrap_interval(returns, "iqm", rng=rng, replicates=replicates, confidence=confidence)

    def worst_context(self, split: str) -> tuple[Array, float]:
        """The context (p,) of least mean return, and that return."""
        means = _of(self.returns, split, "split").mean(axis=1)
        worst = int(means.argmin())
        return self.contexts[split][worst], float(means[worst])

    def gap(self, split: str) -> float | None:
        """The train-to-test gap, aer("train") - aer(split); None where there is no split named "train"."""
        found = self.aer(split)
        return self.aer(_TRAIN) - found if _TRAIN in self.returns else None

    def table(self, split: str) -> list[dict[str, float | int | None]]:
        """One row per context: its coordinates by name, mean, std, low, high and episodes.

        std: over episodes, M - 1 in its denominator. low, high: 95 % bootstrap interval of the mean. All
        three are None where M is 1. A coordinate with the name of a statistic appears as "context.<name>".
        """
        returns = _of(self.returns, split, "split")
        episodes = returns.shape[1]
        mean, low, high = context_intervals(returns[np.newaxis], rng=_rng(self.seed, split, "contexts"))
        spread = returns.std(axis=1, ddof=1) if episodes > 1 else np.full(len(returns), np.nan)
        statistics = {"mean": mean, "std": spread, "low": low, "high": high}
        names = [f"context.{name}" if name in {*statistics, "episodes"} else name for name in self.context_names]
        columns = dict(zip(names, self.contexts[split].T, strict=True)) | statistics
        rows = [{name: _finite(column[k]) for name, column in columns.items()} for k in range(len(returns))]
        return [row | {"episodes": episodes} for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Everything, every episode included, ready for strict JSON; `from_dict` reads it back."""
        run = self._run_dict()
        for split, values in run["splits"].items():
            values["contexts"] = self.contexts[split].tolist()
        names, units = list(self.context_names), list(self.context_units)
        return {"schema": _RUN_SCHEMA, "env_id": self.env_id, "context_names": names, "context_units": units, **run}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ZeroShotReport:
        """The report that `to_dict` wrote. Raises EvaluationError where keys are missing or do not fit."""
        try:
            width = len(data["context_names"])
            same = ("policy", "env_id", "context_names", "context_units", "seed", "context")
            return cls(
                train_contexts=np.reshape(np.asarray(data["train_contexts"], dtype=np.float64), (-1, width)),
                contexts={split: values["contexts"] for split, values in data["splits"].items()},
                returns={split: values["returns"] for split, values in data["splits"].items()},
                lengths={split: values["lengths"] for split, values in data["splits"].items()},
                **{key: data[key] for key in same},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"expected a ZeroShotReport as a dict, found one with a fault: {error!r}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ZeroShotReport:
        """The report in a report.json (or in a folder that has one) of one policy.

        Raises EvaluationError where the file is no such report, or holds several methods or runs.
        """
        file = Path(path)
        file = file / "report.json" if file.is_dir() else file
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EvaluationError(f"expected a report.json at {file}, found none that reads: {error}") from error
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema == _RUN_SCHEMA:
            return cls.from_dict(data)
        if schema != SCHEMA:
            raise EvaluationError(f"expected schema {SCHEMA!r} in {file}, found {schema!r}")
        runs = {method: len(found["runs"]) for method, found in data["methods"].items()}
        if sum(runs.values()) != 1:
            raise EvaluationError(f"expected one method of one run in {file}, found runs {runs}")
        (method,) = data["methods"].values()
        run = method["runs"][0]
        splits = {split: values | data["splits"][split] for split, values in run["splits"].items()}
        return cls.from_dict({**data, **run, "splits": splits})

    def save(self, folder: str | os.PathLike[str], *, sensitivity: Sensitivity | None = None) -> Path:
        """Write report.json, report.md, report.html and a PNG per split into `folder`; returns it.

        sensitivity: of the data that the policy learnt from; adds the return against the distance from them.
        """
        return self._alone(sensitivity).save(folder)

    def _alone(self, sensitivity: Sensitivity | None = None) -> Comparison:
        return compare({self.policy: self}, seed=self.seed, sensitivity=sensitivity)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """split -> (K, M)."""
        return {split: (values.shape[0], values.shape[1]) for split, values in self.returns.items()}

    def _run_dict(self) -> dict[str, Any]:
        """What is this run's own among the runs of a comparison."""
        return {
            "policy": self.policy,
            "context": self.context,
            "seed": self.seed,
            "train_contexts": self.train_contexts.tolist(),
            "splits": {
                split: {"returns": self.returns[split].tolist(), "lengths": self.lengths[split].tolist()}
                for split in self.splits
            },
        }


def _check_names(names: tuple[str, ...], units: tuple[str, ...]) -> None:
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise EvaluationError(f"expected context names that are distinct and not empty, found {names}")
    if len(units) != len(names) or not all(isinstance(unit, str) for unit in units):
        raise EvaluationError(f"expected one unit for each of {names}, '' where dimensionless, found {units}")


def _points(values: npt.ArrayLike, width: int, label: str) -> Array:
    array = np.array(values, dtype=np.float64)
    empty = array.shape[:1] == (0,) and label != "train_contexts"
    if array.ndim != 2 or array.shape[1] != width or empty:
        raise EvaluationError(f"expected {label} of shape (K, {width}), found {array.shape}")
    if not np.isfinite(array).all():
        raise EvaluationError(f"expected finite {label}, found NaN or infinite entries")
    return _frozen(array)


def _episodes(values: npt.ArrayLike, rows: int, label: str) -> Array:
    array = as_returns(np.array(values)[np.newaxis], label)[0]
    if len(array) != rows:
        expected = f"({rows}, episodes), one row a context"
        raise EvaluationError(f"expected {label} of shape {expected}, found {array.shape}")
    return _frozen(array)


def _steps(values: npt.ArrayLike, shape: tuple[int, ...], label: str) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != shape or not np.issubdtype(array.dtype, np.number):
        found = f"{array.dtype} of shape {array.shape}"
        raise EvaluationError(f"expected {label} as numbers of shape {shape}, as its returns, found {found}")
    if not (np.isfinite(array) & (array >= 0) & (array == np.rint(array))).all():
        raise EvaluationError(f"expected {label} in whole steps, found {array.min()} to {array.max()}")
    return _frozen(array.astype(np.int64))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array


def compare(
    reports: Mapping[str, ZeroShotReport | Sequence[ZeroShotReport]],
    *,
    baseline: str | None = None,
    reference: str | None = None,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
    title: str | None = None,
    sensitivity: Sensitivity | None = None,
) -> Comparison:
    """Set methods side by side: method -> its report, or one report for each training run.

    baseline, reference: methods between which the others close a gap; both or neither. seed: of the bootstrap.
    title: of the written report; the environment's id where None. sensitivity: `offctx.context_sensitivity` of the data
    that the methods learnt from; adds to the written report the return against the distance from their contexts.
    Raises EvaluationError where reports differ in environment, context names, splits, contexts or episodes.
    """
    methods = {name: (found,) if isinstance(found, ZeroShotReport) else tuple(found) for name, found in reports.items()}
    return Comparison(methods, baseline, reference, confidence, replicates, seed, title, sensitivity)


@dataclass(frozen=True)
class SummaryRow:
    """One method on one split; fields as in `Comparison.summary`."""

    method: str
    split: str
    runs: int
    contexts: int
    episodes: int
    aer: Interval
    iqm: Interval
    worst_context: Mapping[str, float]
    worst_return: float
    gap: float | None
    gap_closed: GapClosed | None

    def to_dict(self) -> dict[str, Any]:
        """The row, ready for strict JSON."""
        return vars(self) | {
            "aer": self.aer.to_dict(),
            "iqm": self.iqm.to_dict(),
            "worst_context": dict(self.worst_context),
            "gap_closed": None if self.gap_closed is None else self.gap_closed.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods side by side on the same contexts; made by `compare`, whose arguments its fields are.

    Every number is a function of the reports and `seed`: the same again, however often and in whatever order asked.
    """

    methods: Mapping[str, tuple[ZeroShotReport, ...]]
    baseline: str | None = None
    reference: str | None = None
    confidence: float = 0.95
    replicates: int = 2000
    seed: int = 0
    title: str | None = None
    sensitivity: Sensitivity | None = None

    def __post_init__(self) -> None:
        _check_comparable(self.methods)
        if self.sensitivity is not None and self.sensitivity.context_space.names != self.first.context_names:
            raise EvaluationError(
                f"expected the sensitivity of data with context {self.first.context_names}, as in the reports, found that "
                f"of {self.sensitivity.dataset_id} with {self.sensitivity.context_space.names}"
            )
        pair = (self.baseline, self.reference)
        if (self.baseline is None) != (self.reference is None) or (None not in pair and pair[0] == pair[1]):
            raise EvaluationError(f"expected baseline and reference as two methods or neither, found {pair}")
        for name in pair:
            if name is not None:
                _of(self.methods, name, "method")
        object.__setattr__(self, "methods", dict(self.methods))

    def __repr__(self) -> str:
        return f"Comparison({list(self.methods)}, {self.first.env_id!r}, splits {list(self.splits)})"

    def __str__(self) -> str:
        return render.text(self)

    @property
    def first(self) -> ZeroShotReport:
        """The first report; environment, context names and contexts of all others are as its own."""
        return next(iter(self.methods.values()))[0]

    @property
    def heading(self) -> str:
        """The title, or the environment's id where there is none."""
        return self.first.env_id if self.title is None else self.title

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order of the first report."""
        return self.first.splits

    @property
    def train_contexts(self) -> Array:
        """Every context that some run of some method learnt from, (n, p), each once."""
        runs = [run.train_contexts for reports in self.methods.values() for run in reports]
        return np.unique(np.concatenate(runs), axis=0)

    def returns(self, method: str, split: str) -> Array:
        """The returns of a method, (R, K, M)."""
        runs = _of(self.methods, method, "method")
        _of(self.first.returns, split, "split")
        return np.stack([run.returns[split] for run in runs])

    def aer(self, method: str, split: str) -> Interval:
        """The average episode return over runs, contexts and episodes, with its bootstrap interval."""
        return self._interval(method, split, "mean")

    def iqm(self, method: str, split: str) -> Interval:
        """The interquartile mean with its bootstrap interval (over what: `bootstrap_interval`)."""
        return self._interval(method, split, "iqm")

    def context_intervals(self, method: str, split: str) -> tuple[Array, Array, Array]:
        """The mean return in each context, (K,), and its interval's low (K,) and high (K,)."""
        rng = _rng(self.seed, split, "contexts")
        returns = self.returns(method, split)
        return context_intervals(returns, rng=rng, replicates=self.replicates, confidence=self.confidence)

    @cached_property
    def per_context(self) -> Mapping[str, Mapping[str, tuple[Array, Array, Array]]]:
        """split -> method -> `context_intervals`, made once for the picture and the tables."""
        return {split: {name: self.context_intervals(name, split) for name in self.methods} for split in self.splits}

    @cached_property
    def distances(self) -> Mapping[str, Array]:
        """split -> how far its contexts are from those of the data, (K,); nothing without a sensitivity.

        Infinite where a discrete coordinate differs. See `offctx.Sensitivity.from_data`.
        """
        if self.sensitivity is None:
            return {}
        return {split: self.sensitivity.from_data(rows) for split, rows in self.first.contexts.items()}

    def gap_closed(self, method: str, split: str) -> GapClosed:
        """The share of the gap from baseline to reference that it closes; see `statistics.gap_closed`."""
        if self.baseline is None or self.reference is None:
            raise EvaluationError("expected a comparison with a baseline and a reference, found one without")
        return gap_closed(
            self.returns(method, split),
            self.returns(self.baseline, split),
            self.returns(self.reference, split),
            rng=_rng(self.seed, split, "gap"),
            replicates=self.replicates,
            confidence=self.confidence,
        )

    @cached_property
    def rows(self) -> tuple[SummaryRow, ...]:
        """The summary, one row per split and method."""
        return tuple(self._row(method, split) for split in self.splits for method in self.methods)

    def summary(self) -> list[dict[str, Any]]:
        """One row per split and method, ready for strict JSON.

        Keys: method, split, runs (R), contexts (K), episodes (M, per context and run), aer and iqm (dicts of
        `Interval`), worst_context (name -> value) and worst_return, gap (AER of "train" less that of this split; None
        where there is no "train"), gap_closed (dict of `GapClosed`; None for baseline, reference, or without them).
        """
        return [row.to_dict() for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """report.json, whose schema the module states."""
        first = self.first
        return {
            "schema": SCHEMA,
            "env_id": first.env_id,
            "title": self.heading,
            "context_names": list(first.context_names),
            "context_units": list(first.context_units),
            "train_contexts": self.train_contexts.tolist(),
            "confidence": self.confidence,
            "replicates": self.replicates,
            "seed": self.seed,
            "baseline": self.baseline,
            "reference": self.reference,
            "splits": {split: {"contexts": first.contexts[split].tolist()} for split in self.splits},
            "sensitivity": self._sensitivity_dict(),
            "methods": {name: {"runs": [run._run_dict() for run in runs]} for name, runs in self.methods.items()},
            "summary": self.summary(),
        }

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.json, report.md, report.html and a PNG per split into `folder`; returns it.

        With a sensitivity there is distance.png too. Files are written aside, then moved into place one by one,
        report.json last: a crash leaves no half-written file, and a report.json that is new has its companions. Other
        files of the folder are left alone.
        """
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise EvaluationError(f"expected a folder to write the report into, found a file: {target}")
        data = json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False, indent=1)
        render.write_aside(render.files(self) | {"report.json": data.encode()}, target)
        return target

    def _sensitivity_dict(self) -> dict[str, Any] | None:
        if self.sensitivity is None:
            return None
        distances = {split: [_finite(value) for value in found] for split, found in self.distances.items()}
        return self.sensitivity.to_dict() | {"dataset_id": self.sensitivity.dataset_id, "distances": distances}

    def _row(self, method: str, split: str) -> SummaryRow:
        returns = self.returns(method, split)
        means = returns.mean(axis=(0, 2))
        worst = self.first.contexts[split][int(means.argmin())]
        gap = float(self.returns(method, _TRAIN).mean() - returns.mean()) if _TRAIN in self.splits else None
        closed = None
        if self.baseline is not None and method not in (self.baseline, self.reference):
            closed = self.gap_closed(method, split)
        runs, contexts, episodes = returns.shape
        return SummaryRow(
            method,
            split,
            runs,
            contexts,
            episodes,
            aer=self.aer(method, split),
            iqm=self.iqm(method, split),
            worst_context=dict(zip(self.first.context_names, worst.tolist(), strict=True)),
            worst_return=float(means.min()),
            gap=gap,
            gap_closed=closed,
        )

    def _interval(self, method: str, split: str, statistic: Statistic) -> Interval:
        returns, rng = self.returns(method, split), _rng(self.seed, split, statistic)
        return bootstrap_interval(returns, statistic, rng=rng, replicates=self.replicates, confidence=self.confidence)


def _check_comparable(methods: Mapping[str, tuple[ZeroShotReport, ...]]) -> None:
    counts = {name: len(runs) for name, runs in methods.items()}
    if not counts or 0 in counts.values():
        raise EvaluationError(f"expected at least one method and a report for each, found {counts}")
    first_name, first_runs = next(iter(methods.items()))
    for name, runs in methods.items():
        for index, run in enumerate(runs):
            difference = _difference(first_runs[0], run)
            if difference is not None:
                raise EvaluationError(f"expected {name!r} (run {index}) as {first_name!r}: {difference}")


def _difference(first: ZeroShotReport, other: ZeroShotReport) -> str | None:
    """What keeps two reports from being compared, in words, or None."""
    if not isinstance(other, ZeroShotReport):
        return f"expected a ZeroShotReport, found {type(other).__name__}"
    for field in ("env_id", "context_names", "context_units"):
        if getattr(first, field) != getattr(other, field):
            return f"{field} is {getattr(first, field)!r} there, {getattr(other, field)!r} here"
    if set(first.splits) != set(other.splits):
        return f"splits are {list(first.splits)} there, {list(other.splits)} here"
    for split in first.splits:
        theirs, ours = first.returns[split].shape, other.returns[split].shape
        if theirs != ours:
            return f"contexts x episodes of split {split!r} are {theirs} there, {ours} here"
        if not np.allclose(first.contexts[split], other.contexts[split], rtol=1e-9, atol=1e-12):
            return f"the contexts of split {split!r} differ"
    return None


def _of(mapping: Mapping[str, _Value], key: str, kind: str) -> _Value:
    if key not in mapping:
        raise EvaluationError(f"unknown {kind} {key!r}; known: {list(mapping)}")
    return mapping[key]


def _rng(seed: int, split: str, statistic: str) -> np.random.Generator:
    """One stream for each number of the report, so that none depends on which others were asked for before.

    Methods share it: their intervals then differ by their returns, not by the draw.
    """
    return np.random.default_rng([seed, zlib.crc32(split.encode()), zlib.crc32(statistic.encode())])
