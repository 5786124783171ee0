"""The placebo of CSE: the appended context moves as with CSE, and nothing else does.

For a transition (s, a, r, s') at context c, with the perturbation dc that CSE draws,

    c_bar = c + dc,      s, a, r and s' stay as they are

A policy whose context inputs were constant in training has untrained weights on these inputs, and fails in other contexts for
that reason alone. The placebo trains these weights, and says nothing about what the context does. What CSE gains over the
placebo is due to the moved next observations and rewards.

Dimensions: B batch, p context.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from offctx.analysis.radius import RadiusReport
from offctx.analysis.radius.measure import TOLERANCE
from offctx.augmentations.context_radius import ContextMoves
from offctx.augmentations.perturbations import Shape
from offctx.buffers.augmentation import Augmentation
from offctx.buffers.windows import for_each_window
from offctx.checks import Floats
from offctx.contexts.space import ContextSpace
from offctx.envs.resolve import EnvLike, resolve

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class ContextJitter(Augmentation):
    """Moves the appended context of every sampled transition as `CSE` does, and nothing else: the placebo of CSE.

    With the same radius and the same generator, its contexts are those of `CSE`. The transitions need no derivatives and no
    simulator states.

    Args:
        radius: as that of `CSE`: one number, one per context coordinate (p,), or "auto" (which needs simulator states).
        tolerance: for "auto", as that of `CSE`.
        perturbation: "ball" or "sphere", as that of `CSE`.
        env: the environment of the data for "auto", where the dataset does not name one that ships with offctx.
        seed: of the generator that is used where a call is given none; a buffer gives its own.

    Raises:
        ContextError: a radius is negative or not finite, or `perturbation` is unknown.

    Source:
        Its role is that of a placebo; CSE is arXiv 2507.07348.

    Example::

        enhanced = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5), seed=0)
        placebo = dataset.replay_buffer(augmentation=offctx.ContextJitter(radius=0.5), seed=0)
    """

    def __init__(
        self,
        radius: ArrayLike | Literal["auto"],
        *,
        tolerance: float = TOLERANCE,
        perturbation: Shape = "ball",
        env: EnvLike | None = None,
        seed: int = 0,
    ) -> None:
        given_env = None if env is None else resolve(env).env
        self._moves = ContextMoves("ContextJitter", radius, tolerance, perturbation, given_env, seed)
        self._rng = np.random.default_rng(seed)

    @property
    def radius(self) -> Floats:
        """One number, or one per context coordinate (p,). Raises ContextError while "auto" is not resolved."""
        return self._moves.radius.value

    @property
    def report(self) -> RadiusReport | None:
        """The report that "auto" was read off, once it was; else None."""
        return self._moves.radius.report

    @property
    def handles_history(self) -> bool:
        """True: contexts that are appended in a window move with those of its rows."""
        return True

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Resolves "auto" for a dataset; nothing where the radius is given.

        Args:
            dataset: with simulator states.

        Raises:
            ContextError, DatasetError: as `CSE.prepare`.
        """
        self._moves.radius.prepare(dataset)

    def check(self, space: ContextSpace) -> Floats:
        """Checks that the radius fits the context space.

        Args:
            space: of the data.

        Returns:
            The radius of each coordinate (p,), in its unit.

        Raises:
            ContextError: there are not p radii, or one is for a discrete coordinate.
        """
        return self._moves.check(space)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch with other contexts, in `contexts` and where they are appended; with radius 0, the very same batch.

        Args:
            batch: B transitions.
            rng: draws the perturbations.

        Returns:
            The batch with other contexts. Actions, rewards, and the observations without their contexts stay as they are.

        Raises:
            ContextError: the radius does not fit the batch, or "auto" is not resolved.
        """
        if not self.radius.any():
            return batch
        contexts, _ = for_each_window(batch, lambda c: self._moves.perturb(c, batch.context_space, rng or self._rng))
        return batch.with_contexts(contexts)

    def __repr__(self) -> str:
        return f"ContextJitter({self._moves})"
