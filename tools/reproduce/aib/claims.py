"""The claims of both experiments, each judged by the frame's rule."""

from collections.abc import Iterator, Mapping, Sequence

from offctx.evaluation.rule import over_seeds
from offctx.evaluation.statistics import GapClosed, Interval
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
_HALF, _COLLAPSED = 0.5, 0.1  # of the way from the best control to the largest return: a policy for one action factor; hardly
_NO_GAP = 0.05  # of the largest return
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
                    yield _judge(group, claim, None if share is None else share.share, Threshold(at_least=GOAL), CEILING)
                else:
                    yield Verdict(claim, share_text(share), None)
    yield from _variants(group)


def _online(group: Group) -> Iterator[Verdict]:
    """What the paper claims, and that rows may share a z."""
    task = TASKS[group.task]
    gap = _NO_GAP * task.largest
    if task.control:
        words = f"within {gap:g} of 0: no gap is expected"
        yield from _difference(group, _SH, "concat", words, Threshold(at_least=-gap, at_most=gap))
        return
    yield from _level(group, "dr", _HALF, fails=True, needs="concat")
    yield from _level(group, _SH, _HALF, fails=False, needs=_SH)
    yield from _difference(group, _SH, "concat", "> 0", Threshold(above=0))
    yield from _difference(group, _SH, "dma-star", "> 0", Threshold(above=0))
    yield from _seen_gap(group, gap)
    yield from _level(group, _ACTOR, _COLLAPSED, fails=True, needs=_SH)
    yield from _variants(group)


def _variants(group: Group) -> Iterator[Verdict]:
    """What the choices cost or gain that DMA*-SH differs by from its variants."""
    gap = _NO_GAP * TASKS[group.task].largest
    nothing = Threshold(at_least=-gap)
    yield from _difference(group, _SH, _ACTOR, "> 0", Threshold(above=0), needs=(_SH,))
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
        doubt = _doubt(group, _SH, "dma-star")
        yield Verdict(claim, measured + doubt, reach <= gap if has_seeds and not doubt else None)


def _level(group: Group, method: str, part: float, *, fails: bool, needs: str) -> Iterator[Verdict]:
    """Whether the warm AER of a method is below, or above, a part of the way from the best control to the largest return.

    Args:
        group: the runs.
        method: whose AER.
        part: of the way, in (0, 1).
        fails: whether the claim is that the method fails.
        needs: the method that must have learned the task.
    """
    for split in UNSEEN if method in group.runs else ():
        control = group.control(split)
        level = part * TASKS[group.task].largest + (1 - part) * (control or 0.0)
        words = f"at most {level:.3g}: it fails" if fails else f"above {level:.3g}: it does not fail"
        threshold = Threshold(at_most=level) if fails else Threshold(above=level)
        claim = f"{group.task}, {split}, warm: {ONLINE[method].title} {words}"
        yield _judge(group, claim, group.mean(method, WARM, split), threshold, needs)


def _difference(
    group: Group, method: str, other: str, words: str, threshold: Threshold, needs: tuple[str, ...] | None = None
) -> Iterator[Verdict]:
    """A claim about one method less another, outside the training range, warm; `needs` must have learned, by default both."""
    if group.seeds(method, other):
        titles = _methods(group)
        where = group.task if group.kind == ONLINE_KIND else f"{group.task}, {group.kind}"
        claim = f"{where}, eval-out, warm: {titles[method].title} - {titles[other].title} {words}"
        interval = group.difference(method, other, WARM, "eval-out")
        yield _judge(group, claim, interval, threshold, *((method, other) if needs is None else needs))


def _judge(group: Group, claim: str, interval: Interval | None, threshold: Threshold, *needs: str) -> Verdict:
    """The verdict on a claim; none where a method that the claim rests on is not known to have learned its task."""
    verdict, doubt = judge(claim, interval, threshold), _doubt(group, *needs)
    return verdict._replace(measured=verdict.measured + doubt, met=None) if doubt else verdict


def _doubt(group: Group, *needs: str) -> str:
    """Why nothing is concluded, in words; "" where all of these methods have learned their task."""
    learned = {name: group.learned(name) if name in group.runs else None for name in needs}
    failed = [_methods(group)[name].title for name, known in learned.items() if known is False]
    if failed:
        return f"; not learned: {', '.join(failed)}"
    return "" if all(learned.values()) else "; whether the task is learned is not known"


def _methods(group: Group) -> Mapping[str, Method]:
    return ONLINE if group.kind == ONLINE_KIND else OFFLINE
