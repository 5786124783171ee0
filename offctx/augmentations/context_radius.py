"""How far contexts are moved, and the contexts drawn so: what `CSE` and its placebo `ContextJitter` share.

The radius is given by the user, or read off a dataset. Errors name the augmentation that the user made.

Dimensions: B batch, p context.
"""

from typing import TYPE_CHECKING, Literal, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.analysis.radius import RadiusReport, radius_report
from offctx.analysis.radius.measure import TOLERANCE
from offctx.augmentations.perturbations import DRAWS, Shape, check_radius, perturbed_contexts
from offctx.checks import Floats, at_least
from offctx.contexts.kinds import movable
from offctx.contexts.space import ContextSpace
from offctx.envs.base import ContextualEnv
from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset


class ContextRadius(Protocol):
    """How far contexts are moved."""

    @property
    def report(self) -> RadiusReport | None:
        """The report that the radius was read off, if it was."""

    @property
    def value(self) -> Floats:
        """One number (), or one per context coordinate (p,), in the units of the context."""

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Reads what it needs off the dataset."""

    def __str__(self) -> str:
        """As in the repr of an augmentation."""


@final
class GivenRadius:
    """A radius that the user gives.

    Args:
        value: one number (), or one per context coordinate (p,).
    """

    report = None

    def __init__(self, value: Floats) -> None:
        self.value = value

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Does nothing: the radius is given."""

    def __str__(self) -> str:
        return _numbers(self.value)


@final
class AutoRadius:
    """The largest radius that a dataset supports, by `radius_report`.

    Args:
        owner: the name of the augmentation, for errors.
        env: the environment of the data; None for the one that the dataset names.
        seed: of the report.
        tolerance: of the report: the largest relative error that first order may have.
    """

    def __init__(self, owner: str, env: ContextualEnv | None, seed: int, tolerance: float = TOLERANCE) -> None:
        self._owner, self._env, self._seed = owner, env, seed
        self._tolerance = tolerance
        self.report: RadiusReport | None = None
        self._dataset_id: str | None = None

    @property
    def value(self) -> Floats:
        """One number per context coordinate (p,); a ContextError before `prepare`."""
        if self.report is None:
            raise ContextError(
                f'{self._owner}(radius="auto") does not know its radius yet: make the buffer with it, as in '
                "dataset.replay_buffer(augmentation=...), or call its prepare(dataset)"
            )
        return self.report.radius

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Makes the report, once.

        Raises:
            ContextError: no radius is within the tolerance; or the radius is that of another dataset already.
            DatasetError: the dataset has no simulator states, or the environment is not known.
        """
        if self._dataset_id == dataset.dataset_id:
            return
        if self._dataset_id is not None:
            raise ContextError(
                f'this {self._owner}(radius="auto") was resolved for {self._dataset_id}; make another for {dataset.dataset_id}'
            )
        report = radius_report(dataset, self._env, seed=self._seed, tolerance=self._tolerance)
        if report.suggested == 0:
            raise ContextError(
                f"{dataset.dataset_id}: first order is off by at least {np.nanmin(report.relative_error):.2g} of the "
                f"effect at every radius, so no radius is within the tolerance of {report.tolerance:g}; give the "
                "radius, and to CSE exact=, so that it simulates"
            )
        self.report, self._dataset_id = report, dataset.dataset_id

    def __str__(self) -> str:
        return "'auto'" if self.report is None else f"{_numbers(self.report.radius)} (auto)"


@final
class ContextMoves:
    """Draws valid contexts within a radius of given ones.

    Args:
        owner: the name of the augmentation, for errors.
        radius: one number >= 0, one per context coordinate (p,), or "auto".
        tolerance: for "auto", the largest relative error that first order may have at the radius, > 0.
        perturbation: "ball", uniform in the ball, or "sphere", of fixed norm in a uniform direction.
        env: the environment of the data; None for the one that the dataset names, which "auto" needs.
        seed: of the report that "auto" is read off.

    Raises:
        ContextError: an argument is something else.
    """

    def __init__(
        self,
        owner: str,
        radius: ArrayLike | Literal["auto"],
        tolerance: float,
        perturbation: Shape,
        env: ContextualEnv | None,
        seed: int,
    ) -> None:
        auto = isinstance(radius, str) and radius == "auto"
        fixed = None if auto else GivenRadius(check_radius(radius, f"{owner} radius", "context"))
        at_least(tolerance, 0, "a tolerance", strictly=True, error=ContextError)
        if perturbation not in DRAWS:
            raise ContextError(f'{owner} perturbation must be "ball" or "sphere"; found {perturbation!r}')
        self._owner, self._perturbation, self._env = owner, perturbation, env
        self.draw = DRAWS[perturbation]
        self.radius: ContextRadius = fixed or AutoRadius(owner, env, seed, tolerance)

    def check(self, space: ContextSpace) -> Floats:
        """The radius of each context coordinate (p,); 0 for discrete ones and those of kind "observation".

        Raises:
            ContextError: the radius does not fit the context space; or the environment has another context.
        """
        radii = radius_per_coordinate(self.radius.value, space, self._owner)
        if self._env is not None and self._env.context_space.names != space.names:
            names = list(self._env.context_space.names)
            raise ContextError(f"{self._owner}'s environment has the context {names}; the data have {list(space.names)}")
        return radii

    def perturb(
        self, contexts: NDArray[np.float32], space: ContextSpace, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Valid contexts (B, p) near the given ones (B, p), and how far each was moved (B, p)."""
        return perturbed_contexts(contexts, space, self.check(space), self.draw, rng)

    def __str__(self) -> str:
        return f"radius={self.radius}, perturbation={self._perturbation!r}"


def radius_per_coordinate(radius: Floats, space: ContextSpace, owner: str) -> Floats:
    """The radius of each context coordinate (p,); 0 for discrete ones and those of kind "observation".

    Args:
        radius: one number (), or one per coordinate (p,).
        space: of the contexts.
        owner: the name of the augmentation, for errors.

    Raises:
        ContextError: there are not p numbers, a coordinate that cannot be moved has a radius, or no coordinate can be moved.
    """
    if radius.shape not in ((), (space.size,)):
        raise ContextError(f"{owner} radius has {radius.size} numbers; the context has {space.size}: {list(space.names)}")
    moving = movable(space)
    if radius.any() and not moving.any():
        why = "discrete" if not space.continuous.any() else "discrete or of kind observation"
        raise ContextError(f"every coordinate of the context is {why}, {list(space.names)}: {owner} can move none")
    if radius.ndim and radius[~moving].any():
        k = int(np.flatnonzero(~moving & (radius > 0))[0])
        raise ContextError(f"{_why_fixed(space, k)}, so that {owner} cannot move it; found radius {radius[k]:g}, expected 0")
    return np.where(moving, radius, 0.0)


def _why_fixed(space: ContextSpace, k: int) -> str:
    """Why coordinate k cannot be moved."""
    if not space.continuous[k]:
        return f"{space.names[k]} is discrete"
    return f"{space.names[k]} changes the observation, also the one that a transition begins with and that stays as it was seen"


def _numbers(radius: Floats) -> str:
    return np.array2string(radius, precision=4, separator=", ")
