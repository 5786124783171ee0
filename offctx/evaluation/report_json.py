"""report.json: a comparison as strict JSON, and the way back to the one run of a report of one policy.

    {"schema": "offctx.report/1", "env_id": str, "title": str, "context_names": [p], "context_units": [p],
     "context_kinds": [[kind of a coordinate]], left out where none is declared,
     "train_contexts": [[p]] of all methods, "confidence": float, "replicates": int, "seed": int,
     "baseline": str | null, "reference": str | null, "splits": {split: {"contexts": [[p]]}},
     "sensitivity": null | `Sensitivity.to_dict` and {"dataset_id": str, "distances": {split: [K], null where infinite}},
     "provenance": null | `Provenance.to_dict`: {"date": str | null, "command": str | null, "versions": {package: version},
                    "datasets": [{"id", "sha256": str | null}], "agents": [{"label", "file", "sha256"}]},
     "methods": {method: {"runs": [{"policy", "context", "registered", "seed", "train_contexts",
                                    "splits": {split: {"returns": [[M]], "lengths": [[M]]}},
                                    "adaptation": after warm-ups, left out without: `Adaptation.to_dict`}]}},
     "cold_and_warm": left out without warm-ups: [the fields of `WarmRow`],
     "controls": {"null": [method], "references": [method], "missing": [title], "learned": {learner: true | false | null},
                  "note": str},
     "repeated": {method: [[positions of runs with identical returns]]},
     "verdicts": [the fields of `Verdict`], "summary": [the rows of `Comparison.summary`],
     "by_kind": left out where it tells nothing: [the fields of `KindRow`]}

A number that does not exist (the bound of an interval over one episode) is null.

Dimensions: K contexts of a split, M episodes per context, p context coordinates.
"""

import json
import os
from pathlib import Path
from typing import Any

from offctx.errors import EvaluationError
from offctx.evaluation.by_kind import kind_rows
from offctx.evaluation.fields import finite_or_none, kinds_lists
from offctx.evaluation.run import RUN_SCHEMA
from offctx.evaluation.verdicts import JudgedRuns
from offctx.evaluation.warm import has_warm_ups, warm_rows
from offctx.files import read_file

SCHEMA = "offctx.report/1"


def comparison_dict(runs: JudgedRuns) -> dict[str, Any]:
    """The content of report.json."""
    first = runs.first
    return {
        "schema": SCHEMA,
        "env_id": first.env_id,
        "title": runs.heading,
        "context_names": list(first.context_names),
        "context_units": list(first.context_units),
        **({"context_kinds": kinds_lists(first.context_kinds)} if any(first.context_kinds) else {}),
        "train_contexts": runs.train_contexts.tolist(),
        "confidence": runs.confidence,
        "replicates": runs.replicates,
        "seed": runs.seed,
        "baseline": runs.baseline,
        "reference": runs.reference,
        "splits": {split: {"contexts": first.contexts[split].tolist()} for split in runs.splits},
        "sensitivity": _sensitivity_dict(runs),
        "provenance": None if runs.provenance is None else runs.provenance.to_dict(),
        "methods": {name: {"runs": [run.own_dict() for run in method]} for name, method in runs.methods.items()},
        "controls": {
            "null": list(runs.null_controls),
            "references": list(runs.references),
            "missing": list(runs.missing_controls),
            "learned": dict(runs.learned),
            "note": runs.controls_note,
        },
        "repeated": {name: [list(group) for group in groups] for name, groups in runs.repeated.items()},
        "verdicts": [verdict.to_dict() for verdict in runs.verdicts],
        "summary": runs.summary(),
        **({"by_kind": [row.to_dict() for row in rows]} if (rows := kind_rows(runs)) else {}),
    } | ({"cold_and_warm": [row.to_dict() for row in warm_rows(runs)]} if has_warm_ups(runs) else {})


def _sensitivity_dict(runs: JudgedRuns) -> dict[str, Any] | None:
    if runs.sensitivity is None:
        return None
    distances = {split: [finite_or_none(value) for value in values] for split, values in runs.distances.items()}
    return runs.sensitivity.to_dict() | {"dataset_id": runs.sensitivity.dataset_id, "distances": distances}


def encode(data: dict[str, Any]) -> bytes:
    """The bytes of report.json."""
    return json.dumps(data, allow_nan=False, ensure_ascii=False, indent=1).encode()


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the one run in a report.json (or in a folder that has one), as `EvaluatedRun.to_dict` gives it.

    Raises:
        EvaluationError: the file is no report.json, or holds several methods or runs.
    """
    file = Path(path)
    file = file / "report.json" if file.is_dir() else file
    try:
        data = json.loads(read_file(file))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"expected a report.json at {file}, found none that reads: {error}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema == RUN_SCHEMA:
        return dict(data)
    if schema != SCHEMA:
        raise EvaluationError(f"expected schema {SCHEMA!r} in {file}, found {schema!r}")
    counts = {name: len(method["runs"]) for name, method in data["methods"].items()}
    if sum(counts.values()) != 1:
        raise EvaluationError(f"expected one method of one run in {file}, found runs {counts}")
    (method,) = data["methods"].values()
    run = method["runs"][0]
    splits = {split: values | data["splits"][split] for split, values in run["splits"].items()}
    return {**data, **run, "splits": splits}
