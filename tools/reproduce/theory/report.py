"""The theory report: theory.md, theory.json and a picture for each check.

theory.json holds every number of every seed, so that the report can be written again from theory.json alone (`Report.read`).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offctx.files import write_file
from tools.reproduce.frame.clean import unclean_lines
from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.frame.verdicts import RULE, Verdict, verdict_table
from tools.reproduce.theory.check import SUBOPTIMALITY, Check
from tools.reproduce.theory.checks import BY_NAME
from tools.reproduce.theory.figures import draw_check
from tools.reproduce.theory.records import Measured, from_json, series_of, to_json
from tools.reproduce.theory.sizes import Sizes
from tools.reproduce.theory.statistics import mean_interval
from tools.reproduce.theory.tables import panel_table

_FACTS = ("command", "commit", "python", "torch")


@dataclass(frozen=True)
class Report:
    """Everything that the report says.

    Attributes:
        measured: name of a check -> its measurements.
        sizes: of the runs.
        command: that made the report.
        commit: that the cells were run at; several are separated by commas.
        python: version that the cells were run with, likewise.
        torch: likewise.
        cells: cell -> its commit, with the names of changed files; empty for reports of older versions.
    """

    measured: dict[str, Measured]
    sizes: Sizes
    command: str
    commit: str
    python: str
    torch: str
    cells: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Report":
        """The report whose theory.json is at `path`."""
        stored = json.loads(path.read_text())
        measured: dict[str, Measured] = {}
        for check in stored["checks"]:
            by_series: Measured = measured.setdefault(check["name"], {})
            for entry in check["series"]:
                by_series.setdefault(entry["series"], {})[entry["x"]] = [from_json(value) for value in entry["values"]]
        facts = {name: stored[name] for name in _FACTS}
        return cls(measured, Sizes.from_values(stored["sizes"]), cells=stored.get("cells", {}), **facts)

    @property
    def checks(self) -> list[Check]:
        """The checks that were run, in the order of the report."""
        return [check for name, check in BY_NAME.items() if name in self.measured]

    def verdicts(self, check: Check) -> list[Verdict]:
        """Whether the claims of a check hold."""
        return check.verdicts(self.measured[check.name], self.sizes)

    def write(self, folder: Path) -> None:
        """Write all files of the report."""
        for check in self.checks:
            draw_check(check, self.measured[check.name]).savefig(folder / f"theory-{check.name}.png")
        write_file(folder / "theory.md", self.markdown())
        write_file(folder / "theory.json", json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")

    def markdown(self) -> str:
        """The text of theory.md."""
        judged = [(check, verdict) for check in self.checks for verdict in self.verdicts(check) if verdict.met is not None]
        failed = [f"- {check.title}: {v.claim}; measured {v.measured}" for check, v in judged if not v.met]
        lines = [
            "# Claims of the papers behind offctx.linear, measured",
            "",
            *unclean_lines(self.cells),
            *paragraph(self._explanation()),
            f"Command: `{self.command}`. Commit {self.commit}; Python {self.python}, torch {self.torch}.",
            f"Sizes: {', '.join(f'{name} {value}' for name, value in asdict(self.sizes).items())}.",
            "",
            f"{len(judged) - len(failed)} of {len(judged)} thresholds are met." + (" Not met:" if failed else ""),
            *failed,
            "",
        ]
        for check in self.checks:
            lines += self._section(check)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The content of theory.json."""
        facts = {name: getattr(self, name) for name in _FACTS} | {"cells": self.cells, "sizes": asdict(self.sizes)}
        return facts | {"checks": [self._check_entry(check) for check in self.checks]}

    def _explanation(self) -> str:
        return (
            f"Means over {self.sizes.seeds} seeds (of instance, data and search), with 95 % intervals of Student's t "
            f"over seeds. {RULE} Sub-optimality is a difference of mean returns "
            f"over all contexts ({self.sizes.population} in random instances): that of the best policy that a search with all "
            "contexts known exactly finds, minus that of the policy in question. Training contexts are drawn from all "
            f"contexts with replacement. The least sub-optimality of any seed is {self._least_suboptimality():.1e}; a "
            "negative number would mean that the search missed a better policy."
        )

    def _section(self, check: Check) -> list[str]:
        """One check in theory.md."""
        lines = [f"## {check.title}", ""]
        for text in check.text.split("\n\n"):
            lines += paragraph(text)
        lines += verdict_table(self.verdicts(check), unjudged="(measured)")
        lines += [f"![{check.title}](theory-{check.name}.png)", ""]
        for panel in check.panels:
            lines += panel_table(self.measured[check.name], panel)
        return lines

    def _least_suboptimality(self) -> float:
        """The smallest sub-optimality of any seed."""
        values = [
            value
            for check in self.checks
            for panel in check.panels
            if panel.ylabel == SUBOPTIMALITY and not panel.table_only
            for label, by_x in series_of(self.measured[check.name], panel.group).items()
            if label != "gap"
            for seeds in by_x.values()
            for value in seeds
        ]
        return min(values, default=0.0)

    def _check_entry(self, check: Check) -> dict[str, Any]:
        """One check in theory.json; None in the place of infinite and unknown numbers."""
        series = []
        for name, by_x in self.measured[check.name].items():
            for x, values in by_x.items():
                interval = mean_interval(values)
                ends = {"mean": interval.estimate, "low": interval.low, "high": interval.high}
                entry = {"series": name, "x": x, "values": [to_json(value) for value in values]}
                series.append(entry | {end: to_json(value) for end, value in ends.items()})
        verdicts = [verdict.to_dict() for verdict in self.verdicts(check)]
        return {"name": check.name, "title": check.title, "verdicts": verdicts, "series": series}
