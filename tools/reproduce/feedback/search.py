"""The search of gains in the simulator: cross-entropy method, on other start states than those of the report.

Dimensions: Q candidates, K contexts, M episodes of a context, o observation, a action, f features, p context.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from gymnasium import spaces

from offctx.contexts.space import Contexts
from offctx.envs.players import make_player
from offctx.envs.random_transitions import random_transitions
from offctx.envs.resolve import resolve
from offctx.evaluation.scoring import Scorer
from tools.reproduce.feedback.controller import Floats, LinearFeedback, feature_count

_FIRST_EPISODE = 2_000_000  # far from the evaluation episodes of reports
_LEAST_STD = 0.02


@dataclass(frozen=True)
class SearchSettings:
    """How gains are searched.

    Attributes:
        candidates: Q.
        elites: how many of them the next candidates are drawn about.
        rounds: of the search.
        episodes: M, in each context of the sweep, others in each round.
        evaluation_episodes: of the report.
    """

    candidates: int = 40
    elites: int = 8
    rounds: int = 24
    episodes: int = 4
    evaluation_episodes: int = 64


def search(env: str, sweep: Contexts, *, told: bool, seed: int, settings: SearchSettings) -> Floats:
    """The gains (f, a) with the highest mean return that were found.

    A controller that is told the context starts from one that is not, found by the same search.

    Args:
        env: Gymnasium id.
        sweep: contexts (K, p) that differ in one coordinate.
        told: whether the controller is told it.
        seed: of candidates.
        settings: of the search.
    """
    family = resolve(env).env
    assert family.observation_space.shape is not None
    o, a = family.observation_space.shape[0], family.action_space.shape[0]  # type: ignore[index]  # a Box
    rng = np.random.default_rng([seed, int(told)])
    mean, std = np.zeros((feature_count(o, told=told), a)), np.ones((feature_count(o, told=told), a))
    if told:
        mean[: o + 1] = search(env, sweep, told=False, seed=seed, settings=settings)
        std[: o + 1] = 0.3
    best, best_return = mean, -np.inf
    for number in range(settings.rounds):
        gains = mean + std * rng.standard_normal((settings.candidates, *mean.shape))
        gains[0] = mean
        seed_of_round = _FIRST_EPISODE + 1000 * number
        played = play(env, gains, sweep, told=told, sweep=sweep, episodes=settings.episodes, seed=seed_of_round)
        returns = played.mean(axis=(1, 2))
        order = np.argsort(-returns)[: settings.elites]
        mean, std = gains[order].mean(axis=0), np.maximum(gains[order].std(axis=0), _LEAST_STD)
        if number >= settings.rounds - 5 and returns[0] > best_return:  # the mean of the last rounds' elites
            best, best_return = gains[0], float(returns[0])
    return np.asarray(best)


def play(env: str, gains: Floats, contexts: Contexts, *, told: bool, sweep: Contexts, episodes: int, seed: int) -> Floats:
    """The returns of all candidates (Q, K, M), played as one batch with the same start states and noise.

    Args:
        env: Gymnasium id.
        gains: of the candidates (Q, f, a).
        contexts: to play in (K, p).
        told: whether the controllers are told the swept coordinate.
        sweep: contexts that differ in one coordinate: the one that is told, and its range.
        episodes: M, per context.
        seed: of the episodes.
    """
    resolved = resolve(env)
    space, actions = resolved.env.context_space, resolved.env.action_space
    assert isinstance(actions, spaces.Box)
    coordinate = swept_coordinate(env, sweep)
    width = float(np.abs(sweep[:, coordinate] - space.default[coordinate]).max())
    told_of = (space, coordinate, width) if told else None
    policy = LinearFeedback(gains, observation_scale(env), actions, len(contexts) * episodes, told_of)
    player = make_player(policy, resolved.env, "append" if told else "hidden")
    rows = np.tile(contexts, (len(gains), 1))  # not `evaluate`, which plays equal contexts once
    returns = Scorer(resolved, player, rows, episodes, seed, batch_size=None, progress=False, name="feedback").play().returns
    return np.asarray(returns.reshape(len(gains), len(contexts), episodes))


def swept_coordinate(env: str, sweep: Contexts) -> int:
    """The index of the coordinate in which contexts (K, p) differ from the default."""
    return int(np.flatnonzero((sweep != resolve(env).env.context_space.default).any(axis=0))[0])


@cache
def observation_scale(env: str) -> Floats:
    """The standard deviation of observations under random actions (o,); 1 where it is 0."""
    resolved = resolve(env)
    rows, _ = random_transitions(resolved, 0)
    spread = resolved.env.observations(rows.states).std(axis=0)
    return np.where(spread > 1e-6, spread, 1.0)
