"""A leakage report in words, and its files: leakage.md, leakage.png and leakage.json."""

import json
import os
from pathlib import Path

import numpy as np

from offctx.analysis.leakage.report import INPUTS, TESTS, LeakageReport
from offctx.envs.base import Array
from offctx.errors import DatasetError
from offctx.evaluation.markdown import markdown_table
from offctx.evaluation.plots.leakage import plot_leakage
from offctx.evaluation.plots.style import figure_png
from offctx.evaluation.report_folder import write_report
from offctx.evaluation.text import text_table

_SENTENCES = {
    "constant": "z is the same for all windows: it tells nothing of the context.",
    "neither": "z follows neither the dynamics nor the behaviour: it varies from window to window.",
    "dynamics": "z follows the dynamics, and hardly the behaviour: played by another policy, it means the same.",
    "behaviour": "z follows the behaviour, and hardly the dynamics: played by another policy, it means something else.",
    "undecided": "z follows the dynamics; whether it follows the behaviour too cannot be told from so few episodes.",
    "both": "z follows the dynamics and the behaviour: played by another policy, it means in part something else.",
}
_SHARES_HEAD = ["what alone changes", "share of the variance of z", "distance of two codes"]
_PROBES_HEAD = ["coordinate", "read off", *TESTS]


def leakage_text(report: LeakageReport) -> str:
    """The verdict, a table of shares, and a table of probes."""
    shares, probes = _shares(report), _probes(report)
    return "\n".join(
        [_head(report), "", verdict_sentence(report), "", *text_table(_SHARES_HEAD, shares, right=True), "",
         *text_table(_PROBES_HEAD, probes, right=True), "", *_notes(report)]
    )  # fmt: skip


def leakage_markdown(report: LeakageReport) -> str:
    """leakage.md."""
    return "\n".join(
        [f"# What the encoder `{report.encoder}` reads in `{report.dataset_id}`", "", _head(report), "",
         f"**{verdict_sentence(report)}**", "", *markdown_table(_SHARES_HEAD, _shares(report)), "",
         *markdown_table(_PROBES_HEAD, _probes(report)), "", "![shares and probes](leakage.png)", "", *_notes(report), ""]
    )  # fmt: skip


def save_leakage(report: LeakageReport, folder: str | os.PathLike[str]) -> Path:
    """Writes leakage.md, leakage.png and leakage.json into a folder, and returns it. Other files there are kept."""

    def contents() -> dict[str, bytes]:
        return {
            "leakage.md": leakage_markdown(report).encode(),
            "leakage.png": figure_png(plot_leakage(report)),
            "leakage.json": json.dumps(report.to_dict(), allow_nan=False, indent=1).encode(),
        }

    return write_report(folder, contents, DatasetError)


def verdict_sentence(report: LeakageReport) -> str:
    """What z follows, in one sentence."""
    return f"{report.verdict.capitalize()}: {_SENTENCES[report.verdict]}"


def _head(report: LeakageReport) -> str:
    return (
        f"{report.windows} windows of up to {report.length} transitions; windows of {report.behaviours} behaviours played in "
        f"{len(report.contexts)} contexts of {report.environment}. z has {report.size} numbers. Brackets: 95 % intervals over "
        f"contexts."
    )


def _shares(report: LeakageReport) -> list[list[str]]:
    rows = (
        ("dynamics", report.dynamics, f"{report.changes[0]:.3g}"),
        ("behaviour", report.behaviour, f"{report.changes[1]:.3g}"),
        ("window", report.window, "-"),
    )
    return [[name, _interval(share, percent=True), distance] for name, share, distance in rows]


def _probes(report: LeakageReport) -> list[list[str]]:
    return [
        [name, read_off, *(_interval(score) for score in report.probes[i, k])]
        for k, name in enumerate(report.names)
        for i, read_off in enumerate(INPUTS)
    ]


def _interval(value: Array, *, percent: bool = False) -> str:
    if not np.isfinite(value[0]):
        return "-"
    scale, unit = (100, " %") if percent else (1, "")
    texts = [f"{scale * v:.1f}" if percent else f"{v:.2f}" for v in value]
    return f"{texts[0]}{unit} [{texts[1]}, {texts[2]}]" if np.isfinite(value[1:]).all() else f"{texts[0]}{unit}"


def _notes(report: LeakageReport) -> list[str]:
    classified = (
        f" For {', '.join(report.discrete)}: the share of the errors of a constant that it avoids." if report.discrete else ""
    )
    chance = (
        "" if report.constant else f" Chance alone makes the share of the behaviour as large with p = {report.p_value:.3f} "
        f"(permutations of the behaviours over episodes); above 0.05 its interval holds 0."
    )  # fmt: skip
    leak = "not identifiable, as neither changes z" if np.isnan(report.leak[0]) else _interval(report.leak)
    return [
        f"Leak, behaviour / (behaviour + dynamics): {leak}.{chance}",
        "Dynamics: the same states and actions, played in another context. Behaviour: the same context, states and actions of "
        "another behaviour. Window: another window of the same behaviour in the same context.",
        f"Probes: linear; R^2, 1 is perfect and 0 is a constant.{classified} (s, a) and (s, a, s') are read by their means and "
        f"second moments over a window. The last column: fitted to the data, tested on windows whose states and actions are "
        f"those of another context's behaviour.",
    ]
