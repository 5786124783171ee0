"""The settings of the learner: what it knows of the context, how its networks use it, and which actor-critic it is."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from d3rlpy.base import LearnableConfig
from d3rlpy.optimizers.optimizers import OptimizerFactory, make_optimizer_field

from offctx.algos.context_inference.encoder import TRUNKS
from offctx.algos.context_inference.heads import HEADS
from offctx.algos.context_inference.normalisation import GROUP
from offctx.algos.context_inference.objectives.names import ENCODER_LOSSES, EncoderLoss
from offctx.algos.dmash.paper import PaperChoice, paper_choices
from offctx.checks import at_least, check_choice, check_flag, check_number, finite_copy, whole_number
from offctx.data.history.settings import History, Within
from offctx.errors import AlgorithmError

Knowledge = Literal["none", "given", "inferred"]
NetworkUse = Literal["concat", "adapter", "shared"]
BackboneName = Literal["sac", "td3bc", "iql"]
LogStd = Literal["tanh", "clamp"]


@dataclass()
class DMASHSettings(LearnableConfig):
    """All settings; `DMASHConfig` describes them."""

    batch_size: int = 240
    context: Knowledge = "inferred"
    use: NetworkUse = "shared"
    backbone: BackboneName = "sac"
    encoder: Literal["lstm", "set"] = "lstm"
    head: Literal["simnorm", "bounded", "linear", "gaussian"] = "simnorm"
    encoder_loss: EncoderLoss = "dynamics"
    csro_weight: float = 25.0
    latent_size: int = 8
    masking: float = 0.4
    encode_rewards: bool = False
    standardise: bool = True
    window: int = 128
    keep: int | None = None
    within: Within = "context"
    rows_per_window: int = 12
    width: int = 256
    bottleneck: int = 32
    tau: float = 0.005
    n_critics: int = 2
    policy_delay: int = 2
    initial_temperature: float = 1.0
    log_std: LogStd = "tanh"
    alpha: float = 2.5
    expectile: float = 0.7
    weight_temp: float = 3.0
    max_weight: float = 100.0
    actor_learning_rate: float = 3e-4
    critic_learning_rate: float = 1e-3
    temp_learning_rate: float = 1e-3
    inference_learning_rate: float = 1e-3
    actor_optim_factory: OptimizerFactory = make_optimizer_field()
    critic_optim_factory: OptimizerFactory = make_optimizer_field()
    inference_optim_factory: OptimizerFactory = make_optimizer_field()
    context_bounds: list[list[float]] | None = None
    discrete_actions: bool = False
    actor_gradient: bool = False
    paper: bool | list[PaperChoice] = False

    def __post_init__(self) -> None:
        choices: dict[str, Any] = {
            "context": get_args(Knowledge), "use": get_args(NetworkUse), "backbone": get_args(BackboneName), "encoder": TRUNKS,
            "head": tuple(HEADS), "encoder_loss": ENCODER_LOSSES, "within": get_args(Within),
            "log_std": get_args(LogStd),
        }  # fmt: skip
        for name, valid in choices.items():
            check_choice(getattr(self, name), name, valid)
        sizes = ("batch_size", "latent_size", "window", "rows_per_window", "width", "bottleneck")
        for name in (*sizes, "n_critics", "policy_delay"):
            whole_number(getattr(self, name), name, 1, AlgorithmError)
        paper_choices(self.paper)
        if self.keep is not None:
            whole_number(self.keep, "keep", 1, AlgorithmError)
        for name in ("gamma", "tau", "masking", "expectile"):
            check_number(getattr(self, name), name, 0, 1)
        rates = ("actor_learning_rate", "critic_learning_rate", "temp_learning_rate", "inference_learning_rate")
        for name in ("alpha", "weight_temp", "max_weight", "csro_weight", *rates):
            check_number(getattr(self, name), name, 0)
        at_least(self.initial_temperature, 0, "initial_temperature", strictly=True, error=AlgorithmError)
        for name in ("encode_rewards", "standardise", "actor_gradient", "discrete_actions"):
            check_flag(getattr(self, name), name, AlgorithmError)
        if self.head == "simnorm" and self.latent_size % GROUP:
            raise AlgorithmError(
                f'head="simnorm" makes z of groups of {GROUP}: expected a latent_size that it divides; found {self.latent_size}'
            )
        _check_bounds(self.context_bounds, self.context)
        if self.actor_gradient and (self.context, self.use) != ("inferred", "shared"):
            raise AlgorithmError(
                f'actor_gradient is for context="inferred" and use="shared", whose hypernetwork it trains; found '
                f'context="{self.context}" and use="{self.use}"'
            )
        if self.batch_size % self.rows_per_window:
            raise AlgorithmError(
                f"expected batch_size as a multiple of rows_per_window, {self.rows_per_window}; found {self.batch_size}"
            )
        if self.compile_graph:
            raise AlgorithmError("DMASH does not compile its networks: leave compile_graph out")

    def follows_paper(self, choice: PaperChoice) -> bool:
        """Whether a choice of the paper's public code takes the place of ours."""
        return choice in paper_choices(self.paper)

    @property
    def kept(self) -> int:
        """How many transitions of a window the encoder reads."""
        return min(self.window, self.keep or math.ceil(self.window / 5))

    def history(self) -> History | None:
        """The windows that the learner's batches need; None where it needs none.

        Where the context is given, windows only put rows of one context side by side, so that these share an adapter.
        """
        if self.context == "none" or (self.context == "given" and self.use == "concat"):
            return None
        rows = self.rows_per_window
        if self.context == "given":
            return History(1, within="context", draw="random", rows_per_window=rows)
        return History(
            self.window, self.within, shortest=None if self.follows_paper("full-windows") else 0, rows_per_window=rows,
            keep=self.kept, shuffle=self.encoder == "lstm", include_row=self.follows_paper("row-in-window"),
        )  # fmt: skip


def _check_bounds(bounds: Any, context: Knowledge) -> None:
    """Checks the setting `context_bounds`.

    Raises:
        AlgorithmError: it is not two lists of p numbers, the first below the second; or no context is given.
    """
    if bounds is None:
        return
    if context != "given":
        raise AlgorithmError(f'context_bounds are those of contexts that are given; found context="{context}"')
    array = finite_copy(bounds, "context_bounds", AlgorithmError)
    if array.ndim != 2 or len(array) != 2 or not array.shape[1]:
        raise AlgorithmError(
            f"expected context_bounds as two lists, the least and the largest of each coordinate; found {bounds!r:.200}"
        )
    if not (array[0] < array[1]).all():
        raise AlgorithmError(f"expected each least context bound below the largest one; found {bounds!r:.200}")
