"""The claims of both experiments, each judged by the frame's rule."""

from collections.abc import Iterator, Sequence

from offctx.evaluation.statistics import GapClosed
from tools.reproduce.aib.cell import WARM
from tools.reproduce.aib.methods import BLIND, CEILING, OFFLINE, ONLINE
from tools.reproduce.aib.results import STARTS, Group
from tools.reproduce.aib.tasks import MIXTURE, RANDOM, TASKS
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge

UNSEEN = ("eval-in", "eval-out")
GOAL = 0.8  # of the ceiling's gain
_GOAL_KINDS = (MIXTURE, RANDOM)
_HALF, _NO_GAP = 0.5, 0.05  # of the largest return: what a policy for one action factor can reach; what counts as no gap
NOT_TESTED = (
    "the actor's gradient in the shared hypernetwork collapses it",
    "leaky windows, which the public code has, against clean ones",
)
"""Claims that no cell tests yet."""


def claims(groups: Sequence[Group]) -> list[Verdict]:
    """The claims about all groups."""
    return [verdict for group in groups for verdict in (_online if group.kind == "online" else _offline)(group)]


def share_text(share: GapClosed | None) -> str:
    """A share in a table; where it is undefined, what the ceiling gains."""
    if share is None:
        return ""
    return str(share.share) if share.share is not None else f"undefined (the ceiling's gain: {share.difference})"


def _offline(group: Group) -> Iterator[Verdict]:
    """Each method that infers the context has at least 0.8 of the ceiling's gain, on random and mixture data."""
    methods = [method for method in group.runs if OFFLINE[method].infers and group.kind in _GOAL_KINDS]
    for method in methods:
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


def _online(group: Group) -> Iterator[Verdict]:
    """What the paper claims, and that rows may share a z."""
    task = TASKS[group.task]
    half, gap = _HALF * task.largest, _NO_GAP * task.largest
    if task.control:
        yield from _difference(group, "concat", f"<= {gap:g}: no gap is expected", Threshold(at_most=gap))
        return
    yield from _level(group, "dr", f"at most {half:g}: it fails", Threshold(at_most=half))
    yield from _level(group, "dma-star-sh", f"above {half:g}: it does not fail", Threshold(above=half))
    yield from _difference(group, "concat", "> 0", Threshold(above=0))
    yield from _difference(group, "dma-star", "> 0", Threshold(above=0))
    yield from _difference(group, "dma-star-sh-1", "(12 rows a z against 1)", None)


def _level(group: Group, method: str, words: str, threshold: Threshold) -> Iterator[Verdict]:
    """A claim about the warm AER of one method, in each split of unseen contexts."""
    for split in UNSEEN if method in group.runs else ():
        claim = f"{group.task}, {split}, warm: {ONLINE[method].title} {words}"
        yield judge(claim, group.mean(method, WARM, split), threshold)


def _difference(group: Group, other: str, words: str, threshold: Threshold | None) -> Iterator[Verdict]:
    """A claim about DMA*-SH less another method, outside the training range."""
    if group.seeds("dma-star-sh", other):
        claim = f"{group.task}, eval-out, warm: {ONLINE['dma-star-sh'].title} - {ONLINE[other].title} {words}"
        yield judge(claim, group.difference("dma-star-sh", other, WARM, "eval-out"), threshold)
