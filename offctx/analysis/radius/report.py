"""The record of a radius report. Its words and pictures are in `offctx.evaluation`, imported when they are asked for.

Dimensions: N transitions drawn, R radii, p context.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.analysis.plain import plain
from offctx.cards import HasCard, coordinates_text
from offctx.envs.base import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class RadiusReport(HasCard):
    """The first-order error along a dataset; made by `radius_report`. Arrays are read-only.

    Errors and effects are in units of the spread (standard deviation) of next observations and of rewards along the data. The
    error of a next observation is the root mean square over its coordinates.

    Attributes:
        dataset_id: of the data.
        environment: that simulated the exact transitions.
        names: of the context coordinates.
        units: of the context coordinates.
        scale: half-widths w (p,) of the context's bounds, in those units; 0 for coordinates that are not moved.
        samples: number of transitions drawn, N.
        tolerance: the largest relative error that a suggested radius may have.
        radii: (R,) in half-widths.
        rows: (R,) number of transitions that have a valid context at that radius; the others are left out.
        observation_error: (R,) root mean square.
        reward_error: (R,) root mean square.
        observation_quantiles: (R, 3) quantiles 0.5, 0.9 and 0.99 of the errors of single transitions.
        reward_quantiles: (R, 3).
        observation_relative: (R,) error / exact effect, both root mean square; 0 where there is no effect.
        reward_relative: (R,).
        preference_relative: (R,) the same for rewards minus their mean over transitions that share both contexts.
        relative_error: (R,) the larger of `observation_relative` and `preference_relative`; radii are judged by it.
        coordinate_relative: (R, p) `relative_error` where one coordinate alone is moved; NaN where it cannot be moved.
        termination_changes: (R,) share of transitions that end an episode in one of the two contexts only; first order
            ignores them.
        observation_slope: of log error against log radius; NaN where the error is rounding only.
        reward_slope: of the reward's error.
        suggested: the largest radius, in half-widths, up to which `relative_error` is within the tolerance, the smallest radii
            passed over where contacts change single transitions by a jump; 0 where it is within the tolerance at no radius.
        coordinate_suggested: (p,) the same where one coordinate alone is moved; 0 for discrete coordinates.
    """

    dataset_id: str
    environment: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    scale: Array
    samples: int
    tolerance: float
    radii: Array
    rows: Array
    observation_error: Array
    reward_error: Array
    observation_quantiles: Array
    reward_quantiles: Array
    observation_relative: Array
    reward_relative: Array
    preference_relative: Array
    relative_error: Array
    coordinate_relative: Array
    termination_changes: Array
    observation_slope: float
    reward_slope: float
    suggested: float
    coordinate_suggested: Array

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def _card(self) -> dict[str, str]:
        return {
            "dataset": self.dataset_id,
            "environment": self.environment,
            "transitions": str(self.samples),
            "suggested": f"{self.suggested:.3g} half-widths, with relative error at most {self.tolerance:g}",
            "radius": coordinates_text(self.names, self.units, self.radius),
            "limited by": self.limit or "no coordinate alone",
            "details": "report.render() is the text, report.plot() the picture, report.save(folder) writes both",
        }

    @property
    def radius(self) -> Array:
        """The suggested radius of each coordinate (p,) in its own units, as `CSE` takes it."""
        return self.suggested * self.scale

    @property
    def limit(self) -> str | None:
        """The coordinate that exceeds the tolerance first when moved alone; None where none does up to the largest radius."""
        suggested = np.where(self.scale > 0, self.coordinate_suggested, np.inf)
        k = int(suggested.argmin())
        return self.names[k] if np.nan_to_num(self.coordinate_relative[:, k]).max() > self.tolerance else None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for strict JSON; NaN becomes None."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"radius": self.radius, "limit": self.limit}
        return {key: plain(value) for key, value in values.items()}

    def render(self) -> str:
        """Returns the report as text: a table over radii, a table over coordinates, and the suggested radius."""
        from offctx.evaluation.radius import radius_text

        return radius_text(self)

    def to_markdown(self) -> str:
        """Returns the report as Markdown; it shows a picture radius.png that stands beside it."""
        from offctx.evaluation.radius import radius_markdown

        return radius_markdown(self)

    def plot(self) -> "Figure":
        """Returns a figure: errors against the radius, log-log, and relative errors of single coordinates."""
        from offctx.evaluation.plots.radius import plot_radius

        return plot_radius(self)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes radius.md, radius.png and radius.json.

        Args:
            folder: where to; made where it does not exist. Other files of the folder are kept.

        Returns:
            the folder.

        Raises:
            DatasetError: `folder` is a file.
        """
        from offctx.evaluation.radius import save_radius

        return save_radius(self, folder)
