"""How the presets' defaults were chosen: every configuration that was tried, from pilots.json beside this file.

Pilots have other training contexts, evaluation contexts, seeds and start states than the cells that are reported. They ran
outside the frame, partly on code that is in no commit: they decide about defaults, and nothing is concluded from them. Two
lists decide about nothing, and have the contexts of the cells: that of CSRO's penalty shows a fault that was mended, that on
sparse data looks for the cause of a failure.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.reproduce.frame.markdown import paragraph, table

_FILE = Path(__file__).with_name("pilots.json")
_RETURNS = {"in": "in, cold", "out": "out, cold", "in_w": "in, warm", "out_w": "out, warm"}
_NOT_SETTINGS = ("name", "kind", "seed", "steps", *_RETURNS)
_RUNS = (
    "Defaults that are not the paper's were chosen by the runs below: TD3+BC, contexts and start states drawn apart from those "
    "of the tables above, DoubleIntegrator where no other task is named, one seed each. Columns: AER on contexts within and "
    "outside of the training range. Plain: features are read as they are, and the set encoder takes a plain mean, as the code "
    "was before. Scaled: features and changes over their spread, and a weighted mean, as it is now. The zero action has about "
    "730 in CartpoleBalance and 0 in DoubleIntegrator: runs at or below that have learned nothing yet."
)
_PROBES = (
    "Encoders alone, trained on the dynamics loss: how well a linear probe reads the context off z, in contexts that are not "
    "in the data, after the first transitions of an episode. The factor: share of right signs; the mass: R^2 of its logarithm."
)
_CSRO = (
    "CSRO's penalty: encoders alone, the preset's but for the penalty, 1,000 updates, one seed, contexts of the tables "
    "above. The default, 25, is the paper's weight and was not chosen by these figures. Weights are in the units of "
    "csro_weight; 0 is FOCAL. Across contexts: the penalty as the code was before, on z of a window and (s, a) of another "
    "row, in pairs of all contexts; its weight of 25 is 1000 in these units. Within contexts: as it is now. What a linear "
    "probe reads in z. The factor: share of right signs in contexts that are not in the data, from windows of the behaviour "
    "of the data, and of random actions; the mass: R^2 of its logarithm in the contexts of the data. Between contexts: "
    "share of the variance of z."
)

_SPARSE = (
    "Why DMA*-SH learns nothing from random actions: learners of the tables above, each changed in one thing, on the data, "
    "the contexts and the start states of the tables, 8,000 updates. None of the changes became a default. A learner that is "
    "told the context, whose adapters learn from rewards, has 4 (DA): inference alone is not the cause. z as an input "
    "helps, and so does a slowly moving copy of encoder and hypernetwork, less. One or two seeds: nothing more can be said."
)


def pilots() -> dict[str, list[dict[str, Any]]]:
    """The lists "runs", "probes", "csro" and "sparse", each in the order of time."""
    stored: dict[str, list[dict[str, Any]]] = json.loads(_FILE.read_text())
    return stored


def pilot_lines() -> list[str]:
    """All of them in Markdown, folded."""
    stored = pilots()
    runs = [
        [run["name"], run["kind"], str(run["steps"]), _settings(run), *(_number(run.get(column)) for column in _RETURNS)]
        for run in stored["runs"]
    ]
    probes = [
        [probe["name"], str(probe["updates"]), _numbers(probe["factor"]), _numbers(probe["mass"])] for probe in stored["probes"]
    ]
    seen = ", ".join(map(str, stored["probes"][0]["seen"]))
    lines = ["## How defaults were chosen", "", *paragraph(_RUNS)]
    lines += _folded(f"{len(runs)} runs", table(["run", "data", "updates", "settings", *_RETURNS.values()], runs))
    lines += paragraph(_PROBES)
    head = ["encoder", "updates", f"factor, after {seen} transitions", "mass, likewise"]
    lines += _folded(f"{len(probes)} probes", table(head, probes))
    penalties = [
        [row["data"], row["pairs"], f"{row['weight']:g}", *map(_numbers, (row["factor"], [row["mass"]], [row["between"]]))]
        for row in stored["csro"]
    ]
    lines += paragraph(_CSRO)
    head = ["data", "pairs", "weight", "factor: same behaviour, random", "mass", "between contexts"]
    lines += _folded(f"{len(penalties)} penalties", table(head, penalties))
    changed = [[run["name"], str(run["seed"]), *(_number(run.get(column)) for column in _RETURNS)] for run in stored["sparse"]]
    lines += paragraph(_SPARSE)
    return [*lines, *_folded(f"{len(changed)} learners", table(["learner", "seed", *_RETURNS.values()], changed))]


def _folded(summary: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{summary}</summary>", "", *lines, "</details>", ""]


def _settings(run: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in run.items() if name not in _NOT_SETTINGS)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
