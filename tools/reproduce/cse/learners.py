"""How a cell runs: one policy is trained, or is known already, and scored."""

import dataclasses
from typing import Any

import gymnasium
import numpy as np

from offctx.augmentations.context_jitter import ContextJitter
from offctx.augmentations.cse import CSE
from offctx.augmentations.reward_relabelling import RewardRelabelling
from offctx.buffers.augmentation import Augmentation
from offctx.envs.resolve import resolve
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.report import ZeroShotReport
from tools.reproduce.cse.arms import ARMS, BY_HAND, TITLES, VARIANT_RADIUS
from tools.reproduce.cse.by_hand import GAINS, damped_feedback
from tools.reproduce.cse.data import data_kind, dataset, local_contexts, radius, range_contexts
from tools.reproduce.cse.settings import OFFLINE, ONLINE, TRAIN, UNTRAINED_MODE, Environment, Floats, Learner, Training
from tools.reproduce.frame.cells import Result, plain

EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training
_ONLINE_CONTEXTS = 4096  # drawn before training; each episode takes one of them at random


def learner_settings(environment: Environment, learner: Learner) -> Result:
    """What a policy's result depends on, as plain JSON. A result with other settings is computed again."""
    settings: dict[str, Any] = {
        "env": environment.env,
        "episodes": environment.episodes,
        "contexts": {split: rows.tolist() for split, rows in environment.splits().items()},
    }
    if learner.mode == UNTRAINED_MODE:
        return plain(settings | ({"gains": GAINS._asdict()} if learner.method == BY_HAND else {}))
    training, arm = environment.trainings(learner.mode)[learner.algorithm], ARMS[learner.method]
    settings |= {
        "algorithm": training.algorithm,
        "steps": training.steps,
        "config": dict(training.config),
        "hidden": list(training.hidden),
        "standardise": training.standardise,
        "moves": environment.moves,
    }
    if arm.moves_contexts:
        given = training.radius is not None
        settings |= {"radius": training.radius} if given else {"tolerance": environment.tolerance}
    if arm.more != "none":
        settings |= {"more": arm.more, "more_radius": VARIANT_RADIUS}
    if learner.mode == ONLINE:
        return plain(settings | {"random_steps": training.random_steps})
    settings |= {"behaviour": environment.behaviour_text, "data_episodes": environment.data_episodes}
    return plain(settings | {"data_seed": environment.data_seed(learner.seed)})


def run_learner(environment: Environment, learner: Learner) -> Result:
    """Train a policy where it is to be trained, and score it."""
    if learner.mode == UNTRAINED_MODE:
        return {"report": untrained_report(environment, learner.method).to_dict()}
    radii = learner_radius(environment, learner)
    agent = (train_offline if learner.mode == OFFLINE else train_online)(environment, learner, radii)
    used = {} if radii is None else {"radius": radii.tolist()}
    return {"report": score(environment, agent, learner.method).to_dict(), **used}


def learner_radius(environment: Environment, learner: Learner) -> Floats | None:
    """How far an arm moves contexts (p,): as the training says, or as the data at c0 allow; None for arms that move none."""
    if not ARMS[learner.method].moves_contexts:
        return None
    given = environment.trainings(learner.mode)[learner.algorithm].radius
    if given is None:
        return radius(environment, environment.data_seed(learner.seed))
    return np.full(environment.space.size, given)


def score(environment: Environment, policy: Any, method: str) -> ZeroShotReport:
    """The returns of a policy on c0 and the sweeps, with the context as the arm has it."""
    context = ARMS[method].context if method in ARMS else "append"
    return evaluate(
        policy, environment.env, environment.splits(), episodes=environment.episodes, seed=EVALUATION_SEED,
        context=context, name=TITLES[method], progress=False,
    )  # fmt: skip


def untrained_report(environment: Environment, name: str) -> ZeroShotReport:
    """The returns of the zero action, random actions, damped feedback by hand, or the constant action that is best at c0."""
    space = resolve(environment.env).env.action_space
    if name == BY_HAND:
        return score(environment, damped_feedback(environment.env, GAINS), name)
    if name == "random":
        return score(environment, "random", name)
    if name == "zero":
        return score(environment, constant_policy(np.zeros(space.shape or ())), name)
    assert isinstance(space, gymnasium.spaces.Discrete)
    reports = [score(environment, constant_policy(np.array(space.start + k)), name) for k in range(space.n)]
    return max(reports, key=lambda report: report.aer(TRAIN))


def constant_policy(action: Floats) -> Any:
    """The policy that takes one action always; `action` is (a,), or () where Discrete."""

    def act(observations: Floats, contexts: Floats, rng: np.random.Generator) -> Floats:
        return np.broadcast_to(action, (len(observations), *action.shape))

    return act


def augmentation(environment: Environment, method: str, radii: Floats | None, policy: Any = None) -> Augmentation | None:
    """What an arm does to batches; `radii` (p,) is how far it moves contexts, `policy` draws resampled actions."""
    arm = ARMS[method]
    if arm.change == "relabelled":
        return RewardRelabelling(environment.env, environment.reward_coordinates)
    if arm.change == "none":
        return None
    assert radii is not None
    if arm.change == "jitter":
        return ContextJitter(radii)
    more: dict[str, Any] = {
        "state": {"env": environment.env, "state_radius": VARIANT_RADIUS},
        "action-random": {"env": environment.env, "action": "random", "action_radius": VARIANT_RADIUS},
        "action-resampled": {"env": environment.env, "action": "resampled", "policy": policy},
        "none": {"exact": environment.env} if arm.change == "cse-exact" else {},
    }
    return CSE(radii, **more[arm.more])


def algorithm_config(training: Training) -> dict[str, Any]:
    """The d3rlpy config of a training, with its networks."""
    from d3rlpy.models import VectorEncoderFactory  # d3rlpy takes seconds to import: only where something is trained

    from offctx.training.names import algorithms

    names = {field.name for field in dataclasses.fields(algorithms()[training.algorithm])}
    encoders = [name for name in names if name.endswith("encoder_factory")]
    return dict(training.config) | {name: VectorEncoderFactory(list(training.hidden)) for name in encoders}


def train_offline(environment: Environment, learner: Learner, radii: Floats | None) -> Any:
    """The agent of an offline learner."""
    from offctx.training.fit import train  # as above
    from offctx.training.names import make_algorithm

    training, arm = environment.offline[learner.algorithm], ARMS[learner.method]
    data = dataset(environment, data_kind(learner) or "base", environment.data_seed(learner.seed))
    plain_buffer = data.replay_buffer(context=arm.context, seed=learner.seed)
    scaler = {"observation_scaler": plain_buffer.observation_scaler()} if training.standardise else {}
    agent = make_algorithm(training.algorithm, plain_buffer, algorithm_config(training) | scaler)
    change = augmentation(environment, learner.method, radii, policy=agent)
    buffer = data.replay_buffer(context=arm.context, augmentation=change, seed=learner.seed)
    train(agent, buffer, steps=training.steps, seed=learner.seed, progress=False)
    return agent


def train_online(environment: Environment, learner: Learner, radii: Floats | None) -> Any:
    """The agent of an online learner. It plays at c0 or, as LDR and GDR, each episode in a context of theirs."""
    import d3rlpy  # as above

    from offctx.buffers.online import online_buffer
    from offctx.envs.labels import LabelTransitions
    from offctx.envs.wrappers import RandomContexts
    from offctx.training.names import make_algorithm

    training, arm = environment.online[learner.algorithm], ARMS[learner.method]
    env: gymnasium.Env[Any, Any] = gymnasium.make(environment.env)
    if arm.data != "base":
        rng = np.random.default_rng([learner.seed, 3])
        if arm.data == "ldr":
            assert radii is not None
            contexts = local_contexts(environment, radii, _ONLINE_CONTEXTS, rng)
        else:
            contexts = range_contexts(environment, _ONLINE_CONTEXTS, rng)
        env = RandomContexts(env, lambda rng: contexts[rng.integers(len(contexts))], seed=learner.seed)
    env = LabelTransitions(env, context=arm.context, gradients=arm.change == "cse")
    change = augmentation(environment, learner.method, radii)
    buffer = online_buffer(env, training.steps, augmentation=change, seed=learner.seed)
    d3rlpy.seed(learner.seed)
    d3rlpy.envs.seed_env(env, learner.seed)
    agent = make_algorithm(training.algorithm, buffer, algorithm_config(training))
    agent.fit_online(
        env, buffer, n_steps=training.steps, n_steps_per_epoch=training.steps, random_steps=training.random_steps,
        update_start_step=training.random_steps, logger_adapter=d3rlpy.logging.NoopAdapterFactory(), show_progress=False,
    )  # fmt: skip
    return agent
