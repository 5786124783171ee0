"""The radius of CSE: given by the user, or read off a dataset.

Dimensions: p context.
"""

from typing import TYPE_CHECKING, Protocol, final

import numpy as np

from offctx.analysis.radius import RadiusReport, radius_report
from offctx.analysis.radius.measure import TOLERANCE
from offctx.checks import Floats
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
        """As in the repr of a CSE."""


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
        env: the environment of the data; None for the one that the dataset names.
        seed: of the report.
        tolerance: of the report: the largest relative error that first order may have.
    """

    def __init__(self, env: ContextualEnv | None, seed: int, tolerance: float = TOLERANCE) -> None:
        self._env, self._seed = env, seed
        self._tolerance = tolerance
        self.report: RadiusReport | None = None
        self._dataset_id: str | None = None

    @property
    def value(self) -> Floats:
        """One number per context coordinate (p,); a ContextError before `prepare`."""
        if self.report is None:
            raise ContextError(
                'CSE(radius="auto") does not know its radius yet: make the buffer with it, as in '
                "dataset.replay_buffer(augmentation=cse), or call cse.prepare(dataset)"
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
                f'this CSE(radius="auto") was resolved for {self._dataset_id}; make another for {dataset.dataset_id}'
            )
        report = radius_report(dataset, self._env, seed=self._seed, tolerance=self._tolerance)
        if report.suggested == 0:
            raise ContextError(
                f"{dataset.dataset_id}: first order is off by at least {np.nanmin(report.relative_error):.2g} of the "
                f"effect at every radius, so no radius is within the tolerance of {report.tolerance:g}; use exact=, and give "
                "the radius"
            )
        self.report, self._dataset_id = report, dataset.dataset_id

    def __str__(self) -> str:
        return "'auto'" if self.report is None else f"{_numbers(self.report.radius)} (auto)"


def radius_per_coordinate(radius: Floats, space: ContextSpace) -> Floats:
    """The radius of each context coordinate (p,); 0 for discrete ones and those of kind "observation".

    Args:
        radius: one number (), or one per coordinate (p,).
        space: of the contexts.

    Raises:
        ContextError: there are not p numbers, a coordinate that CSE cannot move would be moved, or it can move none.
    """
    if radius.shape not in ((), (space.size,)):
        raise ContextError(f"CSE radius has {radius.size} numbers; the context has {space.size}: {list(space.names)}")
    moving = movable(space)
    if radius.any() and not moving.any():
        why = "discrete" if not space.continuous.any() else "discrete or of kind observation"
        raise ContextError(f"every coordinate of the context is {why}, {list(space.names)}: CSE can move none")
    if radius.ndim and radius[~moving].any():
        k = int(np.flatnonzero(~moving & (radius > 0))[0])
        raise ContextError(f"{_why_fixed(space, k)}, so that CSE cannot move it; found radius {radius[k]:g}, expected 0")
    return np.where(moving, radius, 0.0)


def _why_fixed(space: ContextSpace, k: int) -> str:
    """Why CSE cannot move coordinate k."""
    if not space.continuous[k]:
        return f"{space.names[k]} is discrete"
    return f"{space.names[k]} changes the observation, also the one that a transition begins with and that stays as it was seen"


def _numbers(radius: Floats) -> str:
    return np.array2string(radius, precision=4, separator=", ")
