"""Pessimism by reward: what makes any d3rlpy algorithm pessimistic in the linear-MDP sense.

Source: arXiv 2503.07988, Algorithm 4 (and arXiv 2012.15085). There the estimate of r + V(x') at (x, a) is lowered by

    Gamma_i(x, a) = beta sqrt( phi(x, a)^T Lambda_i^{-1} phi(x, a) ),        Lambda_i = sum_{D_i} phi phi^T + ridge I

with D_i the data of context i. Here the reward of each transition in a batch is, which an algorithm then learns as its own.

Departures from the paper: (1) Gamma is subtracted at the (x, a) of the batch only; at other actions, an algorithm sees it as
far as its critic generalises. (2) No clipping to [0, H - h + 1], which is the algorithm's matter. (3) One Lambda_i for all
steps of an episode, as the replay buffer has no horizon.

Dimensions: N transitions of the dataset, B batch, o observation, a action, A discrete actions, p context, d features,
K contexts.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from offctx.buffers.augmentation import Augmentation
from offctx.checks import at_least
from offctx.errors import DatasetError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.features import FeatureKind, admit_features, make_features
from offctx.uncertainty.gram import gram_matrices

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class Pessimism(Augmentation):
    """Subtracts beta times an elliptical uncertainty from the rewards; a function from batch to batch.

    Use it as ``dataset.replay_buffer(augmentation=Pessimism(beta=1.0))``: every d3rlpy algorithm then trains on it. Where CSE
    has moved the batch before, Lambda is that of the context which the transition came from.

    Args:
        beta: the scale, >= 0, in units of reward; 0 leaves the batch as it is.
        features: "fourier", random Fourier features of observation and continuous action; "observation", these themselves,
            of norm at most 1; or a feature map, fitted or not (see `offctx.uncertainty.features`). With discrete actions
            features are of the observation alone, and every action has a Lambda of its own.
        size: d of Fourier features.
        ridge: lambda > 0.
        bandwidth: of Fourier features, in standard deviations of the data; None: the median heuristic.
        per_context: each context has the Lambda of its own data, and features do not see the context. False: one Lambda of
            all data, whose features see the context where the buffer appends it.
        seed: of the Fourier features.

    Raises:
        LinearError: a number out of range; features that are longer than 1 or do not fit the data.
    """

    def __init__(
        self,
        beta: float,
        features: FeatureKind | nn.Module = "fourier",
        *,
        size: int = 256,
        ridge: float = 1.0,
        bandwidth: float | None = None,
        per_context: bool = True,
        seed: int = 0,
    ) -> None:
        self.beta = at_least(beta, 0, "beta")
        self.ridge = at_least(ridge, 0, "ridge", strictly=True)
        self.features, self.per_context = features, per_context
        self._options: dict[str, Any] = {"size": size, "bandwidth": bandwidth, "seed": seed}
        if not isinstance(features, nn.Module):
            make_features(features, 1, **self._options)  # complains now, not when the data come
        self._dataset: ContextualDataset | None = None
        self._fitted: dict[bool, _Quantifier] = {}  # with the context among the features, or without

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Fit to a dataset; a buffer does so when it is made.

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
            self._quantifier(context=False)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch with lower rewards; with beta = 0 the very same batch.

        Raises:
            DatasetError: before `prepare`; or a transition of a context that is unknown or not among the dataset's.
        """
        if self.beta == 0:
            return batch
        changed: dict[str, Any] = {"rewards": batch.rewards - self.gamma(batch)[:, None]}
        return dataclasses.replace(batch, **changed)

    def gamma(self, batch: "ContextualMiniBatch") -> NDArray[np.float32]:
        """What is subtracted from each reward (B,); raises as a call does."""
        context = not self.per_context and batch.context == "append"
        observations = np.asarray(batch.observations, dtype=np.float32)
        if batch.context == "append" and not context:
            observations = observations[:, : -batch.contexts.shape[1]]
        return self.beta * self._quantifier(context=context)(observations, batch.actions, batch.context_ids)

    def _quantifier(self, *, context: bool) -> "_Quantifier":
        if context not in self._fitted:
            if self._dataset is None:
                raise DatasetError(
                    "Pessimism has seen no data: make the buffer with it, as in "
                    "dataset.replay_buffer(augmentation=pessimism), or call pessimism.prepare(dataset)"
                )
            self._fitted[context] = self._fit(self._dataset, context=context)
        return self._fitted[context]

    def _fit(self, dataset: "ContextualDataset", *, context: bool) -> "_Quantifier":
        space = dataset.action_space
        actions = int(space.n) if isinstance(space, spaces.Discrete) else None
        parts = [dataset.observations, dataset.contexts] if context else [dataset.observations]
        observations = torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float32))
        taken = None if actions else torch.from_numpy(np.array(dataset.actions, dtype=np.float32))
        features = self.features
        if not isinstance(features, nn.Module):
            sizes = (observations.shape[1], 0 if taken is None else taken.shape[1])
            features = make_features(features, *sizes, **self._options)
        admit_features(features, observations, taken)
        ids, index = np.unique(dataset.context_ids, return_inverse=True) if self.per_context else (None, 0)
        blocks = np.broadcast_to(index if actions is None else index * actions + dataset.actions, len(dataset))
        count = (1 if ids is None else len(ids)) * (actions or 1)
        grams = gram_matrices(features, observations, taken, torch.from_numpy(blocks.astype(np.int64)), count)
        whitening = EllipticalUncertainty.from_gram(grams, self.beta, self.ridge).whitening.float()
        return _Quantifier(features, whitening, ids, actions)

    def __repr__(self) -> str:
        features = type(self.features).__name__ if isinstance(self.features, nn.Module) else repr(self.features)
        return f"Pessimism(beta={self.beta:g}, features={features}, ridge={self.ridge:g}, per_context={self.per_context})"


@dataclasses.dataclass(frozen=True, eq=False)
class _Quantifier:
    """sqrt(phi^T Lambda_i^{-1} phi) = |L_i^{-1} phi|, fitted.

    Attributes:
        features: the map.
        whitening: L^{-1} of each context (and discrete action), (K, d, d) or (K A, d, d), float32.
        ids: the contexts' ids, ascending (K,); None where all are merged.
        actions: A, or None with continuous actions.
    """

    features: nn.Module
    whitening: Tensor
    ids: NDArray[np.int64] | None
    actions: int | None

    @torch.inference_mode()
    def __call__(self, observations: NDArray[Any], actions: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float32]:
        """(B,) at observations (B, o), actions (B, a) or (B, 1), of contexts (B,)."""
        blocks = self._places(ids)
        if self.actions is None:
            phi = self.features(torch.from_numpy(observations), torch.from_numpy(np.asarray(actions, dtype=np.float32)))
        else:
            phi = self.features(torch.from_numpy(observations), None)
            blocks = blocks * self.actions + actions[:, 0].astype(np.int64)
        # One product for each block that the batch has, of its rows side by side: padding the blocks to one size for a single
        # batched product is slower, twice with 16 contexts of unequal size and ten times with 80.
        order = np.argsort(blocks, kind="stable")
        rows = phi.float()[torch.from_numpy(order)]
        sizes = np.bincount(blocks)
        ends = np.cumsum(sizes)
        white = torch.empty_like(rows)
        for block in np.flatnonzero(sizes):
            own = slice(ends[block] - sizes[block], ends[block])
            torch.mm(rows[own], self.whitening[block].T, out=white[own])
        lengths = np.empty(len(order), dtype=np.float32)
        lengths[order] = torch.linalg.vector_norm(white, dim=-1).numpy()
        return lengths

    def _places(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """The place of each context id (B,) among the K."""
        if self.ids is None:
            return np.zeros(len(ids), dtype=np.int64)
        places = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        unknown = self.ids[places] != ids
        if unknown.any():
            number = int(ids[unknown][0])
            what = "a transition of an unknown context (id -1)" if number < 0 else f"context id {number}"
            raise DatasetError(
                f"expected transitions of the {len(self.ids)} contexts that Pessimism was fitted to; found {what}, with no "
                f"data of its own to be judged by. Use Pessimism(per_context=False), which needs no ids; or, where the context "
                f"is known but hidden, buffer.connect(env), which labels it"
            )
        return places
