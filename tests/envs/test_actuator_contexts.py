"""Inversion and permutation of actuators around any family."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import offctx
from offctx import ContextSpace
from offctx.envs import ActuatorContexts, DifferentiableEnv, HopperGravity, MujocoPhysics, PendulumGoal
from offctx.envs.actuator_mixing import ActuatorMixing
from offctx.envs.registry import ENVIRONMENTS, VARIANTS
from offctx.envs.resolve import resolve
from offctx.envs.testing import check_contextual_env
from offctx.errors import ContextError, EnvError

BOX = spaces.Box(np.array([-1, -1, -2], np.float32), np.array([1, 1, 3], np.float32))
VARIANT_IDS = [row.variant_id(variant) for row in ENVIRONMENTS for variant in row.variants]


def mixed(coordinates: Any, actions: Any, contexts: Any, space: Any = BOX) -> list[Any]:
    actions = np.asarray(actions, dtype=np.float32 if isinstance(space, spaces.Box) else np.int64)
    before = actions.copy()
    result = ActuatorMixing(space, coordinates).mix(actions, np.asarray(contexts, dtype=np.float64))
    assert result.dtype == actions.dtype and np.array_equal(actions, before)
    return result.tolist()


def test_what_reaches_the_actuators_by_hand() -> None:
    action = [0.5, -0.25, 2]
    assert mixed(["action_factor"], [action] * 2, [[1], [-1]]) == [action, [-0.5, 0.25, -2]]
    assert mixed(["inversion"], [action] * 2, [[0], [1]]) == [action, [-0.5, 0.25, -2]]
    assert mixed(["action_factor_1"], [action], [[-1]]) == [[0.5, 0.25, 2]]
    assert mixed(["inversion_0", "inversion_2"], [action], [[1, 1]]) == [[-0.5, -0.25, -2]]
    assert mixed(["action_factor"], [[0.5, -0.25, 3]], [[-1]]) == [[-0.5, 0.25, -2]], "clipped after the inversion"
    assert mixed({"action_factor": [-1, 0.5, 1]}, [action], [[0.5]]) == [[0.25, -0.125, 1]]
    # Permutation 3 of three is (1, 2, 0): actuator 1 gets action 0, actuator 2 action 1, actuator 0 action 2, clipped to 1.
    assert mixed(["permutation"], [action] * 2, [[0], [3]]) == [action, [1, 0.5, -0.25]]
    assert mixed(["permutation", "action_factor_1"], [action], [[3, -1]]) == [[1, -0.5, -0.25]]


def test_discrete_actions_are_reversed_or_permuted() -> None:
    space = spaces.Discrete(3, start=1)
    assert mixed(["action_factor"], [1, 2, 3, 1], [[-1], [-1], [-1], [1]], space) == [3, 2, 1, 1]
    assert mixed(["inversion"], [1, 3], [[1], [0]], space) == [3, 3]
    assert mixed(["permutation"], [1, 2, 3, 2], [[3], [3], [3], [0]], space) == [2, 3, 1, 2]


@pytest.mark.parametrize("env_id", ["offctx/SimpleDirectionStochastic-v0", "offctx/CartGoal-v0", "offctx/PointGoal-v0"])
def test_wrapped_families_in_closed_form_keep_the_contract(env_id: str) -> None:
    check_contextual_env(lambda: ActuatorContexts(env_id, ["action_factor", "permutation"]), transitions=128)


def test_a_wrapped_robot_keeps_the_contract() -> None:
    check_contextual_env(
        lambda: ActuatorContexts("offctx/HalfCheetahPhysics-v0", {"permutation": [0, 5, 719], "action_factor_2": None}),
        transitions=64,
    )


@pytest.mark.parametrize(
    "env_id",
    [
        pytest.param(row.variant_id(variant), marks=[] if row.module.startswith("classic") else [pytest.mark.slow])
        for row in ENVIRONMENTS
        for variant in row.variants
        if "Physics" not in row.name and "Ant" not in row.name
    ],
)
def test_the_ids_keep_the_contract(env_id: str) -> None:
    check_contextual_env(env_id, transitions=32)


@pytest.mark.parametrize("env_id", VARIANT_IDS)
def test_every_environment_has_them_by_name(env_id: str) -> None:
    resolved = resolve(env_id)
    inner = resolve(env_id.replace("Inverted-", "-") if "Inverted-" in env_id else env_id.replace("Permuted-", "-"))
    assert resolved.registered and (resolved.name, resolved.horizon) == (env_id, inner.horizon)
    added = "action_factor" if "Inverted-" in env_id else "permutation"
    assert resolved.env.context_space.names == (*inner.env.context_space.names, added)
    plain, wrapped = gymnasium.make(inner.name), gymnasium.make(env_id)
    np.testing.assert_array_equal(plain.reset(seed=0)[0], wrapped.reset(seed=0)[0])
    plain.action_space.seed(0)
    for _ in range(5):
        action = plain.action_space.sample()
        ours, theirs = plain.step(action), wrapped.step(action)
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1:4] == theirs[1:4]


def test_rows_without_an_id_cannot_have_one() -> None:
    for row in ENVIRONMENTS:
        space = resolve(row.id).env.context_space
        for variant in set(VARIANTS) - set(row.variants):
            clash = VARIANTS[variant] in space.names or row.variant_id(variant) in {each.id for each in ENVIRONMENTS}
            single = resolve(row.id).env.action_space
            assert clash or (variant == "Permuted" and (isinstance(single, spaces.Discrete) or single.shape == (1,))), row.name


def test_an_inverted_step_is_the_step_of_the_opposite_action() -> None:
    env: Any = ActuatorContexts("offctx/PendulumGoal-v0", ["action_factor"])
    inner, rng = PendulumGoal(), np.random.default_rng(0)
    states, actions = rng.uniform(-1, 1, (50, 2)), rng.uniform(-2, 2, (50, 1)).astype(np.float32)
    contexts = np.column_stack([inner.context_space.sample(rng, 50), np.repeat([-1, 1], 25)])
    sign = contexts[:, 4:].astype(np.float32)
    for ours, theirs in zip(
        env.simulate(states, actions, contexts), inner.simulate(states, sign * actions, contexts[:, :4]), strict=True
    ):
        assert np.array_equal(ours, theirs)
    for ours, theirs in zip(
        env.derivatives(states, actions, contexts), inner.derivatives(states, sign * actions, contexts[:, :4]), strict=True
    ):
        assert np.array_equal(ours[..., :4], theirs) and not ours[..., 4].any()


def test_directions_of_actions_are_mixed_too() -> None:
    env: Any = ActuatorContexts("offctx/PointGoal-v0", ["action_factor", "permutation"])
    state, action, context = np.zeros((1, 4)), np.array([[0.5, -0.25]], np.float32), np.array([[0.1, 0.2, -1, 1]])
    dnext, _ = env.expand(state, action, context, None, np.array([[0.1, 0.0]]), None)
    np.testing.assert_allclose(dnext, [[0, -0.001, 0, -0.01]], rtol=1e-12)  # action 0 pushes along -y
    dnext, dreward = env.expand(state, action, context, None, None, np.array([[0.1, 0, 1, 1]]))
    inner = resolve("offctx/PointGoal-v0").env
    expected = inner.expand(state, np.array([[0.25, -0.5]]), context[:, :2], None, None, np.array([[0.1, 0]]))
    np.testing.assert_allclose(dnext, expected[0])
    np.testing.assert_allclose(dreward, expected[1])


def test_kinds_say_whether_the_reward_depends_on_what_reaches_the_actuators() -> None:
    halved = {"action_factor": [0.5, 1]}
    assert ActuatorContexts("offctx/PendulumGoal-v0", ["action_factor"]).context_space.kinds["action_factor"] == ("dynamics",)
    kinds = ActuatorContexts("offctx/PendulumGoal-v0", halved).context_space.kinds
    assert kinds["action_factor"] == ("dynamics", "reward")
    check_contextual_env(lambda: ActuatorContexts("offctx/PendulumGoal-v0", halved), transitions=64)


def test_splits_are_those_inside_or_of_the_benchmark() -> None:
    plain = ActuatorContexts("offctx/DoubleIntegratorFriction-v0", ["action_factor"]).context_space
    inside: Any = resolve("offctx/DoubleIntegratorFriction-v0").env.context_space
    for name, rows in inside.splits.items():
        assert plain.splits[name].tolist() == [[*row, 1] for row in rows.tolist()]
    assert plain.splits["sweep_action_factor"].tolist() == [[1, 1, -1], [1, 1, 1]]
    ranges = {"mass": (0.5, 1.5), "friction": (0.5, 1.5)}
    trained = ActuatorContexts("offctx/DoubleIntegratorFriction-v0", ["action_factor"], training=ranges).context_space
    assert {name: rows.tolist() for name, rows in trained.splits.items()} == {
        name: rows.tolist() for name, rows in offctx.aib_splits(trained, ranges).items()
    }


def test_a_dataset_names_its_environment_and_exact_cse_simulates_it(datasets_path: Path) -> None:
    made = ActuatorContexts("offctx/PendulumGoal-v0", ["action_factor"])
    contexts = made.context_space.mesh(g=[1, 2], action_factor=[-1, 1])
    dataset = offctx.collect(made, "test/inverted-v0", contexts=contexts, seed=0, progress=False)
    assert dataset.metadata.env == "offctx/PendulumGoalInverted-v0"
    loaded = offctx.load_dataset("test/inverted-v0")
    assert loaded.context_space == made.context_space
    assert offctx.radius_report(loaded, samples=50).environment  # makes the environment by its id
    for env in (dataset.metadata.env, made):
        batch: Any = loaded.replay_buffer(augmentation=offctx.CSE(0.2, exact=env), seed=0).sample_transition_batch(64)
        assert set(batch.contexts[:, 4].tolist()) == {-1, 1}
        states = made.states_from_observations(batch.observations[:, :3])
        next_states, rewards, _ = made.simulate(states, batch.actions, batch.contexts.astype(np.float64))
        np.testing.assert_allclose(made.observations(next_states), batch.next_observations[:, :3], atol=2e-5)
        np.testing.assert_allclose(rewards, batch.rewards[:, 0], rtol=1e-4, atol=1e-3)


def test_gymnasium_makes_it_again_from_its_spec() -> None:
    made: Any = ActuatorContexts(
        "offctx/PointGoal-v0", {"permutation": (0, 1), "action_factor_0": [-1, 1]}, training={"goal_x": (-0.5, 0.5)}
    )
    assert made.spec.max_episode_steps == 100
    again: Any = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(made.spec.to_json()))
    assert again.unwrapped.context_space == made.context_space
    steps = 0
    made.reset(seed=0)
    while not made.step(np.zeros(2))[3]:
        steps += 1
    assert steps == 99, "its own time limit"


def test_gymnasium_s_own_time_limit_takes_precedence() -> None:
    for limit in (3, 250):
        env = gymnasium.make("offctx/PendulumGoalInverted-v0", max_episode_steps=limit)
        env.reset(seed=0)
        ends = [env.step(np.zeros(1))[3] for _ in range(limit)]
        assert ends == [False] * (limit - 1) + [True] and resolve(env).horizon == limit


def test_making_one_leaves_the_shared_action_space_alone() -> None:
    PendulumGoal.action_space.seed(7)
    expected = [PendulumGoal.action_space.sample().tolist() for _ in range(2)]
    PendulumGoal.action_space.seed(7)
    ActuatorContexts("offctx/PendulumGoal-v0", ["action_factor"])
    assert [PendulumGoal.action_space.sample().tolist() for _ in range(2)] == expected


def test_a_family_without_an_id_and_two_layers() -> None:
    env = ActuatorContexts(HopperGravity, ["permutation"])
    assert env.spec is None and env.max_episode_steps is None
    nested = ActuatorContexts(ActuatorContexts("offctx/PointGoal-v0", ["permutation"]), ["action_factor"])
    assert nested.context_space.names == ("goal_x", "goal_y", "permutation", "action_factor")
    check_contextual_env(lambda: ActuatorContexts(ActuatorContexts("offctx/PointGoal-v0", ["permutation"]), ["inversion_1"]))


def test_physics_of_a_robot_are_found_through_it() -> None:
    env: Any = ActuatorContexts(lambda: MujocoPhysics("Reacher-v5", ["damping"]), ["action_factor"])
    qpos, qvel = np.array([[0.1, 0.2, 0.05, 0.05]]), np.zeros((1, 4))
    assert np.array_equal(env.states_from_physics(qpos, qvel), env.inner.states_from_physics(qpos, qvel))
    assert not hasattr(ActuatorContexts("offctx/PointGoal-v0", ["permutation"]), "states_from_physics")


@pytest.mark.parametrize(
    ("env_id", "actuators", "error", "message"),
    [
        ("offctx/PendulumGoal-v0", ["permutation"], EnvError, "a permutation needs two actions; this environment has 1"),
        ("offctx/PendulumGoal-v0", ["inverted"], EnvError, "unknown actuator coordinate 'inverted'; known are action_factor"),
        ("offctx/PendulumGoal-v0", "inversion", EnvError, "expected a list of actuator coordinates"),
        ("offctx/PendulumGoal-v0", [], EnvError, "at least one of action_factor, inversion, permutation"),
        ("offctx/PendulumGoal-v0", ["inversion_1"], EnvError, "inversion_1: there is no actuator 1; the actions are 1"),
        ("offctx/PendulumGoal-v0", ["permutation_0"], EnvError, "unknown actuator coordinate 'permutation_0'"),
        ("offctx/CartGoal-v0", ["inversion_0"], EnvError, "unknown actuator coordinate 'inversion_0'"),
        ("offctx/PendulumGoal-v0", {"action_factor": [1]}, EnvError, "values of action_factor must be two or more finite"),
        ("offctx/PendulumGoal-v0", {"action_factor": [1, np.inf]}, EnvError, "must be two or more finite numbers"),
        ("offctx/PendulumGoal-v0", {"inversion": [-1, 1]}, EnvError, "finite numbers, 0 and 1; found"),
        ("offctx/PointGoal-v0", {"permutation": [0, 2]}, EnvError, "whole numbers from 0 to 1; found"),
        ("offctx/CartGoal-v0", {"action_factor": [0.5, 1]}, EnvError, "-1 and 1 where actions are Discrete"),
        ("offctx/DoubleIntegrator-v0", ["action_factor"], ContextError, "has a coordinate 'action_factor' already"),
        ("offctx/PointGoal-v0", 5, EnvError, "expected a list of actuator coordinates"),
        ("offctx/PointGoal-v0", ["inversion", "inversion"], EnvError, "given twice"),
        (
            "offctx/PointGoal-v0",
            ["action_factor_00", "action_factor_0"],
            EnvError,
            "unknown actuator coordinate 'action_factor_00'",
        ),
        ("offctx/PointGoal-v0", {"action_factor": [[1, -1]]}, EnvError, "must be one list of numbers"),
        ("Pendulum-v1", ["action_factor"], EnvError, "ContextualEnv"),
    ],
)
def test_what_does_not_fit_is_refused(env_id: str, actuators: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ActuatorContexts(env_id, actuators)


def test_a_permutation_that_does_not_exist_is_refused_under_extrapolation_too() -> None:
    space = ActuatorContexts("offctx/HalfCheetahPhysics-v0", ["permutation"]).context_space
    assert space.high[-1] == 719
    with pytest.raises(ContextError, match="0 <= permutation <= 719"):
        space.check({"permutation": 720}, extrapolate=True)


class LateCost(DifferentiableEnv):
    """x moves on by 1 a step. Actions cost something where x is at least `late`, and nothing before."""

    context_space = ContextSpace(["pull"], -1.0, 1.0, [0.0])
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    late = 5.0

    def initial_state(self, rng: np.random.Generator, context: Any) -> Any:
        return np.concatenate([np.zeros((*context.shape[:-1], 1)), rng.uniform(-1, 1, (*context.shape[:-1], 1))], axis=-1)

    def transition(self, state: Any, action: Any, context: Any) -> Any:
        x, y = state.unbind(-1)
        return torch.stack([x + 1, y + action[..., 0] + 0.1 * context[..., 0]], dim=-1)

    def reward(self, state: Any, action: Any, next_state: Any, context: Any) -> Any:
        return -(next_state[..., 1] ** 2) - torch.where(state[..., 0] >= self.late, (action[..., 0] - 0.5) ** 2, 0.0)


class NeverCost(LateCost):
    """Actions cost nothing."""

    late = np.inf


def test_kinds_are_measured_along_episodes() -> None:
    late, never = (ActuatorContexts(each, ["action_factor"]) for each in (LateCost, NeverCost))
    assert late.context_space.kinds["action_factor"] == ("dynamics", "reward")  # no start shows it: only the sixth step does
    assert never.context_space.kinds["action_factor"] == ("dynamics",)
    family = LateCost()
    state, context = family.start(np.random.default_rng(0), np.zeros(1))[None], np.zeros((1, 1))
    action = np.full((1, 1), 0.7, np.float32)
    next_state = family.simulate(state, action, context)[0]
    rewards = [family.rewards_of(state, each, next_state, context) for each in (action, -action)]
    assert rewards[0] == rewards[1], "the first step does not tell"


def test_kinds_may_be_declared_and_are_made_again() -> None:
    made: Any = ActuatorContexts("offctx/PendulumGoal-v0", ["action_factor"], kinds=["dynamics", "reward"])
    assert made.context_space.kinds["action_factor"] == ("dynamics", "reward")
    again: Any = gymnasium.make(made.spec)
    assert again.unwrapped.context_space.kinds == made.context_space.kinds


class SumOfSquares(LateCost):
    """Actions cost the sum of their squares from the start: not their sign or order, but their size."""

    action_space = spaces.Box(-1, 1, (3,), np.float32)

    def transition(self, state: Any, action: Any, context: Any) -> Any:
        push = (action * torch.tensor([1.0, 0.7, 0.4], dtype=action.dtype)).sum(-1)
        return torch.stack([state[..., 0] + 1, state[..., 1] + push + 0.1 * context[..., 0]], dim=-1)

    def reward(self, state: Any, action: Any, next_state: Any, context: Any) -> Any:
        return -(next_state[..., 1] ** 2) - 0.01 * (action**2).sum(-1)


@pytest.mark.parametrize(
    ("actuators", "rewarded"),
    [
        (["action_factor", "permutation"], set()),
        (["permutation"], set()),
        ({"action_factor": [-1, 0.5, 1], "inversion_1": [0, 1]}, {"action_factor"}),
    ],
)
def test_each_coordinate_has_kinds_of_its_own(actuators: Any, rewarded: set[str]) -> None:
    space = ActuatorContexts(SumOfSquares, actuators).context_space
    assert {name for name in actuators if "reward" in space.kinds[name]} == rewarded
    check_contextual_env(lambda: ActuatorContexts(SumOfSquares, actuators), transitions=64)
