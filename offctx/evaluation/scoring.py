"""Playing the episodes of an evaluation, cold or after a warm-up, and adding up their rewards.

Dimensions: K distinct contexts, M episodes per context, E = K M episodes, B bins of time steps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.players import MemoryPlayer, Player
from offctx.envs.policies import Policy, policy_name
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import TimeStep, episode_seeds, play
from offctx.envs.row_draws import EpisodeStreams
from offctx.envs.warmup import WarmUp, warm_up
from offctx.evaluation.adaptation import COLD, Adaptation, MemoryKind
from offctx.words import count

_WARM_UP, _WARM_UP_BY_OTHER = 1, 2  # purposes of random numbers
_MOST_BINS = 50


@dataclass(frozen=True)
class Scores:
    """What the scored episodes gave.

    Attributes:
        returns: undiscounted (K, M).
        lengths: in steps (K, M).
        rewards: mean reward per step in bins of time steps (K, M, B), or None; after the end of an episode a step counts as
            reward 0.
    """

    returns: Array
    lengths: npt.NDArray[np.int64]
    rewards: Array | None


def step_bins(horizon: int) -> npt.NDArray[np.int64]:
    """The edges (B + 1,) of at most 50 bins of nearly equal size: bin b holds time steps edges[b] to edges[b + 1] - 1."""
    return np.rint(np.linspace(0, horizon, min(horizon, _MOST_BINS) + 1)).astype(np.int64)


@dataclass(frozen=True)
class Scorer:
    """Plays one policy in contexts.

    Attributes:
        resolved: the environment and its time limit.
        player: the policy.
        contexts: distinct (K, p).
        episodes: M, per context.
        seed: of the episodes.
        batch_size: rows per call of the simulator; all at once where None.
        progress: show a progress bar.
        name: of the policy, for the progress bar.
    """

    resolved: ResolvedEnv
    player: Player
    contexts: Contexts
    episodes: int
    seed: int
    batch_size: int | None
    progress: bool
    name: str

    def play(self, warmup: int = 0, other: Player | None = None, *, by_step: bool = False) -> Scores:
        """Plays all episodes. Their starts and noise do not depend on the warm-up: cold and warm are paired.

        Args:
            warmup: transitions that a policy with memory sees in the context before.
            other: who plays these, in its place.
            by_step: also keep the rewards in bins of time steps.
        """
        rows, total = np.repeat(self.contexts, self.episodes, axis=0), len(self.contexts) * self.episodes
        if warmup:
            assert isinstance(self.player, MemoryPlayer)
            plan = WarmUp(warmup, self._warmup_seeds, self._streams(_WARM_UP), other, self._streams(_WARM_UP_BY_OTHER))
            warm_up(self.resolved, rows, self.player, plan, batch_size=self.batch_size)
        edges = step_bins(self.resolved.horizon)
        bin_of_step = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        returns, lengths = np.zeros(total), np.zeros(total, dtype=np.int64)
        sums = np.zeros((total, len(edges) - 1)) if by_step else None
        for step in self._steps(rows, warmup):
            returns[step.rows] += step.rewards
            lengths[step.rows] += 1
            if sums is not None:
                sums[step.rows, bin_of_step[step.t]] += step.rewards
        shape = (len(self.contexts), self.episodes)
        rewards = None if sums is None else (sums / np.diff(edges)).reshape(*shape, -1)
        return Scores(returns.reshape(shape), lengths.reshape(shape), rewards)

    def play_each(self, seen: Sequence[int], other: Player | None) -> dict[int, Scores]:
        """Plays cold, and after each warm-up that makes a difference: number of transitions seen -> scores.

        Args:
            seen: the numbers, 0 first; () where only the cold start is asked.
            other: who plays the warm-ups, in place of the policy.
        """
        numbers = seen if self.memory == "context" else ()
        return {number: self.play(number, other, by_step=bool(seen)) for number in numbers or (COLD,)}

    @property
    def memory(self) -> MemoryKind:
        """How long the policy remembers."""
        return self.player.span if isinstance(self.player, MemoryPlayer) else "none"

    def _steps(self, rows: Contexts, warmup: int) -> Iterable[TimeStep]:
        """The time steps of the scored episodes."""
        after = f" after {count(warmup, 'step')}" if warmup else ""
        title = f"evaluating {self.name}, {count(len(rows), 'episode')}{after}"
        steps = play(
            self.resolved,
            rows,
            np.tile(episode_seeds(self.seed, self.episodes), len(self.contexts)),
            [self.player],
            np.zeros(len(rows), dtype=np.int64),  # every episode is played by the one player
            self._streams(),
            batch_size=self.batch_size,
            same_context=warmup > 0,
        )
        bar: Iterable[TimeStep] = tqdm(steps, total=self.resolved.horizon, desc=title, disable=not self.progress)
        return bar

    def _streams(self, purpose: int = 0) -> EpisodeStreams:
        return EpisodeStreams(self.seed, self.contexts, self.episodes, purpose)

    def _warmup_seeds(self, number: int) -> Array:
        """The seeds of episode `number` of the warm-up in each row (E,): the same in all contexts."""
        return np.tile(episode_seeds(self.seed, self.episodes, (_WARM_UP, number)), len(self.contexts))


def adaptation_of(
    scorer: Scorer,
    scores: Mapping[int, Scores],
    seen: tuple[int, ...],
    rows: Mapping[str, npt.NDArray[np.intp]],
    warmup_policy: Policy | None,
) -> Adaptation:
    """The scores after each warm-up, by split.

    Args:
        scorer: that played them.
        scores: transitions seen -> scores, of `play_each`.
        seen: all numbers of transitions seen.
        rows: split -> the indices of its contexts among those of the scorer.
        warmup_policy: that played the warm-ups; None for the policy itself.
    """
    after = {number: scores.get(number, scores[COLD]) for number in seen}

    def by_step(number: int, own: npt.NDArray[np.intp]) -> Array:
        rewards = after[number].rewards
        assert rewards is not None
        return np.asarray(rewards[own].mean(axis=0).T)

    return Adaptation(
        seen=seen,
        memory=scorer.memory,
        warmup_policy=None if warmup_policy is None else policy_name(warmup_policy),
        returns={number: {split: each.returns[own] for split, own in rows.items()} for number, each in after.items()},
        lengths={number: {split: each.lengths[own] for split, own in rows.items()} for number, each in after.items()},
        rewards={number: {split: by_step(number, own) for split, own in rows.items()} for number in after},
        edges=step_bins(scorer.resolved.horizon),
    )
