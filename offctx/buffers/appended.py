"""Observations that an augmentation makes longer, as d3rlpy's objects have them.

d3rlpy makes networks for the observation of a single transition, and fits scalers and scores by single transitions. These get
what the augmentation appends to them with the windows that an agent has when it plays: all that precedes a row, in order.

Dimensions: N transitions, n numbers that are appended.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from d3rlpy.dataset import DatasetInfo, EpisodeBase, Signature, Transition, TransitionPickerProtocol

from offctx.buffers.augmentation import Augmentation
from offctx.buffers.augmentation_list import members_of
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.episode import ContextualEpisode
from offctx.data.history.settings import History
from offctx.envs.base import Array
from offctx.errors import DatasetError

_ROWS = 2048  # whose windows are in memory at once


def appended_by(augmentation: Augmentation | None) -> int:
    """How many numbers an augmentation appends, n."""
    return sum(member.appends for member in members_of(augmentation))


def check_appending(augmentation: Augmentation | None, context: str) -> None:
    """Checks that what is appended stays in the last places of observations.

    Raises:
        DatasetError: the context is appended too, or another augmentation follows.
    """
    members = members_of(augmentation)
    for k, member in enumerate(members):
        if member.appends and context == "append":
            raise DatasetError(
                f"{member.name} appends to observations what stands for the context, and this buffer appends the context "
                f'itself: make it with context="anonymous", "hidden" or "withheld"'
            )
        if member.appends and k + 1 < len(members):
            raise DatasetError(f"{member.name} makes observations longer: it must be the last augmentation of the list")


def longer_info(info: DatasetInfo, size: int) -> DatasetInfo:
    """The shapes of a buffer whose observations get `size` numbers more."""
    if not size:
        return info
    signature = info.observation_signature
    (width,) = signature.shape[0]
    return dataclasses.replace(info, observation_signature=Signature(signature.dtype, [(width + size,)]))


def as_played(history: History | None) -> History | None:
    """The windows that an agent has when it plays: nothing in them is random."""
    if history is None:
        return None
    return dataclasses.replace(
        history, shortest=None, rows_per_window=1, spacing="even" if history.draw != "random" else "random", shuffle=False
    )


def appended_to(batch: ContextualMiniBatch, augmentation: Augmentation | None, rng: np.random.Generator) -> Array:
    """What an augmentation appends to the observations and the next observations of a batch (2, B, n)."""
    (member,) = (member for member in members_of(augmentation) if member.appends)
    longer = member(batch, rng)
    return np.stack([longer.observations[:, -member.appends :], longer.next_observations[:, -member.appends :]])


class LongerPicker(TransitionPickerProtocol):
    """A picker of d3rlpy whose transitions have longer observations.

    Args:
        picker: of the transitions without.
        compute: from rows (B,) to what is appended to their observations and next observations (2, B, n).
        count: N.
    """

    def __init__(self, picker: TransitionPickerProtocol, compute: Callable[[Array], Array], count: int) -> None:
        self._picker, self._compute, self._count = picker, compute, count
        self._appended: Array | None = None

    def __call__(self, episode: EpisodeBase, index: int) -> Transition:
        """The transition of d3rlpy that begins at a step of an episode."""
        if self._appended is None:  # of all rows, as scalers and evaluators ask for all of them
            parts = np.array_split(np.arange(self._count), max(1, -(-self._count // _ROWS)))
            self._appended = np.concatenate([self._compute(part) for part in parts], axis=1)
        if not isinstance(episode, ContextualEpisode):
            raise DatasetError(f"expected an episode of this buffer; found a {type(episode).__name__}")
        return lengthened(self._picker(episode, index), self._appended[:, episode.row(index)])


def lengthened(transition: Transition, appended: Array) -> Transition:
    """A transition with numbers (2, n) appended to its observation and its next observation."""
    observation, next_observation = np.asarray(transition.observation), np.asarray(transition.next_observation)
    return dataclasses.replace(
        transition,
        observation=np.concatenate([observation, appended[0]]),
        next_observation=np.concatenate([next_observation, appended[1]]),
    )
