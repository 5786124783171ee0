"""The reports that users print and save: of one policy, and of several methods side by side."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offctx.analysis.sensitivity import Sensitivity
from offctx.errors import EvaluationError
from offctx.evaluation.pages.files import page_files
from offctx.evaluation.pages.text import summary_text
from offctx.evaluation.provenance import Provenance
from offctx.evaluation.report_folder import check_overwrite, write_report
from offctx.evaluation.report_json import comparison_dict, encode, read_run
from offctx.evaluation.run import EvaluatedRun
from offctx.evaluation.verdicts import JudgedRuns


@dataclass(frozen=True, eq=False, repr=False)
class ZeroShotReport(EvaluatedRun):
    """The episodes that one policy played in the contexts of each split; made by `offctx.evaluate`. Checked and read-only.

    `print(report)` shows its aggregates. `EvaluatedRun` has the methods that compute numbers.

    Args:
        policy: its label.
        env_id: the environment.
        context_names: of the p coordinates.
        context_units: of the p coordinates, "" where dimensionless.
        train_contexts: (n, p), the contexts that the policy was trained on; n may be 0.
        contexts: split -> (K, p).
        returns: split -> (K, M), undiscounted.
        lengths: split -> (K, M), in steps.
        seed: of the evaluation, >= 0.
        context: "append" where the policy observed the context, after its observation; "hidden" where it did not.
        registered: whether `gymnasium.make(env_id)` makes the environment that was played, as it was played; `compare` plays
            null controls only there.
        context_kinds: what each of the p coordinates is declared to change, such as ("dynamics", "reward"); () for none. Where
            they are given, the written report groups returns by them.
        adaptation: the scores after warm-ups, beside the cold ones, which are `returns`; None where no warm-up was asked.

    Raises:
        EvaluationError: fields do not fit each other, or numbers are not finite.

    Example::

        report = offctx.evaluate(agent, "offctx/PendulumGoal-v0", episodes=10, seed=0)
        print(report)
        report.aer("test"), report.iqm("test"), report.worst_context("test"), report.gap("test")
        report.returns["test"]                      # (K, M)
        report.save("reports/agent")                # report.json, report.md, report.html, pictures
        offctx.ZeroShotReport.load("reports/agent")
    """

    def __str__(self) -> str:
        return str(self._as_comparison())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ZeroShotReport:
        """Reads the report of one policy.

        Args:
            path: a report.json, or a folder that has one.

        Raises:
            EvaluationError: the file is no such report, or holds several methods or runs.
        """
        return cls.from_dict(read_run(path))

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        sensitivity: Sensitivity | None = None,
        provenance: Provenance | None = None,
        overwrite: bool | None = None,
    ) -> Path:
        """Writes report.json, report.md, report.html and a PNG per split.

        Args:
            folder: where to; made where it does not exist. Other files of the folder are kept.
            sensitivity: of the data that the policy was trained on; adds the return against the distance from them.
            provenance: where the numbers come from; a section of the report. Without it the report does not have one.
            overwrite: as that of `Comparison.save`.

        Returns:
            the folder.

        Raises:
            EvaluationError: `folder` is a file or has another report, or the sensitivity is of other contexts.
        """
        return self._as_comparison(sensitivity, provenance).save(folder, overwrite=overwrite)

    def _as_comparison(self, sensitivity: Sensitivity | None = None, provenance: Provenance | None = None) -> Comparison:
        """The comparison that has this report only."""
        return Comparison({self.policy: (self,)}, seed=self.seed, sensitivity=sensitivity, provenance=provenance)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(JudgedRuns):
    """Methods side by side on the same contexts; made by `offctx.compare`, whose arguments its fields are.

    `print(comparison)` shows the summary. Fields and numbers are those of `ComparedRuns`, verdicts those of `JudgedRuns`.
    """

    def __str__(self) -> str:
        return summary_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns the content of report.json, for strict JSON (`offctx.evaluation.report_json` states its schema)."""
        return comparison_dict(self)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool | None = None) -> Path:
        """Writes report.json, report.md, report.html and a PNG per split; with a sensitivity also distance.png.

        All files are written beside the folder first, then moved into it one by one, report.json last. So a crash leaves no
        half-written file, and a new report.json has its companions.

        Args:
            folder: where to; made where it does not exist. Other files of the folder are kept.
            overwrite: whether a report in the folder may be replaced. Where not given, one of the same methods in the same
                environment is replaced, as a script that runs again makes it, and any other one is refused.

        Returns:
            the folder.

        Raises:
            EvaluationError: `folder` is a file, or has a report that may not be replaced.
        """
        check_overwrite(folder, self.first.env_id, self.methods, overwrite)
        return write_report(folder, lambda: page_files(self) | {"report.json": encode(self.to_dict())}, EvaluationError)
