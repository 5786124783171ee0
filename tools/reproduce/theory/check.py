"""What a theory check consists of."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.reproduce.frame.verdicts import Verdict
from tools.reproduce.theory.records import Measured, Record
from tools.reproduce.theory.sizes import Sizes

SUBOPTIMALITY = "sub-optimality"
ENVIRONMENTS_AXIS = "training contexts n"
TRAJECTORIES_AXIS = "trajectories in each context K"


@dataclass(frozen=True)
class Panel:
    """How one group of series is shown.

    Attributes:
        group: which series.
        xlabel: of the x axis.
        ylabel: of the y axis.
        log_y: whether the y axis is logarithmic.
        table_only: whether the group is printed but not drawn.
    """

    group: str
    xlabel: str
    ylabel: str = SUBOPTIMALITY
    log_y: bool = True
    table_only: bool = False


@dataclass(frozen=True)
class Check:
    """One of the measured claims.

    Attributes:
        name: on the command line, and of its picture.
        title: of its section in the report.
        text: the section's paragraphs, separated by empty lines.
        measure: from a seed to its records; instance, data and search all come from the seed.
        verdicts: from the measurements of all seeds to claims and whether they hold.
        panels: the groups of series, in the order of the report.
        seconds: expected seconds of one seed with the default sizes on one core.
        seeded: whether seeds matter; otherwise the check runs once.
    """

    name: str
    title: str
    text: str
    measure: Callable[[int, Sizes], list[Record]]
    verdicts: Callable[[Measured, Sizes], list[Verdict]]
    panels: tuple[Panel, ...]
    seconds: float
    seeded: bool = True
