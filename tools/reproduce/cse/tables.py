"""The tables of one algorithm in one environment, in Markdown."""

import math
from collections.abc import Mapping, Sequence

from offctx.evaluation.statistics import GapClosed, Interval
from tools.reproduce.cse.arms import BY_HAND, REFERENCES, TITLES, TOLD
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.matters import Proof
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.settings import TRAIN
from tools.reproduce.cse.verdicts import ABOVE, Judgement
from tools.reproduce.frame.markdown import table


def interval_text(interval: Interval | None) -> str:
    """An interval in a table; it says so where the interval is over the episodes of one agent."""
    if interval is None:
        return ""
    return f"{interval} (episodes)" if interval.over == "episodes" else str(interval)


def share_text(share: GapClosed | None) -> str:
    """A share of a reference's gain in a table.

    Where the reference is not above the control, its difference from the control; with too few seeds, the share of each seed
    ("no gain" where the reference is not above the control in this seed); nothing where something is missing.
    """
    if share is None:
        return ""
    if share.share is not None:
        return interval_text(share.share)
    if math.isnan(share.difference.low) and share.seed_shares:
        shares = ["no gain" if math.isnan(value) else f"{value:.2f}" for value in share.seed_shares]
        return "no gain in any seed" if set(shares) == {"no gain"} else f"no interval (seeds: {', '.join(shares)})"
    return f"no gain: {interval_text(share.difference)}"


def region_title(region: str) -> str:
    """What tables call a region."""
    return "c0" if region == TRAIN else region.removeprefix("sweep_")


def arm_title(result: AlgorithmResult, arm: str) -> str:
    """What tables call an arm, with a mark where it has not learned its task."""
    mark = " (**not learned**)" if competence(result, arm) is Competence.NOT_LEARNED else ""
    return TITLES[arm] + mark


def means_table(result: AlgorithmResult) -> list[str]:
    """Mean returns: a row for each arm, a column for c0 and each region."""
    regions = [TRAIN, *result.regions]
    rows = [
        [arm_title(result, arm), str(len(result.runs[arm])), *(interval_text(result.interval(arm, r)) for r in regions)]
        for arm in result.arms
    ]
    return table([f"mean return, {result.title}", "seeds", *map(region_title, regions)], rows)


def judgement_table(judged: Sequence[Judgement]) -> list[str]:
    """The verdicts and shares of the methods: a row for each method and region."""
    references = [ref for ref in REFERENCES if any(ref in judgement.shares for judgement in judged)]
    head = [
        "method",
        "contexts",
        "deciding control",
        "method - control",
        "verdict",
        "lead over the best control of each context",
        "shares start at",
        *(f"share of {TITLES[r]}'s gain" for r in references),
    ]
    return table(head, [_judgement_row(judgement, references) for judgement in judged])


def _judgement_row(judgement: Judgement, references: Sequence[str]) -> list[str]:
    word = f"**{judgement.word}**" if judgement.word == ABOVE else judgement.word
    shares = [share_text(judgement.shares.get(reference)) for reference in references]
    names = [TITLES[judgement.method], region_title(judgement.region), TITLES[judgement.control]]
    differences = [interval_text(judgement.difference), word, interval_text(judgement.lead)]
    return [*names, *differences, TITLES[judgement.strongest], *shares]


def proof_table(proofs: Sequence[Proof], first: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Whether the context matters: a row for each sweep.

    Args:
        proofs: the rows.
        first: head -> the texts of further columns before the others, one text a row.
    """
    heads = [f"{TITLES[arm]} - not told" for arm in TOLD]
    by_hand = [f"{TITLES[arm]} - {TITLES[BY_HAND]}" for arm in TOLD]
    shown = by_hand if any(BY_HAND in proof.result.runs for proof in proofs) else []
    rows = []
    for index, proof in enumerate(proofs):
        lead = [texts[index] for texts in (first or {}).values()]
        told = {comparison.told: comparison for comparison in proof.comparisons}
        against = [f"{interval_text(told[arm].difference)} ({TITLES[told[arm].untold]})" if arm in told else "" for arm in TOLD]
        less = [interval_text(told[arm].less_by_hand) if arm in told else "" for arm in TOLD] if shown else []
        rows.append([*lead, region_title(proof.sweep), *against, proof.answer, *less])
    return table([*(first or {}), "sweep", *heads, "does the context matter?", *shown], rows)


def seeds_table(result: AlgorithmResult, region: str) -> list[str]:
    """Each seed's mean return in a region: a row for each arm, a column for each seed; untrained arms have one value."""
    seeds = sorted({seed for runs in result.runs.values() for seed in runs})
    rows = []
    for arm, runs in result.runs.items():
        means = dict(zip(sorted(runs), result.returns(arm, region).mean(axis=(1, 2)), strict=True))
        rows.append([arm_title(result, arm), *(f"{means[seed]:.4g}" if seed in means else "" for seed in seeds)])
    return table(["seed", *map(str, seeds)], rows)
