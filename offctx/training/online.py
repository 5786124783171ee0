"""Online training on many contexts side by side.

Dimensions: n environments, K contexts, p context coordinates.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from d3rlpy.algos.qlearning.explorers import Explorer
from numpy.typing import ArrayLike

from offctx.buffers.augmentation import AugmentationLike
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import LARGEST_SEED, check_flag, whole_number
from offctx.data.context_levels import ContextLevel
from offctx.data.history.settings import History
from offctx.envs.parallel_episodes import ContextDraw, EpisodePlan
from offctx.envs.resolve import EnvLike, resolve
from offctx.errors import AlgorithmError
from offctx.evaluation.adaptation import checked_warmup
from offctx.evaluation.run import TRAIN
from offctx.notices import d3rlpy_log_hidden
from offctx.training.online_loop import Schedule
from offctx.training.online_parts import BufferOptions, make_loop
from offctx.training.online_run import Evaluator, Watch, run_and_save
from offctx.training.run_settings import RunOptions


def train_online(
    agent: Any,
    env: EnvLike,
    *,
    contexts: ArrayLike | ContextDraw | None = None,
    steps: int,
    seed: int,
    rows: int | None = None,
    context: ContextLevel | None = None,
    buffer: ContextualReplayBuffer | None = None,
    capacity: int | None = 1_000_000,
    augmentation: AugmentationLike | None = None,
    history: History | None = None,
    updates_per_joint_step: float = 1,
    random_steps: int = 0,
    update_start_step: int = 0,
    explorer: Explorer | None = None,
    epochs: int = 10,
    evaluators: Mapping[str, Evaluator] | None = None,
    run: str | os.PathLike[str] | None = None,
    report_episodes: int = 10,
    report_warmup: int | Sequence[int] = 0,
    gradients: bool | None = None,
    config: Mapping[str, Any] | None = None,
    device: Any = False,
    callback: Callable[[Any, int, int], None] | None = None,
    progress: bool = True,
) -> Any:
    """Trains an algorithm of d3rlpy online, in n environments that are stepped side by side.

    In each joint step the agent chooses n actions at once, the simulator steps n rows at once, the buffer appends n rows at
    once, and `updates_per_joint_step` updates follow. An episode that ends is followed by the next one in its row at once. A
    truncated episode bootstraps: its last transition is in the buffer with its true next observation, and is not terminal.

    `steps`, `random_steps` and `update_start_step` count steps of single environments, as d3rlpy's `fit_online` does; n of them
    are a joint step, and what does not divide evenly is rounded up to whole joint steps. With n contexts this does what

        agent.fit_online(env, buffer, n_steps=steps, update_interval=n, n_updates=1)

    does in an environment that draws a context at each reset: as many steps, as many updates. With one context, the same start
    states and random_steps=0 it ends with the same weights to the last bit. Two things differ: `random_steps` is the number
    of random steps (d3rlpy makes one less), and each episode has a seed of its own (`offctx.envs.parallel_episodes`).

    Args:
        agent: a d3rlpy Q-learning algorithm (SAC, TD3, DDPG, DQN, ...), or its name. Its class may also be one that acts by a
            policy with memory: one that has `exploration_policy()` or `memory_policy()`.
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        contexts: (K, p); or a function from a generator to a context (p,), called for each episode; or None for the split
            "train" of the environment, the default context where there is none.
        steps: of single environments in all, at least 1.
        seed: of weights, episodes, exploration and batches.
        rows: n; K where not given. Row i plays contexts i, i + n, i + 2n, ... modulo K, one an episode.
        context: what batches tell of the context, as `ContextualDataset.replay_buffer` has it: "append" (the default),
            "hidden", "anonymous" or "withheld". The agent sees the context with "append" alone. A buffer that is given says it.
        buffer: that is appended to, such as `dataset.replay_buffer()`; where not given, an empty one.
        capacity: of an empty buffer, in transitions; beyond it, the oldest are overwritten. None for no limit.
        augmentation: of the batches of an empty buffer, such as `offctx.CSE(0.5)`.
        history: which windows of other transitions the batches of an empty buffer carry, for learners that infer the context.
        updates_per_joint_step: any ratio: 0.5 is an update every other joint step, 20 with n = 20 is one for each step.
        random_steps: the first steps, with uniform actions; rounded up to whole joint steps.
        update_start_step: updates begin after this many steps, once the buffer has more transitions than a batch.
        explorer: of d3rlpy, such as `d3rlpy.algos.NormalNoise()` for TD3 or `LinearDecayEpsilonGreedy()` for DQN, whose steps
            count as `steps`. Where not given, actions are sampled from the policy, as SAC wants it.
        epochs: how often evaluators are called, metrics are written and a checkpoint is made.
        evaluators: by name, such as `offctx.ZeroShotEvaluator(...)`; called as evaluator(agent, buffer).
        run: a folder for config, versions, metrics as CSV, checkpoint, agent and report. A run that was killed goes on when the
            same call is made again, and ends with the same weights. A finished run is loaded.
        report_episodes: of the report on the splits of the environment that ends a run, per context; 0 for no report.
        report_warmup: unscored steps in the context before the scored episodes of this report, such as 128, or several numbers
            of them: an agent with memory is scored cold and warm apart, as `offctx.evaluate(warmup=)` has it.
        gradients: whether transitions are labelled with context derivatives; where not given, if the augmentation needs them.
        config: hyperparameters, where `agent` is a name.
        device: where the networks are, where `agent` is a name: False, True, a number, or a name such as "cuda:0".
        callback: called as callback(agent, epoch, step) after each joint step.
        progress: show a progress bar.

    Returns:
        The trained algorithm.

    Raises:
        AlgorithmError: a number is out of range, the algorithm does not learn online or does not fit the actions, or the run's
            folder holds something else.
        ContextError: contexts that are not valid.
        DatasetError: the buffer is of another environment, or its capacity is less than n.
        EnvError: not a contextual environment with a time limit.
        EvaluationError: bad `report_warmup`.

    Example::

        space = offctx.envs.PendulumGoal.context_space
        agent = offctx.train_online(
            "sac", "offctx/PendulumGoal-v0", contexts=space.mesh(g=[1, 2, 4]), steps=90_000, random_steps=3_000, seed=0,
            run="runs/sac-0",
        )
    """
    resolved = resolve(env)
    seed = whole_number(seed, "seed", 0, AlgorithmError, most=LARGEST_SEED)
    if run is not None and not isinstance(run, str | os.PathLike):
        raise AlgorithmError(f"run must be the path of a folder, or None; found {run!r}")
    check_flag(progress, "progress", AlgorithmError)
    if gradients is not None:
        check_flag(gradients, "gradients", AlgorithmError)
    whole_number(report_episodes, "report_episodes", 0, AlgorithmError)
    warmup = checked_warmup(report_warmup)
    space = resolved.env.context_space
    chosen = space.splits.get(TRAIN, space.default[None]) if contexts is None else contexts
    plan = EpisodePlan(space, chosen, rows, seed)
    schedule = Schedule.checked(plan.rows, steps, random_steps, update_start_step, updates_per_joint_step, epochs)
    options = BufferOptions(context, capacity, augmentation, gradients, history)
    watch = Watch({} if evaluators is None else evaluators, callback, progress)
    with d3rlpy_log_hidden():
        loop = make_loop(agent, resolved, plan, schedule, buffer, options, explorer, seed, config, device)
        run_and_save(loop, watch, run, RunOptions(resolved, env, plan, explorer, seed, report_episodes, warmup))
    return loop.agent
