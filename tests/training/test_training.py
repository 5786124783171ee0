"""d3rlpy's algorithms by name: what is refused, reproducible training, and agents from files that may be hostile."""

import builtins
import io
import os
import pickle

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.preprocessing import MinMaxActionScaler

from offctx.algos import PERMConfig, algorithms, load_agent, make_algorithm, train
from offctx.errors import AlgorithmError, OffctxError, PolicyError

TINY = VectorEncoderFactory([16])
TD3 = {"actor_encoder_factory": TINY, "critic_encoder_factory": TINY, "batch_size": 16}


def weights(agent):
    return {
        f"{part}.{key}": value.detach().numpy().copy()
        for part, module in vars(agent.impl.modules).items()
        if isinstance(module, torch.nn.Module)
        for key, value in module.state_dict().items()
    }


def trained(dataset, seed=0, buffer_seed=0, steps=8, name="td3plusbc", config=None, **options):
    buffer = dataset.replay_buffer(seed=buffer_seed)
    return train(make_algorithm(name, buffer, config or TD3), buffer, steps=steps, seed=seed, progress=False, **options)


def equal(one, other):
    return all(np.array_equal(value, other[key]) for key, value in one.items())


# --- making ------------------------------------------------------------------------------------------------------------


def test_the_list_of_algorithms():
    known = algorithms()
    assert {"bc", "td3", "td3plusbc", "iql", "cql", "sac", "calql", "awac", "discretecql", "dqn"} <= set(known)
    assert not [name for name in known if "random" in name] and "decisiontransformer" in known and "transformer" not in known
    assert known["td3plusbc"] is d3rlpy.algos.TD3PlusBCConfig and known["perm"] is PERMConfig


@pytest.mark.parametrize("name", sorted(algorithms()))
def test_every_algorithm_can_be_made_for_its_kind_of_actions(name, runner, chooser):
    discrete = "discrete" in name or name in ("dqn", "doubledqn", "nfq") or name.startswith("linear")
    algorithm = make_algorithm(name, (chooser if discrete else runner).replay_buffer(), {"batch_size": 12})
    assert algorithm.batch_size == 12 and type(algorithm.config) is algorithms()[name]


def test_a_name_in_any_case(runner):
    assert isinstance(make_algorithm("TD3PlusBC", runner.replay_buffer()), d3rlpy.algos.TD3PlusBC)


def test_an_unknown_algorithm_is_refused_with_the_known_ones(runner):
    with pytest.raises(AlgorithmError, match=r"unknown algorithm 'td4'; there are .*perm, .*td3, td3plusbc"):
        make_algorithm("td4", runner.replay_buffer())


def test_an_unknown_hyperparameter_is_refused_with_the_known_ones(runner):
    with pytest.raises(AlgorithmError, match=r"unknown hyperparameter 'lr' of td3; it has .*actor_learning_rate"):
        make_algorithm("td3", runner.replay_buffer(), {"lr": 1e-3})


@pytest.mark.parametrize(
    ("name", "dataset", "message"),
    [
        ("td3", "chooser", "td3 is for continuous actions; the data have discrete ones"),
        pytest.param(
            "discretecql",
            "runner",
            "discretecql is for discrete actions; the data have continuous ones",
        ),
    ],
)
def test_the_other_kind_of_actions_is_refused(name, dataset, message, library):
    with pytest.raises(AlgorithmError, match=message):
        make_algorithm(name, library.datasets[dataset].replay_buffer())


def test_hyperparameters_are_used_and_the_mapping_is_left_alone(runner):
    config = {"batch_size": 5, "gamma": 0.5}
    algorithm = make_algorithm("td3", runner.replay_buffer(), config)
    assert (algorithm.config.batch_size, algorithm.config.gamma) == (5, 0.5)
    assert config == {"batch_size": 5, "gamma": 0.5}


def test_continuous_actions_are_scaled_by_the_bounds(pendulum):
    algorithm = make_algorithm("td3", pendulum.replay_buffer())
    scaler = algorithm.action_scaler
    assert isinstance(scaler, MinMaxActionScaler)
    np.testing.assert_array_equal(scaler.minimum, [-2.0])
    np.testing.assert_array_equal(scaler.maximum, [2.0])


def test_predictions_span_the_whole_range_of_actions(pendulum):
    """Without the scaler a policy would never leave [-1, 1]."""
    agent = trained(pendulum, config=TD3 | {"actor_learning_rate": 0.3}, steps=15)
    seen = pendulum.replay_buffer().table["observations"] * 10
    found = np.abs(agent.predict(seen))
    assert 1.2 < found.max() <= 2.0 + 1e-6


def test_an_action_scaler_of_the_user_stays(pendulum):
    mine = MinMaxActionScaler(np.array([-4.0]), np.array([4.0]))
    assert make_algorithm("td3", pendulum.replay_buffer(), {"action_scaler": mine}).action_scaler is mine
    assert make_algorithm("td3", pendulum.replay_buffer(), {"action_scaler": None}).action_scaler is None


def test_discrete_actions_are_not_scaled(chooser):
    assert make_algorithm("discretecql", chooser.replay_buffer()).action_scaler is None


# --- training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "config"), [("td3plusbc", TD3), ("sac", TD3)])
def test_the_same_seed_gives_the_same_weights_to_the_bit(name, config, pendulum):
    first = weights(trained(pendulum, seed=3, name=name, config=config))
    torch.rand(3), np.random.random()  # what went before must not matter
    assert equal(first, weights(trained(pendulum, seed=3, name=name, config=config)))
    assert not equal(first, weights(trained(pendulum, seed=4, name=name, config=config)))
    assert not equal(first, weights(trained(pendulum, seed=3, buffer_seed=1, name=name, config=config)))


def test_train_takes_that_many_steps(pendulum):
    counted = []
    trained(pendulum, steps=11, callback=lambda algorithm, epoch, step: counted.append(step))
    assert counted == list(range(1, 12))


def test_train_passes_fit_options_on(pendulum, tmp_path):
    epochs = []
    trained(pendulum, steps=6, n_steps_per_epoch=2, epoch_callback=lambda algorithm, epoch, step: epochs.append((epoch, step)))
    assert epochs == [(1, 2), (2, 4), (3, 6)]


@pytest.mark.parametrize("steps", [0, -5])
def test_no_steps_are_refused(steps, pendulum):
    with pytest.raises(AlgorithmError, match=f"at least 1; found {steps}"):
        trained(pendulum, steps=steps)


def test_training_writes_no_files(pendulum, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(pendulum)
    assert list(tmp_path.iterdir()) == []


# --- agents on disk ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dataset"), [("td3plusbc", "pendulum"), ("discretecql", "chooser")])
def test_a_saved_agent_predicts_the_same(name, dataset, library, tmp_path):
    data = library.datasets[dataset]
    config = TD3 if name == "td3plusbc" else {"encoder_factory": TINY, "batch_size": 16}
    agent = trained(data, name=name, config=config)
    agent.save(str(tmp_path / "agent.d3"))
    seen = data.replay_buffer().table["observations"]
    for loaded in (load_agent(tmp_path / "agent.d3"), load_agent(str(tmp_path / "agent.d3"))):
        np.testing.assert_array_equal(loaded.predict(seen), agent.predict(seen))
        assert equal(weights(loaded), weights(agent))
        assert type(loaded) is type(agent) and tuple(loaded.observation_shape) == agent.observation_shape
    assert len(np.unique(agent.predict(seen))) > 1


def test_a_loaded_agent_trains_on_as_the_saved_one_would(pendulum, tmp_path):
    """Target networks and optimisers are in the file too."""
    agent = trained(pendulum)
    agent.save(str(tmp_path / "agent.d3"))
    loaded = load_agent(tmp_path / "agent.d3")
    for each in (agent, loaded):
        buffer = pendulum.replay_buffer(seed=9)
        train(each, buffer, steps=4, seed=5, progress=False)
    assert equal(weights(agent), weights(loaded))


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return builtins.open, (str(self.trace), "w")


@pytest.fixture
def saved(pendulum, tmp_path):
    """A saved agent: its path, and what is in it."""
    trained(pendulum).save(str(tmp_path / "agent.d3"))
    return tmp_path / "agent.d3", pickle.loads((tmp_path / "agent.d3").read_bytes())


def test_the_trap_works(tmp_path):
    (tmp_path / "agent.d3").write_bytes(pickle.dumps(Trap(tmp_path / "trace")))
    with pytest.raises(TypeError):
        d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    assert (tmp_path / "trace").exists()  # so d3rlpy's own loader runs it


@pytest.mark.parametrize("where", ["file", "config", "version", "extra key", "torch"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(where, saved, tmp_path):
    path, packed = saved
    trap = Trap(tmp_path / "trace")
    hostile = trap if where == "file" else packed | {where: trap}
    path.write_bytes(pickle.dumps(hostile))
    with pytest.raises(PolicyError, match=r"agent\.d3 is not an agent saved by d3rlpy.*open"):
        load_agent(path)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "unsafe_default",
    [False, True],
)
@pytest.mark.parametrize("new_format", [True, False])
def test_code_among_the_weights_is_refused_and_not_run(unsafe_default, new_format, saved, tmp_path, monkeypatch):
    """The environment variable gives torch the default that it had before 2.6, which pyproject.toml admits."""
    if unsafe_default:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path, packed = saved
    weights_file = io.BytesIO()
    torch.save({"policy": Trap(tmp_path / "trace")}, weights_file, _use_new_zipfile_serialization=new_format)
    path.write_bytes(pickle.dumps(packed | {"torch": weights_file.getvalue()}))
    with pytest.raises(PolicyError, match="is not an agent saved by d3rlpy"):
        load_agent(path)
    assert not (tmp_path / "trace").exists()


def test_no_such_file(tmp_path):
    with pytest.raises(PolicyError, match=r"no agent at .*nothing\.d3"):
        load_agent(tmp_path / "nothing.d3")


def test_what_is_no_agent_is_said_in_a_sentence(saved, tmp_path):
    path, _ = saved
    good = path.read_bytes()
    (tmp_path / "recipe.toml").write_text('dataset_id = "a/b-v0"\n')
    (tmp_path / "half.d3").write_bytes(good[: len(good) // 2])
    (tmp_path / "number.d3").write_bytes(pickle.dumps(1))
    load_agent(path).save_policy(str(tmp_path / "policy.pt"))
    for name, found in {
        "recipe.toml": "another kind of file",
        "half.d3": "a damaged or incomplete file",
        "number.d3": "a pickle of something else (int)",
        "policy.pt": "weights or a policy alone, as `save_model` and `save_policy` write them",
    }.items():
        with pytest.raises(PolicyError) as refused:
            load_agent(tmp_path / name)
        expected = "expected what `agent.save` writes (.d3), or a policy in a .safetensors file"
        assert str(refused.value) == f"{tmp_path / name} is not an agent saved by d3rlpy: {expected}; found {found}"
    with pytest.raises(PolicyError, match=r"cannot read an agent from .*: Is a directory$"):
        load_agent(tmp_path)
    for name in ("fifo.d3", "fifo.safetensors"):  # neither is waited for
        os.mkfifo(tmp_path / name)
        with pytest.raises(PolicyError, match="not a regular file"):
            load_agent(tmp_path / name)


def test_garbage_files_are_refused(saved):
    path, _ = saved
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    bad = [b"", b"\x80", b"not a pickle", b"\x80\x04K\x01.", b"(", b"\x8e" + b"\xff" * 8, pickle.dumps([1, 2])]
    bad += [good[: int(len(good) * part)] for part in (0.001, 0.1, 0.5, 0.999)]
    bad += [rng.bytes(300) for _ in range(300)]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(PolicyError, match=r"agent\.d3 is not an agent saved by d3rlpy"):
            load_agent(path)


def test_damaged_files_raise_only_our_error(saved):
    path, _ = saved
    good = path.read_bytes()
    rng = np.random.default_rng(1)
    header = good.index(b"PK")  # the JSON config stands before torch's zip file
    positions = [*rng.integers(header, size=150), *rng.integers(len(good), size=30)]
    refused = 0
    for position in positions:
        damaged = bytearray(good)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            load_agent(path)
        except OffctxError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    "changes",
    [{"config": "{}"}, {"config": "no JSON"}, {"config": 3}, {"torch": b""}, {"torch": b"weights"}, {"torch": None}],
    ids=str,
)
def test_files_of_the_right_form_with_the_wrong_content(changes, saved):
    path, packed = saved
    path.write_bytes(pickle.dumps(packed | changes))
    with pytest.raises(PolicyError, match="is not an agent saved by d3rlpy"):
        load_agent(path)


def test_weights_of_other_networks_are_refused(saved, pendulum, tmp_path):
    path, packed = saved
    wide = {"actor_encoder_factory": VectorEncoderFactory([8]), "critic_encoder_factory": TINY, "batch_size": 16}
    trained(pendulum, config=wide).save(str(tmp_path / "wide.d3"))
    other = pickle.loads((tmp_path / "wide.d3").read_bytes())
    path.write_bytes(pickle.dumps(packed | {"torch": other["torch"]}))
    with pytest.raises(PolicyError, match="size mismatch"):
        load_agent(path)
