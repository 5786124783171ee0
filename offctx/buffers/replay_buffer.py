"""A d3rlpy replay buffer over contiguous arrays: index gathers, no Python object per transition.

It holds every transition, the last of a truncated episode with its true next observation included. d3rlpy's own
buffer keeps T observations beside T actions and therefore drops that one. Online, d3rlpy shows a buffer observation,
action and reward of a step and nothing else; a buffer that is connected to its environment (`connect`) looks up the rest
there: context, derivatives, simulator state, noise and true next observation.

Dimensions: N transitions, B batch, L length of a trajectory, D what the agent sees (o, or o + p with the context
appended), a action, p context.
"""

import copy
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, BinaryIO

import gymnasium
import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import (
    BasicTrajectorySlicer,
    BasicTransitionPicker,
    BufferProtocol,
    DatasetInfo,
    EpisodeBase,
    PartialTrajectory,
    ReplayBuffer,
    ReplayBufferBase,
    Signature,
    TrajectoryMiniBatch,
    Transition,
)
from d3rlpy.dataset.io import dump
from d3rlpy.preprocessing import StandardObservationScaler
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.buffers.augmentation import (
    DERIVATIVES,
    OPTIONAL_ARRAYS,
    Augmentation,
    AugmentationLike,
    as_augmentation,
    check_dataset,
    check_labels,
    members_of,
)
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.episode import BufferView, ContextualEpisode, TransitionSequence
from offctx.buffers.first_batch import FirstBatchCheck
from offctx.buffers.samplers import BalancedSampler, LabelsOfRows, RowSampler, UniformSampler
from offctx.buffers.table import TransitionTable
from offctx.checks import whole_number
from offctx.contexts.space import ContextSpace
from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array
from offctx.envs.labels import LabelledTransition, LabelTransitions, labels_of
from offctx.envs.policies import ContextMode, check_mode
from offctx.errors import DatasetError, DerivativeError, EnvError


class ContextualReplayBuffer(ReplayBufferBase):
    """See `ContextualDataset.replay_buffer` and `offctx.online_buffer`, which make one.

    Steps appended online (`fit_online`) join the offline ones. Once `connect` has told it of the environment, all is known of
    them that is known of a dataset's transitions.

    Without, it learns of a step's next observation only from the next step, like d3rlpy's buffer, so the last step of an
    online episode that was truncated is left out; contexts are read off the observations where they are appended, and
    unknown (NaN, id -1) where hidden; and an augmentation that requires more is refused.

    With a capacity, the oldest transitions are overwritten. What is left of an episode whose first ones are gone counts as
    an episode still.
    """

    def __init__(
        self,
        floats: dict[str, Array],
        integers: dict[str, Array],
        starts: Sequence[int],
        info: DatasetInfo,
        action_space: spaces.Box | spaces.Discrete,
        context_space: ContextSpace,
        context: ContextMode,
        augmentation: Augmentation | None,
        seed: int,
        capacity: int | None = None,
    ) -> None:
        self.table = TransitionTable(floats, integers, capacity)
        self._starts = list(starts)  # of the episodes that are kept, counted from the first row that there ever was
        self._gone = 0  # how many older episodes have been overwritten
        self.action_space, self.context_space = action_space, context_space
        self.context, self.augmentation = context, augmentation
        self._first_batch = FirstBatchCheck()
        self._info = info
        self._rng = np.random.default_rng(seed)
        self.sampler: RowSampler = UniformSampler()
        self._pending: tuple[Array, Array, Array] | None = None  # a step whose next observation is not known yet
        self._labels: LabelTransitions | None = None  # where to look up what fit_online does not show
        self._newest: LabelledTransition | None = None  # the last one taken from there
        self._tails = [0.0] * len(self._starts)  # what an episode earned after its last transition, for returns-to-go
        self._active = False  # whether the last episode is still growing
        self._cumulative: Array | None = None  # running sum of rewards, for returns-to-go
        known, first = np.unique(self.table["context_ids"], return_index=True)
        self._next_id = int(known.max(initial=-1)) + 1
        self._ids = {self.table["contexts"][i].tobytes(): int(k) for k, i in zip(known, first, strict=True)}

    @classmethod
    def from_dataset(
        cls,
        dataset: ContextualDataset,
        *,
        context: ContextMode = "append",
        augmentation: AugmentationLike | None = None,
        seed: int = 0,
        capacity: int | None = None,
    ) -> "ContextualReplayBuffer":
        """See `ContextualDataset.replay_buffer`; a capacity bounds how many transitions it holds when it grows online."""
        check_mode(context)
        whole_number(seed, "seed", 0, DatasetError)
        whole_number(1 if capacity is None else capacity, "capacity", 1, DatasetError)
        augmentation = as_augmentation(augmentation)
        check_dataset(augmentation, dataset)
        required = () if augmentation is None else augmentation.requires
        action_space = dataset.action_space
        discrete = isinstance(action_space, spaces.Discrete)
        if isinstance(action_space, spaces.Discrete) and action_space.start != 0:
            raise DatasetError(f"d3rlpy numbers discrete actions from 0; {dataset.dataset_id} has {action_space}")

        def seen(observations: Array) -> Array:
            parts = [observations, dataset.contexts] if context == "append" else [observations]
            return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")

        actions = (dataset.actions[:, None] if discrete else dataset.actions).astype(np.float32)
        last = dataset.episode_ends - 1
        next_actions = np.concatenate([actions[1:], actions[-1:]])
        next_actions[last] = np.where(dataset.terminations[last, None], 0, actions[last])
        floats = {
            "observations": seen(dataset.observations),
            "actions": actions,
            "rewards": dataset.rewards[:, None],
            "next_observations": seen(dataset.next_observations),
            "next_actions": next_actions,
            "terminals": dataset.terminations[:, None],
            "contexts": dataset.contexts,
        }
        present = DERIVATIVES if dataset.has_derivatives else ()
        floats |= {name: getattr(dataset, name) for name in dict.fromkeys([*present, *required])}
        integers = {
            "context_ids": dataset.context_ids.astype(np.int64),
            "episode": np.repeat(np.arange(dataset.num_episodes), dataset.episode_ends - dataset.episode_starts),
        }
        info = DatasetInfo(
            observation_signature=Signature([np.dtype(np.float32)], [floats["observations"].shape[1:]]),
            action_signature=Signature([np.dtype(np.int64 if discrete else np.float32)], [actions.shape[1:]]),
            reward_signature=Signature([np.dtype(np.float32)], [(1,)]),
            action_space=ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS,
            action_size=int(action_space.n) if isinstance(action_space, spaces.Discrete) else actions.shape[1],
        )
        return cls(
            floats, integers, dataset.episode_starts.tolist(), info, action_space, dataset.context_space, context,
            augmentation, seed, capacity,
        )  # fmt: skip

    # --- sampling ----------------------------------------------------------------------------------------------------

    def sample_transition_batch(self, batch_size: int) -> ContextualMiniBatch:
        """B transitions drawn uniformly with replacement, augmented."""
        indices = self._draw(batch_size)
        batch = self.batch(indices)
        return batch if self.augmentation is None else self._first_batch.apply(self.augmentation, batch, self._rng)

    def with_sampler(self, sampler: RowSampler) -> "ContextualReplayBuffer":
        """A view of the same transitions whose batches another sampler draws, from the generator of this buffer.

        Args:
            sampler: such as `offctx.buffers.samplers.BalancedSampler`.
        """
        view = copy.copy(self)
        view.sampler = sampler
        return view

    def stratified(self, labels: Array) -> "ContextualReplayBuffer":
        """A view of the same transitions whose batches have equally many rows of each label.

        What is left over when a batch does not divide evenly goes to labels drawn at random. The view draws from the generator
        of this buffer. It draws the transitions that the buffer holds now and keeps; those appended later have no label.

        Args:
            labels: integers (N,), such as `buffer.table["context_ids"]`; transitions with a negative label are never drawn.

        Raises:
            DatasetError: not one integer for each transition, or none that is >= 0.
        """
        return self.with_sampler(BalancedSampler(LabelsOfRows(labels, self.table)))

    def _draw(self, n: int) -> Array:
        if not self.table.size:
            raise DatasetError("the buffer holds no transitions yet: append some, or let fit_online do so")
        return self.sampler.draw(self.table, n, self._rng)

    def batch(self, indices: Array) -> ContextualMiniBatch:
        """The given transitions (B,), numbered from the oldest, as a batch, not augmented."""
        rows: dict[str, Any] = dict.fromkeys(OPTIONAL_ARRAYS) | self.table.rows(indices)
        return ContextualMiniBatch(
            intervals=np.ones((len(indices), 1), dtype=np.float32),
            transitions=TransitionSequence(self, indices),
            context_ids=self.table.take("context_ids", indices),
            context_space=self.context_space,
            context=self.context,
            **rows,
        )

    def transition(self, index: int) -> Transition:
        """One transition as d3rlpy's object."""
        episode = self.episode_of(index)
        _, end = self.bounds(episode)
        rewards, tail = self.table.span("rewards", index, end), self._tails[episode]

        def column(name: str) -> Array:
            return self.table.span(name, index, index + 1)[0]  # type: ignore[no-any-return]  # one row of it

        return Transition(
            observation=column("observations"),
            action=column("actions").astype(self._info.action_signature.dtype[0]),
            reward=rewards[0],
            next_observation=column("next_observations"),
            next_action=column("next_actions").astype(self._info.action_signature.dtype[0]),
            terminal=float(column("terminals")[0]),
            interval=1,
            rewards_to_go=np.append(rewards, [[tail]], axis=0).astype(np.float32) if tail else rewards,
        )

    def sample_transition(self) -> Transition:
        """One transition drawn uniformly, not augmented."""
        return self.transition(int(self._draw(1)[0]))

    def sample_trajectory_batch(self, batch_size: int, length: int) -> TrajectoryMiniBatch:
        """B stretches of L steps that end at uniformly drawn transitions, padded with zeros before an episode's start.

        Raises:
            DerivativeError: the buffer has an augmentation; those change single transitions, not trajectories.
        """
        if self.augmentation is not None:
            raise DerivativeError(
                f"{self.augmentation.name} augments single transitions, not trajectories: make the buffer for "
                f"trajectory algorithms without an augmentation"
            )
        table = self.table
        ends = self._draw(batch_size)
        episodes = table.take("episode", ends) - self._gone
        starts, stops = np.asarray(self._starts)[episodes] - table.first, self._ends()[episodes]
        window = ends[:, None] + np.arange(1 - length, 1)  # (B, L)
        mask = window >= np.maximum(starts, 0)[:, None]
        window = np.maximum(window, 0)
        if self._cumulative is None:
            self._cumulative = np.concatenate([[0.0], np.cumsum(table["rewards"][:, 0], dtype=np.float64)])
        to_go = (self._cumulative[stops] + np.asarray(self._tails)[episodes])[:, None] - self._cumulative[window]

        rows = window.ravel()

        def column(name: str) -> Array:
            values = table.take(name, rows)
            return padded(values.reshape(*window.shape, *values.shape[1:]))

        def padded(values: Array) -> Array:
            return np.where(mask.reshape(*mask.shape, *[1] * (values.ndim - 2)), values, 0).astype(np.float32)

        return TrajectoryMiniBatch(
            observations=column("observations"),
            actions=column("actions"),
            rewards=column("rewards"),
            returns_to_go=padded(to_go[..., None]),
            terminals=column("terminals"),
            timesteps=padded(window - starts[:, None] + 1),
            masks=mask.astype(np.float32),
            length=length,
        )

    def sample_trajectory(self, length: int) -> PartialTrajectory:
        """One stretch as d3rlpy's object."""
        batch = self.sample_trajectory_batch(1, length)
        return PartialTrajectory(
            observations=np.asarray(batch.observations)[0],
            actions=batch.actions[0].astype(self._info.action_signature.dtype[0]),
            rewards=batch.rewards[0],
            returns_to_go=batch.returns_to_go[0],
            terminals=batch.terminals[0],
            timesteps=batch.timesteps[0].astype(np.int32),
            masks=batch.masks[0],
            length=length,
        )

    # --- growing -----------------------------------------------------------------------------------------------------

    def connect(self, env: gymnasium.Env[Any, Any]) -> None:
        """Tell it which environment's steps it will be given, so that it can look up what `fit_online` does not show it.

        Args:
            env: with `offctx.envs.LabelTransitions` among its wrappers.

        Raises:
            EnvError: it has none; or its context, observations or actions are not those of this buffer.
            DerivativeError: it does not label transitions with what the augmentation requires.
        """
        labels = labels_of(env)
        space, seen, actions = labels.contextual.context_space, env.observation_space, env.action_space
        if labels.mode != self.context:
            raise EnvError(
                f'the buffer has the context "{self.context}", the environment "{labels.mode}": make either with the '
                f"other's context="
            )
        if space.names != self.context_space.names:
            raise EnvError(f"the buffer's context is {list(self.context_space.names)}; the environment's {list(space.names)}")
        if seen.shape != self._info.observation_signature.shape[0] or actions != self.action_space:
            raise EnvError(
                f"the buffer has observations of shape {self._info.observation_signature.shape[0]} and actions in "
                f"{self.action_space}; the environment has {seen.shape} and {actions}"
            )
        check_labels(self.augmentation, labels)
        self.clip_episode(False)
        self._labels, self._newest = labels, None

    def append(self, observation: Any, action: Any, reward: Any) -> None:
        """One online step.

        Raises:
            DatasetError: it does not fit the buffer, or is not the last step of the environment that it is connected to.
            DerivativeError: it is connected to none, and the augmentation requires what such a step does not bring.
        """
        seen, chosen, earned = self._checked_step(observation, action, reward)
        if self._labels is not None:
            self._write_labelled(self._look_up(self._labels, seen, chosen, earned), seen, chosen, earned)
            return
        self._refuse_bare_steps()
        if self._pending is not None:
            self._write(self._pending, next_observation=seen, next_action=chosen, terminal=False)
        self._pending = (seen, chosen, earned)

    def _checked_step(self, observation: Any, action: Any, reward: Any) -> tuple[Array, Array, Array]:
        """Observation (D,), action (a,) and reward (1,) as float32."""
        expected = self._info.observation_signature.shape[0]
        seen = np.asarray(observation, dtype=np.float32)
        if seen.shape != expected:
            raise DatasetError(
                f'expected observations of shape {expected}, as context="{self.context}" has them; '
                f"found {seen.shape}. offctx.envs.AppendContext appends it"
            )
        chosen = np.asarray(action, dtype=np.float32).reshape(-1)
        if chosen.shape != self._info.action_signature.shape[0]:
            raise DatasetError(f"expected an action of shape {self._info.action_signature.shape[0]}; found {np.shape(action)}")
        return seen, chosen, np.asarray(reward, dtype=np.float32).reshape(1)

    def _look_up(self, labels: LabelTransitions, seen: Array, chosen: Array, earned: Array) -> LabelledTransition:
        """The environment's last transition, if that is the step which was given."""
        made = labels.last
        if made is None or made is self._newest:
            raise DatasetError(
                "the environment that this buffer is connected to has made no step since the last one: give fit_online the "
                "same environment, or connect the buffer to that one"
            )
        pairs = {
            "observation": (made.observation, seen),
            "action": (made.action.reshape(-1), chosen),
            "reward": (np.array([made.reward]), earned),
        }
        for name, (own, given) in pairs.items():
            if not np.array_equal(own.astype(np.float32), given):
                raise DatasetError(
                    f"expected the last step of the environment that this buffer is connected to, with {name} {own}; found "
                    f"{given}. Give fit_online the same environment; not as eval_env too, and without wrappers around "
                    f"LabelTransitions that change observations, actions or rewards"
                )
        return made

    def _write_labelled(self, made: LabelledTransition, seen: Array, chosen: Array, earned: Array) -> None:
        newest = self._newest
        goes_on = newest is not None and (newest.episode, newest.step + 1) == (made.episode, made.step)
        if self._active and goes_on:
            self.table.amend_last(next_actions=chosen)
        else:
            self._begin_episode()
        labels = {name: getattr(made, name) for name in DERIVATIVES} | {"states": made.state, "noise": made.noise}
        known = {name: values[None] for name, values in labels.items() if values is not None}
        context = made.context[None].astype(np.float32)
        self._append_rows(
            observations=seen[None],
            actions=chosen[None],
            rewards=earned[None],
            next_observations=made.next_observation[None],
            next_actions=(0 if made.terminated else 1) * chosen[None],
            terminals=np.full((1, 1), made.terminated, dtype=np.float32),
            contexts=context,
            context_ids=np.array([self._id_of(context[0])]),
            **known,
        )
        self._newest, self._active = made, True

    def clip_episode(self, terminated: bool) -> None:
        """End the online episode.

        Without termination its last step is left out where its next observation is unknown: in a buffer not connected.
        """
        if self._labels is not None and self._active:
            (chosen,) = self.table.take("actions", np.array([self.table.size - 1]))
            self.table.amend_last(terminals=np.array([terminated]), next_actions=(0 if terminated else 1) * chosen)
        if self._pending is not None and terminated:
            nothing = [np.zeros_like(array) for array in self._pending]
            self._write(self._pending, next_observation=nothing[0], next_action=nothing[1], terminal=True)
        if self._pending is not None and self._active and not terminated:
            self._tails[-1] = float(self._pending[2][0])
        self._pending, self._active = None, False

    def _write(self, step: tuple[Array, Array, Array], next_observation: Array, next_action: Array, terminal: bool) -> None:
        if not self._active:
            self._begin_episode()
            self._active = True
        observation, action, reward = step
        self._append_unlabelled(
            observations=observation[None],
            actions=action[None],
            rewards=reward[None],
            next_observations=next_observation[None],
            next_actions=next_action[None],
            terminals=np.full((1, 1), terminal, dtype=np.float32),
        )

    def append_episode(self, episode: EpisodeBase) -> None:
        """A whole d3rlpy episode, whose observations are what the agent sees in this buffer."""
        self._refuse_bare_steps()
        n = episode.transition_count
        if n == 0:
            return
        observations, actions = np.asarray(episode.observations), np.asarray(episode.actions)
        after = [np.concatenate([rows[1 : n + 1], np.zeros_like(rows[:1])])[:n] for rows in (observations, actions)]
        terminals = np.zeros((n, 1), dtype=np.float32)
        terminals[-1] = episode.terminated
        self.clip_episode(False)
        self._begin_episode()
        self._tails[-1] = float(np.asarray(episode.rewards)[n:].sum())
        self._append_unlabelled(
            observations=observations[:n],
            actions=actions[:n].reshape(n, -1),
            rewards=np.asarray(episode.rewards)[:n].reshape(n, 1),
            next_observations=after[0],
            next_actions=after[1].reshape(n, -1),
            terminals=terminals,
        )

    def _begin_episode(self) -> None:
        self._starts.append(self.table.first + self.table.size)
        self._tails.append(0.0)

    def _append_unlabelled(self, **rows: Array) -> None:
        """Rows whose contexts are known only where they are appended to the observations."""
        n, p = len(rows["rewards"]), self.context_space.size
        if self.context == "append":
            contexts = np.ascontiguousarray(rows["observations"][:, -p:], dtype=np.float32)
            ids = np.array([self._id_of(context) for context in contexts])
        else:
            contexts, ids = np.full((n, p), np.nan, dtype=np.float32), np.full(n, -1)
        self._append_rows(contexts=contexts, context_ids=ids, **rows)

    def _append_rows(self, **rows: Array) -> None:
        number = self._gone + len(self._starts) - 1
        self.table.append(episode=np.full(len(rows["rewards"]), number), **rows)
        self._cumulative = None
        gone = bisect_right(self._starts, self.table.first) - 1  # episodes that are overwritten as a whole
        if gone > 0:
            del self._starts[:gone], self._tails[:gone]
            self._gone += gone

    def number_contexts(self, ids: Sequence[int], contexts: ArrayLike) -> None:
        """Say which ids contexts (C, p) have, before steps in them are appended; contexts that it has met keep theirs."""
        for number, context in zip(ids, np.asarray(contexts, dtype=np.float32), strict=True):
            self._ids.setdefault(context.tobytes(), number)
        self._next_id = max(self._next_id, *(number + 1 for number in ids))

    def _id_of(self, context: Array) -> int:
        key = context.tobytes()
        if key not in self._ids:
            self._ids[key], self._next_id = self._next_id, self._next_id + 1
        return self._ids[key]

    def _refuse_bare_steps(self) -> None:
        for member in members_of(self.augmentation):
            if member.requires:
                raise DerivativeError(
                    f"{member.name} needs {', '.join(member.requires)}, which steps appended online do not bring by "
                    f"themselves: call buffer.connect(env) with the environment in offctx.envs.LabelTransitions, and give "
                    f"fit_online that one"
                )

    # --- the rest of d3rlpy's interface ------------------------------------------------------------------------------

    def bounds(self, episode: int) -> tuple[int, int]:
        """First transition of an episode that is kept, and one past its last; both count from the oldest that is kept."""
        first, more = self.table.first, self._starts[episode + 1 : episode + 2]
        return max(self._starts[episode] - first, 0), more[0] - first if more else self.table.size

    def episode_of(self, index: int) -> int:
        """The episode of a transition."""
        return int(self.table.span("episode", index, index + 1)[0]) - self._gone

    def _ends(self) -> Array:
        """One past each episode's last transition (E,)."""
        return np.asarray([*self._starts, self.table.first + self.table.size])[1:] - self.table.first

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """All episodes, as views."""
        starts = np.maximum(np.asarray(self._starts, dtype=np.int64) - self.table.first, 0)
        return [ContextualEpisode(self, s, e) for s, e in zip(starts.tolist(), self._ends().tolist(), strict=True)]

    def size(self) -> int:
        """How many episodes."""
        return len(self._starts)

    @property
    def transition_count(self) -> int:
        """How many transitions, N."""
        return self.table.size

    @property
    def buffer(self) -> BufferProtocol:
        """The same transitions as d3rlpy's pairs (episode, index)."""
        return BufferView(self)

    @property
    def transition_picker(self) -> BasicTransitionPicker:
        """d3rlpy's own; `ContextualEpisode` gives it all that it needs."""
        return BasicTransitionPicker()

    @property
    def trajectory_slicer(self) -> BasicTrajectorySlicer:
        """d3rlpy's own."""
        return BasicTrajectorySlicer()

    @property
    def dataset_info(self) -> DatasetInfo:
        """Shapes, types and action space."""
        return self._info

    def dump(self, f: BinaryIO) -> None:
        """Write d3rlpy's file format; d3rlpy's `ReplayBuffer.load` gets every transition back from it."""
        dump(self.episodes, f)

    @classmethod
    def load(cls, f: BinaryIO, buffer: BufferProtocol, *args: Any, **kwargs: Any) -> ReplayBuffer:
        """What `dump` wrote, as d3rlpy's own buffer: the file holds no context labels."""
        return ReplayBuffer.load(f, buffer, *args, **kwargs)

    @classmethod
    def from_episode_generator(cls, episode_generator: Any, buffer: BufferProtocol, *args: Any, **kwargs: Any) -> ReplayBuffer:
        """d3rlpy's own buffer from its episodes, which carry no context labels."""
        return ReplayBuffer.from_episode_generator(episode_generator, buffer, *args, **kwargs)

    def observation_scaler(self) -> StandardObservationScaler:
        """A fitted d3rlpy scaler: observations standardised by the data, appended contexts by the space's bounds.

        d3rlpy's scalers, fitted on data from one context, divide an appended context by its spread there, which is zero.
        """
        if not self.table.size:
            raise DatasetError("a buffer without transitions has nothing to fit a scaler to")
        observations = self.table["observations"]
        mean, std = observations.mean(axis=0, dtype=np.float64), observations.std(axis=0, dtype=np.float64)
        if self.context == "append":
            space, p = self.context_space, self.context_space.size
            mean[-p:], std[-p:] = space.default, space.half_widths(otherwise=1.0)
        return StandardObservationScaler(mean=mean, std=std)
