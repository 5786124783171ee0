"""The record of a leakage report. Its words and pictures are in `offctx.evaluation`, imported when they are asked for.

Dimensions: D contexts in which windows are played, p context.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.analysis.leakage.permutations import SIGNIFICANCE
from offctx.analysis.leakage.variance import NOISE
from offctx.analysis.plain import plain
from offctx.cards import HasCard
from offctx.contexts.space import Contexts
from offctx.envs.base import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INPUTS = ("z", "(s, a)", "(s, a, s')")
TESTS = ("episodes held out", "contexts held out", "behaviour of other contexts")
_SMALL = 0.1  # a share of what changes z apart from the window, up to which it does not count


@dataclass(frozen=True, eq=False, repr=False)
class LeakageReport(HasCard):
    """What changes a code z, and what a linear map reads off it; made by `leakage_report`. Arrays are read-only.

    Numbers with intervals are (..., 3): estimate, and the bounds of a 95 % interval over contexts. NaN where there is none.

    Attributes:
        dataset_id: of the data.
        encoder: name of the encoder.
        environment: that played the windows.
        names: of the context coordinates.
        discrete: names of those that take listed values.
        length: slots of a window.
        windows: how many windows of the data there are.
        contexts: in which windows are played (D, p).
        behaviours: how many behaviours are compared.
        size: d, the numbers of a code.
        dynamics: share of the variance of z that is due to the dynamics alone (3,).
        behaviour: share due to the behaviour alone (3,); its lower bound is 0 unless `p_value` is at most 0.05.
        window: share from window to window, of one behaviour in one context (3,).
        leak: behaviour / (behaviour + dynamics) (3,): 0 for an encoder of the dynamics, 1 for one of the behaviour; NaN where
            it cannot be told, as neither changes z.
        changes: root mean square distance of two codes of which only the dynamics, and only the behaviour, differ (2,); each
            number of a code is in units of its standard deviation.
        p_value: of a permutation test over episodes: how likely the share of the behaviour is by chance where behaviours do not
            change z.
        constant: whether z is the same for all windows.
        probes: scores of linear probes (3, p, 3, 3): of z, (s, a), (s, a, s'); coordinates; episodes held out, contexts held
            out, behaviour of other contexts; estimate, low, high.
    """

    dataset_id: str
    encoder: str
    environment: str
    names: tuple[str, ...]
    discrete: tuple[str, ...]
    length: int
    windows: int
    contexts: Contexts
    behaviours: int
    size: int
    dynamics: Array
    behaviour: Array
    window: Array
    leak: Array
    changes: Array
    p_value: float
    constant: bool
    probes: Array

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def verdict(self) -> str:
        """What z follows: "dynamics", "behaviour", "both", "neither", "undecided" or "constant".

        The share of the behaviour counts where it is significant: `p_value` at most 0.05, and the interval above 0. "neither"
        where dynamics are at most 1 % of the variance and the behaviour does not count, or both together are at most 1 %.
        "dynamics" where the whole interval of `leak` is below 0.1, or `leak` is and the behaviour does not count. "behaviour"
        where the whole interval is above 0.9, or `leak` is and dynamics are at most 1 % of the variance. "undecided" where z
        follows the dynamics, and `leak` is at least 0.1 but may be chance: there are too few episodes. "both" otherwise.
        """
        if self.constant:
            return "constant"
        counts = self.p_value <= SIGNIFICANCE and self.behaviour[1] > 0
        if self.dynamics[0] + self.behaviour[0] <= NOISE or (self.dynamics[0] <= NOISE and not counts):
            return "neither"
        if self.leak[2] < _SMALL or (self.leak[0] < _SMALL and not counts):
            return "dynamics"
        if not counts:
            return "undecided"
        only = self.leak[1] > 1 - _SMALL or (self.leak[0] > 1 - _SMALL and self.dynamics[0] <= NOISE)
        return "behaviour" if only else "both"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for strict JSON; NaN becomes None."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"verdict": self.verdict, "inputs": INPUTS, "tests": TESTS}
        return {key: plain(value) for key, value in values.items()}

    def render(self) -> str:
        """Returns the report as text: the verdict, the shares and the probes."""
        from offctx.evaluation.leakage import leakage_text

        return leakage_text(self)

    def to_markdown(self) -> str:
        """Returns the report as Markdown; it shows a picture leakage.png that stands beside it."""
        from offctx.evaluation.leakage import leakage_markdown

        return leakage_markdown(self)

    def plot(self) -> "Figure":
        """Returns a figure: the shares of the variance, and the scores of the probes."""
        from offctx.evaluation.plots.leakage import plot_leakage

        return plot_leakage(self)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes leakage.md, leakage.png and leakage.json.

        Args:
            folder: where to; made where it does not exist. Other files of the folder are kept.

        Returns:
            The folder.

        Raises:
            DatasetError: `folder` is a file.
        """
        from offctx.evaluation.leakage import save_leakage

        return save_leakage(self, folder)

    def _card(self) -> dict[str, str]:
        return {
            "dataset": self.dataset_id,
            "encoder": f"{self.encoder}, {self.size} numbers",
            "windows": f"{self.windows} of {self.length} transitions, played in {len(self.contexts)} contexts",
            "verdict": self.verdict,
            "details": "report.render() is the text, report.plot() the picture, report.save(folder) writes both",
        }
