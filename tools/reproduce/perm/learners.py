"""The learners: PERM, PPPO, and algorithms of d3rlpy, with the same networks, scalers and learning rates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import torch
from gymnasium.spaces import Box
from torch import Tensor

from offctx.data.dataset import ContextualDataset
from offctx.envs.policies import ContextMode
from tools.reproduce.frame.cells import Result

_NETWORK = (64, 64)
_BATCH = 256
_RATES = {"actor_learning_rate": 3e-4, "critic_learning_rate": 1e-3}
_OWN = ("perm", "pppo", "discreteperm")  # algorithms of offctx, which have an uncertainty quantifier
_EXPECTILE = ("iql", "perm", "discreteperm")  # algorithms with value networks

Labels = Literal["unused", "centred", "critic"]


@dataclass(frozen=True)
class LearnerSettings:
    """What a learner depends on, beside data and seed.

    Attributes:
        algorithm: "perm", "pppo", or a d3rlpy algorithm by name.
        config: the hyperparameters that are not the same for all learners, as plain JSON values.
        beta: the scale of an elliptical quantifier on random Fourier features; None for no quantifier. PERM and PPPO
            subtract beta Gamma from their critics; for a d3rlpy algorithm, beta Gamma is subtracted from the rewards.
        steps: gradient steps.
        labels: how a d3rlpy algorithm uses the context labels. "centred": each context's mean reward is subtracted from its
            rewards; "critic": the critics see the context, and the actor does not.
    """

    algorithm: str
    config: Mapping[str, Any] = field(default_factory=dict)
    beta: float | None = None
    steps: int = 2000
    labels: Labels = "unused"

    def to_dict(self) -> Result:
        """Everything that decides about the learner, for the settings of a cell."""
        return asdict(self) | {"batch": _BATCH, "network": _NETWORK, "rates": _RATES}


def make_buffer(learner: LearnerSettings, data: ContextualDataset, seed: int) -> Any:
    """The replay buffer. The context is hidden, unless critics see it; a d3rlpy algorithm with a beta gets lowered rewards."""
    augmentation: Any = None
    if learner.labels == "centred":
        from tools.reproduce.perm.labels import RewardCentering

        augmentation = RewardCentering()
    if learner.beta is not None and learner.algorithm not in _OWN:
        from offctx.augmentations.pessimism import Pessimism

        augmentation = Pessimism(learner.beta)
    return data.replay_buffer(context=context_mode(learner), augmentation=augmentation, seed=seed)


def context_mode(learner: LearnerSettings) -> ContextMode:
    """What the buffer and the evaluation give to the learner: with the labels "critic", its actor leaves the context out."""
    return "append" if learner.labels == "critic" else "hidden"


def make_learner(learner: LearnerSettings, buffer: Any, seed: int, gamma: float) -> Any:
    """The learner, untrained."""
    import d3rlpy  # takes seconds to import: only where something is trained

    from offctx import algos

    encoder = d3rlpy.models.VectorEncoderFactory(list(_NETWORK))
    config = {"batch_size": _BATCH, "gamma": gamma, "observation_scaler": buffer.observation_scaler(), **_RATES}
    config |= {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    if learner.algorithm in _EXPECTILE:
        config["value_encoder_factory"] = encoder
    if learner.labels == "critic":
        from tools.reproduce.perm.labels import ContextBlind

        config["actor_encoder_factory"] = ContextBlind(buffer.context_space.size, list(_NETWORK))
    config |= dict(learner.config)
    if learner.algorithm not in _OWN:
        return algos.make_algorithm(learner.algorithm, buffer, config)
    config["seed"] = seed
    if isinstance(buffer.action_space, Box):
        config["action_scaler"] = d3rlpy.preprocessing.MinMaxActionScaler(buffer.action_space.low, buffer.action_space.high)
    if learner.beta is not None:
        config["uncertainty"] = algos.EllipticalUncertaintyFactory(beta=learner.beta, features="fourier")
    configs: dict[str, Any] = {"perm": algos.PERMConfig, "pppo": algos.PPPOConfig, "discreteperm": algos.DiscretePERMConfig}
    return configs[learner.algorithm](**config).create()


def learner_memory(learner: Any) -> int:
    """Bytes of the tensors that a learner keeps: parameters, targets, buffers and the states of its optimisers."""
    tensors: dict[int, Tensor] = {}  # by address, so that shared tensors are counted once
    for part in (getattr(learner.impl.modules, f.name) for f in fields(learner.impl.modules)):
        if isinstance(part, torch.nn.Module):
            own = [*part.parameters(), *part.buffers()]
        else:
            states = part.optim.state.values() if hasattr(part, "optim") else []
            own = [value for state in states for value in state.values() if isinstance(value, Tensor)]
        tensors |= {tensor.data_ptr(): tensor for tensor in own}
    return sum(tensor.nbytes for tensor in tensors.values())
