"""Pessimism by reward: what makes any d3rlpy algorithm pessimistic in the linear-MDP sense.

    r(x, a)  ->  r(x, a) - beta Gamma_i(x, a)

Gamma_i is what the data D_i of context i leave uncertain, by a quantifier of `offctx.uncertainty`; unless another is given,

    Gamma_i(x, a) = sqrt( phi(x, a)^T Lambda_i^{-1} phi(x, a) ),        Lambda_i = sum_{D_i} phi phi^T + ridge I

Source: arXiv 2503.07988, Algorithm 4 (and arXiv 2012.15085), where the estimate of r + V(x') at (x, a) is lowered by
beta Gamma_i(x, a). Here the reward of each transition in a batch is lowered, and an algorithm learns from these rewards.

Departures from the paper: (1) Gamma is subtracted at the (x, a) of the batch only; at other actions, an algorithm sees it as
far as its critic generalises. (2) Values are not clipped to [0, H - h + 1]; that is left to the algorithm. (3) One quantifier
for all steps of an episode, as the replay buffer has no horizon.

Dimensions: N transitions of the dataset, B batch, o observation, a action, A discrete actions, K contexts.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from offctx.buffers.augmentation import Augmentation
from offctx.buffers.context_ids import find_ids
from offctx.checks import at_least
from offctx.errors import DatasetError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.features import FeatureKind, admit_features, make_features
from offctx.uncertainty.gamma import check_gamma
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import as_quantifier, require_features

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class Pessimism(Augmentation):
    """Subtracts beta times an uncertainty from the rewards of a batch.

    Every d3rlpy algorithm then trains on the lower rewards. In a list with `CSE`, Gamma is that of the context from which the
    transition came.

    Args:
        beta: the scale, >= 0, in units of reward; 0 leaves the batch as it is.
        features: "fourier", random Fourier features of observation and continuous action; "observation", these themselves,
            of norm at most 1; or a feature map, fitted or not (see `offctx.uncertainty.feature_map`). With discrete actions
            features are of the observation alone, and each action has a quantifier of its own.
        size: d of Fourier features.
        ridge: lambda > 0 of the default quantifier.
        bandwidth: of Fourier features, in standard deviations of the data; None: the median heuristic.
        per_context: each context has the quantifier of its own data, and features do not see the context. False: one
            quantifier of all data, whose features see the context where the buffer appends it.
        seed: of the Fourier features.
        quantifier: Gamma, or its registered name; EllipticalUncertainty(1, ridge) where None.

    Raises:
        LinearError: a number out of range; features that are longer than 1 or do not fit the data; a quantifier that needs a
            critic, or whose Gamma is negative or not finite.

    Example::

        buffer = dataset.replay_buffer(augmentation=offctx.Pessimism(beta=1.0))
        d3rlpy.algos.IQLConfig().create().fit(buffer, n_steps=10_000)
    """

    def __init__(
        self,
        beta: float = 1.0,
        features: FeatureKind | nn.Module = "fourier",
        *,
        size: int = 256,
        ridge: float = 1.0,
        bandwidth: float | None = None,
        per_context: bool = True,
        seed: int = 0,
        quantifier: UncertaintyQuantifier | str | None = None,
    ) -> None:
        self.beta = at_least(beta, 0, "beta")
        self.ridge = at_least(ridge, 0, "ridge", strictly=True)
        own = EllipticalUncertainty(1.0, ridge) if quantifier is None else as_quantifier(quantifier)
        self.quantifier = require_features(own, "a buffer")
        self.features, self.per_context = features, per_context
        self._options: dict[str, Any] = {"size": size, "bandwidth": bandwidth, "seed": seed}
        if not isinstance(features, nn.Module):
            make_features(features, 1, **self._options)  # refuses wrong options before there are data
        self._dataset: ContextualDataset | None = None
        self._fitted: dict[bool, _FittedQuantifier] = {}  # by whether features see the context

    @property
    def handles_history(self) -> bool:
        """True: windows keep their rewards, as an agent sees them; only the rewards that are learned from are lowered."""
        return True

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Fits the quantifier to a dataset. A buffer does so when it is made.

        Args:
            dataset: the data whose uncertainty counts.

        Raises:
            DatasetError: it is fitted to another dataset already.
            LinearError: the features do not fit the data.
        """
        if self._dataset is not None and self._dataset is not dataset:
            raise DatasetError(
                f"this Pessimism was fitted to {self._dataset.dataset_id}; make another for {dataset.dataset_id}"
            )
        self._dataset = dataset
        if self.per_context:
            self._fitted_quantifier(context=False)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch with lower rewards; with beta = 0 the very same batch.

        Args:
            batch: B transitions.
            rng: not used.

        Raises:
            DatasetError: before `prepare`; or a transition of a context that is unknown or not among the dataset's.
            LinearError: Gamma is negative or not finite.
        """
        if self.beta == 0:
            return batch
        changed: dict[str, Any] = {"rewards": batch.rewards - self.gamma(batch)[:, None]}
        return dataclasses.replace(batch, **changed)

    def gamma(self, batch: "ContextualMiniBatch") -> NDArray[np.float32]:
        """beta Gamma, which is subtracted from each reward of a batch (B,); raises what a call raises."""
        context = not self.per_context and batch.context == "append"
        observations = np.asarray(batch.observations, dtype=np.float32)
        if batch.context == "append" and not context:
            observations = observations[:, : -batch.contexts.shape[1]]
        return self.beta * self._fitted_quantifier(context=context)(observations, batch.actions, batch.context_ids)

    def _fitted_quantifier(self, *, context: bool) -> "_FittedQuantifier":
        if context not in self._fitted:
            if self._dataset is None:
                raise DatasetError(
                    "Pessimism has seen no data: make the buffer with it, as in "
                    "dataset.replay_buffer(augmentation=pessimism), or call pessimism.prepare(dataset)"
                )
            self._fitted[context] = self._fit(self._dataset, context=context)
        return self._fitted[context]

    def _fit(self, dataset: "ContextualDataset", *, context: bool) -> "_FittedQuantifier":
        space = dataset.action_space
        actions = int(space.n) if isinstance(space, spaces.Discrete) else None
        parts = [dataset.observations, dataset.contexts] if context else [dataset.observations]
        observations = torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float32))
        continuous_actions = None if actions else torch.from_numpy(np.array(dataset.actions, dtype=np.float32))
        features = self.features
        if not isinstance(features, nn.Module):
            sizes = (observations.shape[1], 0 if continuous_actions is None else continuous_actions.shape[1])
            features = make_features(features, *sizes, **self._options)
        admit_features(features, observations, continuous_actions)
        ids, index = np.unique(dataset.context_ids, return_inverse=True) if self.per_context else (None, 0)
        blocks = np.broadcast_to(index if actions is None else index * actions + dataset.actions, len(dataset))
        n = (1 if ids is None else len(ids)) * (actions or 1)
        grouped = GroupedFeatures(features, observations, continuous_actions, torch.from_numpy(blocks.astype(np.int64)), (n,))
        return _FittedQuantifier(features, self.quantifier.fit_groups(grouped).to(torch.float32), ids, actions)

    def __repr__(self) -> str:
        features = type(self.features).__name__ if isinstance(self.features, nn.Module) else repr(self.features)
        return f"Pessimism(beta={self.beta:g}, features={features}, ridge={self.ridge:g}, per_context={self.per_context})"


@dataclasses.dataclass(frozen=True, eq=False)
class _FittedQuantifier:
    """Gamma at the transitions of a batch.

    Attributes:
        features: the map.
        quantifier: of each context, batch (K,), or of each context and discrete action, batch (K A,); float32.
        ids: the contexts' ids, ascending (K,); None where all are merged.
        actions: A, or None with continuous actions.
    """

    features: nn.Module
    quantifier: UncertaintyQuantifier
    ids: NDArray[np.int64] | None
    actions: int | None

    @torch.inference_mode()
    def __call__(self, observations: NDArray[Any], actions: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float32]:
        """(B,) at observations (B, o), actions (B, a) or (B, 1), of contexts (B,)."""
        groups = self._groups(ids)
        continuous_actions: Tensor | None = None
        if self.actions is None:
            continuous_actions = torch.from_numpy(np.asarray(actions, dtype=np.float32))
        else:
            groups = groups * self.actions + actions[:, 0].astype(np.int64)
        phi = self.features(torch.from_numpy(observations), continuous_actions).float()
        gamma = self.quantifier.bonus_of_rows(phi, torch.from_numpy(groups))
        return check_gamma(gamma, self.quantifier, (len(phi),), (phi,)).numpy()

    def _groups(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """The place of each context id (B,) among the K."""
        if self.ids is None:
            return np.zeros(len(ids), dtype=np.int64)
        groups = find_ids(self.ids, ids)
        if (groups < 0).any():
            unknown = int(ids[groups < 0][0])
            what = "a transition of an unknown context (id -1)" if unknown < 0 else f"context id {unknown}"
            raise DatasetError(
                f"expected transitions of the {len(self.ids)} contexts that Pessimism was fitted to; found {what}, which has "
                f"no data. Use Pessimism(per_context=False), which needs no ids; or, where the context is known but hidden, "
                f"buffer.connect(env), which labels it"
            )
        return groups
