"""Online training side by side: the same as d3rlpy's own loop with one context, and what is counted with several."""

from fractions import Fraction

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from d3rlpy.algos import DQNConfig, SACConfig, TD3Config
from d3rlpy.models import VectorEncoderFactory

import offctx
from offctx import CSE
from offctx.envs import CycleContexts, LabelTransitions
from offctx.envs.parallel_episodes import episode_seed
from offctx.errors import AlgorithmError, ContextError, DatasetError, DerivativeError, EnvError, EvaluationError
from offctx.training.online import train_online
from offctx.training.online_loop import Schedule
from tests.conftest import RUNNER_CONTEXTS

SMALL = VectorEncoderFactory([16, 16])
NETWORKS = {"batch_size": 8, "actor_encoder_factory": SMALL, "critic_encoder_factory": SMALL}
QUIET = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "with_timestamp": False}
RUNNER, CHOOSER = "testing/Runner-v0", "testing/Chooser-v0"


def weights(agent):
    modules = agent.impl.modules.get_torch_modules()
    return torch.cat([p.detach().ravel() for name in sorted(modules) for p in modules[name].parameters()])


def online(agent, env=RUNNER, contexts=RUNNER_CONTEXTS, steps=60, seed=0, **options):
    return train_online(agent, env, contexts=contexts, steps=steps, seed=seed, progress=False, **options)


def buffer_after(agent="sac", **options):
    """The buffer of a training, and the trained agent."""
    kept = []
    options = {"callback": lambda agent, epoch, step: None, **options}
    agent = online(agent, evaluators={"keep": lambda agent, buffer: kept.append(buffer) or 0.0}, **options)
    return kept[-1], agent


class SeededResets(gymnasium.Wrapper):
    """The k-th reset has the seed that the k-th episode of row 0 has."""

    episode = -1

    def reset(self, *, seed=None, options=None):
        self.episode += 1
        return super().reset(seed=episode_seed(4, 0, self.episode), options=options)


@pytest.mark.parametrize(
    ("env_id", "config", "explorer", "context"),
    [
        (RUNNER, SACConfig(**NETWORKS), None, "append"),
        (RUNNER, TD3Config(**NETWORKS), d3rlpy.algos.NormalNoise(std=0.3), "hidden"),
        (CHOOSER, DQNConfig(batch_size=8, encoder_factory=SMALL), d3rlpy.algos.LinearDecayEpsilonGreedy(duration=30), "append"),
    ],
    ids=["sac", "td3", "dqn"],
)
def test_one_environment_is_fit_online_to_the_last_bit(env_id, config, explorer, context):
    contexts = RUNNER_CONTEXTS if env_id == RUNNER else [[-0.5], [0.5]]
    ours = online(
        config.create(), env_id, contexts, 45, 4, rows=1, explorer=explorer, context=context, augmentation=CSE(0.1), epochs=2
    )
    env = SeededResets(LabelTransitions(CycleContexts(gymnasium.make(env_id), contexts), context=context))
    d3rlpy.seed(4)
    buffer = offctx.online_buffer(env.env, augmentation=CSE(0.1), seed=4)
    theirs = config.create()
    theirs.fit_online(env, buffer, explorer, n_steps=45, n_steps_per_epoch=45, **QUIET)
    assert theirs.grad_step == ours.grad_step == 45 - 8
    assert torch.equal(weights(ours), weights(theirs))


@pytest.mark.parametrize(
    ("steps", "ratio", "start", "updates"),
    [
        (60, 1, 0, 20 - 2),  # a batch is 8, and 9 transitions are there after 3 of 20 joint steps
        (58, 1, 0, 20 - 2),  # rounded up to whole joint steps
        (60, 0.5, 0, 10 - 1),
        (60, 2.5, 0, 50 - 5),
        (60, 1 / 3, 0, 6),
        (60, 0, 0, 0),
        (60, 3, 30, 30),
        (60, 0.29, 3000, 0),
    ],
)
def test_steps_are_those_of_single_environments_and_updates_any_ratio_to_joint_steps(steps, ratio, start, updates):
    buffer, agent = buffer_after(
        SACConfig(**NETWORKS).create(), steps=steps, updates_per_joint_step=ratio, update_start_step=start
    )
    assert buffer.transition_count == 60 and agent.grad_step == updates


def test_a_ratio_keeps_its_sum():
    for ratio, expected in ((0.29, 29_000), (1 / 3, 33_333), (0.1, 10_000)):
        schedule = Schedule.checked(20, 2_000_000, 0, 0, ratio, 10)
        assert sum(map(schedule.updates_due, range(1, 100_001))) == expected
    assert Schedule.checked(3, 10, 0, 0, 0.5, 99).epochs == 4 and schedule.updates_per_joint_step == Fraction(1, 10)


def test_random_steps_do_not_ask_the_agent():
    agent = SACConfig(**NETWORKS).create()
    asked, sample = [], agent.sample_action
    agent.sample_action = lambda x: asked.append(len(x)) or sample(x)
    buffer, _ = buffer_after(agent, random_steps=30)
    assert asked == [3] * 10
    assert np.abs(buffer.table["actions"][:30]).max() > 0.7
    again, _ = buffer_after(SACConfig(**NETWORKS).create(), random_steps=30)
    np.testing.assert_array_equal(again.table["actions"], buffer.table["actions"])


@pytest.mark.parametrize(("random_steps", "asked"), [(0, 20), (1, 19), (3, 19), (4, 18), (59, 0)])
def test_random_steps_are_rounded_up_to_joint_steps(random_steps, asked):
    agent = SACConfig(**NETWORKS).create()
    calls, sample = [], agent.sample_action
    agent.sample_action = lambda x: calls.append(len(x)) or sample(x)
    buffer_after(agent, random_steps=random_steps)
    assert calls == [3] * asked


@pytest.mark.parametrize("name", ["dqn", "discretesac"])
def test_agents_with_discrete_actions_learn_side_by_side(name):
    buffers = []
    options = {"config": {"batch_size": 16}, "context": "hidden", "history": offctx.History(4, "context"), "progress": False}
    agent = offctx.train_online(
        name, "testing/Chooser-v0", contexts=[[-0.5], [0.5], [0.2]], steps=120, seed=0, random_steps=20, epochs=1,
        evaluators={"look": lambda _, buffer: buffers.append(buffer) or 0.0}, **options,
    )  # fmt: skip
    assert set(np.unique(buffers[0].table["actions"])) == {0, 1, 2} and buffers[0].transition_count == 120
    assert agent.predict(np.zeros((5, 2), np.float32)).dtype.kind == "i"


def test_the_seed_decides_and_watching_changes_nothing():
    def run(seed, **options):
        return weights(online(SACConfig(**NETWORKS).create(), seed=seed, **options))

    assert torch.equal(
        run(0), run(0, epochs=7, evaluators={"return": offctx.ZeroShotEvaluator(RUNNER, [[0.5, 0]], episodes=1)})
    )
    assert not torch.equal(run(0), run(1))


def test_contexts_default_to_the_training_split_of_the_environment():
    space = offctx.envs.SimpleDirection.context_space
    buffer, _ = buffer_after("td3", env="offctx/SimpleDirection-v0", contexts=None, steps=5, config=NETWORKS)
    np.testing.assert_array_equal(np.unique(buffer.table["contexts"], axis=0), np.unique(space.splits["train"], axis=0))
    buffer, _ = buffer_after("td3", env="offctx/SimpleDirection-v0", contexts=space.sample, rows=4, steps=80, config=NETWORKS)
    assert len(np.unique(buffer.table["context_ids"])) == 8


def test_a_buffer_with_data_is_gone_on_with(runner):
    buffer = runner.replay_buffer("hidden", augmentation=CSE(0.1))
    before = buffer.transition_count
    agent = SACConfig(**NETWORKS, observation_scaler=d3rlpy.preprocessing.StandardObservationScaler()).create()
    agent.fit(buffer, n_steps=2, n_steps_per_epoch=2, **QUIET)
    online(agent, buffer=buffer)
    assert buffer.transition_count == before + 60 and agent.grad_step == 2 + 20
    assert set(buffer.table["context_ids"]) == {0, 1, 2}  # the contexts of the data keep their ids
    assert np.isfinite(buffer.table["dreward_dcontext"]).all()


def test_algorithms_by_name_scale_their_actions_and_perm_learns_online():
    from offctx.algos import PERMConfig

    agent = online("ddpg", config=NETWORKS)
    assert agent.config.action_scaler.get_type() == "min_max" and agent.grad_step == 18
    encoders = {"actor_encoder_factory": SMALL, "critic_encoder_factory": SMALL}
    perm = online(PERMConfig(batch_size=8, groups=3, **encoders).create(), context="hidden")
    assert perm.grad_step == 18


class Remembers:
    """Acts on the sum of the rewards that it has seen in the context."""

    def __init__(self):
        self.calls, self.kept = [], 0

    def begin(self, rows, same_context, size):
        self.calls.append(("begin", rows.tolist(), same_context.tolist()))
        if not hasattr(self, "sums"):
            self.sums = np.zeros(size)
        self.sums[rows[~same_context]] = 0

    def act(self, rows, observations, rng):
        self.calls.append(("act", rows.tolist(), observations.shape))
        return np.tanh(self.sums[rows] + rng.normal(size=len(rows)))[:, None]

    def observe(self, transitions):
        self.calls.append(("observe", transitions.rows.tolist(), transitions.observations.shape))
        self.sums[transitions.rows] += transitions.rewards


class WithMemory(d3rlpy.algos.SAC):
    def exploration_policy(self):
        self.policy = Remembers()
        return self.policy


def test_a_learner_with_memory_is_told_of_every_row():
    agent = WithMemory(SACConfig(**NETWORKS), False, False)
    buffer, _ = buffer_after(agent, random_steps=6, context="hidden")
    calls = agent.policy.calls
    assert calls[:3] == [("begin", [0, 1, 2], [False] * 3), ("act", [0, 1, 2], (3, 3)), ("observe", [0, 1, 2], (3, 3))]
    begun = [call for call in calls[1:] if call[0] == "begin"]
    assert begun[0] == ("begin", [1], [True]) and begun[1] == ("begin", [0, 1, 2], [True, True, True])
    assert [call[0] for call in calls if call[0] != "begin"] == ["act", "observe"] * 20
    rewards = buffer.table["rewards"][:, 0].reshape(-1, 3)
    np.testing.assert_allclose(agent.policy.sums, rewards.sum(axis=0), rtol=1e-4)
    with pytest.raises(AlgorithmError, match="takes no explorer"):
        online(WithMemory(SACConfig(**NETWORKS), False, False), explorer=d3rlpy.algos.NormalNoise())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 0}, AlgorithmError, "steps must be a whole number, at least 1; found 0"),
        ({"steps": 1.5}, AlgorithmError, "steps must be"),
        ({"seed": -1}, AlgorithmError, "seed must be"),
        ({"random_steps": -1}, AlgorithmError, "random_steps must be"),
        ({"updates_per_joint_step": -1}, AlgorithmError, "updates_per_joint_step must be a number >= 0"),
        ({"epochs": 0}, AlgorithmError, "epochs must be"),
        ({"report_episodes": -1}, AlgorithmError, "report_episodes must be"),
        ({"report_warmup": -1}, EvaluationError, "warmup must be"),
        ({"report_warmup": "many"}, EvaluationError, "warmup must be"),
        ({"contexts": [[99, 0]]}, ContextError, "speed"),
        ({"rows": 0}, EnvError, "rows must be"),
        ({"capacity": 2}, DatasetError, "capacity of at least 3"),
        ({"explorer": 0.1}, AlgorithmError, "expected an explorer of d3rlpy"),
        ({"explorer": d3rlpy.algos.ConstantEpsilonGreedy(0.1)}, AlgorithmError, "does not explore in Box.*give NormalNoise"),
        ({"evaluators": [1]}, AlgorithmError, "expected evaluators as a dict from names to functions"),
        ({"evaluators": {"score": 1}}, AlgorithmError, "expected evaluators as a dict"),
        ({"callback": 1}, AlgorithmError, "expected callback as a function"),
        ({"context": "shown"}, ValueError, 'context must be "append", "hidden"'),
        ({"agent": "dqn"}, AlgorithmError, "dqn is for discrete actions"),
        ({"agent": "nosuch"}, AlgorithmError, "unknown algorithm 'nosuch'"),
        ({"agent": SACConfig}, AlgorithmError, "expected a Q-learning algorithm of d3rlpy.*found SACConfig"),
        ({"agent": d3rlpy.algos.DecisionTransformerConfig().create()}, AlgorithmError, "found DecisionTransformer"),
        ({"agent": DQNConfig().create()}, AlgorithmError, "DQN is for discrete actions; testing/Runner-v0 has continuous ones"),
        ({"agent": SACConfig().create(), "config": {"tau": 1}}, AlgorithmError, "config= is for an algorithm"),
        ({"augmentation": CSE(0.1), "gradients": False}, DerivativeError, "CSE needs context derivatives"),
        ({"env": "testing/Underived-v0", "contexts": None, "gradients": True}, DerivativeError, "has no context derivatives"),
        ({"env": "CartPole-v1"}, EnvError, "ContextualEnv"),
    ],
)
def test_what_does_not_fit_is_said_at_the_door(options, error, message):
    options = {"agent": "sac", **options}
    with pytest.raises(error, match=message):
        online(**options)


def test_buffers_that_do_not_fit_are_said(runner, chooser):
    with pytest.raises(DatasetError, match=r"does not fit testing/Runner-v0: its size of observations: 3; expected 5"):
        online("sac", buffer=chooser.replay_buffer())
    with pytest.raises(DatasetError, match="its context level: append; expected hidden"):
        online("sac", buffer=runner.replay_buffer(), context="hidden")
    with pytest.raises(AlgorithmError, match="brings its own augmentation"):
        online("sac", buffer=runner.replay_buffer(), augmentation=CSE(0.1))
    with pytest.raises(AlgorithmError, match="expected a buffer of offctx"):
        online("sac", buffer=d3rlpy.dataset.create_infinite_replay_buffer(runner.replay_buffer().episodes))
    trained = online("sac", config=NETWORKS, steps=3)
    with pytest.raises(AlgorithmError, match=r'takes observations of shape \(5,\).*context="hidden" has \(3,\)'):
        online(trained, context="hidden")
    scaled = SACConfig(observation_scaler=d3rlpy.preprocessing.StandardObservationScaler()).create()
    with pytest.raises(AlgorithmError, match="a scaler of SAC cannot be fitted to an environment"):
        online(scaled)


@pytest.mark.slow
def test_five_contexts_side_by_side_learn_what_fit_online_learns():
    """As many updates and steps, over three seeds, on a task in which the context decides what is right."""
    env_id, contexts = "offctx/SimpleDirection-v0", [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.7, 0.7]]
    wide = VectorEncoderFactory([64, 64])
    config = SACConfig(
        batch_size=64,
        gamma=0.9,
        actor_encoder_factory=wide,
        critic_encoder_factory=wide,
        actor_learning_rate=1e-3,
        critic_learning_rate=1e-3,
        temp_learning_rate=1e-3,
    )

    def score(policy):
        return offctx.evaluate(policy, env_id, contexts, episodes=16, seed=9).aer("test")

    def fitted(seed):
        env = LabelTransitions(CycleContexts(gymnasium.make(env_id), contexts), gradients=False)
        d3rlpy.seed(seed)
        d3rlpy.envs.seed_env(env, seed)
        agent, buffer = config.create(), offctx.online_buffer(env, seed=seed)
        agent.fit_online(env, buffer, n_steps=4000, n_steps_per_epoch=4000, update_interval=5, **QUIET)
        assert agent.grad_step == 800 - 12
        return agent

    def trained(seed):
        agent = online(config.create(), env_id, contexts, 4000, seed)
        assert agent.grad_step == 800 - 12
        return agent

    ours, theirs = ([score(make(seed)) for seed in range(3)] for make in (trained, fitted))
    learnt = np.mean(theirs) - score("random")
    assert learnt > 40 and np.mean(ours) - score("random") > 0.95 * learnt
