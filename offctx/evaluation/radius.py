"""A radius report in words, and its files: radius.md, radius.png and radius.json."""

import json
import os
from pathlib import Path

import numpy as np

from offctx.analysis.radius.report import RadiusReport
from offctx.errors import DatasetError
from offctx.evaluation.markdown import markdown_table
from offctx.evaluation.plots.radius import plot_radius
from offctx.evaluation.plots.style import figure_png
from offctx.evaluation.report_folder import write_report
from offctx.evaluation.text import text_table

_UNITS = "Radii are in half-widths of the context's bounds, errors in units of the spread along the data."
_RADIUS_HEAD = [
    "radius", "obs error", "median", "99 %", "relative", "reward error", "relative", "minus mean", "ends differ", "rows",
]  # fmt: skip
_COORDINATE_HEAD = ["coordinate", "unit", "half-width", "alone", "alone [unit]", "suggested [unit]"]


def radius_text(report: RadiusReport) -> str:
    """A table over radii, a table over coordinates, and the suggested radius."""
    return "\n".join(
        [
            f"First-order error along {report.dataset_id}: {report.samples} transitions, compared with simulation in "
            f"{report.environment}.",
            _UNITS,
            "",
            *text_table(_RADIUS_HEAD, _radius_rows(report), right=True),
            "",
            *text_table(_COORDINATE_HEAD, _coordinate_rows(report), right=True),
            "",
            *_conclusion(report),
        ]
    )


def radius_markdown(report: RadiusReport) -> str:
    """radius.md."""
    return "\n".join(
        [
            f"# First-order error along `{report.dataset_id}`",
            "",
            f"{report.samples} transitions, compared with simulation in the moved context of `{report.environment}`. {_UNITS}",
            "",
            *markdown_table(_RADIUS_HEAD, _radius_rows(report)),
            "",
            *markdown_table(_COORDINATE_HEAD, _coordinate_rows(report)),
            "",
            "![errors](radius.png)",
            "",
            *_conclusion(report),
            "",
        ]
    )


def save_radius(report: RadiusReport, folder: str | os.PathLike[str]) -> Path:
    """Writes radius.md, radius.png and radius.json into a folder, and returns it. Other files there are kept."""

    def contents() -> dict[str, bytes]:
        return {
            "radius.md": radius_markdown(report).encode(),
            "radius.png": figure_png(plot_radius(report)),
            "radius.json": json.dumps(report.to_dict(), allow_nan=False, indent=1).encode(),
        }

    return write_report(folder, contents, DatasetError)


def _radius_rows(report: RadiusReport) -> list[list[str]]:
    columns = (
        report.radii, report.observation_error, report.observation_quantiles[:, 0], report.observation_quantiles[:, 2],
        report.observation_relative, report.reward_error, report.reward_relative, report.preference_relative,
        report.termination_changes,
    )  # fmt: skip
    rows = zip(*columns, report.rows, strict=True)
    return [[*(f"{value:.3g}" for value in values), str(count)] for *values, count in rows]


def _coordinate_rows(report: RadiusReport) -> list[list[str]]:
    columns = zip(report.names, report.units, report.scale, report.coordinate_suggested, report.radius, strict=True)
    return [
        [
            name,
            unit or "-",
            *([f"{v:.3g}" for v in (scale, alone, alone * scale, joint)] if scale > 0 else ["-", "-", "-", "0"]),
        ]
        for name, unit, scale, alone, joint in columns
    ]


def _conclusion(report: RadiusReport) -> list[str]:
    slopes = [f"{s:.2f}" if np.isfinite(s) else "none" for s in (report.observation_slope, report.reward_slope)]
    first = f"{report.limit} leaves it first" if report.limit else "none leaves it within the space"
    return [
        f"Slope of log error against log radius: next observation {slopes[0]}, reward {slopes[1]}. It is 2 for a smooth "
        "task, and none where the error is rounding only.",
        f"Suggested: {report.suggested:.3g} half-widths, the largest radius at which the relative error of next observations "
        f"and of rewards minus their mean is within the tolerance of {report.tolerance:g}.",
        f"Tolerance when one coordinate is moved alone: {first}.",
    ]
