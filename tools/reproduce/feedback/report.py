"""What the report says: feedback.md, and every number in feedback.json.

Dimensions: R seeds, K contexts, M episodes of a context.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offctx.evaluation.statistics import Interval
from offctx.evaluation.statistics.joint import joint_means
from offctx.files import write_file
from tools.reproduce.cse.by_hand import Gains
from tools.reproduce.cse.records import facts_record
from tools.reproduce.cse.tables import interval_text, region_title
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph, table

TOLD, NOT_TOLD, BY_HAND = "told", "not told", "by hand"
_QUESTION = (
    "Linear feedback with gains that are searched in the simulator (cross-entropy method) in the contexts of a sweep, on other "
    "start states than those scored here. Told: its features are multiplied by 1, c and c^2, c the swept coordinate. Not "
    "told: the same without c. Both know more than a learner of data at c0, and a policy that is not linear may do better "
    "than either: the difference says what the context is worth to such a controller, and the column "
    '"not told" what a method must beat before one may say that the task cannot be solved without the context.'
)
_BY_HAND = (
    "By hand: damped feedback, {gains} of observed positions p and velocities v, in half widths of the actions. The gains are "
    "given beforehand and not searched, the context is not told, and the target is taken to be the origin of the positions. "
    "Nothing is drawn but the start states: its intervals are over episodes."
)
_COLUMNS: Mapping[str, Mapping[str, int]] = {  # title -> weights of the kinds
    TOLD: {TOLD: 1},
    NOT_TOLD: {NOT_TOLD: 1},
    BY_HAND: {BY_HAND: 1},
    "told - not told": {TOLD: 1, NOT_TOLD: -1},
    "told - by hand": {TOLD: 1, BY_HAND: -1},
}
Returns = Mapping[str, NDArray[np.float64]]
"""Kind of controller -> returns (R, K, M); (1, K, M) by hand."""


def write_report(results: Results, gains: Gains, without: Sequence[str], destination: Destination) -> None:
    """Write feedback.md and feedback.json.

    Args:
        results: the finished and the missing cells.
        gains: of feedback by hand.
        without: why some environments have no feedback by hand.
        destination: of the report.
    """
    rows, answers = [], []
    for (env, sweep), kinds in _returns(results).items():
        shown = {title: _interval(kinds, weights) for title, weights in _COLUMNS.items() if set(weights) <= set(kinds)}
        rows.append([env, region_title(sweep), *(interval_text(shown.get(title)) for title in _COLUMNS)])
        answers.append(_record(env, sweep, kinds, shown))
    lines = ["# What is feedback worth without the context?", "", *paragraph(_QUESTION)]
    lines += paragraph(_BY_HAND.format(gains=gains))
    lines += results.unclean_lines()
    lines += ["**Planned and missing:**", "", *results.missing_lines(), ""] if results.missing else []
    lines += paragraph(f"Command: `{destination.command}`. {results.provenance()}.")
    lines += table(["environment", "sweep", *_COLUMNS], rows)
    if without:
        lines += ["Without feedback by hand:", "", *(line for text in without for line in paragraph(f"- {text}.")[:-1]), ""]
    write_file(destination.folder / "feedback.md", "\n".join(lines))
    facts = facts_record(results, destination.command) | {"gains": gains._asdict(), "answers": answers}
    write_file(destination.folder / "feedback.json", json.dumps(facts, allow_nan=False) + "\n")


def _returns(results: Results) -> dict[tuple[str, str], Returns]:
    """The returns of each environment and sweep, on the seeds that told and not told have in common."""
    by_kind: dict[tuple[str, str], dict[str, dict[int, Any]]] = {}
    for cell, result in results.finished:
        env, sweep, kind, seed = cell.key
        by_kind.setdefault((str(env), str(sweep)), {}).setdefault(str(kind), {})[int(seed)] = result["returns"]
    returns: dict[tuple[str, str], Returns] = {}
    for key, kinds in by_kind.items():
        searched = [set(kinds[kind]) for kind in (TOLD, NOT_TOLD) if kind in kinds]
        common = sorted(set.intersection(*searched)) if searched else []
        seeds = {TOLD: common, NOT_TOLD: common, BY_HAND: [0]}
        returns[key] = {kind: np.array([by_seed[s] for s in seeds[kind]]) for kind, by_seed in kinds.items() if seeds[kind]}
    return returns


def _interval(kinds: Returns, weights: Mapping[str, int]) -> Interval:
    """A weighted sum of the mean returns, jointly over seeds and episodes."""
    return joint_means({kind: kinds[kind] for kind in weights}).interval(list(weights.values()), 0.95)


def _record(env: str, sweep: str, kinds: Returns, shown: Mapping[str, Interval]) -> dict[str, Any]:
    """For the JSON report: the intervals, and mean returns by start state (R, M) from which they can be computed again."""
    by_start_state = {kind: returns.mean(axis=1).round(4).tolist() for kind, returns in kinds.items()}
    intervals = {title: interval.to_dict() for title, interval in shown.items()}
    return {"env": env, "sweep": sweep, **intervals, "returns_by_start_state": by_start_state}
