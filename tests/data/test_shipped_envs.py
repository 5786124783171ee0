"""Only environments whose parts all ship with offctx may be made because a dataset names them."""

import json
import sys
from types import SimpleNamespace

import gymnasium
import pytest

import offctx
from offctx.data.shipped_envs import how_to_give_env, recorded_env, shipped_env
from offctx.envs import ActuatorContexts, ObservationContexts
from offctx.envs.resolve import family_of
from offctx.errors import DatasetError

PENDULUM = "offctx/PendulumGoal-v0"


def spec(env_id, **changes):
    return json.dumps({"id": env_id, "entry_point": "evil_module:Env", "kwargs": {}} | changes)


def layered(**changes):
    kwargs = {"env": PENDULUM, "arguments": {}, "horizon": 7, "layers": [{"ObservationContexts": {"noise": [0, 1]}}]}
    return spec("ObservationContexts/P-v0", entry_point="offctx.envs.layered:layered", kwargs=kwargs | changes)


def single(env=PENDULUM, entry_point="offctx.envs:ObservationContexts", **arguments):
    return spec("ObservationContexts/P-v0", entry_point=entry_point, kwargs={"env": env, "noise": [0, 1]} | arguments)


@pytest.mark.parametrize(
    ("env_id", "expected"),
    [
        (PENDULUM, PENDULUM),
        ("testing/Runner-v0", None),  # registered, and not ours
        ("CartPole-v1", None),
        ("offctx/Evil-v0", None),  # our namespace, and not registered
        ("evil_module:offctx/PendulumGoal-v0", None),  # Gymnasium would import the module
        ("offctx/../PendulumGoal-v0", None),
        ("", None),
    ],
)
def test_an_id_is_given_back_where_offctx_ships_it(env_id, expected):
    metadata = SimpleNamespace(env=env_id)
    assert shipped_env(None, metadata, "d") == shipped_env(spec(env_id), metadata, "d") == expected
    assert shipped_env(spec(env_id), None, "d") == expected
    assert recorded_env(SimpleNamespace(metadata=None, raw={"env_spec": spec(env_id)}, dataset_id="d")) == expected


@pytest.mark.parametrize("text", [None, 3, "{", "{}", "3", "[" * 99_999, '{"id": 3}', spec(PENDULUM, kwargs=[1])])
def test_metadata_that_name_no_environment(text):
    assert shipped_env(text, None, "d") is None
    assert "pass env=, the environment that was recorded" in how_to_give_env(text)


def test_the_offctx_metadata_go_before_minaris():
    assert shipped_env(spec(PENDULUM), SimpleNamespace(env="elsewhere/X-v0"), "d") is None
    assert shipped_env(spec(PENDULUM), SimpleNamespace(env="offctx/CartGoal-v0"), "d") == "offctx/CartGoal-v0"


def test_arguments_that_are_numbers_are_given():
    made = shipped_env(spec("offctx/ComplexODE-v0", kwargs={"k": 3}, max_episode_steps=9), None, "d")
    family, horizon, _ = family_of(made)
    assert family.context_space.names == ("c0", "c1", "c2") and horizon == 9
    assert shipped_env(spec("offctx/ComplexODE-v0", kwargs={"render_mode": "x"}), None, "d") == "offctx/ComplexODE-v0"
    inverted = {"env": PENDULUM, "actuators": ["action_factor"]}  # those that it is registered with
    assert shipped_env(spec("offctx/PendulumGoalInverted-v0", kwargs=inverted), None, "d") == "offctx/PendulumGoalInverted-v0"


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("offctx/ComplexODE-v0", {"k": 10**9}),  # would take all memory
        ("offctx/ComplexODE-v0", {"k": "3"}),
        ("offctx/HopperPhysics-v0", {"env": "evil_module:Hopper-v5"}),
        ("offctx/PendulumGoalInverted-v0", {"env": "evil_module:X-v0", "actuators": ["action_factor"]}),
        ("offctx/HopperPhysics-v0", {"xml_file": "/etc/passwd"}),
        ("offctx/HopperPhysics-v0", {"parameters": ["gravity"]}),
    ],
)
def test_other_arguments_are_refused(env_id, kwargs):
    text = spec(env_id, kwargs=kwargs)
    assert shipped_env(text, None, "d") is None
    assert f"gymnasium.make('{env_id}', {next(iter(kwargs))}=" in how_to_give_env(text)


@pytest.mark.parametrize(
    "text",
    [
        layered(env="testing/Runner-v0"),
        layered(env="evil_module:X-v0"),
        layered(layers=[{"TimeLimit": {}}]),
        layered(layers=[{"ObservationContexts": {"env": "evil_module:X-v0"}}]),
        layered(layers=[{"ObservationContexts": {"noise": [0, 1]}}] * 9),
        layered(layers=["ObservationContexts"]),
        layered(arguments={"k": "text"}),
        layered(horizon=0),
        layered(more=1),
        single(env="testing/Runner-v0"),
        single(env=["x"]),
        single(entry_point="evil_module:ObservationContexts"),
        single(threads=2),
    ],
)
def test_layers_with_a_part_that_is_not_ours_are_refused(text):
    assert shipped_env(text, None, "d") is None and "evil_module" not in sys.modules


def test_layers_that_do_not_fit_together_say_so():
    with pytest.raises(
        DatasetError, match=r"d says that it was recorded in offctx.ObservationContexts\(.*cannot be made \(noise"
    ):
        shipped_env(layered(layers=[{"ObservationContexts": {"noise": "loud"}}]), None, "d")
    with pytest.raises(DatasetError, match="cannot be made"):
        shipped_env(spec("offctx/ComplexODE-v0", kwargs={"unknown": 3}), None, "d")


def test_the_message_has_the_code_that_makes_it():
    code = how_to_give_env(layered(env="testing/Runner-v0"))
    assert (
        "which was offctx.ObservationContexts(gymnasium.make('testing/Runner-v0', max_episode_steps=7), noise=[0, 1])" in code
    )


LAYERS = {
    "arguments": lambda: gymnasium.make("offctx/ComplexODE-v0", k=3, max_episode_steps=6),
    "observation": lambda: ObservationContexts(gymnasium.make(PENDULUM, max_episode_steps=6), noise=(0, 0.5), distractors=2),
    "actuators": lambda: ActuatorContexts(gymnasium.make(PENDULUM, max_episode_steps=6), ["action_factor"]),
    "outside": lambda: ActuatorContexts(
        ObservationContexts(gymnasium.make(PENDULUM, max_episode_steps=6), noise=(0, 0.5)), {"action_factor": [-1, 1]}
    ),
    "inside": lambda: ObservationContexts(
        ActuatorContexts("offctx/PointGoal-v0", ["permutation"], training={"goal_x": (-0.5, 0.5)}, kinds="dynamics"),
        gain=(0.5, 2),
    ),
    "three": lambda: ObservationContexts(
        ActuatorContexts(ActuatorContexts(gymnasium.make("offctx/ComplexODE-v0", k=3), ["permutation"]), ["inversion_1"]),
        bias=(0, 1), scale=0.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_datasets_of_layers_are_simulated_without_env(name, datasets_path):
    env = LAYERS[name]()
    space = env.unwrapped.context_space
    contexts = [space.splits[split][0] for split in list(space.splits)[:1]] or [space.default]
    dataset = offctx.collect(env, "layers/x-v0", contexts=[*contexts, space.default], seed=0, gradients=False, progress=False)
    again = family_of(shipped_env(dataset.env_spec, dataset.metadata, "d"))
    assert again[0].context_space.to_dict() == space.to_dict() and again[1] == family_of(env)[1]
    made = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(dataset.env_spec))
    assert made.unwrapped.context_space.to_dict() == space.to_dict()
    assert offctx.radius_report(dataset, samples=20).environment
    assert len(offctx.counterfactual(dataset, space.default)) == len(dataset)
    attached = offctx.attach_derivatives("layers/x-v0", progress=False)
    expected = offctx.attach_derivatives("layers/x-v0", env, new_id="layers/y-v0", progress=False, overwrite=True)
    assert attached.dreward_dcontext.tobytes() == expected.dreward_dcontext.tobytes()


@pytest.mark.parametrize("name", LAYERS)
def test_minari_s_own_recordings_of_layers_are_loaded(name, datasets_path):
    import minari

    env = LAYERS[name]()
    collector = minari.DataCollector(env, record_infos=True)
    collector.reset(seed=0)
    for _ in range(family_of(env)[1]):
        collector.step(collector.action_space.sample())
    collector.create_dataset("plain/x-v0")
    dataset = offctx.load_dataset("plain/x-v0")
    assert dataset.metadata is None and dataset.context_space == env.unwrapped.context_space
    assert len(offctx.counterfactual(dataset, dataset.context_space.default)) == len(dataset)
    assert offctx.attach_derivatives("plain/x-v0", progress=False).has_derivatives


def test_a_dataset_of_an_environment_of_the_user_says_what_to_pass(datasets_path):
    env = ObservationContexts("testing/Runner-v0", noise=(0, 1))
    options = {"contexts": [[0.5, 0, 0]], "seed": 0, "gradients": False, "progress": False}
    dataset = offctx.collect(env, "user/x-v0", **options)
    code = r"offctx.ObservationContexts\(gymnasium.make\('testing/Runner-v0', max_episode_steps=6\), noise=\[0.0, 1.0\]\)"
    for call in (offctx.radius_report, lambda data: offctx.attach_derivatives(data.dataset_id, progress=False)):
        with pytest.raises(DatasetError, match=code):
            call(dataset)
    assert offctx.radius_report(dataset, env=env, samples=20)
