"""The choices of the paper's public code that the defaults of `DMASHConfig` depart from, each by its name.

They are there for comparison. The first three are faults: results with them say less than they seem to.

| choice | the public code | the default here |
|---|---|---|
| "row-in-window" | a window may hold its row: the encoder sees what is to be predicted | it never does |
| "truncation-is-terminal" | no bootstrapping where an episode was truncated | the next state's value counts |
| "raw-contexts" | given contexts in their own units | scaled to [-1, 1] by their space |
| "full-windows" | K transitions where there are so many | a random number from 0 to K, for a cold start |
| "plain-hypernetwork" | the last layer starts as torch starts it | adapters start as the identity |
| "raw-features" | encoder and dynamics model see transitions as they are | scaled by their running mean and spread |
| "gaussian-layer-norm" | LayerNorm of the encoder's output where z is Gaussian | none |

Two more are settings: one z a row (`rows_per_window=1`) and `inference_learning_rate=3e-4`. That the code computes adapters one
row at a time changes no number.

Source: arXiv 2602.06550 and its public code.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from offctx.errors import AlgorithmError

PaperChoice = Literal[
    "row-in-window", "truncation-is-terminal", "raw-contexts", "full-windows", "plain-hypernetwork", "raw-features",
    "gaussian-layer-norm",
]  # fmt: skip
PAPER_CHOICES: tuple[PaperChoice, ...] = get_args(PaperChoice)


def paper_choices(paper: bool | Sequence[PaperChoice]) -> frozenset[PaperChoice]:
    """The choices that a setting `paper` names: all for True, none for False.

    Raises:
        AlgorithmError: neither a bool nor a list of their names.
    """
    if isinstance(paper, bool):
        return frozenset(PAPER_CHOICES if paper else ())
    names: Any = paper
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(name in PAPER_CHOICES for name in names):
        raise AlgorithmError(f"expected paper as True, False or a list out of {list(PAPER_CHOICES)}; found {paper!r}")
    return frozenset(names)
