"""The methods: what each is told, and how it is trained. Settings that are not named here are the presets' defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from offctx.data.context_levels import ContextLevel

Told = Literal["nothing", "ids", "context"]
LEVELS: Mapping[Told, ContextLevel] = {"nothing": "withheld", "ids": "anonymous", "context": "append"}


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        title: in reports.
        algorithm: by the names of `offctx.training.names.make_algorithm`.
        told: "nothing"; anonymous "ids" of contexts in training, and nothing when it plays; or the "context" itself.
        config: its settings beside those of the preset, as plain JSON values.
        infers: whether it infers the context, so that it is scored cold and warm and gets a leakage report.
    """

    title: str
    algorithm: str
    told: Told = "ids"
    config: Mapping[str, Any] = field(default_factory=dict)
    infers: bool = True


_TD3BC = {"backbone": "td3bc"}
_ONE_ROW: Mapping[str, Any] = {"rows_per_window": 1}
_VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dma-star-sh-1": ("DMA*-SH, 1 row a z", _ONE_ROW),
    "dma-star-sh-leaky": ("DMA*-SH, 1 row a z, leaky windows", {**_ONE_ROW, "paper": ["row-in-window"]}),
    "dma-star-sh-actor": ("DMA*-SH, actor's gradient", {"actor_gradient": True}),
}
"""Variants of DMA*-SH for claims of their own: title and settings.

Leaky windows have one row each, as in the paper's public code: of rows that share a window, only the first may stand in it.
"""
VARIANTS = tuple(_VARIANTS)
BLIND, CEILING = "td3bc", "concat"  # the share of the ceiling's gain starts at the blind learner
OFFLINE: Mapping[str, Method] = {
    BLIND: Method("TD3+BC, blind", "dr", "nothing", _TD3BC, infers=False),
    CEILING: Method("Concat, told the context", "concat", "context", _TD3BC, infers=False),
    "dma-star-sh": Method("DMA*-SH", "dma-star-sh", config=_TD3BC),
    "dma-star": Method("DMA*", "dma-star", config=_TD3BC),
    "focal": Method("FOCAL", "focal", config=_TD3BC),
    "csro": Method("CSRO", "csro", config=_TD3BC),
    "unicorn": Method("UNICORN-SS", "unicorn", config=_TD3BC),
    "bc": Method("BC, blind", "bc", "nothing", {"batch_size": 240}, infers=False),
    "iql": Method("IQL, blind", "dr", "nothing", {"backbone": "iql"}, infers=False),
    "perm": Method("PERM", "perm", "ids", {"batch_size": 240}, infers=False),
    **{name: Method(title, "dma-star-sh", config={**_TD3BC, **config}) for name, (title, config) in _VARIANTS.items()},
}
"""Offline, in the order in which cells run; variants on one kind of data alone."""

ONLINE: Mapping[str, Method] = {
    "dma-star-sh": Method("DMA*-SH", "dma-star-sh"),
    "concat": Method("Concat, told the context", "concat", "context", infers=False),
    "dr": Method("DR, blind", "dr", "nothing", infers=False),
    "dma-star": Method("DMA*", "dma-star"),
    "da": Method("DA, told the context", "da", "context", infers=False),
    "dma": Method("DMA", "dma"),
    "dma-pearl": Method("DMA-Pearl", "dma-pearl"),
    **{name: Method(title, "dma-star-sh", config=config) for name, (title, config) in _VARIANTS.items()},
}
"""Online, in the order in which cells run."""
_COMPARED = ("dma-star-sh", "concat", "dr")
ONLINE_OF_TASK: Mapping[str, tuple[str, ...]] = {
    "DoubleIntegrator": tuple(name for name in ONLINE if name not in VARIANTS),
    "ComplexODE": (*_COMPARED, "dma-star", *VARIANTS),
    "DoubleIntegratorFriction": _COMPARED,
    "CartpoleBalance": ("dma-star-sh", "concat", "dma-star"),
}
"""The methods that an environment has online: variants where learners need the fewest updates."""
SEEDS, MOST_SEEDS = 5, 10
_CLOSE = {("ComplexODE", "dma-star-sh"), ("ComplexODE", "dma-star")}  # five seeds do not see the gap that the paper finds


def online_seeds(task: str, method: str) -> int:
    """How many seeds a method has in an environment online: more where five cannot tell two methods apart."""
    return MOST_SEEDS if (task, method) in _CLOSE else SEEDS
