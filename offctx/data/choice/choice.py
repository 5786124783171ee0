"""A part of a dataset as a user names it, and the episodes that this means.

Dimensions: E episodes, C distinct contexts, p context.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offctx.checks import whole_number
from offctx.contexts.distinct import distinct_rows
from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.choice.contexts import Mask, choose_contexts, close, numbers_in
from offctx.envs.base import Array
from offctx.errors import DatasetError

EpisodeChoice = int | slice | Sequence[int] | Array


@dataclass(frozen=True)
class Choice:
    """Episodes that satisfy all that is given. `offctx.data.choice.contexts` says what contexts and episodes may be.

    Attributes:
        contexts: which contexts; None for all.
        episodes: numbers of episodes in the whole dataset, or a slice; None for all.
        split: the name of a split of the context space, or several: episodes in their contexts; None for all.
        episodes_per_context: at most so many episodes of each context, the first ones that satisfy the rest; None for all.

    Raises:
        DatasetError: `episodes_per_context` is not a positive whole number.
    """

    contexts: Any = None
    episodes: Any = None
    split: str | Sequence[str] | None = None
    episodes_per_context: int | None = None

    def __post_init__(self) -> None:
        if self.episodes_per_context is not None:
            whole_number(self.episodes_per_context, "episodes_per_context", 1, DatasetError)

    @property
    def everything(self) -> bool:
        """Whether nothing is given."""
        return self.episodes is None and not self.reads_contexts

    @property
    def reads_contexts(self) -> bool:
        """Whether contexts decide."""
        return not (self.contexts is None and self.split is None and self.episodes_per_context is None)

    def without_contexts(self) -> "Choice":
        """The rest, without `contexts`."""
        return replace(self, contexts=None)

    def numbers(self, count: int, of_episodes: Callable[[], tuple[Contexts, ContextSpace]], what: str) -> Array:
        """Returns the numbers of the chosen episodes, ascending.

        Args:
            count: E.
            of_episodes: gives the context of each episode (E, p), and their space; called where contexts decide.
            what: the dataset, for messages.

        Raises:
            ContextError: the name of a coordinate is unknown.
            DatasetError: something is out of range, a split is unknown, or nothing is chosen.
        """
        numbers = np.arange(count) if self.episodes is None else numbers_in(count, self.episodes, "episodes", what)
        if not self.reads_contexts:
            return numbers
        contexts, space = of_episodes()
        distinct, ids = distinct_rows(contexts)
        mask = np.ones(len(distinct), dtype=bool)
        if self.contexts is not None:
            mask &= choose_contexts(distinct, space.names, self.contexts, what)
        if self.split is not None:
            mask &= _of_splits(distinct, space, self.split, what)
        numbers = numbers[mask[ids[numbers]]]
        if not len(numbers):
            raise DatasetError(f"{what}: no episode satisfies all of {self.described()}")
        return numbers if self.episodes_per_context is None else _first_of_each(numbers, ids, self.episodes_per_context)

    def described(self) -> str:
        """What is given, as text."""
        conditions = {name: value for name, value in vars(self).items() if value is not None}
        return ", ".join(f"{name}={value!r}" for name, value in conditions.items()) or "everything"


def _of_splits(contexts: Contexts, space: ContextSpace, split: str | Sequence[str], what: str) -> Mask:
    """Which contexts (C,) are in one of the splits."""
    splits = space.splits
    try:
        names = [split] if isinstance(split, str) else list(split)
    except TypeError as error:
        raise DatasetError(f"{what}: expected the name of a split, or several; found {split!r}") from error
    if not names:
        raise DatasetError(f"{what}: expected the name of a split, or several; found none")
    mask = np.zeros(len(contexts), dtype=bool)
    for name in names:
        if not isinstance(name, str) or name not in splits:
            raise DatasetError(f"{what} has no split {name!r}; its context space has {', '.join(splits)}")
        mask |= _among(contexts, splits[name])
    if not mask.any():
        there = [f"{name} {int(_among(contexts, rows).sum())} of {len(rows)}" for name, rows in splits.items()]
        raise DatasetError(
            f"{what}: no episode is in a context of {', '.join(names)}; contexts of each split that have episodes: "
            f"{', '.join(there)}"
        )
    return mask


def _among(contexts: Contexts, rows: Contexts) -> Mask:
    """Which contexts (C, p) are among some rows."""
    mask = np.zeros(len(contexts), dtype=bool)
    for row in rows:
        mask |= close(contexts, row).all(axis=1)
    return mask


def _first_of_each(numbers: Array, ids: Array, most: int) -> Array:
    """At most so many of the numbers of episodes (k,) for each context id (E,)."""
    order = np.argsort(ids[numbers], kind="stable")
    _, begins, counts = np.unique(ids[numbers][order], return_index=True, return_counts=True)
    ranks = np.arange(len(numbers)) - np.repeat(begins, counts)
    return np.sort(numbers[order][ranks < most])
