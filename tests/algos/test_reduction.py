"""On one-hot observations of a tabular environment the deep learners are their counterparts in offctx.linear.

The observation is the unit vector of (step h, state x), an episode ends after H steps, critics and policy are linear, gamma is
1. A critic's weight at (h, x, a) is then a number of its own, as in the tabular PPE; `ridge` there is next to nothing, as the
deep learner's regression has none.

Dimensions: n contexts, K trajectories, H horizon, S states, A actions.
"""

import itertools

import numpy as np
import pytest
import torch
from d3rlpy.optimizers import AdamFactory
from d3rlpy.optimizers.lr_schedulers import CosineAnnealingLRFactory
from gymnasium import spaces

import offctx
from offctx.algos import DiscretePERMConfig, EllipticalUncertaintyFactory
from offctx.linear import EllipticalUncertainty, LinearCMDP, Trajectories, perm, ppe

N, S, A, H = 3, 2, 2, 3
BETA = 1.5
EXACT = {"ridge": 1e-9}


def one_hot(states: np.ndarray) -> np.ndarray:
    """Observations (..., H+1, H S) of states (..., H+1); what follows the last step is never looked at."""
    steps = np.minimum(np.arange(states.shape[-1]), H - 1)
    return np.eye(H * S, dtype=np.float32)[steps * S + states]


def as_dataset(data) -> offctx.ContextualDataset:
    """Trajectories of each context as episodes that terminate after H steps."""
    n, K, _ = data.actions.shape
    seen = one_hot(data.states)
    rows, ends = n * K * H, np.arange(1, n * K + 1) * H
    last = np.tile(np.arange(H) == H - 1, n * K)
    ids = np.repeat(np.arange(n), K * H)
    return offctx.ContextualDataset(
        dataset_id="test/tabular-v0",
        context_space=offctx.ContextSpace(["c"], -100.0, 100.0, [0.0]),
        observation_space=spaces.Box(0, 1, (H * S,), np.float32),
        action_space=spaces.Discrete(A),
        observations=seen[:, :, :-1].reshape(rows, -1),
        actions=data.actions.reshape(rows),
        rewards=data.rewards.reshape(rows),
        next_observations=seen[:, :, 1:].reshape(rows, -1),
        terminations=last,
        truncations=np.zeros(rows, dtype=bool),
        contexts=ids[:, None].astype(np.float64),
        context_ids=ids,
        episode_starts=ends - H,
        episode_ends=ends,
    )


def learner_of(buffer, linear, steps, beta, **settings):
    """A linear PERM with pessimistic policy evaluation, its critics zero to begin with, as PPE's unvisited pairs are."""
    learner = DiscretePERMConfig(
        actor_encoder_factory=linear,
        critic_encoder_factory=linear,
        critic_optim_factory=AdamFactory(lr_scheduler_factory=CosineAnnealingLRFactory(T_max=steps)),
        critic_learning_rate=0.1,
        n_critics=1,
        gamma=1.0,
        horizon=H,
        reward_bounds=(0.0, 1.0),
        tau=1.0,
        evaluation="policy",
        uncertainty=EllipticalUncertaintyFactory(features="observation", beta=beta, ridge=1.0),
        **settings,
    ).create()
    learner.build_with_dataset(buffer)
    modules = learner.impl.modules
    with torch.no_grad():
        for network in (modules.critics.online, modules.critics.target, modules.policy):
            for weight in network.parameters():
                weight.zero_()
    for name, weight in modules.critics.online.named_parameters():
        weight.requires_grad_("bias" not in name)  # one-hot features hold a constant already
    return learner


def train(learner, buffer, steps):
    everything = buffer.batch(np.arange(buffer.transition_count))
    for _ in range(steps):
        learner.update(everything)


def critics_of(learner) -> np.ndarray:
    """Pessimistic Q (n, H, S, A) of each context at every step, state and action."""
    grid = torch.eye(H * S).expand(N, -1, -1)
    with torch.no_grad():
        return learner.impl.modules.critics.of_all_actions(grid).q_values.numpy().reshape(N, H, S, A)


def policy_of(learner) -> np.ndarray:
    """Probabilities (H, S, A)."""
    with torch.no_grad():
        return learner.impl.policy(torch.eye(H * S)).logits.double().softmax(dim=-1).numpy().reshape(H, S, A)


def set_policy(learner, policy: np.ndarray) -> None:
    with torch.no_grad():
        learner.impl.policy._fc.weight.copy_(torch.from_numpy(np.log(policy).reshape(H * S, A).T))


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_critics_converge_to_ppe(seed, linear):
    """Scarce data of unequal behaviour: some pairs are hardly visited or never, and some values are clipped."""
    rng = np.random.default_rng(seed)
    environments = LinearCMDP.random_tabular(N, S, A, H, rng)
    data = environments.sample(rng.dirichlet(np.full(A, 0.7), size=(N, H, S)), 15, rng, bernoulli=True)
    policy = rng.dirichlet(np.full(A, 1.0), size=(H, S))
    expected = ppe(*data, policy, environments.features, beta=EllipticalUncertainty(0.4), **EXACT)
    assert (expected.q == 0).any() and (expected.q > 1).any() and abs(expected.q[0] - expected.q[1]).max() > 0.3
    steps, buffer = 300, as_dataset(data).replay_buffer(context="hidden")
    learner = learner_of(buffer, linear, steps, beta=0.4, actor_learning_rate=0.0)
    set_policy(learner, policy)
    train(learner, buffer, steps)
    np.testing.assert_allclose(policy_of(learner), policy, atol=1e-6)
    np.testing.assert_allclose(critics_of(learner), expected.q, atol=1e-4)


def balanced(rng):
    """Environments where the next state is a coin toss whatever is done, and data in which it came out even.

    Each way through an episode is there, more often the more its actions are those which a context's behaviour favours: twice
    for each of them. So each state has the weight in the data that it has under any policy, which is the one thing that PERM
    weighs states by and the deep learner does not.
    """
    environments = LinearCMDP.tabular(np.full((N, H, S, A, S), 1 / S), rng.random((N, H, S, A)), np.full(S, 1 / S))
    favoured = rng.integers(A, size=(N, H, S))
    ways = np.array(list(itertools.product(range(S), range(A), repeat=H))).reshape(-1, H, 2)
    states, actions = ways[..., 0], ways[..., 1]
    each = np.arange(H)
    found = []
    for i in range(N):
        times = 2 ** (actions == favoured[i, each, states]).sum(axis=1)
        found.append((states.repeat(times, axis=0), actions.repeat(times, axis=0)))
    x, a = (np.stack(parts) for parts in zip(*found, strict=True))
    rewards = environments.rewards[np.arange(N)[:, None, None], each, x, a]
    return environments, Trajectories(np.concatenate([x, x[..., :1]], axis=-1), a, rewards)


@pytest.mark.parametrize("seed", [18, pytest.param(22, marks=pytest.mark.slow)])
def test_the_learner_finds_perms_policy(seed, linear):
    """In environments where neither PERM without pessimism nor PERM on merged data would find it."""
    environments, data = balanced(np.random.default_rng(seed))
    known = {"initial": environments.initial[0], "seed": 0, "restarts": 4} | EXACT
    expected = perm(*data, environments.features, beta=EllipticalUncertainty(BETA), **known)
    careless = perm(*data, environments.features, beta=0.0, **known)
    merged = [rows.reshape(1, -1, rows.shape[-1]) for rows in data]
    average = perm(*merged, environments.features, beta=EllipticalUncertainty(BETA), **known)
    assert (careless.policy != expected.policy).any() and (average.policy != expected.policy).any()
    steps, buffer = 250, as_dataset(data).replay_buffer(context="hidden")
    learner = learner_of(buffer, linear, steps, beta=BETA, actor_learning_rate=0.1, extraction="gradient", bc_weight=0.0)
    train(learner, buffer, steps)
    found = policy_of(learner)
    judged = ppe(*data, found, environments.features, beta=EllipticalUncertainty(BETA), **EXACT)
    value = (judged.v[:, 0] * environments.initial).sum(axis=1).mean()
    assert value == pytest.approx(expected.value, abs=2e-3)
    np.testing.assert_array_equal(found.argmax(axis=-1), expected.policy.argmax(axis=-1))
    np.testing.assert_allclose(critics_of(learner), judged.q, atol=1e-2)
