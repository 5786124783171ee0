"""The leakage report gives encoders made by hand the verdicts that they deserve."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest
import torch

import offctx
from offctx.analysis.leakage.probes import moments, score
from offctx.analysis.leakage.variance import split_variance
from offctx.analysis.leakage.windows import DrawnWindows
from offctx.errors import DatasetError

CONTEXTS = [[mass, factor] for mass in (0.6, 0.9, 1.2, 1.5) for factor in (-1.0, 1.0)]


def expert(observations, contexts, rng):
    """Goes to the origin, and is told the factor: the trap."""
    wanted = -observations[:, :2] - 1.2 * observations[:, 2:] + 0.3 * rng.normal(size=(len(observations), 2))
    return np.clip(contexts[:, 1:] * wanted, -1, 1)


def lazy_in_one_direction(observations, contexts, rng):
    """Is told nothing, and never pushes to the left."""
    return rng.uniform(0, 1, (len(observations), 2))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("leakage")
    env = gymnasium.make("offctx/DoubleIntegrator-v0", max_episode_steps=30)
    policies = {"expert": expert, "random": "random", "lazy": lazy_in_one_direction}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(root))
        options = {"contexts": CONTEXTS, "episodes_per_context": 20, "seed": 0, "gradients": False, "progress": False}
        return {name: offctx.collect(env, f"leakage/{name}-v0", policy=policy, **options) for name, policy in policies.items()}


def behaviour(windows):
    """How actions go with positions: nothing of what followed."""
    filled = np.maximum(windows.mask.sum(axis=1), 1)[:, None]
    return (windows.observations[..., :2] * windows.actions).sum(axis=1) / filled


def dynamics(windows):
    """How the change of speed goes with actions, by least squares: the action factor over the mass."""
    change = windows.next_observations[..., 2:] - windows.observations[..., 2:]
    return (change * windows.actions).sum(axis=(1, 2))[:, None] / np.square(windows.actions).sum(axis=(1, 2))[:, None]


def constant(windows):
    return np.full((len(windows), 3), 0.3)


def both(windows):
    return np.concatenate([behaviour(windows), 100 * dynamics(windows)], axis=1)


@pytest.mark.parametrize(
    ("encoder", "of_expert", "of_random"),
    [
        (behaviour, "behaviour", "neither"),
        (dynamics, "dynamics", "dynamics"),
        (constant, "constant", "constant"),
        (both, "both", "dynamics"),
    ],
)
def test_encoders_made_by_hand_get_the_verdicts_that_they_deserve(encoder, of_expert, of_random, data):
    for name, verdict in (("expert", of_expert), ("random", of_random)):
        report = offctx.leakage_report(encoder, data[name])
        assert report.verdict == verdict, f"{name}: {report.render()}"


def test_numbers_of_the_expert(data):
    read_behaviour, read_dynamics = (offctx.leakage_report(e, data["expert"]) for e in (behaviour, dynamics))
    assert (
        read_behaviour.dynamics[0] < 1e-12 and read_behaviour.leak[0] == pytest.approx(1) and read_behaviour.behaviour[0] > 0.3
    )
    assert read_dynamics.dynamics[0] > 0.95 and read_dynamics.leak[2] < 0.05
    assert read_dynamics.changes[0] == pytest.approx(np.sqrt(2), abs=0.15)  # in standard deviations
    for report in (read_behaviour, read_dynamics):
        assert report.dynamics[0] + report.behaviour[0] + report.window[0] == pytest.approx(1)
    factor = 1
    read, by_actions = read_behaviour.probes[0, factor, :, 0], read_behaviour.probes[1, factor, :, 0]
    assert min(read[0], by_actions[0], by_actions[1]) > 0.7  # the trap: states and actions betray the factor
    assert max(read[2], by_actions[2]) < 0.3  # and say nothing of it under another behaviour
    assert (read_dynamics.probes[0, factor, :, 0] > 0.95).all()


def test_of_random_actions_nothing_can_be_read_but_by_what_follows(data):
    report = offctx.leakage_report(dynamics, data["random"], windows_per_context=48)
    by_actions, by_outcomes = report.probes[1, 1, :, 0], report.probes[2, 1, :, 0]
    assert (by_actions < 0.4).all() and (by_outcomes > 0.8).all()


def test_behaviours_given_as_another_dataset_or_as_labels(data):
    mean_action = lambda windows: windows.actions.sum(axis=1)  # noqa: E731
    assert offctx.leakage_report(mean_action, data["random"]).verdict == "neither"
    report = offctx.leakage_report(mean_action, data["random"], behaviours=data["lazy"])
    assert report.verdict == "behaviour" and report.behaviours == 2
    assert offctx.leakage_report(dynamics, data["random"], behaviours=data["lazy"]).verdict == "dynamics"
    labels = np.arange(data["random"].num_episodes) % 2
    assert offctx.leakage_report(mean_action, data["random"], behaviours=labels).verdict == "neither"


def test_other_contexts_and_networks(data):
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(10, 4)
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, windows):
            parts = (windows.observations, windows.actions, windows.next_observations)
            features = self.dropout(torch.tanh(self.layer(torch.cat(parts, dim=2))))
            mask = windows.mask[..., None]
            return (features * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)

    torch.manual_seed(0)
    network = Network()
    report = offctx.leakage_report(network, data["random"], contexts=[[0.3, -1], [1.9, 1]], length=8)
    assert report.size == 4 and report.encoder == "Network" and len(report.contexts) == 2 and network.training
    assert report.verdict in ("dynamics", "both", "neither")


def test_windows_are_runs_of_single_episodes(runner):
    drawn = DrawnWindows.draw(runner, 5, 9, np.random.default_rng(0))
    assert np.bincount(drawn.context_ids).tolist() == [9, 9, 9]
    for rows, mask, episode in zip(drawn.rows, drawn.mask, drawn.episodes, strict=True):
        shown = rows[mask]
        assert (np.diff(shown) == 1).all() and len(shown) == min(
            5, runner.episode_ends[episode] - runner.episode_starts[episode]
        )
        assert runner.episode_starts[episode] <= shown.min() and shown.max() < runner.episode_ends[episode]
    seen, again = drawn.seen(), drawn.take(np.arange(2)).seen()
    np.testing.assert_array_equal(seen.observations[:2], again.observations)
    assert not seen.next_observations[~seen.mask].any()


def test_the_split_finds_the_variances_that_were_put_in():
    rng = np.random.default_rng(0)
    contexts, episodes = 30, 40
    origin = np.repeat(np.arange(contexts), 2 * episodes)
    episode = np.repeat(np.arange(contexts * episodes), 2)
    z = 2 * rng.normal(size=contexts)[:, None] + rng.normal(size=contexts)[origin]
    z = z + 1.5 * rng.normal(size=contexts * episodes)[episode] + 0.5 * rng.normal(size=len(origin))
    split = split_variance(z[..., None], origin, episode, origin, rng, paired=True)
    total = 4 + 1 + 1.5**2 + 0.5**2
    expected = (4 / total, 1 / total, (1.5**2 + 0.5**2) / total)
    for share, value in zip((split.dynamics, split.behaviour, split.window), expected, strict=True):
        assert share[0] == pytest.approx(value, abs=0.12) and share[1] <= share[0] <= share[2]


def test_a_large_constant_coordinate_hides_nothing():
    rng = np.random.default_rng(0)
    labels, episodes = np.repeat([0, 1], 8), np.repeat(np.arange(4), 4)
    z = rng.normal(size=(5, 16, 1))
    options = {"behaviours": labels, "episodes": episodes, "origins": labels, "paired": False}
    alone = split_variance(z, rng=np.random.default_rng(1), **options)
    beside = split_variance(np.concatenate([z, np.full_like(z, 1e6)], axis=2), rng=np.random.default_rng(1), **options)
    assert not beside.constant
    np.testing.assert_allclose(beside.dynamics, alone.dynamics, rtol=1e-9)
    assert split_variance(np.full_like(z, 1e6), rng=rng, **options).constant


def test_scores_and_moments_by_hand():
    rng = np.random.default_rng(0)
    target = np.array([0.0, 0.0, 2.0, 2.0])
    contexts = np.array([0, 0, 1, 1])
    assert score(target, target, contexts, False, rng).tolist() == [1, 1, 1]
    assert score(np.array([0.0, 1.0, 2.0, 2.0]), target, contexts, False, rng)[0] == pytest.approx(1 - 0.25)
    assert score(np.array([0.0, 2.0, 2.0, 2.0]), target, contexts, True, rng)[0] == pytest.approx(0.5)
    assert np.isnan(score(target, np.ones(4), contexts, False, rng)).all()


def test_moments_are_means_over_filled_slots(runner):
    windows = DrawnWindows.draw(runner, 9, 4, np.random.default_rng(0)).seen()
    assert not windows.mask.all()
    first = windows.mask[0]
    x = np.concatenate([windows.observations[0][first], windows.actions[0][first]], axis=1).astype(float)
    expected = np.concatenate([x.mean(axis=0), (x.T @ x / len(x))[np.triu_indices(4)]])
    np.testing.assert_allclose(moments(windows, outcomes=False)[0], expected)
    assert moments(windows, outcomes=True).shape == (12, 8 + 36)


def test_the_report_is_written(data, tmp_path):
    report = offctx.leakage_report(behaviour, data["expert"], length=10)
    assert report.save(tmp_path / "leak") == tmp_path / "leak"
    assert {p.name for p in (tmp_path / "leak").iterdir()} == {"leakage.json", "leakage.md", "leakage.png"}
    plain = json.loads((tmp_path / "leak" / "leakage.json").read_text())
    assert plain["verdict"] == "behaviour" and np.shape(plain["probes"]) == (3, 2, 3, 3) and plain["length"] == 10
    page = (tmp_path / "leak" / "leakage.md").read_text()
    assert "Behaviour: z follows the behaviour" in page and "![shares and probes](leakage.png)" in page
    assert "verdict" in repr(report) and offctx.leakage_report(constant, data["expert"]).save(tmp_path / "none").exists()


def test_the_seed_fixes_the_report(data):
    one, other = (offctx.leakage_report(behaviour, data["expert"], seed=3).to_dict() for _ in range(2))
    assert one == other
    assert one != offctx.leakage_report(behaviour, data["expert"], seed=4).to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be a whole number, at least 1"),
        ({"windows_per_context": 1}, "windows_per_context must be a whole number, at least 2"),
        ({"contexts": [[1.0, 1.0]]}, "at least two contexts to play windows in; found 1"),
        ({"behaviours": [0, 1]}, "one whole number for each of 160 episodes"),
        ({"behaviours": np.zeros(160, int)}, "at least two behaviours, of two episodes each, among the windows; found 1"),
    ],
)
def test_wrong_arguments_are_refused(options, message, data):
    with pytest.raises(DatasetError, match=message):
        offctx.leakage_report(constant, data["random"], **options)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (lambda windows: windows.rewards[:, 0, 0], r"z \(256, d\); found float32 of shape \(256,\)"),
        (None, r"expected a function from HistoryWindows to z \(W, d\); found NoneType"),
        (lambda windows: np.full((len(windows), 1), np.nan), "found nan or inf"),
        (lambda windows: [[1.0], [1.0, 2.0]], "found object of shape"),
        (lambda windows: np.array([["text"]] * len(windows)), "one vector of finite numbers a window"),
        (lambda windows: np.random.default_rng().normal(size=(len(windows), 2)), "the same z for the same windows"),
    ],
)
def test_wrong_encoders_are_refused(encoder, message, data):
    with pytest.raises(DatasetError, match=message):
        offctx.leakage_report(encoder, data["random"])
    with pytest.raises(DatasetError, match="has not stored simulator states"):
        offctx.leakage_report(constant, dataclasses.replace(data["random"], states=None))
