"""Zero-shot evaluation: a policy plays episodes in any contexts, as one batch, with common random numbers.

Many contexts are played in chunks: `offctx.evaluation.chunks`. One episode is read in three files: `offctx.evaluation.scoring`
sums its rewards, `offctx.envs.rollout.play` steps it, and `offctx.envs.players.make_player` chooses its actions.

Dimensions: K contexts of a split, M episodes per context, E episodes of all splits, n training contexts, p context coordinates.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.contexts.distinct import distinct_rows
from offctx.contexts.space import Contexts
from offctx.envs.players import make_player
from offctx.envs.policies import ContextMode, Policy, policy_name
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.errors import EvaluationError
from offctx.evaluation.adaptation import COLD, NO_WARM_UP, checked_warmup
from offctx.evaluation.chunks import play_chunks
from offctx.evaluation.kept_chunks import Resume, kept_chunks
from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.run import TRAIN
from offctx.evaluation.scoring import Scorer, adaptation_of
from offctx.workers.engine import Backend, Workers

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
    warmup: int | Sequence[int] = 0,
    warmup_policy: Policy | None = None,
    n_jobs: int = 1,
    backend: Backend = "loky",
    resume: Resume = None,
) -> ZeroShotReport:
    """Plays a policy in contexts, all episodes at once, and reports its returns.

    Episode m has the same seed, and so the same noise, in every context, for every policy and every split. Differences between
    policies and between contexts are then less noisy (common random numbers). What a policy itself draws ("random", a callable
    that uses its rng) comes from a stream of the episode's own, given by `seed`, context and m: the same context reads the same
    in every split, whatever else is played. A draw whose first axis does not count the episodes is common to all of them.

    With a warm-up, a policy with memory (`offctx.envs.PolicyWithMemory`) is scored cold, and once more after each number of
    unscored steps in the same context. Then the memory is kept and a new episode begins: the one that the cold policy played
    too, with the same start and noise. `report.returns` are cold, `report.after(128)` is the report after 128 steps. A policy
    without memory is scored once: a warm-up makes no difference to it, and the report says so.

    Args:
        policy: "random", "zero", anything with `predict`, a callable (observations, contexts, rng) -> actions, or a policy with
            memory.
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        contexts: (K, p), or split names with such arrays, or None for the splits of the environment's context space. The
            train-to-test gap starts from the split named "train".
        episodes: M, per context.
        seed: of the episodes.
        context: whether `predict`, or a policy with memory, gets observations with the context appended or hidden.
        train_contexts: (n, p), marked in pictures; where not given, the split "train" if there is one, else the default
            context.
        name: of the policy in reports and in the progress bar.
        extrapolate: allow contexts outside the bounds of the context space.
        batch_size: rows per call of the simulator, to bound memory. It does not change results.
        progress: show a progress bar.
        warmup: steps in the context before the scored episode, such as 128; or several numbers of them, such as (25, 128). They
            span several episodes where these are shorter.
        warmup_policy: who plays the warm-up, such as "random", while the policy looks on; the policy itself where not given.
        n_jobs: chunks of contexts that are played at a time, each by a process of its own; -1 for all cores. It does not
            change results. A chunk is about 260,000 steps; policy and environment must be picklable.
        backend: "loky" for processes on this machine; "ray" for a Ray cluster (`pip install offctx[ray]`).
        resume: a folder that keeps finished chunks: the same call, with the same policy, environment and versions of packages,
            goes on from them after an interruption or an error, and returns the same. After success the chunks are deleted.
            `offctx.KeptChunks(folder)` keeps those of several calls until all have succeeded. Processes may share the folder;
            workers of a cluster need it on a disk that all machines share.

    Returns:
        the report: undiscounted returns and lengths of every episode, aggregates, tables and pictures.

    Raises:
        ContextError: contexts of another size, outside the bounds or not valid.
        PolicyError: not a policy, or it does not fit the environment.
        EnvError: not a contextual environment with a time limit.
        EvaluationError: bad `episodes` or `warmup`, a `warmup_policy` without `warmup`, or no split of contexts; or the folder
            of `resume` cannot be written to, or a policy holds something that cannot be compared.

    Example::

        report = offctx.evaluate(agent, "offctx/PendulumGoal-v0", {"moon": [[1.62, 1, 1, 0]]}, episodes=20, seed=0)
        print(report)
        report.save("reports/moon")
    """
    workers = Workers.check(n_jobs, backend, EvaluationError)
    whole_number(episodes, "episodes", 1, EvaluationError, most=1_000_000)
    whole_number(seed, "seed", 0, EvaluationError)
    resolved = resolve(env)
    space = resolved.env.context_space
    splits = _splits(resolved, contexts, extrapolate)
    rows, index = distinct_rows(np.concatenate(list(splits.values())))
    seen = checked_warmup(warmup)
    if warmup_policy is not None and not seen:
        raise EvaluationError(NO_WARM_UP)
    player = make_player(policy, resolved.env, context)
    warmed_by = None if warmup_policy is policy else warmup_policy
    other = None if warmed_by is None else make_player(warmed_by, resolved.env, context)
    title = name or policy_name(policy)
    scorer = Scorer(resolved, player, rows, int(episodes), int(seed), batch_size, progress, title)
    if train_contexts is None:
        train = splits.get(TRAIN, space.default[None])
    else:
        train = space.check_many(train_contexts, extrapolate=True)  # they are not played
    with kept_chunks(resume) as kept:
        scores = play_chunks(scorer, seen, other, workers, env=env, policies=(policy, warmed_by), context=context, kept=kept)
    borders = np.cumsum([len(contexts) for contexts in splits.values()])[:-1]
    in_rows = dict(zip(splits, np.split(index, borders), strict=True))
    return ZeroShotReport(
        policy=title,
        env_id=resolved.name,
        context_names=space.names,
        context_units=space.units,
        train_contexts=train,
        contexts=splits,
        returns={split: scores[COLD].returns[own] for split, own in in_rows.items()},
        lengths={split: scores[COLD].lengths[own] for split, own in in_rows.items()},
        seed=seed,
        context=context,
        registered=resolved.registered,
        context_kinds=tuple(space.kinds.values()),
        adaptation=None if not seen else adaptation_of(scorer, scores, seen, in_rows, warmed_by),
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
