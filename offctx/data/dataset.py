"""ContextualDataset: a dataset as flat, aligned, read-only arrays.

Dimensions: N transitions, E episodes, C distinct contexts, o observation, a action, p context, s state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from offctx.cards import HasCard, contexts_text
from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.about import About
from offctx.data.choice.choice import Choice, EpisodeChoice
from offctx.data.choice.contexts import ContextChoice
from offctx.data.context_levels import ContextLevel
from offctx.data.history.settings import History
from offctx.data.metadata import Metadata
from offctx.envs.base import Array
from offctx.errors import DatasetError

if TYPE_CHECKING:
    from offctx.buffers.augmentation import AugmentationLike
    from offctx.buffers.replay_buffer import ContextualReplayBuffer
    from offctx.data.storage.episode_file import Compression


@dataclass(frozen=True, eq=False, repr=False)
class ContextualDataset(HasCard):
    """Transitions of many environments of one family, each labelled with its context; `load_dataset` returns one.

    A truncated episode keeps its last transition, with its true next observation. All arrays are read-only.

    Example::

        dataset = offctx.load_dataset("offctx/PendulumGoal/random-v0")
        returns = dataset.episode_returns[dataset.episode_context_ids == 0]    # in the first context
        buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5))    # for any d3rlpy algorithm

    Attributes:
        dataset_id: Minari id.
        context_space: names, units and bounds of the context.
        observation_space: Box (o,).
        action_space: Box (a,) or Discrete.
        observations: (N, o).
        actions: (N, a), or integers (N,) where Discrete.
        rewards: (N,).
        next_observations: (N, o).
        terminations: booleans (N,), True where the environment ended the episode.
        truncations: booleans (N,), True where the time limit ended the episode.
        contexts: (N, p), float64.
        context_ids: (N,), the row of each context in `unique_contexts`; numbered in order of first appearance.
        episode_starts: (E,), first transition of each episode.
        episode_ends: (E,), one past its last transition.
        dnext_observation_dcontext: (N, o, p) or None.
        dreward_dcontext: (N, p), total (through the next state too), or None.
        derivative_errors: (N,), estimated relative errors of the derivatives; None where these are exact up to rounding.
        states: simulator states (N, s) at which the actions were taken, or None.
        noise: the standard normal numbers that each stochastic transition consumed (N, z), or None.
        metadata: the offctx part of the dataset's metadata, or None.
        about: description, authors, license and link to the code, as far as the dataset tells them.
        env_spec: Gymnasium's description of the environment as JSON, as Minari stores it, or None.
        episode_seeds: the seed of each episode's reset (E,); None unless each has one that is at least 0.
        episode_last_states: the simulator state in which each episode ended (E, s), or None.
        episode_numbers: of a part of a dataset: the number of each episode in the whole (E,); None where this is the whole.
        lazy: whether arrays are mapped from files. Parts and buffers then keep what they copy in files, too.
    """

    dataset_id: str
    context_space: ContextSpace
    observation_space: spaces.Box
    action_space: spaces.Box | spaces.Discrete
    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array
    terminations: Array
    truncations: Array
    contexts: Contexts
    context_ids: Array
    episode_starts: Array
    episode_ends: Array
    dnext_observation_dcontext: Array | None = None
    dreward_dcontext: Array | None = None
    derivative_errors: Array | None = None
    states: Array | None = None
    noise: Array | None = None
    metadata: Metadata | None = None
    about: About = field(default_factory=About)
    env_spec: str | None = None
    episode_seeds: Array | None = None
    episode_last_states: Array | None = None
    episode_numbers: Array | None = None
    lazy: bool = False

    def __post_init__(self) -> None:
        """Checks that the arrays are aligned, and makes them read-only."""
        n = len(self.rewards)
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                if not name.startswith("episode_") and len(value) != n:
                    raise DatasetError(f"{self.dataset_id}: {name} has {len(value)} rows, rewards have {n}")
                value.flags.writeable = False

    @property
    def num_episodes(self) -> int:
        """The number of episodes, E."""
        return len(self.episode_ends)

    @property
    def has_derivatives(self) -> bool:
        """Whether the dataset has context derivatives."""
        return self.dnext_observation_dcontext is not None and self.dreward_dcontext is not None

    @property
    def unique_contexts(self) -> Contexts:
        """The distinct contexts (C, p); `context_ids` are their row numbers."""
        _, first = np.unique(self.episode_context_ids, return_index=True)
        return np.array(self.contexts[self.episode_starts[first]])

    @property
    def episode_context_ids(self) -> Array:
        """The context id of each episode (E,)."""
        return self.context_ids[self.episode_starts]

    @property
    def episode_returns(self) -> Array:
        """Undiscounted return of each episode (E,)."""
        return np.add.reduceat(self.rewards.astype(np.float64), self.episode_starts)

    @cached_property
    def checksum(self) -> str | None:
        """SHA-256 of the data: that of the metadata; of a part or of relabelled data, the one that it has once it is saved.

        None without metadata.
        """
        if self.metadata is None:
            return None
        if self.metadata.sha256:
            return self.metadata.sha256
        from offctx.data.composition.transitions_of import transitions_of

        return transitions_of(self).checksum()

    def __len__(self) -> int:
        return len(self.rewards)

    def select(
        self,
        *,
        contexts: ContextChoice | None = None,
        episodes: EpisodeChoice | None = None,
        split: str | Sequence[str] | None = None,
        episodes_per_context: int | None = None,
    ) -> "ContextualDataset":
        """Returns the episodes that satisfy all that is given, as a dataset that says of what it is a part.

        Successive episodes are views of the arrays, others are copied (of a lazy dataset, into files). Derivatives, states,
        seeds and metadata stay; context ids are numbered anew.

        Args:
            contexts: which contexts: numbers, values, names, an inequality or a function, as `load_dataset` takes them.
            episodes: which episodes of this dataset: numbers, a slice, or booleans (E,).
            split: the name of a split of the context space, or several: episodes in their contexts.
            episodes_per_context: at most so many episodes of each context, the first ones that satisfy the rest.

        Raises:
            DatasetError: no episode is chosen, a number is out of range, or a split is unknown.
            ContextError: the name of a coordinate is unknown.

        Example::

            light = dataset.select(contexts="m < 1")
            first = dataset.select(contexts={"g": [1, 2]}, episodes_per_context=5)
            light.save("offctx/PendulumGoal/light-v0")
        """
        from offctx.data.choice.part import select

        return select(self, Choice(contexts, episodes, split, episodes_per_context))

    def save(self, new_id: str, *, compression: "Compression | None" = None, progress: bool = True) -> "ContextualDataset":
        """Writes this dataset, such as a part that `select` returned, under an id of its own.

        Contexts and their space, seeds of the resets, states, derivatives, authors and metadata are kept; the recipe in the
        metadata names the dataset of which this is a part, its checksum and the episodes. A warning names what of the loaded
        dataset the layout has no place for: other infos, other options of resets, and seeds that only some episodes have. The
        new dataset appears under its id only when it is complete.

        Args:
            new_id: an id that no dataset has.
            compression: "gzip" makes the files smaller and slower to read; None does not.
            progress: show a progress bar.

        Returns:
            The same arrays under the new id, with its metadata.

        Raises:
            DatasetError: the id is malformed or taken, or the disk is full. Nothing is left then.
        """
        from offctx.data.composition.save import save

        return save(self, new_id, compression=compression, progress=progress)

    def _card(self) -> dict[str, str]:
        derivatives = self.metadata.derivatives if self.metadata else None
        whole = {} if self.episode_numbers is None else {"part": f"{self.num_episodes} episodes of the dataset of this id"}
        return {
            "id": self.dataset_id,
            **whole,
            "environment": self.metadata.env if self.metadata else "not known",
            "transitions": str(len(self)),
            "episodes": str(self.num_episodes),
            "contexts": contexts_text(self.context_space.names, self.unique_contexts),
            "observations": f"{self.observations.shape[1]} numbers",
            "actions": str(self.action_space).replace("\n", " "),
            "derivatives": derivatives.source if derivatives else "yes" if self.has_derivatives else "none",
        }

    def replay_buffer(
        self,
        context: ContextLevel = "append",
        augmentation: "AugmentationLike | None" = None,
        seed: int = 0,
        history: History | None = None,
        **d3rlpy_arguments: Any,
    ) -> "ContextualReplayBuffer":
        """Returns a d3rlpy replay buffer over these transitions, for any d3rlpy algorithm.

        Args:
            context: what batches tell of the context. "append": it is appended to the observations (o + p). The others leave
                it out of them (o). "hidden": its values and ids are beside them. "anonymous": ids alone, numbered at random,
                as context-based meta-RL uses them. "withheld": nothing. Augmentations are given all of it at every level.
            augmentation: applied to every sampled batch: an `offctx.Augmentation` such as `offctx.CSE(radius=0.5)`, a function
                (batch, rng) -> batch, or a list of those, applied in order.
            seed: of the sampling.
            history: which windows of other transitions each batch carries, `offctx.History(length=...)`; None for none.
            **d3rlpy_arguments: for code written for d3rlpy: `transition_picker` (d3rlpy's basic one, or its
                MultiStepTransitionPicker for n-step returns) and `trajectory_slicer` (d3rlpy's basic one).

        Returns:
            The buffer, whose batches also carry contexts and context ids.

        Raises:
            DerivativeError: the augmentation needs derivatives that the dataset does not have; or n-step returns are augmented.
            DatasetError: another transition picker, such as one of stacked frames (the message says how d3rlpy's own buffer
                gets the data); or history windows that the augmentation or the level of the context does not admit.

        Example::

            agent.fit(dataset.replay_buffer(), n_steps=10_000)
        """
        from offctx.buffers.d3rlpy_arguments import read_d3rlpy_arguments
        from offctx.buffers.replay_buffer import ContextualReplayBuffer

        more = read_d3rlpy_arguments(d3rlpy_arguments)
        return ContextualReplayBuffer(self, context=context, augmentation=augmentation, seed=seed, history=history, **more)
