"""The methods of the benchmark, and of offline meta-RL, as settings of one learner.

Sources: DR, Concat, DA, DMA, DMA-Pearl, DMA*, DMA*-SH: arXiv 2602.06550. FOCAL: arXiv 2010.01112. CSRO: arXiv 2311.03695.
CORRO: arXiv 2206.10442. UNICORN-SS: arXiv 2402.02429. GENTLE: arXiv 2312.15544. Of the offline methods these are the losses of
the encoder, with the same encoder and networks for all, so that they differ in nothing else. The other half of CSRO, windows
that are filled by random actions, is a matter of play: `offctx.evaluate(..., warmup=128, warmup_policy="random")`.
"""

from collections.abc import Mapping
from typing import Any

from offctx.algos.dmash.learner import DMASHConfig
from offctx.checks import check_choice

_METRIC = {"use": "concat", "head": "bounded", "masking": 0.0, "rows_per_window": 1, "encoder": "set", "encode_rewards": True}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "dr": {"context": "none", "rows_per_window": 1},
    "concat": {"context": "given", "use": "concat"},
    "da": {"context": "given", "use": "adapter"},
    "dma": {"use": "concat", "head": "linear", "masking": 0.0},
    "dma-pearl": {"use": "concat", "head": "gaussian", "masking": 0.0},
    "dma-star": {"use": "concat", "masking": 0.2},
    "dma-star-sh": {"use": "shared", "masking": 0.4},
    "focal": _METRIC | {"encoder_loss": "focal"},
    "csro": _METRIC | {"encoder_loss": "csro", "csro_weight": 25.0},
    "corro": _METRIC | {"encoder_loss": "corro"},
    "unicorn": _METRIC | {"encoder_loss": "unicorn"},
    "gentle": _METRIC | {"encoder_loss": "gentle"},
}


def dmash_preset(name: str, **settings: Any) -> DMASHConfig:
    """The settings of a method by its name.

    Args:
        name: "dr", "concat", "da", "dma", "dma-pearl", "dma-star", "dma-star-sh", "focal", "csro", "corro", "unicorn" or
            "gentle".
        settings: of `DMASHConfig`, in place of the method's.

    Raises:
        AlgorithmError: an unknown name.

    Example::

        agent = dmash_preset("dma-star-sh", backbone="td3bc").create()
    """
    check_choice(name, "preset", tuple(PRESETS))
    return DMASHConfig(**{**PRESETS[name], **settings})
