"""The zero-shot evaluator: any policy, any contexts, one batch, common random numbers.

Dimensions: K contexts of a split, M episodes of each, p context.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.envs.policies import ContextMode, Policy, make_actor, policy_name
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.errors import EvaluationError
from offctx.evaluation.report import ZeroShotReport

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
    """Play a policy in contexts, all episodes at once, and report its returns.

    Episode m starts from the same seed, and meets the same noise, in every context, for every policy and every split:
    differences between policies and between contexts are then less noisy (common random numbers). What a policy itself
    draws ("random", a callable that uses its rng) is not common: it depends on which other episodes are played with it.

    Args:
        policy: "random", anything with `predict`, or a callable (observations, contexts, rng) -> actions.
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        contexts: (K, p), or split names with such arrays, or None for the splits of the environment's context space. A
            split named "train" is what the train-to-test gap is measured from.
        episodes: M, per context.
        seed: of the episodes.
        context: whether `predict` gets observations with the context appended or hidden.
        train_contexts: (n, p), marked in pictures; the split "train" where there is one, else the default context.
        name: what to call the policy in reports.
        extrapolate: allow contexts outside the bounds of the context space.
        batch_size: rows per call of the simulator, to bound memory.
        progress: show a progress bar.

    Raises:
        ContextError, PolicyError, EnvError, EvaluationError: bad input.
    """
    whole_number(episodes, "episodes", 1, EvaluationError)
    whole_number(seed, "seed", 0, EvaluationError)
    task = resolve(env)
    space = task.env.context_space
    splits = _splits(task, contexts, extrapolate)
    sizes = [len(rows) for rows in splits.values()]
    everything = np.repeat(np.concatenate(list(splits.values())), episodes, axis=0)
    seeds = np.tile(episode_seeds(seed, int(episodes)), sum(sizes))
    returns, lengths = _play(task, policy, everything, seeds, seed, context, batch_size, progress)
    borders = np.cumsum(sizes)[:-1]
    by_split = {
        what: dict(zip(splits, np.split(values.reshape(-1, episodes), borders), strict=True))
        for what, values in (("returns", returns), ("lengths", lengths))
    }
    train = splits.get("train", space.default[None])
    if train_contexts is not None:
        train = space.check_many(train_contexts, extrapolate=True)  # they are not played
    return ZeroShotReport(
        policy=name or policy_name(policy),
        env_id=task.name,
        context_names=space.names,
        context_units=space.units,
        train_contexts=train,
        contexts=splits,
        returns=by_split["returns"],
        lengths=by_split["lengths"],
        seed=seed,
        context=context,
    )


def _splits(task: ResolvedEnv, contexts: ContextsLike, extrapolate: bool) -> dict[str, Contexts]:
    space = task.env.context_space
    if contexts is None:
        return space.splits
    if isinstance(contexts, Mapping):
        if not contexts:
            raise EvaluationError("expected at least one split of contexts; found none")
        return {str(split): space.check_many(rows, extrapolate=extrapolate) for split, rows in contexts.items()}
    return {"test": space.check_many(contexts, extrapolate=extrapolate)}


def _play(
    task: ResolvedEnv,
    policy: Policy,
    contexts: Contexts,
    seeds: Any,
    seed: int,
    context: ContextMode,
    batch_size: int | None,
    progress: bool,
) -> tuple[Any, Any]:
    """Undiscounted returns and lengths of the episodes, (K M,) each."""
    actor = make_actor(policy, task.env, context)
    returns, lengths = np.zeros(len(contexts)), np.zeros(len(contexts), dtype=np.int64)
    always_the_one = np.zeros(len(contexts), dtype=np.int64)
    steps = play(task, contexts, seeds, [actor], always_the_one, np.random.default_rng([seed, 2]), batch_size=batch_size)
    for step in tqdm(steps, total=task.horizon, desc=f"evaluating {len(contexts)} episodes", disable=not progress):
        returns[step.rows] += step.rewards
        lengths[step.rows] += 1
    return returns, lengths


class ZeroShotEvaluator:
    """The evaluator as d3rlpy's `fit(evaluators={"zero_shot": ZeroShotEvaluator(...)})` takes it: one float.

    Args:
        env: see `evaluate`.
        contexts: see `evaluate`.
        episodes: per context.
        seed: of the episodes, the same at every call.
        context: "append" or "hidden".
        metric: "aer", the mean return over contexts and episodes; "iqm", its interquartile mean; "worst", the mean return
            in the worst context.
        splits: over which splits, their scores averaged; all but "train" where not given.
    """

    def __init__(
        self,
        env: EnvLike,
        contexts: ContextsLike = None,
        *,
        episodes: int = 10,
        seed: int = 0,
        context: ContextMode = "append",
        metric: Literal["aer", "iqm", "worst"] = "aer",
        splits: Sequence[str] | None = None,
    ) -> None:
        if metric not in ("aer", "iqm", "worst"):
            raise EvaluationError(f'metric must be "aer", "iqm" or "worst"; found {metric!r}')
        self._env, self._contexts, self._metric, self._splits = env, contexts, metric, splits
        self._options: dict[str, Any] = {"episodes": episodes, "seed": seed, "context": context}

    def __call__(self, algo: Any, dataset: Any = None) -> float:
        """The score of `algo`; `dataset` is there because d3rlpy passes it."""
        report = evaluate(algo, self._env, self._contexts, **self._options)
        held_out = [split for split in report.returns if split != "train"]
        splits = self._splits or held_out or list(report.returns)
        return float(np.mean([_score(report, split, self._metric) for split in splits]))


def _score(report: ZeroShotReport, split: str, metric: str) -> float:
    if metric == "iqm":
        return report.iqm(split).estimate
    return report.aer(split) if metric == "aer" else report.worst_context(split)[1]
