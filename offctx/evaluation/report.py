"""What a zero-shot evaluation found: the report of one policy, and the comparison of several.

Dimensions: R training runs (seeds) of one method, K contexts of a split, M episodes per context, n training
contexts, p context coordinates.

`ZeroShotReport` holds the episodes of one policy; `Comparison` sets the reports of several methods, one
report for each training run, side by side, and writes report.json, report.md, report.html and a picture per
split. report.json:

    {"schema": "offctx.report/1", "env_id": str, "title": str, "context_names": [p], "context_units": [p],
     "train_contexts": [[p]] of all methods, "confidence": float, "replicates": int, "seed": int,
     "baseline": str | null, "reference": str | null, "splits": {split: {"contexts": [[p]]}},
     "methods": {method: {"runs": [{"policy", "context", "seed", "train_contexts",
                                    "splits": {split: {"returns": [[M]], "lengths": [[M]]}}}]}},
     "summary": [the rows of `Comparison.summary`]}

It is strict JSON: a number that does not exist (the bound of an interval over one episode) is null.
"""

from __future__ import annotations

import base64
import copy
import html
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError
from offctx.evaluation import plots
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
_FEW_RUNS = 5
_ROWS_UNFOLDED = 30  # a longer table of contexts starts folded in HTML

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
        contexts = {
            split: _points(self.contexts[split], width, f"contexts[{split!r}]") for split in self.contexts
        }
        returns = {split: _episodes(self.returns[split], contexts[split], split) for split in contexts}
        lengths = {split: _steps(self.lengths[split], returns[split], split) for split in contexts}
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
        # Mapping proxies do not pickle, and pickled arrays come back writable: make the record anew instead.
        values = (getattr(self, field.name) for field in fields(self))
        return type(self), tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split}: {k} x {m}" for split, (k, m) in self._sizes().items())
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
        taken = {*statistics, "episodes"}
        names = [f"context.{name}" if name in taken else name for name in self.context_names]
        columns = dict(zip(names, self.contexts[split].T, strict=True)) | statistics
        return [
            {name: _number(column[k]) for name, column in columns.items()} | {"episodes": episodes}
            for k in range(len(returns))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, every episode included, ready for strict JSON; `from_dict` reads it back."""
        run = self._run_dict()
        for split, values in run["splits"].items():
            values["contexts"] = self.contexts[split].tolist()
        return {
            "schema": _RUN_SCHEMA,
            "env_id": self.env_id,
            "context_names": list(self.context_names),
            "context_units": list(self.context_units),
            **run,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ZeroShotReport:
        """The report that `to_dict` wrote. Raises EvaluationError where keys are missing or do not fit."""
        try:
            splits = data["splits"]
            width = len(data["context_names"])
            return cls(
                policy=data["policy"],
                env_id=data["env_id"],
                context_names=tuple(data["context_names"]),
                context_units=tuple(data["context_units"]),
                train_contexts=np.reshape(np.asarray(data["train_contexts"], dtype=np.float64), (-1, width)),
                contexts={split: np.asarray(values["contexts"]) for split, values in splits.items()},
                returns={split: np.asarray(values["returns"]) for split, values in splits.items()},
                lengths={split: np.asarray(values["lengths"]) for split, values in splits.items()},
                seed=data["seed"],
                context=data["context"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(
                f"expected the dict of a ZeroShotReport, found one with a fault: {error!r}"
            ) from error

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
            raise EvaluationError(
                f"expected a report.json at {file}, found none that reads: {error}"
            ) from error
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

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.json, report.md, report.html and a PNG per split into `folder`; returns it."""
        return self._alone().save(folder)

    def _alone(self) -> Comparison:
        return compare({self.policy: self}, seed=self.seed)

    def _sizes(self) -> dict[str, tuple[int, int]]:
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


def compare(
    reports: Mapping[str, ZeroShotReport | Sequence[ZeroShotReport]],
    *,
    baseline: str | None = None,
    reference: str | None = None,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
    title: str | None = None,
) -> Comparison:
    """Set methods side by side: method -> its report, or one report for each training run.

    baseline, reference: methods between which the others close a gap; both or neither. seed: of the
    bootstrap.
    title: of the written report; the environment's id where None.
    Raises EvaluationError where reports differ in environment, context names, splits, contexts or episodes.
    """
    methods = {
        name: (found,) if isinstance(found, ZeroShotReport) else tuple(found)
        for name, found in reports.items()
    }
    return Comparison(methods, baseline, reference, confidence, replicates, seed, title)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods side by side on the same contexts; made by `compare`, whose arguments its fields are.

    Every number is a function of the reports and `seed`: the same again, however often and in whatever order
    asked.
    """

    methods: Mapping[str, tuple[ZeroShotReport, ...]]
    baseline: str | None = None
    reference: str | None = None
    confidence: float = 0.95
    replicates: int = 2000
    seed: int = 0
    title: str | None = None

    def __post_init__(self) -> None:
        _check_comparable(self.methods)
        pair = (self.baseline, self.reference)
        if (self.baseline is None) != (self.reference is None) or (None not in pair and pair[0] == pair[1]):
            raise EvaluationError(f"expected baseline and reference as two methods or neither, found {pair}")
        for name in pair:
            if name is not None:
                _of(self.methods, name, "method")
        object.__setattr__(self, "methods", MappingProxyType(dict(self.methods)))

    def __reduce__(self) -> tuple[Any, ...]:
        rest = (getattr(self, field.name) for field in fields(self)[1:])
        return type(self), (dict(self.methods), *rest)

    def __repr__(self) -> str:
        return f"Comparison({list(self.methods)}, {self._first.env_id!r}, splits {list(self.splits)})"

    def __str__(self) -> str:
        headers, rows = _summary_cells(self)
        notes = [self._heading, "", _text_table(headers, rows), "", self.intervals_note()]
        return "\n".join(notes)

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order of the first report."""
        return self._first.splits

    @property
    def train_contexts(self) -> Array:
        """Every context that some run of some method learnt from, (n, p), each once."""
        runs = [run.train_contexts for reports in self.methods.values() for run in reports]
        return np.unique(np.concatenate(runs), axis=0)

    def returns(self, method: str, split: str) -> Array:
        """The returns of a method, (R, K, M)."""
        runs = _of(self.methods, method, "method")
        _of(self._first.returns, split, "split")
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

    def summary(self) -> list[dict[str, Any]]:
        """One row per split and method, ready for strict JSON.

        Keys: method, split, runs (R), contexts (K), episodes (M, per context and run), aer and iqm (dicts of
        `Interval`), worst_context (name -> value) and worst_return, gap (train to test: AER of "train" less
        that of this split; None without such a split), gap_closed (dict of `GapClosed`; None for baseline and
        reference, or where there are none).
        """
        return copy.deepcopy(self._rows)

    def to_dict(self) -> dict[str, Any]:
        """report.json, whose schema the module states."""
        first = self._first
        return {
            "schema": SCHEMA,
            "env_id": first.env_id,
            "title": self._heading,
            "context_names": list(first.context_names),
            "context_units": list(first.context_units),
            "train_contexts": self.train_contexts.tolist(),
            "confidence": self.confidence,
            "replicates": self.replicates,
            "seed": self.seed,
            "baseline": self.baseline,
            "reference": self.reference,
            "splits": {split: {"contexts": first.contexts[split].tolist()} for split in self.splits},
            "methods": {
                name: {"runs": [run._run_dict() for run in runs]} for name, runs in self.methods.items()
            },
            "summary": self.summary(),
        }

    def to_markdown(self) -> str:
        """report.md: for each split its picture and the return per context, then the aggregates."""
        lines = [f"# {_md(self._heading)}", "", _md(self.subject()), "", _md(self.intervals_note())]
        images = self._image_names
        for split in self.splits:
            label = _md(split)
            lines += ["", f"## {label}", "", f"![Mean return per context, {label}]({images[split]})", ""]
            lines += [_md_table(*_context_cells(self, split))]
        lines += ["", "## Aggregates", "", _md_table(*_summary_cells(self))]
        lines += ["", *(f"- {_md(note)}" for note in self._column_notes())]
        return "\n".join(lines) + "\n"

    def to_html(self, images: Mapping[str, bytes]) -> str:
        """report.html, with nothing outside it: images maps each split to its PNG."""
        parts = [f"<h1>{html.escape(self._heading)}</h1>", f"<p>{html.escape(self.subject())}</p>"]
        parts += [f'<p class="note">{html.escape(self.intervals_note())}</p>']
        for split in self.splits:
            data = base64.b64encode(_of(images, split, "picture")).decode("ascii")
            label = html.escape(split)
            parts += [f"<h2>{label}</h2>"]
            parts += [f'<img alt="Mean return per context, {label}" src="data:image/png;base64,{data}">']
            headers, rows = _context_cells(self, split)
            folded = "" if len(rows) > _ROWS_UNFOLDED else " open"
            caption = f"Mean return per context ({len(rows)} contexts)"
            parts += [f"<details{folded}><summary>{caption}</summary>{_html_table(headers, rows)}</details>"]
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self._column_notes())
        parts += ["<h2>Aggregates</h2>", _html_table(*_summary_cells(self)), f"<ul>{notes}</ul>"]
        return _PAGE.format(title=html.escape(self._heading), style=_STYLE, body="\n".join(parts))

    def figures(self) -> dict[str, bytes]:
        """The picture of each split, as PNG."""
        return {split: self._figure(split) for split in self.splits}

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.json, report.md, report.html and a PNG per split into `folder`; returns it.

        Files are written aside, then moved into place one by one, report.json last: a crash leaves no
        half-written file, and a report.json that is new has its companions. Other files of the folder are
        left alone.
        """
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise EvaluationError(f"expected a folder to write the report into, found a file: {target}")
        images = self.figures()
        files = {self._image_names[split]: png for split, png in images.items()}
        files["report.md"] = self.to_markdown().encode()
        files["report.html"] = self.to_html(images).encode()
        text = json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False, indent=1)
        files["report.json"] = text.encode()
        _write_aside(files, target)
        return target

    def subject(self) -> str:
        """A sentence that says what was played."""
        names = ", ".join(
            f"{name} [{unit}]" if unit else name
            for name, unit in zip(self._first.context_names, self._first.context_units, strict=True)
        )
        sizes = "; ".join(f"{split}: {k} contexts x {m}" for split, (k, m) in self._first._sizes().items())
        env_id = self._first.env_id
        return f"{env_id}, context {names}. Episodes of each run: {sizes}. Returns are undiscounted."

    def intervals_note(self) -> str:
        """A sentence or two on how the intervals were made and what they cover."""
        counts = {name: len(runs) for name, runs in self.methods.items()}
        how = f"Intervals: {100 * self.confidence:g} % percentile bootstrap, {self.replicates} replicates."
        single = [name for name, count in counts.items() if count == 1]
        several = {name: count for name, count in counts.items() if count > 1}
        notes = [how]
        if single:
            who = "One training run each" + (f" ({', '.join(single)})" if several else "")
            notes.append(
                f"{who}: episodes are resampled within each context, so the intervals cover "
                "evaluation episodes only, not training seeds."
            )
            if min(m for _, m in self._first._sizes().values()) == 1:
                notes.append("One episode per context gives no interval.")
        if several:
            who = ", ".join(f"{name}: {count} training runs" for name, count in several.items())
            notes.append(f"{who}; whole runs are resampled, jointly across contexts.")
            if min(several.values()) < _FEW_RUNS:
                notes.append(f"Intervals over fewer than {_FEW_RUNS} runs are too narrow.")
        return " ".join(notes)

    @property
    def _first(self) -> ZeroShotReport:
        return next(iter(self.methods.values()))[0]

    @property
    def _heading(self) -> str:
        return self._first.env_id if self.title is None else self.title

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return [_summary_row(self, method, split) for split in self.splits for method in self.methods]

    @cached_property
    def _image_names(self) -> dict[str, str]:
        return _file_names(self.splits)

    def _interval(self, method: str, split: str, statistic: Statistic) -> Interval:
        returns, rng = self.returns(method, split), _rng(self.seed, split, statistic)
        return bootstrap_interval(
            returns, statistic, rng=rng, replicates=self.replicates, confidence=self.confidence
        )

    def _figure(self, split: str) -> bytes:
        figure = plots.plot_split(
            split,
            contexts=self._first.contexts[split],
            context_names=self._first.context_names,
            context_units=self._first.context_units,
            train_contexts=self.train_contexts,
            per_context={method: self.context_intervals(method, split) for method in self.methods},
            overall={method: self.aer(method, split) for method in self.methods},
            title=self._heading,
            caption=self.intervals_note(),
        )
        return plots.figure_png(figure)

    def _column_notes(self) -> list[str]:
        notes = [
            "AER: average episode return, the mean over runs, contexts and episodes.",
            "IQM: interquartile mean, over episodes (one run) or over runs (several), and contexts.",
            "Worst context: the least mean return over the contexts of the split.",
        ]
        if _TRAIN in self.splits:
            notes.append("Gap: the AER of train less the AER of the split.")
        if self.baseline is not None:
            notes.append(
                f"Gap closed: 0 at the baseline ({self.baseline}), 1 at the reference ({self.reference}), "
                "a ratio of mean returns; undefined unless the interval of reference - baseline lies above 0."
            )
        return notes


def _check_names(names: tuple[str, ...], units: tuple[str, ...]) -> None:
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise EvaluationError(f"expected context names that are distinct and not empty, found {names}")
    if len(units) != len(names) or not all(isinstance(unit, str) for unit in units):
        raise EvaluationError(f"expected one unit for each of {names}, '' where dimensionless, found {units}")


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


def _points(values: npt.ArrayLike, width: int, label: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    empty = array.shape[:1] == (0,) and label != "train_contexts"
    if array.ndim != 2 or array.shape[1] != width or empty:
        raise EvaluationError(f"expected {label} of shape (K, {width}), found {array.shape}")
    if not np.isfinite(array).all():
        raise EvaluationError(f"expected finite {label}, found NaN or infinite entries")
    return _frozen(array)


def _episodes(values: npt.ArrayLike, contexts: Array, split: str) -> Array:
    array = as_returns(np.asarray(values)[np.newaxis], f"returns[{split!r}]")[0]
    if len(array) != len(contexts):
        raise EvaluationError(
            f"expected returns[{split!r}] of shape ({len(contexts)}, episodes), one row a context, "
            f"found {array.shape}"
        )
    return _frozen(array)


def _steps(values: npt.ArrayLike, returns: Array, split: str) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != returns.shape or not np.issubdtype(array.dtype, np.number):
        raise EvaluationError(
            f"expected lengths[{split!r}] as numbers of shape {returns.shape}, as its returns, "
            f"found {array.dtype} of shape {array.shape}"
        )
    if not (np.isfinite(array) & (array >= 0) & (array == np.rint(array))).all():
        raise EvaluationError(
            f"expected lengths[{split!r}] in whole steps, found {array.min()} to {array.max()}"
        )
    return _frozen(array.astype(np.int64))


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


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _summary_row(comparison: Comparison, method: str, split: str) -> dict[str, Any]:
    returns = comparison.returns(method, split)
    means = returns.mean(axis=(0, 2))
    first = comparison._first
    worst = first.contexts[split][int(means.argmin())]
    gap = None
    if _TRAIN in comparison.splits:
        gap = float(comparison.returns(method, _TRAIN).mean() - returns.mean())
    closed = None
    if comparison.baseline is not None and method not in (comparison.baseline, comparison.reference):
        closed = comparison.gap_closed(method, split).to_dict()
    return {
        "method": method,
        "split": split,
        "runs": returns.shape[0],
        "contexts": returns.shape[1],
        "episodes": returns.shape[2],
        "aer": comparison.aer(method, split).to_dict(),
        "iqm": comparison.iqm(method, split).to_dict(),
        "worst_context": dict(zip(first.context_names, worst.tolist(), strict=True)),
        "worst_return": float(means.min()),
        "gap": gap,
        "gap_closed": closed,
    }


def _summary_cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The summary as a table of text: headers and rows."""
    headers = ["split", "method", "runs", "AER", "IQM", "worst context", "its return", "gap"]
    with_gap = comparison.baseline is not None
    rows = []
    for row in comparison._rows:
        aer, iqm = _interval_text(row["aer"]), _interval_text(row["iqm"])
        worst = ", ".join(f"{name}={value:.4g}" for name, value in row["worst_context"].items())
        least = f"{row['worst_return']:.4g}"
        gap = "" if row["gap"] is None or row["split"] == _TRAIN else f"{row['gap']:.4g}"
        cells = [row["split"], row["method"], str(row["runs"]), aer, iqm, worst, least, gap]
        rows.append([*cells, _gap_text(row["gap_closed"])] if with_gap else cells)
    return ([*headers, "gap closed"] if with_gap else headers), rows


def _context_cells(comparison: Comparison, split: str) -> tuple[list[str], list[list[str]]]:
    """The return per context as a table of text: headers and rows."""
    first = comparison._first
    units = zip(first.context_names, first.context_units, strict=True)
    headers = [f"{name} [{unit}]" if unit else name for name, unit in units]
    columns = [[f"{value:.4g}" for value in column] for column in first.contexts[split].T.tolist()]
    for method in comparison.methods:
        parts = comparison.context_intervals(method, split)
        headers.append(method)
        columns.append([str(Interval(*row)) for row in zip(*(part.tolist() for part in parts), strict=True)])
    return headers, [list(row) for row in zip(*columns, strict=True)]


def _interval_text(data: Mapping[str, Any]) -> str:
    low, high = data["low"], data["high"]
    if low is None and high is None:
        low = high = np.nan
    bounds = (-np.inf if low is None else low, np.inf if high is None else high)
    return str(Interval(data["estimate"], *bounds, data["confidence"]))


def _gap_text(closed: Mapping[str, Any] | None) -> str:
    if closed is None:
        return ""
    return f"undefined: {closed['reason']}" if closed["share"] is None else _interval_text(closed["share"])


def _text_table(headers: list[str], rows: list[list[str]]) -> str:
    cells = [headers, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _md(text: str) -> str:
    """Text as it is, in Markdown: on one line, no markup, no HTML, no cell border."""
    line = re.sub(r"([\\`*_|])", r"\\\1", " ".join(text.split()))
    return html.escape(line, quote=False).replace("](", "]\\(")


def _md_table(headers: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(map(_md, row)) + " |" for row in (headers, *rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(headers), *lines[1:]])


def _html_table(headers: list[str], rows: list[list[str]]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return f"<table>\n<thead>{row(headers, 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _file_names(splits: Iterable[str]) -> dict[str, str]:
    """A PNG's name for each split, safe on every file system, distinct though splits differ in case only."""
    names: dict[str, str] = {}
    for split in splits:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", split).strip("-")[:60] or "split"
        taken = {name.lower() for name in names.values()}
        candidates = (f"return-{stem}{'' if i == 1 else f'-{i}'}.png" for i in range(1, len(taken) + 2))
        names[split] = next(name for name in candidates if name.lower() not in taken)
    return names


def _write_aside(files: Mapping[str, bytes], target: Path, replace: Callable[..., None] = os.replace) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, data in files.items():
            (aside / name).write_bytes(data)
        target.mkdir(exist_ok=True)
        for name in files:
            replace(aside / name, target / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; }
img { max-width: 100%; height: auto; display: block; margin: 0.5rem 0 1rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; margin: 0.5rem 0; }
th, td { text-align: left; padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th { border-bottom: 2px solid #999; }
tbody tr:hover { background: #f4f7fa; }
details { overflow-x: auto; }
summary { cursor: pointer; color: #555; }
.note { color: #444; background: #f4f7fa; border-left: 4px solid #0072B2; padding: 0.6rem 1rem; }
ul { color: #555; font-size: 0.9rem; }
"""
