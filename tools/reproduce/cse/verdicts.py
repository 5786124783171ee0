"""Thresholds, and whether the measurements meet them."""

from collections.abc import Sequence

from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.settings import ALL, BASELINE, METHODS, REFERENCE, Learner
from tools.reproduce.frame.verdicts import Verdict


def verdict(result: AlgorithmResult, method: str = "cse") -> Verdict:
    """Whether CSE meets its threshold over all sweeps together. The estimate decides; the interval is shown."""
    name, threshold = f"{result.environment.name}, {result.title}", result.environment.threshold
    if threshold is None:
        claim = f"{name}: {METHODS[method]} above the baseline with separated intervals on some side of c0"
        if not {method, BASELINE} <= set(result.comparison.methods):
            return Verdict(claim, "not all methods are there", None)
        where = result.separated(method)
        return Verdict(claim, f"for {', '.join(where)}" if where else "on none", bool(where))
    closed = result.closed(method, ALL)
    claim = f"{name}: {METHODS[method]} closes at least {threshold:g} of the gap over all sweeps"
    if closed is None:
        return Verdict(claim, "not all methods are there", None)
    if closed.share is None:
        return Verdict(claim, str(closed), None)
    return Verdict(claim, str(closed.share), closed.share.estimate >= threshold)


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
        key = f"{learner.env}, {learner.algorithm}, {learner.mode}, {METHODS[learner.method]}"
        counts[key] = counts.get(key, 0) + 1
    lines += [f"- Not run: {key}, {n} seed{'s' if n > 1 else ''}." for key, n in counts.items()]
    return lines or ["Nothing: every cell is there, and every threshold is met."]


def _short_falls(result: AlgorithmResult, region: str) -> list[str]:
    """Where CSE falls short in a region, and whether the first-order expansion is the cause."""
    available, threshold = set(result.comparison.methods), result.environment.threshold
    lines = []
    closed, exact = (result.closed(method, region) for method in ("cse", "cse-exact"))
    if closed is not None and closed.share is not None and threshold is not None and closed.share.estimate < threshold:
        lines.append(f"first order closes {closed.share} of the gap, less than {threshold:g}")
        if exact is not None and exact.share is not None:
            fault = (
                "first order is what fails" if exact.share.estimate >= threshold else "the expansion alone is not what fails"
            )
            lines[-1] += f"; exact CSE closes {exact.share}: {fault}"
    if closed is not None and closed.share is None:
        lines.append(f"LDR is not above the baseline ({closed.difference}), there is no gap to close")
    for method in ("cse", "cse-exact", REFERENCE):
        if {method, BASELINE} <= available and result.interval(method, region).high < result.interval(BASELINE, region).low:
            lines.append(f"{METHODS[method]} is worse than the baseline, the intervals do not overlap")
    return [f"{line}." for line in lines]
