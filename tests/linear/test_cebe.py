"""Tabular CEBE: derivatives by hand, evaluation against iteration, the order of the error, CliffWalking's published checks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError, DerivativeError, OffctxError
from offctx.linear.cebe import cebe_error, enhance, log_log_slope, renormalise
from offctx.linear.cliff_walking import CLIFF_START, cliff_walking
from offctx.linear.discounted import DiscountedCMDP, DiscountedMDPs, TabularError, evaluate_policy, uniform_policy

FAMILIES = [0, 1, 2]
UP, RIGHT, DOWN, LEFT = range(4)

TWO_COINS = DiscountedCMDP(  # the docstring's example
    transition=lambda c: torch.stack([c, 1 - c], dim=1).expand(2, 1, 2),
    reward=lambda c: c**2 * torch.ones(2, 1, 2),
    context_space=ContextSpace(["heads"], 0.0, 1.0, 0.5),
    gamma=0.9,
)


def softmax_cmdp(seed: int = 0, S: int = 4, A: int = 3, p: int = 2) -> DiscountedCMDP:
    """Random and nonlinear in two coordinates, in the transitions and in the rewards."""
    rng = np.random.default_rng(seed)
    logits, directions = (torch.tensor(rng.standard_normal(shape)) for shape in ((S, A, S), (S, A, S, p)))
    names = [f"c_{k}" for k in range(p)]
    return DiscountedCMDP(
        transition=lambda c: torch.softmax(logits + directions @ c, dim=-1),
        reward=lambda c: torch.sin(logits * c[0] + directions @ c),
        context_space=ContextSpace(names, -3.0, 3.0, np.linspace(0.2, 0.5, p)),
        gamma=0.9,
    )


def constant(value: Any) -> Callable[[Tensor], Tensor]:
    return lambda c: torch.tensor(value, dtype=torch.float64)


def mdps(K: int = 5, S: int = 4, A: int = 3, gamma: float = 0.8) -> tuple[DiscountedMDPs, np.ndarray]:
    rng = np.random.default_rng(1)
    random = DiscountedMDPs(rng.dirichlet(np.ones(S), (K, S, A)), rng.standard_normal((K, S, A, S)), gamma)
    return random, rng.dirichlet(np.ones(A), (K, S))


# --- CliffWalking's MDP --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_cliff_transitions_are_distributions_true_and_enhanced(family: int) -> None:
    cmdp = cliff_walking(family)
    contexts = np.linspace(0.001, 0.999, 50)[:, None]
    for found in (cmdp.at(contexts), enhance(cmdp, contexts)):
        assert found.transitions.shape == found.rewards.shape == (50, 30, 4, 30)
        assert (found.transitions >= 0).all()
        np.testing.assert_allclose(found.transitions.sum(axis=-1), 1.0, rtol=0, atol=1e-14)


def test_cliff_cells_by_hand() -> None:
    p = 0.3
    transition = cliff_walking(0).at([[0.1], [p]]).transitions[1]

    def row(state: int, action: int) -> dict[int, float]:
        return {int(t): round(float(transition[state, action, t]), 12) for t in np.flatnonzero(transition[state, action])}

    assert row(8, RIGHT) == {9: 0.7, 2: 0.1, 14: 0.1, 7: 0.1}  # in the open
    assert row(0, UP) == {0: 0.8, 1: 0.1, 6: 0.1}  # in a corner: up and left both stay
    assert row(CLIFF_START, RIGHT) == {25: 0.7, 18: 0.1, 24: 0.2}  # the cliff is next to the start
    assert row(23, DOWN) == {29: 0.7, 23: 0.1, 17: 0.1, 22: 0.1}  # over the goal, at the right wall
    for absorbing in range(25, 30):
        assert [row(absorbing, a) for a in range(4)] == [{absorbing: 1.0}] * 4


@pytest.mark.parametrize(("family", "goal", "penalty"), [(0, 1.0, 100.0), (1, 25.0, 500.0), (2, 1.2**-1.5, 10 / 1.2)])
def test_cliff_rewards_are_paid_once_on_entering(family: int, goal: float, penalty: float) -> None:
    reward = cliff_walking(family).at([0.2]).rewards[0]
    live = reward[:25]
    np.testing.assert_allclose(live[..., 29], goal, rtol=1e-14)
    np.testing.assert_allclose(live[..., 25:29], -penalty, rtol=1e-14)
    assert not live[..., :25].any()  # no cost for a step, none for being at the start
    assert not reward[25:].any()


def test_cliff_derivatives_by_hand() -> None:
    for family, dgoal, dfall in [(0, 0.0, 0.0), (1, -2 / 0.1**3, 100 / 0.1**2), (2, -1.5 * 1.1**-2.5, 10 / 1.1**2)]:
        dtransition, dreward = cliff_walking(family).derivatives()
        assert dtransition.shape == dreward.shape == (30, 4, 30, 1)
        third = 1 / 3
        expected = np.zeros(30)
        expected[[19, 12, 24, 18]] = [-1.0, third, third, third]  # right of state 18: the intended cell, up, down, the wall
        np.testing.assert_allclose(dtransition[18, RIGHT, :, 0], expected, atol=1e-15)
        expected = np.zeros(30)
        expected[[25, 18, 24]] = [-1.0, third, 2 * third]  # right of the start: the cliff, up, and twice the wall
        np.testing.assert_allclose(dtransition[24, RIGHT, :, 0], expected, atol=1e-15)
        np.testing.assert_allclose(dtransition[25:], 0.0, atol=1e-15)
        np.testing.assert_allclose(dreward[23, DOWN, 29, 0], dgoal, rtol=1e-13)
        np.testing.assert_allclose(dreward[19, DOWN, 25, 0], dfall, rtol=1e-13)
        assert not dreward[25:].any()
        assert not dreward[:, :, :25].any()


# --- derivatives and the enhanced MDP ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cmdp", [softmax_cmdp(), *map(cliff_walking, FAMILIES)])
def test_derivatives_agree_with_central_differences(cmdp: DiscountedCMDP) -> None:
    h = 1e-5
    c0 = cmdp.context_space.default
    steps = h * np.eye(len(c0))
    above, below = cmdp.at(c0 + steps), cmdp.at(c0 - steps)
    for derivative, name in zip(cmdp.derivatives(), ("transitions", "rewards"), strict=True):
        difference = (getattr(above, name) - getattr(below, name)) / (2 * h)
        np.testing.assert_allclose(derivative, np.moveaxis(difference, 0, -1), rtol=1e-6, atol=1e-8)


def test_enhancement_is_the_first_order_expansion() -> None:
    cmdp = softmax_cmdp()
    c0 = cmdp.context_space.default
    contexts = c0 + np.array([[0.1, 0.0], [0.0, -0.05], [0.1, -0.05]])
    base = cmdp.at(c0)
    found = enhance(cmdp, contexts)
    dtransition, dreward = cmdp.derivatives()
    for k, dc in enumerate(contexts - c0):  # written out, one context at a time
        expansion = base.transitions[0] + dtransition[..., 0] * dc[0] + dtransition[..., 1] * dc[1]
        assert expansion.min() > 0
        np.testing.assert_allclose(found.transitions[k], expansion, atol=1e-14)
        np.testing.assert_allclose(found.rewards[k], base.rewards[0] + dreward @ dc, atol=1e-14)


def test_far_from_the_base_context_the_enhanced_transitions_are_renormalised() -> None:
    cmdp = softmax_cmdp()
    far = [3.0, -3.0]
    dtransition = cmdp.derivatives()[0]
    raw = cmdp.at(cmdp.context_space.default).transitions[0] + dtransition @ (np.array(far) - cmdp.context_space.default)
    assert raw.min() < -0.1
    transition = enhance(cmdp, far).transitions[0]
    assert (transition[raw < 0] == 0).all()
    np.testing.assert_allclose(transition.sum(axis=-1), 1.0, atol=1e-14)
    row = raw[np.unravel_index(raw.argmin(), raw.shape)[:2]]
    kept = np.where(row > 0, row, 0)
    np.testing.assert_allclose(transition[np.unravel_index(raw.argmin(), raw.shape)[:2]], kept / kept.sum(), atol=1e-14)


def test_renormalise_by_hand() -> None:
    found = renormalise([[2.0, 2.0], [-1.0, 3.0], [0.25, 0.75]])
    assert found.tolist() == [[0.5, 0.5], [0.0, 1.0], [0.25, 0.75]]


# --- evaluation ----------------------------------------------------------------------------------------------------------


def test_evaluation_agrees_with_long_iteration_of_the_bellman_operator() -> None:
    random, policy = mdps()
    q = np.zeros((5, 4, 3))
    for _ in range(200):  # 0.8^200 is 4e-20
        v = (policy * q).sum(axis=-1)
        q = (random.transitions * (random.rewards + random.gamma * v[:, None, None, :])).sum(axis=-1)
    np.testing.assert_allclose(evaluate_policy(random, policy), q, atol=1e-12)


def test_evaluation_by_hand() -> None:
    # State 0 pays 1 for staying and ends in state 1, which pays nothing, with probability 1/4.
    transitions = [[[[0.75, 0.25]], [[0.0, 1.0]]]]
    rewards = [[[[1.0, 0.0]], [[0.0, 0.0]]]]
    q = evaluate_policy(DiscountedMDPs(transitions, rewards, 0.8), [[1.0], [1.0]])  # type: ignore[arg-type]  # lists will do
    np.testing.assert_allclose(q, [[[0.75 / (1 - 0.8 * 0.75)], [0.0]]], atol=1e-15)


def test_a_batch_is_its_rows_and_one_policy_serves_all() -> None:
    random, policies = mdps()
    q = evaluate_policy(random, policies)
    for k in range(5):
        alone = DiscountedMDPs(random.transitions[k : k + 1], random.rewards[k : k + 1], random.gamma)
        np.testing.assert_allclose(evaluate_policy(alone, policies[k]), q[k : k + 1], atol=1e-13)
    shared = evaluate_policy(random, policies[0])
    np.testing.assert_allclose(shared, evaluate_policy(random, np.tile(policies[0], (5, 1, 1))), atol=1e-13)


# --- CEBE: what the paper promises ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cmdp", [softmax_cmdp(), TWO_COINS, *map(cliff_walking, FAMILIES)])
def test_at_the_base_context_it_is_the_ordinary_bellman_equation(cmdp: DiscountedCMDP) -> None:
    c0 = cmdp.context_space.default
    base, enhanced = cmdp.at(c0), enhance(cmdp, c0)
    np.testing.assert_allclose(enhanced.transitions, base.transitions, atol=1e-15)
    np.testing.assert_array_equal(enhanced.rewards, base.rewards)
    q = evaluate_policy(enhanced, uniform_policy(*base.transitions.shape[1:3]))
    target = (base.transitions * (base.rewards + base.gamma * q.mean(axis=-1)[:, None, None, :])).sum(axis=-1)
    np.testing.assert_allclose(q, target, rtol=1e-12, atol=1e-12)
    assert cebe_error(cmdp, c0).max() <= 1e-12 * max(1.0, np.abs(q).max())


@pytest.mark.parametrize("family", [1, 2])
@pytest.mark.parametrize("side", [1, -1])
def test_cliff_error_is_of_second_order(family: int, side: int) -> None:
    distances = np.geomspace(1e-4, 1e-2, 9)
    errors = cebe_error(cliff_walking(family), (0.1 + side * distances)[:, None])
    assert 1.95 < log_log_slope(distances, errors) < 2.05
    assert 1.95 < log_log_slope(distances[:4], errors[:4]) < 2.05


def test_cliff_family_0_is_exact() -> None:
    assert cebe_error(cliff_walking(0), np.linspace(0.001, 0.999, 200)[:, None]).max() < 1e-10


def test_the_error_of_a_quadratic_reward_by_hand() -> None:
    dc = np.array([-0.4, -0.01, 0.0, 0.2])  # R is off by dc^2 in every step, T is exact
    np.testing.assert_allclose(cebe_error(TWO_COINS, 0.5 + dc[:, None]), dc**2 / (1 - 0.9), rtol=1e-9, atol=1e-13)


def test_the_error_is_of_second_order_where_transitions_are_nonlinear_too() -> None:
    cmdp = softmax_cmdp()
    distances = np.geomspace(1e-4, 1e-2, 9)
    policy = np.random.default_rng(2).dirichlet(np.ones(3), 4)
    errors = cebe_error(cmdp, cmdp.context_space.default + distances[:, None] * [0.6, 0.8], policy)
    assert 1.95 < log_log_slope(distances, errors) < 2.05


def test_slope_by_hand() -> None:
    assert log_log_slope([0.1, 1.0, 10.0], [0.003, 3.0, 3000.0]) == pytest.approx(3.0)


# --- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ([[0.2], [0.0]], r"\(p=0\) \(row 1 of 2\) is not a valid combination: it must satisfy p > 0"),
        ([[1.0]], "must satisfy p < 1"),
        ([[1.5]], r"out of bounds: p must lie in \[0, 1\]"),
        ([[-0.1]], r"out of bounds: p must lie in \[0, 1\]"),
        ([[np.nan]], "is not finite"),
        (np.zeros((0, 1)), "K >= 1"),
    ],
)
def test_a_bad_context_is_refused(contexts: Any, message: str) -> None:
    for function in (cebe_error, enhance, DiscountedCMDP.at):
        with pytest.raises(ContextError, match=message):
            function(cliff_walking(1), contexts)


GOOD_T, GOOD_R = np.full((1, 2, 3, 2), 0.5), np.zeros((1, 2, 3, 2))


@pytest.mark.parametrize(
    ("transitions", "rewards", "gamma", "message"),
    [
        (GOOD_T * 0.9, GOOD_R, 0.9, r"transitions\[k, s, a\] must be a distribution.*at index \[0, 0, 0\].*sum 0.9"),
        (GOOD_T + np.array([-1, 1]), GOOD_R, 0.9, "smallest entry -0.5"),
        (GOOD_T * np.nan, GOOD_R, 0.9, r"transitions must be finite; found nan at index \[0, 0, 0, 0\]"),
        (GOOD_T, GOOD_R + np.inf, 0.9, "rewards must be finite"),
        (GOOD_T[0], GOOD_R, 0.9, r"transitions must be \(K, S, A, S\)"),
        (np.full((1, 2, 3, 4), 0.25), GOOD_R, 0.9, r"transitions must be \(K, S, A, S\)"),
        (GOOD_T, GOOD_R[..., 0], 0.9, "rewards must have the shape of transitions"),
        ("T", GOOD_R, 0.9, "transitions must be an array of numbers"),
        (GOOD_T, GOOD_R, 1.0, r"gamma must be a number in \[0, 1\); found 1.0"),
        (GOOD_T, GOOD_R, np.nan, "gamma must be"),
    ],
)
def test_what_is_no_mdp_is_refused(transitions: Any, rewards: Any, gamma: float, message: str) -> None:
    with pytest.raises(TabularError, match=message):
        DiscountedMDPs(transitions, rewards, gamma)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.full((3, 4), 0.25), r"policy must be \(4, 3\), or \(5, 4, 3\)"),
        (np.full((2, 4, 3), 1 / 3), r"found shape \(2, 4, 3\)"),
        (np.full((4, 3), 0.5), r"policy\[..., s\] must be a distribution.*at index \[0\].*sum 1.5"),
        (np.full((4, 3), np.nan), "policy must be finite"),
    ],
)
def test_a_bad_policy_is_refused(policy: Any, message: str) -> None:
    with pytest.raises(TabularError, match=message):
        evaluate_policy(mdps()[0], policy)


SPACE = ContextSpace(["c"], 0.0, 1.0, 0.5)
HALVES, ZEROS = constant(GOOD_T[0]), constant(GOOD_R[0])


@pytest.mark.parametrize(
    ("transition", "reward", "message"),
    [
        (constant(GOOD_T), ZEROS, r"transition\(context\) must be a tensor \(S, A, S\).*found \(1, 2, 3, 2\)"),
        (lambda c: GOOD_T[0], ZEROS, "found ndarray"),
        (HALVES, constant(np.zeros((3, 3, 3))), "rewards must have the shape of transitions"),
        (constant(GOOD_T[0] * 1.1), ZEROS, "must be a distribution"),
        (HALVES, lambda c: torch.zeros(2, 3, 2) * (1 if float(c) > 0.5 else 0), "reward cannot be batched over contexts"),
    ],
)
def test_functions_that_make_no_cmdp_are_refused(transition: Any, reward: Any, message: str) -> None:
    with pytest.raises(TabularError, match=message):
        DiscountedCMDP(transition, reward, SPACE, 0.9)


def test_functions_without_a_first_order_expansion_are_refused() -> None:
    drifting = DiscountedCMDP(lambda c: 0.5 + (c - 0.5) * torch.ones(2, 3, 2), ZEROS, SPACE, 0.9)
    with pytest.raises(TabularError, match=r"its derivative must sum to 0; found 2 at state 0, action 0"):
        enhance(drifting, [0.6])
    vertical = DiscountedCMDP(HALVES, lambda c: torch.sqrt(c - 0.5) * torch.ones(2, 3, 2), SPACE, 0.9)
    with pytest.raises(DerivativeError, match=r"derivative of reward at the base context \(c=0.5\) is not finite"):
        enhance(vertical, [0.6])


def test_the_other_doors() -> None:
    with pytest.raises(TabularError, match=r"reward families \[0, 1, 2\]; found 3"):
        cliff_walking(3)
    with pytest.raises(TabularError, match="gamma must be"):
        cliff_walking(0, gamma=-0.1)
    with pytest.raises(TabularError, match="at least one positive weight"):
        renormalise([[1.0, 1.0], [-1.0, 0.0]])
    with pytest.raises(TabularError, match="at least one state"):
        uniform_policy(3, 0)
    for distances, errors in [([1.0], [1.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 1.0]), ([1.0, 2.0], [1.0])]:
        with pytest.raises(TabularError, match="a slope needs positive distances"):
            log_log_slope(distances, errors)
    assert issubclass(TabularError, OffctxError)


def test_arrays_are_read_only_copies() -> None:
    given = GOOD_T.copy()
    found = DiscountedMDPs(given, GOOD_R, 0.9)
    given[:] = 7
    assert found.transitions.max() == 0.5
    with pytest.raises(ValueError, match="read-only"):
        found.transitions[0, 0, 0, 0] = 1.0
