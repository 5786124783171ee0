"""Context sample enhancement (CSE): move a sampled batch to nearby contexts by its derivatives.

Source: arXiv 2507.07348. For a sample (s, a, r, s') at context c and a perturbation dc of it,

    s'_bar = s' + d_c f dc                               first-order transition
    r_bar  = r + d_c R dc + d_s' R d_c f dc              first-order reward: its total derivative along dc
    c_bar  = c + dc                                      what the agent sees as context, before and after

where the dataset's `dnext_observation_dcontext` is d_c f (of the observation) and `dreward_dcontext` is the total
derivative of r. The action stays as it is.

Departures from the paper: (1) the radius may differ between coordinates, which have units; the ball becomes an
ellipsoid. (2) A perturbed context that is not valid is drawn again, and drawn towards c where that does not help.

Dimensions: B batch, o observation, p context.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts import ContextSpace
from offctx.errors import ContextError, DerivativeError

if TYPE_CHECKING:
    from offctx.data.replay_buffer import ContextualMiniBatch

_REDRAWS = 20
_HALVINGS = 30


class CSE:
    """First-order context sample enhancement, a function from batch to batch.

    Use it as ``dataset.replay_buffer(augmentation=CSE(radius=0.5))``: every d3rlpy algorithm then trains on it.

    Args:
        radius: how far contexts are moved: one number, as in the paper, or one per coordinate (p,), in its units; 0 leaves
            a coordinate where it is.
        perturbation: "ball", uniform in the ball (the paper's definition), or "sphere", of fixed norm in a uniform
            direction (the paper's experiments).
        seed: of its own generator, used only where it is called without one; a buffer passes its own.

    Raises:
        ContextError: the radius is negative or not finite.
    """

    needs_derivatives = True

    def __init__(self, radius: ArrayLike, *, perturbation: Literal["ball", "sphere"] = "ball", seed: int = 0) -> None:
        self.radius = np.array(radius, dtype=np.float64)
        if self.radius.ndim > 1 or not np.isfinite(self.radius).all() or (self.radius < 0).any():
            raise ContextError(f"CSE radius must be one number >= 0, or one per context coordinate; found {radius!r}")
        if perturbation not in ("ball", "sphere"):
            raise ContextError(f'CSE perturbation must be "ball" or "sphere"; found {perturbation!r}')
        self.perturbation = perturbation
        self._rng = np.random.default_rng(seed)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch moved to perturbed contexts; with radius 0 the very same batch."""
        if not self.radius.any():
            return batch
        dnext, dreward = batch.dnext_observation_dcontext, batch.dreward_dcontext
        if dnext is None or dreward is None:
            raise DerivativeError("CSE needs a batch with context derivatives; collect the dataset with gradients=True")
        contexts, dc = self.perturb(batch.contexts, batch.context_space, rng or self._rng)
        observations, next_observations = np.array(batch.observations), np.array(batch.next_observations)
        next_observations[:, : dnext.shape[1]] += np.einsum("bop,bp->bo", dnext, dc)
        if batch.context == "append":
            observations[:, -dc.shape[1] :] = contexts
            next_observations[:, -dc.shape[1] :] = contexts
        rewards = batch.rewards + np.einsum("bp,bp->b", dreward, dc)[:, None]
        changed: dict[str, Any] = {"observations": observations, "next_observations": next_observations, "rewards": rewards}
        return dataclasses.replace(batch, contexts=contexts, **changed)

    def perturb(
        self, contexts: NDArray[np.float32], space: ContextSpace, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Valid contexts near the given ones (B, p), and how far each was moved (B, p)."""
        radius = np.broadcast_to(self.radius, (space.size,)) if self.radius.shape in ((), (space.size,)) else None
        if radius is None:
            raise ContextError(
                f"CSE radius has {self.radius.size} numbers; the context has {space.size}: {list(space.names)}"
            )
        base = contexts.astype(np.float64)
        dc = self._draw(len(base), radius, rng)
        bad = np.flatnonzero(~space.valid(base + dc))
        for _ in range(_REDRAWS):
            if len(bad) == 0:
                break
            dc[bad] = self._draw(len(bad), radius, rng)
            bad = bad[~space.valid(base[bad] + dc[bad])]
        for _ in range(_HALVINGS):
            if len(bad) == 0:
                break
            dc[bad] /= 2
            bad = bad[~space.valid(base[bad] + dc[bad])]
        dc[bad] = 0  # a base context that is itself outside the space stays where it is
        moved = (base + dc).astype(np.float32)
        return moved, dc.astype(np.float32)

    def _draw(self, n: int, radius: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """n perturbations in the ellipsoid (or on it) that the coordinates with a positive radius span."""
        moving = radius > 0
        direction = rng.standard_normal((n, int(moving.sum())))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        if self.perturbation == "ball":
            direction *= rng.random((n, 1)) ** (1 / direction.shape[1])
        dc = np.zeros((n, len(radius)))
        dc[:, moving] = direction * radius[moving]
        return dc
