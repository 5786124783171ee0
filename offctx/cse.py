"""Context sample enhancement (CSE): move a sampled batch to nearby contexts.

Source: arXiv 2507.07348. For a sample (s, a, r, s') at context c and a perturbation dc of it, to first order

    s'_bar = s' + d_c f dc                               transition
    r_bar  = r + d_c R dc + d_s' R d_c f dc              reward: its total derivative along dc
    c_bar  = c + dc                                      what the agent sees as context, before and after

where the dataset's `dnext_observation_dcontext` is d_c f (of the observation) and `dreward_dcontext` is the total
derivative of r; or exactly, s'_bar and r_bar simulated from s at c_bar. The action stays as it is.

Departures from the paper: (1) the radius may differ between coordinates, which have units; the ball becomes an
ellipsoid. (2) A perturbed context that is not valid is drawn again, and drawn towards c where that does not help.

Dimensions: B batch, o observation, p context.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts import ContextSpace
from offctx.envs.base import ContextualEnv
from offctx.envs.rollout import EnvLike, resolve
from offctx.errors import ContextError, DerivativeError

if TYPE_CHECKING:
    from offctx.data.replay_buffer import ContextualMiniBatch

_REDRAWS = 20
_HALVINGS = 30


class CSE:
    """Context sample enhancement, a function from batch to batch.

    Use it as ``dataset.replay_buffer(augmentation=CSE(radius=0.5))``: every d3rlpy algorithm then trains on it.

    Args:
        radius: how far contexts are moved: one number, as in the paper, or one per coordinate (p,), in its units; 0 leaves
            a coordinate where it is.
        perturbation: "ball", uniform in the ball (the paper's definition), or "sphere", of fixed norm in a uniform
            direction (the paper's experiments).
        exact: the environment of the data (an id, a factory or an environment), to simulate transitions anew instead of
            expanding them to first order. Needs the simulator states in the dataset instead of the derivatives.
        seed: of its own generator, used only where it is called without one; a buffer passes its own.

    Raises:
        ContextError: the radius is negative or not finite.
    """

    def __init__(
        self,
        radius: ArrayLike,
        *,
        perturbation: Literal["ball", "sphere"] = "ball",
        exact: EnvLike | None = None,
        seed: int = 0,
    ) -> None:
        try:
            self.radius = np.array(radius, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ContextError(f"CSE radius must be one number, or one per context coordinate; found {radius!r}") from error
        if self.radius.ndim > 1 or not np.isfinite(self.radius).all() or (self.radius < 0).any():
            raise ContextError(f"CSE radius must be one number >= 0, or one per context coordinate; found {radius!r}")
        if perturbation not in ("ball", "sphere"):
            raise ContextError(f'CSE perturbation must be "ball" or "sphere"; found {perturbation!r}')
        self.perturbation = perturbation
        self._env = None if exact is None else resolve(exact).env
        self._rng = np.random.default_rng(seed)

    @property
    def requires(self) -> tuple[str, ...]:
        """The arrays that a dataset must have, by the names of `ContextualDataset`."""
        if self._env is None:
            return ("dnext_observation_dcontext", "dreward_dcontext")
        return ("states", "noise") if self._env.noise_size else ("states",)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch moved to perturbed contexts; with radius 0 the very same batch."""
        if not self.radius.any():
            return batch
        for name in self.requires:
            if getattr(batch, name) is None:
                raise DerivativeError(f"CSE needs a batch with {name}; make the buffer with this CSE as its augmentation")
        contexts, dc = self.perturb(batch.contexts, batch.context_space, rng or self._rng)
        changed = self._first_order(batch, dc) if self._env is None else self._simulated(self._env, batch, contexts)
        if batch.context == "append":
            changed["observations"] = np.array(batch.observations)
            for name in ("observations", "next_observations"):
                changed[name][:, -dc.shape[1] :] = contexts
        return dataclasses.replace(batch, contexts=contexts, **changed)

    def _first_order(self, batch: "ContextualMiniBatch", dc: NDArray[np.float32]) -> dict[str, Any]:
        dnext, dreward = batch.dnext_observation_dcontext, batch.dreward_dcontext
        assert dnext is not None and dreward is not None
        next_observations = np.array(batch.next_observations)
        next_observations[:, : dnext.shape[1]] += np.einsum("bop,bp->bo", dnext, dc)
        return {
            "next_observations": next_observations,
            "rewards": batch.rewards + np.einsum("bp,bp->b", dreward, dc)[:, None],
        }

    def _simulated(self, env: ContextualEnv, batch: "ContextualMiniBatch", contexts: NDArray[np.float32]) -> dict[str, Any]:
        assert batch.states is not None
        actions = env.admit_actions(batch.actions, len(contexts))
        states, rewards, terminations = env.simulate(batch.states, actions, contexts, batch.noise)
        next_observations = np.array(batch.next_observations)
        observations = env.observations(states)
        next_observations[:, : observations.shape[1]] = observations
        return {
            "next_observations": next_observations,
            "rewards": rewards[:, None].astype(np.float32),
            "terminals": terminations[:, None].astype(np.float32),
        }

    def check(self, space: ContextSpace) -> NDArray[np.float64]:
        """The radius of each coordinate (p,), or ContextError where there are not p of them."""
        if self.radius.shape not in ((), (space.size,)):
            raise ContextError(f"CSE radius has {self.radius.size} numbers; the context has {space.size}: {list(space.names)}")
        return np.broadcast_to(self.radius, (space.size,))

    def perturb(
        self, contexts: NDArray[np.float32], space: ContextSpace, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Valid contexts near the given ones (B, p), and how far each was moved (B, p)."""
        radius = self.check(space)
        base = contexts.astype(np.float64)
        within = np.clip(base, space.low, space.high)
        # float32 does not hold every bound: a context on one may come in one rounding outside it.
        base = np.where(np.abs(base - within) <= np.spacing(np.abs(contexts)), within, base)
        dc = self._draw(len(base), radius, rng)
        bad = np.flatnonzero(~space.valid(base + dc))
        for attempt in range(_REDRAWS + _HALVINGS):
            if len(bad) == 0:
                break
            dc[bad] = self._draw(len(bad), radius, rng) * 0.5 ** max(0, attempt - _REDRAWS + 1)
            bad = bad[~space.valid(base[bad] + dc[bad])]
        dc[bad] = 0  # a base context that is itself outside the space stays where it is
        return (base + dc).astype(np.float32), dc.astype(np.float32)

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
