"""Actors: the same policy as d3rlpy's, as plain weights in a file that may be damaged or hostile."""

import json
import re
import struct
from dataclasses import replace
from itertools import pairwise

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.preprocessing import MinMaxActionScaler, StandardObservationScaler
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import offctx
from offctx.algos import GaussianActor, Sampler, actor_of, load_actor, load_agent, save_actor
from offctx.envs.policies import make_actor, policy_name
from offctx.envs.resolve import resolve
from offctx.errors import PolicyError

O, A = 3, 2
FORMAT = "offctx squashed Gaussian policy 1"


def sac(kind=d3rlpy.algos.SACConfig, **config):
    """A learner with networks whose heads differ from the nearly constant ones that they start as."""
    d3rlpy.seed(0)
    factory = config.pop("actor_encoder_factory", VectorEncoderFactory([16, 8]))
    algo = kind(actor_encoder_factory=factory, **config).create()
    algo.create_impl((O,), A)
    with torch.no_grad():
        for parameter in algo.impl.policy.parameters():
            parameter.mul_(2)
    return algo


def made(rng=None, o=O, a=A, widths=(5, 4), **about):
    rng = rng or np.random.default_rng(0)
    sizes = (o, *widths)

    def layer(size_in, size_out):
        return rng.standard_normal((size_out, size_in)).astype("f"), rng.standard_normal(size_out).astype("f")

    hidden = tuple(layer(*pair) for pair in pairwise(sizes))
    return GaussianActor(hidden, layer(sizes[-1], a), layer(sizes[-1], a), about)


@pytest.fixture
def observations():
    return np.random.default_rng(1).standard_normal((64, O))


@pytest.fixture
def file(tmp_path):
    """A good file: its path, arrays and metadata."""
    path = tmp_path / "walker.safetensors"
    made(steps=7).save(path)
    return path, load_file(path), {"format": FORMAT, "about": '{"steps": 7}'}


# --- the same policy as d3rlpy's -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [d3rlpy.algos.SACConfig, d3rlpy.algos.CQLConfig, d3rlpy.algos.CalQLConfig])
def test_predicts_as_the_learner_does(kind, observations):
    algo = sac(kind)
    expected = algo.predict(observations.astype(np.float32))
    found = actor_of(algo).predict(observations)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert found.dtype == np.float32 and np.ptp(expected, axis=0).min() > 0.1


def test_samples_are_distributed_as_the_learners(observations):
    algo, n = sac(), 20_000
    for row in observations[:3]:
        many = np.repeat(row[None], n, axis=0)
        ours = actor_of(algo).sample(many, np.random.default_rng(0))
        theirs = algo.sample_action(many.astype(np.float32))
        assert theirs.std(axis=0).min() > 0.1
        np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=5 * np.sqrt(2 / n))
        np.testing.assert_allclose(
            np.quantile(ours, (0.1, 0.5, 0.9), axis=0), np.quantile(theirs, (0.1, 0.5, 0.9), axis=0), atol=0.05
        )


def test_the_logarithm_of_the_deviation_is_clipped(observations):
    actor = made()
    quiet = replace(actor, log_std=(actor.log_std[0], np.full(A, -1e4, dtype=np.float32)))
    np.testing.assert_allclose(quiet.sample(observations, np.random.default_rng(0)), quiet.predict(observations), atol=1e-6)
    loud = replace(actor, log_std=(actor.log_std[0] * 0, np.full(A, 1e4, dtype=np.float32)))
    most = replace(actor, log_std=(actor.log_std[0] * 0, np.full(A, 2, dtype=np.float32)))
    np.testing.assert_array_equal(*(each.sample(observations, np.random.default_rng(0)) for each in (loud, most)))


def test_a_file_keeps_the_policy_to_the_bit(observations, tmp_path):
    algo = sac()
    save_actor(algo, tmp_path / "cheetah.safetensors", {"steps": 10, "return": -1.5})
    actor = load_actor(tmp_path / "cheetah.safetensors", stochastic=False)
    np.testing.assert_array_equal(actor.predict(observations), actor_of(algo).predict(observations))
    assert actor.about == {"name": "cheetah", "steps": 10, "return": -1.5}
    assert [path.name for path in tmp_path.iterdir()] == ["cheetah.safetensors"]
    assert all(array.dtype == np.float32 for array in load_file(tmp_path / "cheetah.safetensors").values())


def test_few_rows_or_many_give_the_same_actions(observations):
    """In float32 they would not: a BLAS sums a single row otherwise than a batch."""
    actor = made(widths=(256, 256))
    alone = np.concatenate([actor.predict(row[None]) for row in observations])
    np.testing.assert_array_equal(alone, actor.predict(observations))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (d3rlpy.algos.SACConfig, {"actor_encoder_factory": VectorEncoderFactory([16, 8], activation="tanh")}),
        (d3rlpy.algos.SACConfig, {"actor_encoder_factory": VectorEncoderFactory([16, 8], use_layer_norm=True)}),
        (d3rlpy.algos.SACConfig, {"action_scaler": MinMaxActionScaler(np.full(A, -2.0), np.full(A, 2.0))}),
        (d3rlpy.algos.SACConfig, {"observation_scaler": StandardObservationScaler(np.ones(O), np.full(O, 2.0))}),
        (d3rlpy.algos.CRRConfig, {}),  # Gaussian around the squashed mean
        (d3rlpy.algos.IQLConfig, {}),  # and one deviation for all observations
        (d3rlpy.algos.TD3Config, {}),
    ],
)
def test_other_policies_are_refused(kind, config):
    with pytest.raises(PolicyError, match=r"expected|fit"):
        actor_of(sac(kind, **config))


def test_scaling_from_minus_one_to_one_is_none(observations):
    algo = sac(action_scaler=MinMaxActionScaler(-np.ones(A), np.ones(A)))
    np.testing.assert_allclose(actor_of(algo).predict(observations), algo.predict(observations.astype("f")), atol=1e-6)


def test_a_learner_without_networks_is_refused():
    with pytest.raises(PolicyError, match="no networks yet"):
        actor_of(d3rlpy.algos.SACConfig().create())


# --- as a policy ---------------------------------------------------------------------------------------------------------


def test_the_actor_is_deterministic_and_its_sampler_is_not(observations):
    env = resolve("offctx/SimpleDirection-v0").env
    actor, contexts = made(o=2), np.zeros((64, 2))
    act, draw = make_actor(actor, env, "hidden"), make_actor(actor.sampler(), env, "hidden")
    seen = observations[:, :2]
    np.testing.assert_array_equal(act(seen, contexts, np.random.default_rng(0)), act(seen, contexts, np.random.default_rng(1)))
    first, again, other = (draw(seen, contexts, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, actor.sample(seen, np.random.default_rng(0)))


@pytest.mark.parametrize("mode", ["append", "hidden"])
def test_a_sampler_never_sees_the_context(mode, observations):
    env = resolve("offctx/SimpleDirection-v0").env
    draw = make_actor(made(o=2).sampler(), env, mode)
    actions = [draw(observations[:, :2], np.full((64, 2), c), np.random.default_rng(0)) for c in (0.0, 0.5)]
    np.testing.assert_array_equal(*actions)


@pytest.mark.parametrize("stochastic", [True, False])
def test_the_wrong_environment_is_refused_by_name(stochastic, tmp_path, datasets_path):
    made(o=4).save(tmp_path / "ant.safetensors")
    policy = load_actor(tmp_path / "ant.safetensors", stochastic=stochastic)
    with pytest.raises(PolicyError, match=r"4.*2|2.*4"):
        offctx.collect("offctx/SimpleDirection-v0", "test/x-v0", policy=policy, seed=0, context="hidden", progress=False)
    assert list(datasets_path.iterdir()) == []


def test_collecting_is_reproducible_whatever_the_batch(datasets_path):
    def once(name, **options):
        policy = made(o=2, name="half").sampler()
        return offctx.collect(
            "offctx/SimpleDirection-v0", f"test/{name}-v0", policy=policy, episodes_per_context=7, context="hidden",
            progress=False, **options,
        )  # fmt: skip

    one, same, other = once("one", seed=3), once("same", seed=3, batch_size=2), once("other", seed=4)
    assert one.metadata.sha256 == same.metadata.sha256 != other.metadata.sha256
    assert one.metadata.behaviour.policies == ["half"]


def test_an_agent_may_be_an_actor(file, observations):
    """So evaluation takes these files too."""
    agent = load_agent(file[0])
    np.testing.assert_array_equal(agent.predict(observations), made().predict(observations))


def test_names(file, tmp_path):
    assert policy_name(load_actor(file[0])) == policy_name(load_actor(str(file[0]), stochastic=False)) == "walker"
    made(name="medium").save(tmp_path / "x.safetensors")
    assert policy_name(load_actor(tmp_path / "x.safetensors")) == "medium"
    assert GaussianActor.__name__ == "GaussianActor" and Sampler.__name__ == "Sampler"


def test_arrays_are_copied_and_read_only():
    weight = np.ones((2, 3), dtype=np.float32)
    layer = (np.ones((2, 2), dtype=np.float32), np.zeros(2, dtype=np.float32))
    actor = GaussianActor(((weight, np.zeros(2, dtype=np.float32)),), layer, layer)
    weight[:] = 5
    assert (actor.hidden[0][0] == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        actor.mean[0][0] = 3


# --- files that are not actors -------------------------------------------------------------------------------------------


def refused(path, pattern):
    with pytest.raises(PolicyError, match=rf"{re.escape(path.name)} is not an actor saved by offctx.*{pattern}"):
        load_actor(path)


def test_no_such_file(tmp_path):
    with pytest.raises(PolicyError, match=r"no actor at .*nothing\.safetensors"):
        load_actor(tmp_path / "nothing.safetensors")
    refused_folder = tmp_path / "folder.safetensors"
    refused_folder.mkdir()
    refused(refused_folder, "")


def test_foreign_and_truncated_files_are_refused(file):
    path, parts, _ = file
    good, rng = path.read_bytes(), np.random.default_rng(0)
    bad = [b"", b"\x00", b"not safetensors", b"\xff" * 64, struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 2**62)]
    bad += [good[: int(len(good) * part)] for part in (0.01, 0.1, 0.5, 0.99)] + [good[:-1], good + b"\x00"]
    bad += [rng.bytes(200) for _ in range(100)]
    for content in bad:
        path.write_bytes(content)
        refused(path, "")
    save_file(parts, path)
    refused(path, "expected the format 'offctx squashed Gaussian policy 1'; found None")
    save_file(parts, path, metadata={"format": "pt"})
    refused(path, "found 'pt'")


@pytest.mark.parametrize("about", ["[1]", "3", "no JSON", "[" * 100_000, '{"name": 3}', '{"name": "a\\nb"}', '{"name": ""}'])
def test_what_it_says_of_itself_must_be_an_object_with_a_printable_name(about, file):
    path, parts, metadata = file
    save_file(parts, path, metadata=metadata | {"about": about})
    refused(path, "JSON|name")


@pytest.mark.parametrize(
    ("name", "change", "pattern"),
    [
        ("hidden.1.weight", lambda x: x[:, :-1], r"expected hidden\.1\.weight \(4, 5\).*found \(4, 4\)"),
        ("hidden.1.bias", lambda x: x[:-1], r"hidden\.1"),
        ("hidden.0.weight", lambda x: x[0], r"hidden\.0"),
        ("hidden.0.weight", lambda x: x[:, :0], r"hidden\.0"),
        ("mean.weight", lambda x: x.T, r"mean\.weight"),
        ("mean.bias", lambda x: x[:, None], r"mean"),
        ("mean.bias", lambda x: np.array(x[0]), r"mean"),
        ("log_std.bias", lambda x: x[:1], r"log_std"),
        ("mean.weight", lambda x: x.astype(np.float64), r"expected float32 weights; 'mean\.weight' has F64"),
        ("mean.weight", lambda x: x.astype(np.int32), r"has I32"),
        ("log_std.weight", lambda x: np.where(x == x.max(), np.nan, x), r"log_std has NaN"),
        ("hidden.0.bias", lambda x: np.where(x == x.max(), np.inf, x), r"must be finite; hidden\.0"),
        ("mean.bias", lambda x: None, r"missing or unknown: \['mean\.bias'\]"),
        ("hidden.0.weight", lambda x: None, r"missing or unknown"),
        ("extra", lambda x: np.zeros(3, dtype="f"), r"missing or unknown: \['extra'\]"),
        ("hidden.7.weight", lambda x: np.zeros((3, 3), dtype="f"), r"missing or unknown"),
    ],
)
def test_wrong_arrays_are_refused(name, change, pattern, file):
    path, parts, metadata = file
    changed = change(parts.pop(name, None))
    if changed is not None:
        parts[name] = np.ascontiguousarray(changed) if changed.ndim else changed
    save_file(parts, path, metadata=metadata)
    refused(path, pattern)


def test_one_action_and_wide_bias_do_not_broadcast(file):
    """A (4,) bias of a (1, w) weight would broadcast without an error."""
    path, parts, metadata = file
    parts |= {"log_std.weight": parts["log_std.weight"][:1].copy()}
    save_file(parts, path, metadata=metadata)
    refused(path, "log_std")


def test_damaged_files_raise_only_our_error(file, observations):
    path, _, _ = file
    good, rng, refusals = path.read_bytes(), np.random.default_rng(1), 0
    header = 8 + struct.unpack("<Q", good[:8])[0]
    for position in [*rng.integers(header, size=300), *rng.integers(len(good), size=50)]:
        damaged = bytearray(good)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            load_actor(path)
        except PolicyError:
            refusals += 1
    assert refusals > 150


def test_what_is_saved_is_json_of_finite_numbers(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        made(score=float("nan")).save(tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []
    made(score=1.0).save(tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["about"]) == {"score": 1.0}
