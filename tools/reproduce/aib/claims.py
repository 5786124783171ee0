"""The claims of both experiments, each judged by the frame's rule."""

from collections.abc import Iterator, Mapping, Sequence

from offctx.evaluation.rule import over_seeds
from offctx.evaluation.statistics import GapClosed
from offctx.words import count
from tools.reproduce.aib.cell import WARM
from tools.reproduce.aib.methods import BLIND, CEILING, OFFLINE, ONLINE, VARIANTS, Method
from tools.reproduce.aib.results import STARTS, Group
from tools.reproduce.aib.settings import ONLINE_KIND
from tools.reproduce.aib.tasks import MIXTURE, RANDOM, TASKS
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge

UNSEEN = ("eval-in", "eval-out")
GOAL = 0.8  # of the ceiling's gain
_GOAL_KINDS = (MIXTURE, RANDOM)
_HALF, _NO_GAP = 0.5, 0.05  # of the largest return: what a policy for one action factor can reach; what counts as no gap
_COLLAPSED = 0.1  # of the largest return: about zero
_SH, _ONE_ROW, _LEAKY, _ACTOR = "dma-star-sh", "dma-star-sh-1", "dma-star-sh-leaky", "dma-star-sh-actor"


def claims(groups: Sequence[Group]) -> list[Verdict]:
    """The claims about all groups."""
    return [verdict for group in groups for verdict in (_online if group.kind == ONLINE_KIND else _offline)(group)]


def share_text(share: GapClosed | None) -> str:
    """A share in a table; where it is undefined, what the ceiling gains."""
    if share is None:
        return ""
    return str(share.share) if share.share is not None else f"undefined (the ceiling's gain: {share.difference})"


def _offline(group: Group) -> Iterator[Verdict]:
    """Each method that infers the context has at least 0.8 of the ceiling's gain, on random and mixture data."""
    goal = [method for method in group.runs if OFFLINE[method].infers and group.kind in _GOAL_KINDS]
    for method in (method for method in goal if method not in VARIANTS):
        for split in UNSEEN:
            for start in STARTS:
                claim = (
                    f"{group.task}, {group.kind}, {split}, {start}: {OFFLINE[method].title} has at least {GOAL:g} of the gain"
                )
                share = group.share(method, BLIND, CEILING, start, split)
                if share is None or share.share is not None:
                    yield judge(claim, None if share is None else share.share, Threshold(at_least=GOAL))
                else:
                    yield Verdict(claim, share_text(share), None)
    yield from _variants(group)


def _online(group: Group) -> Iterator[Verdict]:
    """What the paper claims, and that rows may share a z."""
    task = TASKS[group.task]
    half, gap = _HALF * task.largest, _NO_GAP * task.largest
    if task.control:
        yield from _difference(group, _SH, "concat", f"<= {gap:g}: no gap is expected", Threshold(at_most=gap))
        return
    yield from _level(group, "dr", f"at most {half:g}: it fails", Threshold(at_most=half))
    yield from _level(group, _SH, f"above {half:g}: it does not fail", Threshold(above=half))
    yield from _difference(group, _SH, "concat", "> 0", Threshold(above=0))
    yield from _difference(group, _SH, "dma-star", "> 0", Threshold(above=0))
    yield from _seen_gap(group, gap)
    level = _COLLAPSED * task.largest
    yield from _level(group, _ACTOR, f"at most {level:g}: it collapses", Threshold(at_most=level))
    yield from _variants(group)


def _variants(group: Group) -> Iterator[Verdict]:
    """What the choices cost or gain that DMA*-SH differs by from its variants."""
    gap = _NO_GAP * TASKS[group.task].largest
    nothing = Threshold(at_least=-gap)
    yield from _difference(group, _SH, _ACTOR, "> 0", Threshold(above=0))
    yield from _difference(group, _SH, _ONE_ROW, f">= {-gap:g}: 12 rows a z cost nothing", nothing)
    yield from _difference(group, _ONE_ROW, _LEAKY, f">= {-gap:g}: clean windows cost nothing", nothing)


def _seen_gap(group: Group, gap: float) -> Iterator[Verdict]:
    """Whether the seeds can see the gap that the paper finds between DMA*-SH and DMA*, .05 of the largest return."""
    interval = group.difference(_SH, "dma-star", WARM, "eval-out")
    if interval is not None:
        seeds, reach = len(group.seeds(_SH, "dma-star")), (interval.high - interval.low) / 2
        claim = (
            f"{group.task}, eval-out, warm: {count(seeds, 'seed')} can see the paper's gap, {gap:g}, between DMA*-SH and DMA*"
        )
        has_seeds = over_seeds(interval)
        measured = f"the interval reaches {reach:.3g} to each side" if has_seeds else "no interval over seeds"
        yield Verdict(claim, measured, reach <= gap if has_seeds else None)


def _level(group: Group, method: str, words: str, threshold: Threshold) -> Iterator[Verdict]:
    """A claim about the warm AER of one method, in each split of unseen contexts."""
    for split in UNSEEN if method in group.runs else ():
        claim = f"{group.task}, {split}, warm: {ONLINE[method].title} {words}"
        yield judge(claim, group.mean(method, WARM, split), threshold)


def _difference(group: Group, method: str, other: str, words: str, threshold: Threshold) -> Iterator[Verdict]:
    """A claim about one method less another, outside the training range, warm."""
    if group.seeds(method, other):
        titles = _methods(group)
        where = group.task if group.kind == ONLINE_KIND else f"{group.task}, {group.kind}"
        claim = f"{where}, eval-out, warm: {titles[method].title} - {titles[other].title} {words}"
        yield judge(claim, group.difference(method, other, WARM, "eval-out"), threshold)


def _methods(group: Group) -> Mapping[str, Method]:
    return ONLINE if group.kind == ONLINE_KIND else OFFLINE
