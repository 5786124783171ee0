"""The top of the report: what is missing, what the numbers come from, the summary, and how to read it."""

from collections.abc import Sequence

from tools.reproduce.cse.arms import BY_HAND, METHODS, TITLES
from tools.reproduce.cse.by_hand import GAINS
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.settings import UNTRAINED_MODE, Learner
from tools.reproduce.cse.tables import interval_text, region_title, share_text
from tools.reproduce.cse.verdicts import ABOVE, BELOW, UNDECIDED, judgements, not_learned
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import RULE

DEFINITIONS = (
    ("c0", "the one context of the training data; a sweep varies one coordinate, with the others at c0, and leaves c0 out."),
    ("baseline", "trained on data at c0; the policy sees the context, which never varies in its data."),
    (
        "null controls",
        "context hidden: the same data, and the policy does not see the context. Jitter (placebo): the context that the "
        "policy sees is moved in CSE's ball, and nothing else. Zero, constant and random action: nothing is learned.",
    ),
    (
        "CSE",
        "the same data, moved batch by batch to contexts in a ball around c0: to first order by the dataset's derivatives, "
        "or exactly, by simulating again.",
    ),
    (
        "references",
        "they know more than CSE. LDR: as many real transitions from contexts of CSE's own ball. GDR: as many from contexts "
        "drawn uniformly from the box that the sweeps span. Reward relabelled: the data at c0, with the coordinates "
        "that change the reward alone drawn uniformly within their bounds, and rewards by the true reward function.",
    ),
    (
        TITLES[BY_HAND],
        f"{GAINS} of observed positions p and velocities v, in half widths of the actions. It is not told the context and not "
        "trained: its gains were set by hand and not searched. It is no null control, as it knows that the origin is the "
        "target; it shows what can be done without the context. It is scored where the observation has positions and "
        "velocities.",
    ),
    (
        "verdict",
        "above: the whole interval of method - control lies above 0 for the baseline and for every null control. All of them "
        "must be beaten, so that the intervals need no correction for their number (intersection-union test). The deciding "
        "control is the one whose interval has the lowest lower end. Below: the whole interval against it lies below 0.",
    ),
    (
        "lead over the best control of each context",
        "method - control, where the control takes in each context the one of the baseline and the null controls with the "
        "highest mean return there. The choice is made on the same returns, so that the lead errs on the low side.",
    ),
    (
        "strongest control",
        "the one of the baseline and the null controls with the highest mean return in these contexts: shares start at it.",
    ),
    (
        "share of a gain",
        "(method - strongest control) / (reference - strongest control), where the interval of the denominator lies above 0. "
        "Otherwise there is no gain, and the difference of reference and strongest control is shown instead.",
    ),
    (
        "not learned",
        "the return at c0 is not above those of doing nothing (zero or constant action) and of random actions, each with the "
        "whole interval. Nothing is concluded from such a learner.",
    ),
    (
        "intervals",
        "95 % Student t intervals over seeds (of data, networks and batches) and evaluation episodes together "
        "(docs/statistics.md); differences and shares pair the arms by seed and by episode. With 2 to 4 seeds the values of "
        'the seeds are shown instead. "(episodes)": the interval of one agent over evaluation episodes, which says nothing of '
        "other seeds; zero and random action and feedback by hand have no seeds.",
    ),
)


SET_BY_HAND = (
    "**Set by hand, without a search:** learning rates, gamma, temperatures and steps of each algorithm on each task, the "
    "same for all arms. The trial runs behind them were not kept, so that it cannot be checked what they were chosen on. "
    "Where a task can be learned at c0, the aim was that the baseline learns it there. On SimpleDirection and its "
    "stochastic form nothing can be learned at c0, so that this cannot have been the rule; which returns decided is not "
    "recorded. The one number of CSE that was searched, its tolerance, was chosen in other contexts than those reported (at "
    "the end of this page)."
)
"""What nobody searched for, for the top of the report."""


def definition_lines() -> list[str]:
    """The section "How to read this"."""
    lines = ["## How to read this", ""]
    for name, text in DEFINITIONS:
        lines += paragraph(f"- **{name}**: {text}")[:-1]
    return [*lines, "", *paragraph(RULE)]


def fact_lines(results: Results, missing: Sequence[str], command: str) -> list[str]:
    """What is missing, which cells are not clean, and where the numbers come from."""
    lines = list(results.unclean_lines())
    lines += ["**Planned and missing:**", "", *missing, ""] if missing else ["Every planned cell is there.", ""]
    return [*lines, f"Command: `{command}`.", *paragraph(f"{results.provenance()}.")]


def missing_lines(results: Results) -> list[str]:
    """The planned cells that are not finished, as Markdown items: all arms of an algorithm in one line."""
    counts: dict[str, dict[str, int]] = {}
    others: list[Cell] = []
    for cell in results.missing:
        learner = Learner.of(cell)
        if learner is None:
            others.append(cell)
            continue
        trained = learner.mode != UNTRAINED_MODE
        name = f"{learner.env}, {learner.algorithm}, {learner.mode}" if trained else f"{learner.env}, {learner.mode}"
        by_arm = counts.setdefault(name, {})
        by_arm[learner.method] = by_arm.get(learner.method, 0) + 1
    lines = []
    for name, by_arm in counts.items():
        arms = [arm for arm in TITLES if arm in by_arm]
        if len(arms) > 1 and len({by_arm[arm] for arm in arms}) == 1:
            lines.append(f"- {name}: {_seeds(by_arm[arms[0]])} each of {', '.join(TITLES[arm] for arm in arms)}.")
        else:
            lines.append(f"- {name}: {', '.join(f'{TITLES[arm]} ({_seeds(by_arm[arm])})' for arm in arms)}.")
    return lines + _other_lines(others)


def _other_lines(cells: Sequence[Cell]) -> list[str]:
    """Radius reports and candidates of searches that are missing: one line for each environment."""
    by_environment: dict[str, list[str]] = {}
    for cell in cells:
        by_environment.setdefault(str(cell.key[0]), []).append(" ".join(map(str, cell.key[1:])))
    return [f"- {name}: {', '.join(missing)}." for name, missing in by_environment.items()]


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"


def summary_lines(algorithms: Sequence[AlgorithmResult]) -> list[str]:
    """One row for each algorithm and method: where it is above every control."""
    rows = [_summary_row(result, method) for result in algorithms for method in METHODS if method in result.runs]
    head = [
        "environment", "algorithm", "method", "above every control over", "not above over", "below over",
        "not judged", "all sweeps: method - control", "share of LDR's gain",
    ]  # fmt: skip
    lines = table(head, rows)
    for result, arms in not_learned(algorithms):
        names = ", ".join(TITLES[arm] for arm in arms)
        lines.append(f"- **Not learned**: {result.environment.name}, {result.title}: {names}.")
    return [*lines, ""]


def _summary_row(result: AlgorithmResult, method: str) -> list[str]:
    judged = [judgement for judgement in judgements(result) if judgement.method == method]
    together = judged[-1]  # of all sweeps
    single = judged[:-1] or judged
    names = [result.environment.name, result.title, TITLES[method]]
    by_word: dict[str, list[str]] = {}
    for judgement in single:
        by_word.setdefault(judgement.word, []).append(region_title(judgement.region))
    above, rest, below = (", ".join(by_word.pop(word, [])) for word in (ABOVE, UNDECIDED, BELOW))
    unjudged = "; ".join(f"{', '.join(regions)}: {word}" for word, regions in by_word.items())
    against = f"{interval_text(together.difference)} ({TITLES[together.control]})"
    return [*names, above, rest, below, unjudged, against, share_text(together.shares.get("ldr"))]
