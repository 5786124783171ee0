"""Datasets loaded by id, ours and other people's, whole or in part.

Dimensions: E episodes, p context, k chosen contexts.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.arrange import arranged, space_of, without_contexts
from offctx.data.choice.choice import Choice, EpisodeChoice
from offctx.data.choice.contexts import ContextChoice
from offctx.data.dataset import ContextualDataset
from offctx.data.episode_contexts import for_each_episode
from offctx.data.memory_limit import memory_limit
from offctx.data.sharing.folders import dataset_stamps
from offctx.data.sharing.pinned import check_pinned
from offctx.data.storage.read import unreplaced
from offctx.data.storage.read_part import RecordedContexts, read_transitions
from offctx.data.storage.stored import StoredDataset, StoredHeader, StoredTransitions
from offctx.envs.base import Array
from offctx.errors import DatasetError


def load_dataset(
    dataset_id: str,
    *,
    contexts: ContextChoice | None = None,
    episodes: EpisodeChoice | None = None,
    split: str | Sequence[str] | None = None,
    episodes_per_context: int | None = None,
    relabel: ArrayLike | None = None,
    context_space: ContextSpace | None = None,
    sha256: str | None = None,
    cache: bool = True,
    max_bytes: int | None = None,
    lazy: bool = False,
    memory_budget: int | str | None = None,
) -> ContextualDataset:
    """Loads a dataset of offctx, one recorded from an offctx environment, or any Minari dataset whose contexts are given.

    With `contexts`, `episodes` or `split`, only the episodes that satisfy all of them are read, in the order of the dataset;
    the metadata of what is returned say of what it is a part.

    Args:
        dataset_id: Minari id, below MINARI_DATASETS_PATH.
        contexts: which contexts: their numbers, as `context_ids` has them; values (k, p) or (p,), equal to six digits; a
            mapping from names to a number, to several or to a function of the number, or a list of mappings; an inequality
            such as "g > 2"; or a function of a context, given as a mapping, that returns True or False. For a dataset that
            carries no contexts, what these are: (E, p), one for each episode, or (p,) for all of them.
        episodes: which episodes: numbers, a slice, or booleans (E,).
        split: the name of a split of the dataset's context space, such as "train", or several: episodes in their contexts.
        episodes_per_context: at most so many episodes of each context, the first ones that satisfy the rest.
        relabel: other contexts than those that the dataset carries, where these are wrong or in other units: (E, p), one for
            each episode, or (p,) for all of them. Context derivatives are left out then, with a warning: they are those at the
            recorded contexts. The checksum is that of the new data, and the recipe in the metadata names the dataset and the
            contexts before and now under "relabelled".
        context_space: names, units and bounds of the contexts; for a dataset that does not describe them, or in place of what
            it says. `save` and `combine` write it.
        sha256: refuse another dataset than this one: its content hash, as `push` prints it and lock files have it (all of
            its files are read to compare it), or its checksum, as `offctx show` prints it. Of the whole dataset.
        cache: read and write a flat copy in a hidden folder beside the datasets, which makes the next load much faster. A
            part is read from it where it is there, and from the HDF5 file where it is not.
        max_bytes: what the arrays may take in memory, which a small hostile file must not exhaust. Where not given, the
            environment variable OFFCTX_MAX_BYTES; without it 200 times the size of the files (at least 256 MiB), and at most
            half of the machine's memory.
        lazy: map the arrays from the flat copy, in place of reading them into memory. The system keeps in memory what there is
            room for. `replay_buffer` then keeps its table in a file of its own beside the flat copy, which is gone with the
            process; batches are the same to the last bit. The flat copy is made where it is not there, with little memory.
        memory_budget: be lazy only where the arrays and a buffer of them take more than so many bytes: a whole number, or a
            text such as "2GB" or "500MB".

    Returns:
        The dataset as flat, aligned, read-only arrays.

    Raises:
        DatasetError: the dataset is missing, truncated or inconsistent, refers to files outside of its folder, takes more than
            `max_bytes`, is not that of `sha256`, or has no contexts and none are given; or no episode is chosen, a number is
            out of range, or a split is unknown.
        ContextError: the contexts do not fit the context space, or the name of a coordinate is unknown.

    Example::

        dataset = offctx.load_dataset("offctx/PendulumGoal/random-v0")
        heavy = offctx.load_dataset("offctx/PendulumGoal/random-v0", contexts="g > 2", episodes_per_context=10)
        hopper = offctx.load_dataset(
            "mujoco/hopper/medium-v0",
            contexts=[9.81],
            context_space=offctx.ContextSpace(["gravity"], low=1.0, high=20.0, default=9.81, units=["m/s^2"]),
        )
    """
    plan = _Plan(Choice(contexts, episodes, split, episodes_per_context), relabel, context_space)
    choose, fits = plan.choose if plan.reads_contexts else None, memory_limit(lazy, memory_budget)
    read = partial(read_transitions, dataset_id, choose, cache=cache, max_bytes=max_bytes, fits=fits)
    stored = read() if sha256 is None else _read_pinned(read, dataset_id, sha256)
    return arranged(stored, *plan.contexts_of(stored))


def _read_pinned(read: Callable[[], StoredTransitions], dataset_id: str, sha256: str) -> StoredTransitions:
    """What `read` reads, where its very files are those that the hash names; done again where another process replaces them."""

    def read_and_check(data: Path) -> StoredTransitions:
        stamps = dataset_stamps(data.parent, dataset_id)
        stored = read()
        check_pinned(stored, sha256, stamps)
        return stored

    return unreplaced(dataset_id, read_and_check)


def to_contextual_dataset(stored: StoredDataset) -> ContextualDataset:
    """Arranges a whole dataset that has been read as episodes.

    Raises:
        DatasetError: the dataset is inconsistent, or it has no contexts.
    """
    return arranged(StoredTransitions.of(stored), space_of(stored, None, len(stored.episodes.lengths)))


class _Plan:
    """What is loaded, and in which contexts it is."""

    def __init__(self, choice: Choice, relabel: ArrayLike | None, space: ContextSpace | None) -> None:
        self._choice, self._relabel, self._space = choice, relabel, space
        self._labels: ArrayLike | None = relabel

    @property
    def reads_contexts(self) -> bool:
        """Whether something is chosen, or contexts are given."""
        return not self._choice.everything

    def choose(self, header: StoredHeader, count: int, recorded: RecordedContexts) -> Array:
        """The numbers of the episodes to read, as `read_transitions` asks for them."""
        choice, self._labels = self._choice, self._relabel  # anew where the dataset is read again
        contexts: Contexts | None = None
        if choice.reads_contexts and self._relabel is None:
            contexts = recorded()
            if contexts is None and choice.contexts is not None:  # the contexts say what they are
                self._labels, choice = choice.contexts, choice.without_contexts()
        space = space_of(header, self._space, count)

        def of_episodes() -> tuple[Contexts, ContextSpace]:
            if self._labels is not None:
                return self._given_contexts(space, count, header.dataset_id), space
            if contexts is None:
                raise DatasetError(without_contexts(header.dataset_id, space, count))
            return space.check_many(contexts, extrapolate=True), space

        if self._labels is not None:
            of_episodes()  # checked before anything is read
        return choice.numbers(count, of_episodes, header.dataset_id)

    def contexts_of(self, stored: StoredTransitions) -> tuple[ContextSpace, Contexts | None]:
        """The context space of what was read, and the contexts (E, p) that are given for its episodes, if any."""
        space = space_of(stored, self._space, stored.total)
        if self._labels is None:
            return space, None
        contexts = self._given_contexts(space, stored.total, stored.dataset_id)
        return space, contexts if stored.numbers is None else contexts[stored.numbers]

    def _given_contexts(self, space: ContextSpace, count: int, dataset_id: str) -> Contexts:
        rows: Any = self._labels
        return for_each_episode(space.check_many(rows, extrapolate=True), count, dataset_id)
