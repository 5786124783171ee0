"""Every kind of policy, and the error for one that does not fit its environment."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from offctx.envs import PendulumGoal, SimpleDirection
from offctx.envs.policies import Mixture, make_actor, policy_name
from offctx.errors import EnvError, PolicyError

RNG = np.random.default_rng(0)
OBSERVATIONS = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], dtype=np.float32)
CONTEXTS = np.array([[1.0, -1.0], [0.5, 0.25], [0.0, 0.0]])


class Linear:
    """predict(x) = x @ W, which only takes inputs of its own width."""

    def __init__(self, width: int, actions: int = 2) -> None:
        self.weights, self.inputs = np.ones((width, actions)), []

    def predict(self, x):
        self.inputs.append(x)
        return 0.1 * x @ self.weights


class Coins(SimpleDirection):
    action_space = spaces.Discrete(3, start=5)


def act(policy: Any, context: Any = "append", env: Any = None) -> np.ndarray:
    return make_actor(policy, env or SimpleDirection(), context)(OBSERVATIONS, CONTEXTS, np.random.default_rng(0))


def test_random_is_uniform_over_the_box_and_reproducible() -> None:
    assert np.array_equal(act("random"), act("random"))
    many = make_actor("random", PendulumGoal(), "hidden")(np.zeros((20_000, 3)), np.zeros((20_000, 4)), RNG)
    assert many.shape == (20_000, 1) and many.dtype == np.float32
    assert np.abs(np.quantile(many, [0, 0.25, 0.5, 0.75, 1]) - [-2, -1, 0, 1, 2]).max() < 0.1


def test_random_draws_every_discrete_action() -> None:
    actions = make_actor("random", Coins(), "hidden")(np.zeros((3000, 2)), np.zeros((3000, 2)), RNG)
    assert actions.dtype == np.int64
    assert np.bincount(actions, minlength=8).tolist()[:5] == [0] * 5
    assert np.abs(np.bincount(actions)[5:] / 3000 - 1 / 3).max() < 0.05


def test_random_needs_bounds() -> None:
    class Boundless(SimpleDirection):
        action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    with pytest.raises(EnvError, match='"random" policy needs a bounded action space'):
        act("random", env=Boundless())


def test_zero_is_zeros_within_the_bounds() -> None:
    class Forward(SimpleDirection):
        action_space = spaces.Box(np.float32([0.5, -1.0]), np.float32([1.0, 1.0]))

    assert act("zero").tolist() == [[0, 0]] * 3 and act("zero").dtype == np.float32
    assert act("zero", env=Forward()).tolist() == [[0.5, 0]] * 3
    with pytest.raises(PolicyError, match=r"Discrete\(3, start=5\) has no zero action.*np.full"):
        act("zero", env=Coins())


@pytest.mark.parametrize(("context", "width"), [("append", 4), ("hidden", 2)])
def test_predict_gets_the_context_appended_or_hidden(context: Any, width: int) -> None:
    policy = Linear(width)
    actions = act(policy, context)
    (inputs,) = policy.inputs
    expected = np.concatenate([OBSERVATIONS, CONTEXTS], axis=1)[:, :width].astype(np.float32)
    assert inputs.dtype == np.float32 and np.array_equal(inputs, expected)
    assert np.array_equal(actions, (0.1 * expected @ np.ones((width, 2))).astype(np.float32))


def test_predict_may_return_a_pair_as_stable_baselines_does() -> None:
    class Pair(Linear):
        def predict(self, x):
            return super().predict(x), None

    assert np.array_equal(act(Pair(4)), act(Linear(4)))


def test_a_callable_gets_observations_contexts_and_rng_apart() -> None:
    def policy(observations, contexts, rng):
        assert observations is OBSERVATIONS and contexts is CONTEXTS and isinstance(rng, np.random.Generator)
        return contexts

    assert np.array_equal(act(policy), CONTEXTS.astype(np.float32))


def test_actions_outside_the_box_are_clipped() -> None:
    assert np.array_equal(act(lambda o, c, rng: 7.0 * np.ones((3, 2))), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("policy", "context", "message"),
    [
        (Linear(2), "append", r"predict failed on inputs of shape \(N, 4\).*2 observations \+ 2 context coordinates appended"),
        (
            Linear(4),
            "hidden",
            r"predict failed on inputs of shape \(N, 2\).*2 observations, hidden.*trained with the other mode",
        ),
        (Linear(4, actions=3), "append", r"policy 'Linear': expected actions of shape \(3, 2\); found \(3, 3\)"),
        (lambda o, c, rng: np.full((3, 2), np.nan), "append", r"policy '<lambda>': actions must be finite; found nan in row 0"),
        (lambda o, c, rng: np.array([[0, 0], [0, 0], [0, np.inf]]), "append", "actions must be finite; found inf in row 2"),
        (lambda o, c, rng: np.zeros(2), "append", r"expected actions of shape \(3, 2\); found \(2,\)"),
        (lambda o, c, rng: np.zeros((1, 2)), "append", r"expected actions of shape \(3, 2\); found \(1, 2\)"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_when_it_acts(policy: Any, context: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=f"(?s){message}"):
        act(policy, context)


def test_torch_modules_that_predict_get_the_same_error() -> None:
    class Net(torch.nn.Linear):
        def predict(self, x):
            return self(torch.as_tensor(x)).detach().numpy()

    assert act(Net(4, 2)).shape == (3, 2)
    with pytest.raises(PolicyError, match="predict failed on inputs of shape"):
        act(Net(3, 2))


@pytest.mark.parametrize(
    ("shape", "context", "message"),
    [
        ((2,), "append", r"takes inputs of shape \(2,\), but would get \(4,\): .* appended \(context=\"append\"\)"),
        ((4,), "hidden", r"takes inputs of shape \(4,\), but would get \(2,\): .* hidden \(context=\"hidden\"\)"),
        (None, "append", "has no networks yet: fit or load it first"),
    ],
)
def test_a_policy_that_knows_its_width_is_refused_before_it_acts(shape: Any, context: Any, message: str) -> None:
    policy = Linear(4)
    policy.observation_shape = shape
    with pytest.raises(PolicyError, match=message):
        make_actor(policy, SimpleDirection(), context)
    assert policy.inputs == []


@pytest.mark.parametrize(
    ("policy", "context", "message"),
    [
        ("greedy", "append", 'the policies known by name are "random" and "zero"; found \'greedy\''),
        (3, "append", r"expected \"random\", \"zero\", an object with predict\(observations\) or a callable .*; found int"),
        (dict, "append", r"expected a policy; found the class dict\. Make a policy of it first, such as dict\(\.\.\.\)"),
        (
            lambda observations: observations,
            "append",
            r"policy '<lambda>' takes the arguments \(observations\); .* three",
        ),
        (torch.nn.Linear(2, 2), "append", r"policy 'Linear' takes the arguments \(input.*\).* must take three"),
        ("random", "shown", 'context must be "append" or "hidden"; found \'shown\''),
    ],
)
def test_what_is_no_policy_is_refused(policy: Any, context: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make_actor(policy, SimpleDirection(), context)


@pytest.mark.parametrize("actions", [[5, 8, 6], [4, 5, 6], [5.5, 6, 6], [np.nan, 6, 6], [[5, 5], [6, 6], [7, 7]], [5, 6]])
def test_discrete_actions_that_do_not_exist_are_refused(actions: Any) -> None:
    with pytest.raises(PolicyError, match="expected"):
        act(lambda o, c, rng: np.array(actions), env=Coins())


@pytest.mark.parametrize("actions", [[5, 6, 7], [[5], [6], [7]], [5.0, 6.0, 7.0]])
def test_discrete_actions_come_as_rows_columns_or_whole_floats(actions: Any) -> None:
    admitted = act(lambda o, c, rng: np.array(actions), env=Coins())
    assert admitted.dtype == np.int64 and admitted.tolist() == [5, 6, 7]


def test_mixture_weights_are_normalised() -> None:
    assert Mixture(["random", len]).probabilities.tolist() == [0.5, 0.5]
    assert Mixture(["random", len], weights=[3, 1]).probabilities.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("policies", "weights", "message"),
    [
        ([], None, "at least one policy"),
        (["random"], [1, 2], "expected 1 finite weights"),
        (["random", "random"], [1, np.nan], "expected 2 finite weights"),
        (["random", "random"], [1, -1], ">= 0 and not all 0"),
        (["random", "random"], [0, 0], ">= 0 and not all 0"),
        (["random", "random"], [1e308, 1e308], "a finite sum"),
    ],
)
def test_mixtures_that_mean_nothing_are_refused(policies: Any, weights: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Mixture(policies, weights)


def test_names() -> None:
    def named(observations, contexts, rng): ...

    assert [policy_name(p) for p in ("random", named, Linear(1))] == ["random", "named", "Linear"]
