"""Claims, and whether measurements support them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tools.reproduce.frame.markdown import table


class Verdict(NamedTuple):
    """A claim and what was measured.

    Attributes:
        claim: what is claimed, with its threshold.
        measured: the measured value, usually with its interval, in words.
        met: whether the measurement meets the threshold; None if there is no threshold or if it cannot be judged.
    """

    claim: str
    measured: str
    met: bool | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON reports."""
        return {"claim": self.claim, "found": self.measured, "met": self.met}


def verdict_table(verdicts: Iterable[Verdict], unjudged: str = "cannot be judged") -> list[str]:
    """Verdicts as a Markdown table.

    Args:
        verdicts: one row each.
        unjudged: the last column where `met` is None.
    """
    words = {True: "met", False: "**not met**", None: unjudged}
    return table(["claim", "measured", "threshold"], [[v.claim, v.measured, words[v.met]] for v in verdicts])
