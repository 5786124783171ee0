"""Counterfactual transitions: the stored states and actions of a dataset, played in other contexts.

    s'_bar, r_bar = simulate(s, a, c')        for the stored s and a, with the stored noise

Dimensions: N transitions, E episodes, K contexts, p context.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from offctx.analysis.radius.sample import environment_of
from offctx.checks import check_flag
from offctx.contexts.distinct import distinct_rows
from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.resolve import EnvLike
from offctx.errors import ContextError, DatasetError, EnvError

if TYPE_CHECKING:
    from collections.abc import Mapping


def counterfactual(
    dataset: ContextualDataset,
    contexts: "ArrayLike | Mapping[str, float]",
    env: EnvLike | None = None,
    *,
    per_episode: bool = False,
    extrapolate: bool = False,
) -> ContextualDataset:
    """What would have followed in other contexts: each stored transition with the same state and action, simulated anew.

    Each transition is one step from its stored state. So the states within an episode are those of the data, and a next
    observation is not the observation of the step after it: encoders that read next observations see the new context, those
    that read the sequence of observations alone see the old one.

    Episodes keep the length of the data. Where a step is terminal in the other context and not the last one, its flag says so,
    and the steps after it are kept. Where the last step was terminal in the data and is not in the other context, the episode
    ends with neither flag. Observations are always those of the data: under `ObservationContexts`, coordinates of the sensor
    change next observations alone.

    Args:
        dataset: with simulator states, and noise where its environment is stochastic; `offctx.collect` stores both.
        contexts: (K, p), in which every episode is played; or, with `per_episode`, one for each episode (E, p).
        env: the environment of the data; where not given, the one that the dataset names, if it ships with offctx.
        per_episode: whether `contexts` has one context for each episode.
        extrapolate: allow contexts outside the bounds of the context space.

    Returns:
        K E episodes, those in the first context first, aligned with the data; E with `per_episode`. Observations, actions,
        states, noise and truncations are those of the data; rewards, next observations and terminations are simulated. It has
        no derivatives and no metadata, and is not stored.

    Raises:
        ContextError: a context is not valid in the environment, or there is not one for each episode.
        DatasetError: the dataset has no simulator states, or lacks noise; or names no environment that ships with offctx.
        EnvError: the environment has other context coordinates.

    Example::

        flipped = offctx.counterfactual(dataset, {"action_factor": -1})
        elsewhere = offctx.counterfactual(dataset, dataset.context_space.splits["eval-out"])
    """
    family = simulable(dataset, env)
    check_flag(per_episode, "per_episode", ContextError)
    check_flag(extrapolate, "extrapolate", ContextError)
    other_contexts = family.context_space.check_many(contexts, extrapolate=extrapolate)
    e = dataset.num_episodes
    if per_episode and len(other_contexts) != e:
        raise ContextError(
            f"{dataset.dataset_id} has {e} episodes; expected one context for each, ({e}, p), found {other_contexts.shape}"
        )
    copies = 1 if per_episode else len(other_contexts)
    rows = np.tile(np.arange(len(dataset)), copies)
    lengths = dataset.episode_ends - dataset.episode_starts
    of_rows = np.repeat(other_contexts, lengths if per_episode else len(dataset), axis=0)
    next_observations, rewards, terminations = outcomes(family, dataset, rows, of_rows)
    offsets = np.repeat(np.arange(copies) * len(dataset), e)
    return ContextualDataset(
        dataset_id=f"{dataset.dataset_id} in other contexts",
        context_space=family.context_space,
        observation_space=dataset.observation_space,
        action_space=dataset.action_space,
        observations=dataset.observations[rows],
        actions=dataset.actions[rows],
        rewards=rewards,
        next_observations=next_observations,
        terminations=terminations,
        truncations=dataset.truncations[rows],
        contexts=of_rows,
        context_ids=distinct_rows(of_rows)[1],
        episode_starts=np.tile(dataset.episode_starts, copies) + offsets,
        episode_ends=np.tile(dataset.episode_ends, copies) + offsets,
        states=None if dataset.states is None else dataset.states[rows],
        noise=None if dataset.noise is None else dataset.noise[rows],
    )


def simulable(dataset: ContextualDataset, env: EnvLike | None) -> ContextualEnv:
    """The environment that simulates a dataset's transitions anew; raises as `counterfactual` where it cannot."""
    family = environment_of(dataset, env)
    if dataset.states is None or (family.noise_size and dataset.noise is None):
        missing = "simulator states" if dataset.states is None else "the noise that drove its transitions"
        raise DatasetError(
            f"other contexts are simulated from the states of the data, but {dataset.dataset_id} has not stored {missing}: "
            f"collect it with offctx.collect"
        )
    if family.context_space.names != dataset.context_space.names:
        raise EnvError(
            f"{type(family).__name__} has the context {list(family.context_space.names)}; {dataset.dataset_id} has "
            f"{list(dataset.context_space.names)}"
        )
    return family


def outcomes(env: ContextualEnv, dataset: ContextualDataset, rows: Array, contexts: Contexts) -> tuple[Array, Array, Array]:
    """Next observations (n, o), rewards (n,) and terminations (n,) of stored rows (n,) in contexts (n, p)."""
    assert dataset.states is not None
    noise = dataset.noise[rows] if env.noise_size and dataset.noise is not None else None
    states, actions = dataset.states[rows].astype(np.float64), env.admit_actions(dataset.actions[rows], len(rows))
    next_states, rewards, terminations = env.simulate(states, actions, contexts, noise)
    return env.observations(next_states).astype(dataset.next_observations.dtype), rewards, terminations
