"""How a cell runs: one learner is trained on its data, and scored."""

from typing import Any

import gymnasium

from offctx.augmentations.cse import CSE
from offctx.evaluation.evaluator import evaluate
from tools.reproduce.cse.data import data_kind, dataset
from tools.reproduce.cse.settings import Environment, Learner
from tools.reproduce.frame.cells import Result, plain

_EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training


def learner_settings(environment: Environment, learner: Learner) -> Result:
    """What a learner's result depends on, as plain JSON. A result with other settings is computed again."""
    training = environment.trainings(learner.mode)[learner.algorithm]
    radius = {"ldr": environment.ldr_radius, "cse": environment.cse_radius, "cse-exact": environment.cse_radius}
    settings = {
        "env": environment.env,
        "algorithm": training.algorithm,
        "steps": training.steps,
        "config": dict(training.config),
        "standardise": training.standardise,
        "radius": radius.get(learner.method),
        "behaviour": environment.behaviour_text,
        "data_episodes": environment.data_episodes,
        "episodes": environment.episodes,
        "contexts": {split: len(rows) for split, rows in environment.splits().items()},
    }
    settings |= {"random_steps": training.random_steps} if learner.mode == "online" else {}
    settings |= {"shared_data": True} if environment.shared_data else {}
    return plain(settings)


def run_learner(environment: Environment, learner: Learner) -> Result:
    """Train and score one learner."""
    agent = (train_offline if learner.mode == "offline" else train_online)(environment, learner)
    report = evaluate(
        agent, environment.env, environment.splits(), episodes=environment.episodes, seed=_EVALUATION_SEED, name=learner.method
    )
    return {"report": report.to_dict()}


def augmentation(environment: Environment, method: str) -> CSE | None:
    """What a method does to batches."""
    if method not in ("cse", "cse-exact"):
        return None
    return CSE(environment.cse_radius, exact=environment.env if method == "cse-exact" else None)


def train_offline(environment: Environment, learner: Learner) -> Any:
    """The agent of an offline learner."""
    from offctx.training.fit import train  # d3rlpy takes seconds to import: only where something is trained
    from offctx.training.names import make_algorithm

    training = environment.offline[learner.algorithm]
    data = dataset(environment, data_kind(learner) or "base", environment.data_seed(learner.seed))
    buffer = data.replay_buffer(augmentation=augmentation(environment, learner.method), seed=learner.seed)
    scaler = {"observation_scaler": buffer.observation_scaler()} if training.standardise else {}
    agent = make_algorithm(training.algorithm, buffer, dict(training.config) | scaler)
    train(agent, buffer, steps=training.steps, seed=learner.seed, progress=False)
    return agent


def train_online(environment: Environment, learner: Learner) -> Any:
    """The agent of an online learner. It plays at c0 or, as LDR, each episode in a context drawn around c0."""
    import d3rlpy  # as above

    from offctx.buffers.online import online_buffer
    from offctx.envs.labels import LabelTransitions
    from offctx.envs.wrappers import RandomContexts
    from offctx.training.names import make_algorithm

    training, space = environment.online[learner.algorithm], environment.space
    env: gymnasium.Env[Any, Any] = gymnasium.make(environment.env)
    if learner.method == "ldr":
        env = RandomContexts(env, lambda rng: space.local(1, environment.ldr_radius, rng)[0], seed=learner.seed)
    env = LabelTransitions(env, gradients=learner.method == "cse")
    buffer = online_buffer(env, training.steps, augmentation=augmentation(environment, learner.method), seed=learner.seed)
    d3rlpy.seed(learner.seed)
    d3rlpy.envs.seed_env(env, learner.seed)
    agent = make_algorithm(training.algorithm, buffer, training.config)
    agent.fit_online(
        env, buffer, n_steps=training.steps, n_steps_per_epoch=training.steps, random_steps=training.random_steps,
        update_start_step=training.random_steps, logger_adapter=d3rlpy.logging.NoopAdapterFactory(), show_progress=False,
    )  # fmt: skip
    return agent
