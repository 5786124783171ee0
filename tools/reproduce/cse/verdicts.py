"""Thresholds, and whether the measurements meet them."""

from collections.abc import Sequence

from tools.reproduce.cse.arms import BASELINE, METHODS, NULL_CONTROLS, REFERENCES, TITLES
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.settings import ALL, Learner
from tools.reproduce.frame.verdicts import Verdict


def verdict(result: AlgorithmResult, method: str = "cse") -> Verdict:
    """Whether CSE lies above the best of baseline and null controls over all sweeps together."""
    name = f"{result.environment.name}, {result.title}"
    others = [arm for arm in (BASELINE, *NULL_CONTROLS) if arm in result.comparison.methods]
    claim = f"{name}: {TITLES[method]} above the best of baseline and null controls over all sweeps"
    if method not in result.comparison.methods or not others:
        return Verdict(claim, "not all arms are there", None)
    best = max(others, key=lambda arm: result.interval(arm, ALL).estimate)
    own, other = result.interval(method, ALL), result.interval(best, ALL)
    return Verdict(claim, f"{own}; {TITLES[best]}: {other}", own.low > other.high)


def failure_lines(results: Sequence[AlgorithmResult], verdicts: Sequence[Verdict], missing: Sequence[Learner]) -> list[str]:
    """What failed and what was not run, in Markdown."""
    lines = [f"- Not met: {v.claim}; measured {v.measured}." for v in verdicts if v.met is False]
    lines += [f"- Cannot be judged: {v.claim}: {v.measured}." for v in verdicts if v.met is None]
    for result in results:
        for region in [*result.sweeps, ALL]:
            where = f"{result.environment.name}, {result.title}, {region}"
            lines += [f"- {where}: {text}" for text in _short_falls(result, region)]
    counts: dict[str, int] = {}
    for learner in missing:
        key = f"{learner.env}, {learner.algorithm}, {learner.mode}, {TITLES[learner.method]}"
        counts[key] = counts.get(key, 0) + 1
    lines += [f"- Not run: {key}, {n} seed{'s' if n > 1 else ''}." for key, n in counts.items()]
    return lines or ["Nothing: every cell is there, and every threshold is met."]


def _short_falls(result: AlgorithmResult, region: str) -> list[str]:
    """Where an arm is worse than the baseline, and where LDR is not better."""
    available = set(result.comparison.methods)
    closed = result.closed("cse", region)
    lines = []
    if closed is not None and closed.share is None:
        lines.append(f"LDR is not above the baseline ({closed.difference}), there is no gap to close")
    for method in (*METHODS, *REFERENCES):
        if {method, BASELINE} <= available and result.interval(method, region).high < result.interval(BASELINE, region).low:
            lines.append(f"{TITLES[method]} is worse than the baseline, the intervals do not overlap")
    return [f"{line}." for line in lines]
