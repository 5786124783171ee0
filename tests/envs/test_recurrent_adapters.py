"""Recurrent policies in stable-baselines3's form, and plain recurrent modules of PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.envs import RecurrentModule, RecurrentPredictor
from offctx.envs.rollout import episode_seeds
from offctx.errors import PolicyError
from tests.envs.memory_policies import Thrust

CONTEXTS = np.array([[-1.0], [-0.5], [1.0], [2.0]])


def thrust() -> Any:
    return TimeLimit(Thrust(), 20)


def score(policy: Any, **options: Any) -> offctx.ZeroShotReport:
    return offctx.evaluate(policy, thrust, CONTEXTS, **({"episodes": 6, "seed": 0, "context": "hidden"} | options))


class Sb3Like:
    """As `RecurrentPPO.predict`: the state is (hidden, cell), arrays (layers, n, size), zeroed where an episode starts."""

    def __init__(self, layers: int = 2) -> None:
        self.layers, self.calls = layers, []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        n = len(observation)
        self.calls.append((n, None if state is None else state[0].shape, episode_start.copy(), deterministic))
        if state is None:
            state = (np.zeros((self.layers, n, 1), np.float32), np.zeros((self.layers, n, 1), np.float32))
        hidden, cell = (part * (1 - episode_start.astype(np.float32))[None, :, None] for part in state)
        hidden, cell = hidden + 0.1 * observation[None], cell + 1
        return np.tanh(hidden[-1] - observation + 0.01 * cell[0]), (hidden, cell)


def by_hand(episodes: int, warmup: int) -> np.ndarray:
    """What sb3's own loop does, a row at a time: returns of the episodes after some steps in the same context."""
    returns = []
    for context in CONTEXTS:
        for m in range(episodes):
            model, state, left, env = Sb3Like(), None, warmup, thrust()
            for stream in [*((1, number) for number in range(warmup)), ()]:
                if stream and not left:
                    continue
                seed = episode_seeds(0, episodes, stream)[m]
                observation, _ = env.reset(seed=int(seed), options={"context": context})
                total, done = 0.0, False
                while not done:
                    action, state = model.predict(observation[None], state, np.array([state is None]), deterministic=True)
                    observation, reward, terminated, truncated, _ = env.step(action[0])
                    total, left = total + reward, left - bool(stream)
                    done = terminated or truncated or bool(stream and not left)
            returns.append(total)
    return np.array(returns).reshape(len(CONTEXTS), episodes)


def test_a_predictor_acts_as_its_own_loop() -> None:
    report = score(RecurrentPredictor(Sb3Like()), warmup=20)
    np.testing.assert_allclose(report.returns["test"], by_hand(6, 0), rtol=1e-6)
    np.testing.assert_allclose(report.after(20).returns["test"], by_hand(6, 20), rtol=1e-6)
    assert not np.allclose(report.after(20).returns["test"], report.returns["test"])


def test_a_predictor_is_told_the_starts() -> None:
    model = Sb3Like()
    score(RecurrentPredictor(model), episodes=1)
    (n, shape, starts, deterministic), *rest = model.calls
    assert n == 4 and shape is None and starts.all() and deterministic
    assert all(shape == (2, n, 1) and not starts.any() and starts.dtype == bool for n, shape, starts, _ in rest)


def test_forgetting_at_the_end_of_an_episode() -> None:
    report = score(RecurrentPredictor(Sb3Like(), memory_span="episode"), warmup=20)
    assert report.adaptation is not None and report.adaptation.memory == "episode"
    policy = RecurrentPredictor(Sb3Like(), memory_span="episode")
    policy.begin(np.arange(2), np.zeros(2, bool), 2)
    first = policy.act(np.arange(2), np.ones((2, 1), np.float32), np.random.default_rng(0))
    policy.begin(np.array([1]), np.ones(1, bool), 2)
    again = policy.act(np.arange(2), np.ones((2, 1), np.float32), np.random.default_rng(0))
    assert again[1] == first[1] and again[0] != first[0]


class Recurrent(torch.nn.Module):
    """A GRU or an LSTM with random weights."""

    def __init__(self, kind: type[torch.nn.RNNBase], size: int = 4, layers: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.memory, self.head = kind(size, 16, num_layers=layers), torch.nn.Linear(16, 1)
        self.dropout, self.seen = torch.nn.Dropout(0.5), []

    def forward(self, inputs, hidden):
        self.seen.append((inputs.clone(), hidden is None))
        features, hidden = self.memory(inputs[None], hidden)
        return torch.tanh(4 * self.head(self.dropout(features[0]))), hidden


EVERYTHING: Any = {"inputs": ("observations", "last_actions", "last_rewards", "episode_starts"), "action_size": 1}


@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
@pytest.mark.parametrize("warmup", [0, 33])
def test_a_module_scores_the_same_in_any_batch_within_rounding(kind: Any, warmup: int) -> None:
    def returns(episodes: int) -> np.ndarray:
        policy = RecurrentModule(Recurrent(kind), **EVERYTHING)
        return score(policy, episodes=episodes, warmup=warmup).after(warmup).returns["test"]

    whole = returns(160)
    assert whole.size == 640
    for episodes in (1, 7):
        np.testing.assert_allclose(returns(episodes), whole[:, :episodes], rtol=1e-4, atol=1e-4)


def test_a_module_gets_exactly_these_inputs() -> None:
    module = Recurrent(torch.nn.GRU)
    module.train()
    policy = RecurrentModule(module, **EVERYTHING)
    seen = []

    class Watched:
        def begin(self, rows, same_context, size):
            policy.begin(rows, same_context, size)

        def act(self, rows, observations, rng):
            return policy.act(rows, observations, rng)

        def observe(self, transitions):
            seen.append(transitions)
            policy.observe(transitions)

    report = score(Watched(), warmup=25, episodes=1)
    assert report.adaptation is not None and module.training
    plays = [k for k, (_, fresh) in enumerate(module.seen) if fresh]
    assert len(plays) == 2, "the cold play and the warm-up begin without memory, the scored episode keeps it"
    last = {}
    for k, ((inputs, _), transitions) in enumerate(zip(module.seen, seen, strict=True)):
        last = {} if k in plays else last
        for i, row in enumerate(transitions.rows.tolist()):
            action, reward, ended = last.get(row, (0.0, 0.0, True))
            np.testing.assert_allclose(inputs[i], [transitions.observations[i, 0], action, reward, float(ended)], rtol=1e-6)
            ended = bool(transitions.terminations[i] or transitions.truncations[i])
            last[row] = transitions.actions[i, 0], transitions.rewards[i], ended


def test_states_of_any_structure_and_axis() -> None:
    class Cell(torch.nn.Module):
        def forward(self, inputs, hidden):
            hidden = {"sum": inputs * 0} if hidden is None else hidden
            after = {"sum": hidden["sum"] + inputs}
            return torch.tanh(after["sum"] - inputs), after

    assert score(RecurrentModule(Cell(), rows_axis=0), warmup=7).after(7).returns["test"].shape == (4, 6)
    with pytest.raises(PolicyError, match=r"a state whose arrays have 24 rows on axis 1; found one of shape \(24, 1\)"):
        score(RecurrentModule(Cell()))


def test_rows_that_begin_at_different_times_do_not_change_one_another() -> None:
    """A learnt initial state counts: fresh rows get hidden None in a call of their own."""

    class Learnt(torch.nn.Module):
        def forward(self, inputs, hidden):
            hidden = torch.full((1, len(inputs), 1), 5.0) if hidden is None else hidden
            return torch.tanh(hidden[0] - inputs), hidden - 1

    policy, observations, rng = RecurrentModule(Learnt()), np.zeros((3, 1), np.float32), np.random.default_rng(0)
    policy.begin(np.arange(3), np.zeros(3, bool), 3)
    first = policy.act(np.arange(3), observations, rng)
    policy.begin(np.array([1]), np.zeros(1, bool), 3)
    second = policy.act(np.arange(3), observations, rng)
    assert second[1] == first[1] and np.allclose(second[[0, 2]], np.tanh(4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RecurrentPredictor(3), r"expected a model with predict\(observation, state, episode_start\); found int"),
        (lambda: RecurrentPredictor(Sb3Like(), memory_span="ever"), 'memory_span must be "context" or "episode"; found'),
        (lambda: RecurrentModule(lambda x, h: (x, h)), "expected a torch.nn.Module; found function"),
        (lambda: RecurrentModule(torch.nn.Identity(), inputs=("observations", "contexts")), "inputs are one or several of"),
        (lambda: RecurrentModule(torch.nn.Identity(), inputs="observations"), "inputs are one or several of"),
        (lambda: RecurrentModule(torch.nn.Identity(), inputs=("last_actions",)), "action_size is the width of last_actions"),
        (lambda: RecurrentModule(torch.nn.Identity(), action_size=1), "action_size is the width of last_actions"),
    ],
)
def test_what_cannot_be_adapted_is_refused(make: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make()


class NoState(Sb3Like):
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros((len(observation), 1)), None


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (RecurrentPredictor(NoState()), "predict returned no state: this policy has no memory"),
        (RecurrentModule(torch.nn.Linear(9, 1)), "failed to act on observations of shape"),
        (
            RecurrentModule(Recurrent(torch.nn.GRU), inputs=("observations", "last_actions"), action_size=3),
            "expected actions of size 3",
        ),
    ],
)
def test_what_does_not_fit_is_refused_when_it_acts(policy: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        score(policy)


def test_a_recurrent_model_without_its_adapter_would_lose_its_memory_and_is_refused() -> None:
    class Plain(Sb3Like):
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return super().predict(observation, state, np.ones(len(observation), bool))

    with pytest.raises(PolicyError, match=r"has a memory, which would be lost: give offctx.envs.RecurrentPredictor\(policy\)"):
        score(Plain())
