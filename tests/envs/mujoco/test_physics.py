"""Physical contexts: every parameter does what its name says, and bad ones are refused at the door."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from offctx.envs import MujocoPhysics
from offctx.envs.mujoco.mixing import permutation
from offctx.envs.mujoco.model_physics import ModelPhysics
from offctx.envs.mujoco.parameters import element_names
from offctx.envs.testing import check_contextual_env
from offctx.errors import ContextError, DerivativeError, EnvError

EVERYTHING = [
    "gravity", "mass", "mass_torso", "friction", "damping", "damping_bthigh", "gear", "gear_bthigh",
    "inversion", "inversion_bshin", "permutation", "rotation_bshin_ffoot",
]  # fmt: skip


@pytest.fixture(scope="module")
def cheetah() -> Any:
    return MujocoPhysics("HalfCheetah-v5", EVERYTHING)


def changed_model(env: Any, **values: float) -> mujoco.MjModel:
    workspace = env.simulator.workspace()
    workspace.set_context(env.context_space.check(values))
    return workspace.model


def test_each_parameter_changes_what_its_name_says(cheetah: Any) -> None:
    nominal, n = cheetah.simulator.model, element_names(cheetah.simulator.model, "body").index("torso")
    model = changed_model(cheetah, gravity=5.0, mass=1.5, mass_torso=2.0, friction=0.5, damping=2.0, gear=0.5, gear_bthigh=2.0)
    np.testing.assert_allclose(model.opt.gravity, [0, 0, -5])
    expected = 1.5 * np.array(nominal.body_mass)
    expected[n] *= 2
    np.testing.assert_allclose(model.body_mass, expected)
    np.testing.assert_allclose(model.body_inertia[n], 3 * nominal.body_inertia[n])
    np.testing.assert_allclose(model.body_subtreemass[0], expected.sum())  # derived constants follow
    np.testing.assert_allclose(model.geom_friction, 0.5 * nominal.geom_friction)
    np.testing.assert_allclose(model.dof_damping, 2 * nominal.dof_damping)
    np.testing.assert_allclose(model.actuator_gear[:, 0] / nominal.actuator_gear[:, 0], [1, 0.5, 0.5, 0.5, 0.5, 0.5])


def test_a_context_leaves_no_trace_in_the_next_one(cheetah: Any) -> None:
    changed_model(cheetah, gravity=5.0, mass=1.5, friction=0.5, damping=2.0, gear=0.5, inversion=1.0)
    model, nominal = changed_model(cheetah), cheetah.simulator.model
    for field in ("body_mass", "body_inertia", "geom_friction", "dof_damping", "actuator_gear", "body_subtreemass"):
        np.testing.assert_array_equal(getattr(model, field), getattr(nominal, field), err_msg=field)
    np.testing.assert_array_equal(model.opt.gravity, nominal.opt.gravity)


def next_state(env: Any, action: Any, **context: float) -> Any:
    state = env.initial_state(np.random.default_rng(0), env.context_space.default)
    return env.simulate(state[None], np.asarray(action, np.float32)[None], env.context_space.check(context)[None])[0][0]


def test_inversion_is_the_opposite_action_and_permutation_another_order(cheetah: Any) -> None:
    action = np.array([0.1, -0.5, 0.9, 0.3, -0.2, 0.7])
    np.testing.assert_array_equal(next_state(cheetah, action, inversion=1), next_state(cheetah, -action))
    one = action * [1, -1, 1, 1, 1, 1]
    np.testing.assert_array_equal(next_state(cheetah, action, inversion_bshin=1), next_state(cheetah, one))
    controls = np.empty(6)
    controls[permutation(333, 6)] = action
    np.testing.assert_array_equal(next_state(cheetah, action, permutation=333), next_state(cheetah, controls))
    assert not np.array_equal(controls, action)


def test_permutations_are_numbered_in_lexicographic_order() -> None:
    assert [permutation(k, 3) for k in range(6)] == [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]


def test_every_parameter_alone_changes_the_dynamics() -> None:
    for name in EVERYTHING:
        env = MujocoPhysics("HalfCheetah-v5", [name])
        assert env.context_space.names == (name,)  # one that changes nothing is refused, see below


def test_the_contract_holds_for_every_parameter_at_once() -> None:
    check_contextual_env(lambda: MujocoPhysics("HalfCheetah-v5", EVERYTHING), transitions=128)


def test_the_contract_holds_where_rows_go_through_gymnasium() -> None:
    check_contextual_env(lambda: MujocoPhysics("Pusher-v5", ["mass", "damping", "gear"]), transitions=64)


@pytest.mark.parametrize(
    ("gymnasium_id", "parameters", "message"),
    [
        ("Swimmer-v5", ["gravity"], "gravity would change nothing"),
        ("InvertedPendulum-v5", ["friction"], "friction would change nothing"),
        ("HalfCheetah-v5", ["damping_rootx"], "would change nothing: in this model it is zero"),
        ("HalfCheetah-v5", ["gravity", "wind"], "unknown physical parameter 'wind'; known are gravity, mass"),
        ("HalfCheetah-v5", ["friction_floor"], "unknown physical parameter 'friction_floor'"),
        ("HalfCheetah-v5", ["mass_wing"], "no body 'wing'; it has world, torso"),
        ("HalfCheetah-v5", ["mass", "mass"], "given twice"),
        ("HalfCheetah-v5", "mass", "expected a list of parameter names"),
        ("HalfCheetah-v5", [], "at least one"),
        ("HalfCheetah-v5", {"mass": (0.0, 1.0)}, "mass > 0; found the lower bound 0"),
        ("HalfCheetah-v5", {"mass": 2.0}, "expected bounds"),
        ("InvertedPendulum-v5", ["permutation"], "a permutation needs two actuators"),
        ("InvertedPendulum-v5", ["rotation"], "a rotation needs two actuators; this model has 1"),
        ("Reacher-v5", ["rotation_joint0"], "expected the names of two actuators.*; this model has joint0, joint1"),
        ("Reacher-v5", ["rotation_joint1_joint1"], "found 0 such pairs"),
        ("CartPole-v1", ["gravity"], "no Gymnasium MuJoCo environment"),
        ("Cheetah-v9", ["gravity"], "cannot make"),
    ],
)
def test_what_makes_no_sense_is_refused(gymnasium_id: str, parameters: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        MujocoPhysics(gymnasium_id, parameters)


def test_bounds_and_splits_are_the_user_s() -> None:
    env = MujocoPhysics("Hopper-v5", {"gravity": (5, 15), "mass_torso": (0.9, 1.1)}, splits={"far": [[14.0, 1.05]]})
    assert env.context_space.low.tolist() == [5, 0.9]
    assert env.context_space.splits["far"].tolist() == [[14.0, 1.05]]
    with pytest.raises(ContextError, match="out of bounds"):
        MujocoPhysics("Hopper-v5", {"gravity": (20, 30)})  # the model's own must lie within


def test_actuators_without_names_go_by_their_joints() -> None:
    model = gymnasium.make("Ant-v5").unwrapped.model
    assert element_names(model, "actuator")[0] == "hip_4"
    assert ModelPhysics(model, ["gear_ankle_2"]).parameters[0].element == element_names(model, "actuator").index("ankle_2")


def test_discrete_coordinates_have_no_derivative_and_say_so(cheetah: Any) -> None:
    flipped = MujocoPhysics("HalfCheetah-v5", ["inversion", "permutation"])
    assert not flipped.has_derivatives
    state = flipped.initial_state(np.random.default_rng(0), flipped.context_space.default)[None]
    with pytest.raises(DerivativeError, match=r"\['inversion', 'permutation'\] are discrete"):
        flipped.derivatives(state, np.zeros((1, 6), np.float32), flipped.context_space.default[None])
    with pytest.raises(ContextError, match="inversion is discrete and takes whole numbers"):
        flipped.reset(options={"context": {"inversion": 0.5}})
