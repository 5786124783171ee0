"""The leakage report gives encoders made by hand the verdicts that they deserve."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest
import torch

import offctx
from offctx.analysis.leakage.permutations import behaviour_p_value, variance_between
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


def null_codes(rng, contexts=3, episodes=48, size=2):
    """Codes of two windows an episode, in each context the same: what differs between episodes is chance."""
    of_episode = rng.normal(size=(episodes, size)).repeat(2, axis=0)
    return np.tile(of_episode + rng.normal(size=of_episode.shape), (contexts, 1, 1))


def split_of(z, labels, seed=0):
    """The split of codes of two windows an episode, with one label an episode."""
    episodes = np.repeat(np.arange(len(labels)), 2)
    origins = np.zeros(len(episodes), int)
    return split_variance(z, labels.repeat(2), episodes, origins, np.random.default_rng(seed), paired=False)


@pytest.mark.parametrize("groups", [2, 8])
def test_labels_without_meaning_change_nothing_but_by_chance(groups):
    rng, p_values = np.random.default_rng(0), []
    for _ in range(200):
        codes = rng.normal(size=(3, 48, 2)) + rng.normal(size=(48, 2))
        p_values.append(behaviour_p_value(codes, rng.permutation(np.arange(48) % groups), rng))
    false_positives = np.mean(np.array(p_values) <= 0.05)
    assert false_positives <= 0.09  # 5 % are expected, with a standard deviation of 1.5 %
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)


def test_the_permutation_test_finds_an_effect():
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 4
    codes = rng.normal(size=(3, 48, 2)) + labels[:, None]
    assert behaviour_p_value(codes, labels, rng) == 0.001  # 1 / (1 + 999): no permutation comes near


def test_variances_of_permuted_labels_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(4, 30, 3))
    labels = rng.permuted(np.tile(np.repeat([0, 1, 2], [5, 10, 15]), (7, 1)), axis=1)
    found = variance_between(np.concatenate(codes, axis=1) / 2, labels)  # the mean over four contexts
    for value, row in zip(found, labels, strict=True):
        means = np.stack([codes[:, row == g].mean(axis=1) for g in range(3)])  # (G, D, d)
        noise = [codes[:, row == g].var(axis=1, ddof=1).sum(axis=1) / (row == g).sum() for g in range(3)]
        assert value == pytest.approx((means.var(axis=0, ddof=1).sum(axis=1) - np.mean(noise, axis=0)).mean())
    many = rng.normal(size=(4, 6, 9))  # longer codes than there are episodes
    p_value = behaviour_p_value(many, np.array([0, 1] * 3), np.random.default_rng(0))
    permuted = np.random.default_rng(0).permuted(np.tile([0, 1] * 3, (999, 1)), axis=1)
    given, *others = variance_between(np.concatenate(many, axis=1), np.concatenate([[[0, 1] * 3], permuted]))
    assert p_value == (1 + np.sum(np.array(others) >= given - 1e-9)) / 1000


def test_a_leak_that_cannot_be_told_is_not_given():
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    chance = split_of(null_codes(rng), labels)
    assert chance.p_value > 0.05 and np.isnan(chance.leak).all() and chance.behaviour[1] == 0
    found = split_of(null_codes(rng) + 3 * labels.repeat(2)[:, None], labels)
    assert found.p_value == 0.001 and found.leak[0] == pytest.approx(1) and found.leak[1] > 0.9
    dynamics = split_of(null_codes(rng) + np.arange(3)[:, None, None], labels)
    assert dynamics.leak[1] == 0 and dynamics.leak[2] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 8])
def test_verdicts_of_labels_without_meaning(groups, data, monkeypatch):
    monkeypatch.setattr("offctx.analysis.leakage.measure._probe", lambda *_: [np.zeros(3)] * 3)  # they do not decide
    monkeypatch.setattr("offctx.analysis.leakage.variance.REPLICATES", 300)
    mean_position = lambda windows: windows.observations.sum(axis=1)  # noqa: E731
    verdicts = []
    for seed in range(200):
        labels = np.random.default_rng(seed).permutation(np.arange(data["random"].num_episodes) % groups)
        options = {"behaviours": labels, "length": 12, "seed": seed, "contexts": CONTEXTS[:3]}
        verdicts.append(offctx.leakage_report(mean_position, data["random"], **options).verdict)
    assert set(verdicts) <= {"neither", "behaviour"} and verdicts.count("behaviour") <= 18


def test_too_few_episodes_are_undecided(data):
    report = offctx.leakage_report(both, data["expert"])
    shaky = {"behaviour": np.array([0.2, 0.0, 0.5]), "leak": np.array([0.3, 0.0, 0.8]), "dynamics": np.array([0.4, 0.3, 0.5])}
    assert dataclasses.replace(report, p_value=0.2, **shaky).verdict == "undecided"
    shaky["behaviour"] = np.array([0.2, 0.1, 0.5])
    assert dataclasses.replace(report, p_value=0.01, **shaky).verdict == "both"
    alone = {"dynamics": np.zeros(3), "leak": np.array([1.0, 0.0, 1.0]), "behaviour": np.array([0.2, 0.1, 0.5])}
    assert dataclasses.replace(report, p_value=0.01, **alone).verdict == "behaviour"
    assert "cannot be told from so few episodes" in dataclasses.replace(report, p_value=0.2, **shaky).render()


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
    assert "with p = 0.001" in page and "behaviour / (behaviour + dynamics): 1.00 [" in page
    assert "not identifiable" in offctx.leakage_report(constant, data["expert"]).render()
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
