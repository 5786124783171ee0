"""Zero-shot evaluation: a policy plays episodes in any contexts, as one batch, with common random numbers.

One episode is read in three files: `_play` here sums its rewards, `offctx.envs.rollout.play` steps it, and
`offctx.envs.players.make_player` chooses its actions.

Dimensions: K contexts of a split, M episodes per context, E episodes of all splits, n training contexts, p context coordinates.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.envs.players import Player, make_player
from offctx.envs.policies import ContextMode, Policy, policy_name
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.envs.row_draws import EpisodeStreams
from offctx.errors import EvaluationError
from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.run import TRAIN
from offctx.evaluation.statistics import Array
from offctx.words import count

ContextsLike = ArrayLike | Mapping[str, ArrayLike] | None


def evaluate(
    policy: Policy,
    env: EnvLike,
    contexts: ContextsLike = None,
    *,
    episodes: int,
    seed: int,
    context: ContextMode = "append",
    train_contexts: ArrayLike | None = None,
    name: str | None = None,
    extrapolate: bool = False,
    batch_size: int | None = None,
    progress: bool = False,
) -> ZeroShotReport:
    """Plays a policy in contexts, all episodes at once, and reports its returns.

    Episode m has the same seed, and so the same noise, in every context, for every policy and every split. Differences between
    policies and between contexts are then less noisy (common random numbers). What a policy itself draws ("random", a callable
    that uses its rng) comes from a stream of the episode's own, given by `seed`, context and m: the same context reads the same
    in every split, whatever else is played. A draw whose first axis does not count the episodes is common to all of them.

    Args:
        policy: "random", "zero", anything with `predict`, or a callable (observations, contexts, rng) -> actions.
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        contexts: (K, p), or split names with such arrays, or None for the splits of the environment's context space. The
            train-to-test gap starts from the split named "train".
        episodes: M, per context.
        seed: of the episodes.
        context: whether `predict` gets observations with the context appended or hidden.
        train_contexts: (n, p), marked in pictures; where not given, the split "train" if there is one, else the default
            context.
        name: of the policy in reports.
        extrapolate: allow contexts outside the bounds of the context space.
        batch_size: rows per call of the simulator, to bound memory. It does not change results.
        progress: show a progress bar.

    Returns:
        the report: undiscounted returns and lengths of every episode, aggregates, tables and pictures.

    Raises:
        ContextError: contexts of another size, outside the bounds or not valid.
        PolicyError: not a policy, or it does not fit the environment.
        EnvError: not a contextual environment with a time limit.
        EvaluationError: bad `episodes`, or no split of contexts.

    Example::

        report = offctx.evaluate(agent, "offctx/PendulumGoal-v0", {"moon": [[1.62, 1, 1, 0]]}, episodes=20, seed=0)
        print(report)
        report.save("reports/moon")
    """
    whole_number(episodes, "episodes", 1, EvaluationError)
    whole_number(seed, "seed", 0, EvaluationError)
    resolved = resolve(env)
    space = resolved.env.context_space
    splits = _splits(resolved, contexts, extrapolate)
    rows, index = _distinct(np.concatenate(list(splits.values())))
    played = np.repeat(rows, episodes, axis=0)
    seeds = np.tile(episode_seeds(seed, int(episodes)), len(rows))
    actor = make_player(policy, resolved.env, context)
    streams = EpisodeStreams(seed, rows, int(episodes))
    unique_results = _play(resolved, actor, played, seeds, streams, batch_size, progress)
    returns, lengths = (values.reshape(-1, episodes)[index] for values in unique_results)
    borders = np.cumsum([len(contexts) for contexts in splits.values()])[:-1]
    if train_contexts is None:
        train = splits.get(TRAIN, space.default[None])
    else:
        train = space.check_many(train_contexts, extrapolate=True)  # they are not played
    return ZeroShotReport(
        policy=name or policy_name(policy),
        env_id=resolved.name,
        context_names=space.names,
        context_units=space.units,
        train_contexts=train,
        contexts=splits,
        returns=dict(zip(splits, np.split(returns, borders), strict=True)),
        lengths=dict(zip(splits, np.split(lengths, borders), strict=True)),
        seed=seed,
        context=context,
        registered=resolved.registered,
    )


def _splits(resolved: ResolvedEnv, contexts: ContextsLike, extrapolate: bool) -> dict[str, Contexts]:
    """Checked contexts (K, p) of each split; contexts without names are the split "test"."""
    space = resolved.env.context_space
    if contexts is None:
        return space.splits
    if isinstance(contexts, Mapping):
        if not contexts:
            raise EvaluationError("expected at least one split of contexts; found none")
        return {str(split): space.check_many(rows, extrapolate=extrapolate) for split, rows in contexts.items()}
    return {"test": space.check_many(contexts, extrapolate=extrapolate)}


def _distinct(rows: Contexts) -> tuple[Contexts, npt.NDArray[np.intp]]:
    """The distinct contexts in the order in which they come first, and the index of each row among them."""
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return rows[first[order]], np.argsort(order)[inverse.ravel()]


def _play(
    resolved: ResolvedEnv,
    actor: Player,
    contexts: Contexts,
    seeds: npt.NDArray[np.int64],
    streams: EpisodeStreams,
    batch_size: int | None,
    progress: bool,
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Plays one episode in each row of contexts (E, p). Returns the undiscounted returns (E,) and the lengths (E,)."""
    total = len(contexts)
    returns, lengths = np.zeros(total), np.zeros(total, dtype=np.int64)
    assignment = np.zeros(total, dtype=np.int64)  # every episode is played by the one actor
    steps = play(resolved, contexts, seeds, [actor], assignment, streams, batch_size=batch_size)
    for step in tqdm(steps, total=resolved.horizon, desc=f"evaluating {count(total, 'episode')}", disable=not progress):
        returns[step.rows] += step.rewards
        lengths[step.rows] += 1
    return returns, lengths
