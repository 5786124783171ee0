"""The loop of online training: one step of all environments, one append to the buffer, and the updates that are due.

Dimensions: n environments.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from offctx.buffers.augmentation import DERIVATIVES
from offctx.buffers.joint_writer import JointWriter
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import check_number, whole_number
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.parallel_episodes import JointStep, ParallelEpisodes
from offctx.envs.policies import Actor
from offctx.errors import AlgorithmError
from offctx.training.behaviour import Behaviour

_MOST_STEPS = 10**12
_FINEST = 1_000_000  # the largest denominator of updates per joint step: 1/3 as a float is meant as 1/3


@dataclass(frozen=True)
class Schedule:
    """When what happens. Steps are steps of single environments, as d3rlpy counts them; a joint step is n of them.

    Attributes:
        rows: n.
        steps: of the whole training; the last joint step may lead beyond them.
        random_steps: the first ones, whose actions are uniform; whole joint steps, rounded up.
        update_start_step: updates begin after this many.
        updates_per_joint_step: any ratio >= 0.
        epochs: how often what happened is reported; at most once a joint step.
    """

    rows: int
    steps: int
    random_steps: int
    update_start_step: int
    updates_per_joint_step: Fraction
    epochs: int

    @classmethod
    def checked(
        cls, rows: int, steps: int, random_steps: int, update_start_step: int, updates_per_joint_step: float, epochs: int
    ) -> "Schedule":
        """A schedule of these numbers.

        Raises:
            AlgorithmError: a number is out of range.
        """
        whole_number(steps, "steps", 1, AlgorithmError, most=_MOST_STEPS)
        whole_number(random_steps, "random_steps", 0, AlgorithmError)
        whole_number(update_start_step, "update_start_step", 0, AlgorithmError)
        whole_number(epochs, "epochs", 1, AlgorithmError)
        ratio = check_number(updates_per_joint_step, "updates_per_joint_step", 0)
        exact = Fraction(str(ratio)).limit_denominator(_FINEST)
        return cls(rows, int(steps), int(random_steps), int(update_start_step), exact, min(int(epochs), -(-int(steps) // rows)))

    @property
    def joint_steps(self) -> int:
        """Joint steps of the whole training."""
        return -(-self.steps // self.rows)

    def updates_due(self, joint_step: int) -> int:
        """How many updates follow a joint step, counted from 1, once updates have begun."""
        ratio = self.updates_per_joint_step
        return int(ratio * joint_step) - int(ratio * (joint_step - 1))

    def end_of_epoch(self, epoch: int) -> int:
        """The last joint step of an epoch, counted from 1."""
        return -(-epoch * self.joint_steps // self.epochs)


@dataclass
class Tally:
    """What happened since the last report.

    Attributes:
        sums: of each number, by name.
        counts: how many there were of each.
        began: when the tally was begun.
    """

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def add(self, name: str, value: float, count: int = 1) -> None:
        """Adds a number, or the sum of several."""
        self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts[name] = self.counts.get(name, 0) + count

    def means(self) -> dict[str, float]:
        """The mean of each number, and `seconds`, rounded to milliseconds."""
        seconds = round(time.perf_counter() - self.began, 3)
        return {name: total / self.counts[name] for name, total in self.sums.items()} | {"seconds": seconds}


class OnlineLoop:
    """The loop, which can be left and entered again between two joint steps.

    Args:
        agent: a d3rlpy learner with networks.
        env: without wrappers.
        episodes: of n environments.
        behaviour: of the agent.
        warm_up: uniform actions; None where there are no random steps.
        buffer: that updates sample from.
        writer: to that buffer.
        schedule: when what happens.
        gradients: whether to compute context derivatives of each step.
        rng: of the warm-up.

    Attributes:
        joint_steps: done so far.
        updates: done so far.
        episode_count: episodes that have ended so far.
        tally: what happened since the last report.
    """

    def __init__(
        self,
        agent: Any,
        env: ContextualEnv,
        episodes: ParallelEpisodes,
        behaviour: Behaviour,
        warm_up: Actor | None,
        buffer: ContextualReplayBuffer,
        writer: JointWriter,
        schedule: Schedule,
        gradients: bool,
        rng: np.random.Generator,
    ) -> None:
        self.agent, self.episodes, self.buffer, self.writer, self.schedule = agent, episodes, buffer, writer, schedule
        self.rng, self.behaviour = rng, behaviour
        self._env, self._warm_up, self.gradients = env, warm_up, gradients
        self.joint_steps = self.updates = self.episode_count = 0
        self.tally = Tally()

    @property
    def steps(self) -> int:
        """Environment steps done so far."""
        return self.joint_steps * len(self.episodes)

    def run_epoch(self, epoch: int, after_step: Callable[[int], None]) -> dict[str, float]:
        """Goes on to the end of an epoch.

        Args:
            epoch: counted from 1.
            after_step: called after each joint step with the number of environment steps done.

        Returns:
            The means over the epoch of the losses, of the returns of episodes that ended, and of what else was counted.
        """
        self.tally = Tally()
        while self.joint_steps < self.schedule.end_of_epoch(epoch):
            self._joint_step()
            after_step(self.steps)
        counts = {"epoch": epoch, "step": self.steps, "updates": self.updates, "episodes": self.episode_count}
        return counts | self.tally.means()

    def _joint_step(self) -> None:
        """One step of all environments, and the updates that are due after it."""
        episodes, n = self.episodes, len(self.episodes)
        if self.joint_steps == 0:
            self.behaviour.begin(np.arange(n), np.zeros(n, np.bool_))
        last = self.steps + n
        if self._warm_up is not None and self.steps < self.schedule.random_steps:
            actions = self._warm_up(episodes.observations, episodes.contexts, self.rng)
        else:
            actions = self.behaviour.act(episodes, last)
        step = episodes.step(actions)
        self.writer.append(step, actions, self._labels(step))
        self.joint_steps += 1
        self.behaviour.observe(step)
        ended = np.flatnonzero(step.ends)
        if len(ended):
            self.episode_count += len(ended)
            self.tally.add("rollout_return", float(step.returns[ended].sum()), len(ended))
            self.behaviour.begin(ended, episodes.same_context[ended])
        if last > self.schedule.update_start_step and self.buffer.transition_count > self.agent.batch_size:
            for _ in range(self.schedule.updates_due(self.joint_steps)):
                self._update()

    def _update(self) -> None:
        losses = self.agent.update(self.buffer.sample_transition_batch(self.agent.batch_size))
        self.updates += 1
        for name, value in losses.items():
            self.tally.add(name, float(value))

    def _labels(self, step: JointStep) -> dict[str, Array]:
        """The context derivatives of a step, where they are asked for."""
        if not self.gradients:
            return {}
        noise = step.noise if self._env.noise_size else None
        return dict(zip(DERIVATIVES, self._env.derivatives(step.states, step.actions, step.contexts, noise), strict=True))
