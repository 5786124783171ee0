"""The radius report: the order of the first-order error, what is suggested, and CSE(radius="auto")."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import offctx
from offctx import CSE, ContextJitter, RadiusReport, radius_report
from offctx.augmentations.context_radius import radius_per_coordinate
from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal, SimpleDirection
from offctx.errors import ContextError, DatasetError, EnvError


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("datasets")))
        options: dict[str, Any] = {"seed": 0, "progress": False}
        contexts = PendulumGoal.context_space.mesh(g=[2.0, 3.0])
        yield {
            "pendulum": offctx.collect("offctx/PendulumGoal-v0", "radius/pendulum-v0", episodes_per_context=8, **options),
            "two": offctx.collect(
                "offctx/PendulumGoal-v0", "radius/two-v0", contexts=contexts, episodes_per_context=4, gradients=False, **options
            ),
            "direction": offctx.collect(
                "offctx/SimpleDirection-v0", "radius/direction-v0", episodes_per_context=120, **options
            ),
            "noisy": offctx.collect(
                "offctx/SimpleDirectionStochastic-v0", "radius/noisy-v0", episodes_per_context=60, **options
            ),
        }


@pytest.fixture(scope="module")
def report(datasets: Any) -> RadiusReport:
    return radius_report(datasets["pendulum"], samples=1000)


@pytest.mark.parametrize("name", ["pendulum", "two"])
def test_the_error_of_a_smooth_task_is_of_second_order(datasets: Any, name: str) -> None:
    """With the dataset's derivatives and with the environment's; one base context and two."""
    report = radius_report(datasets[name], samples=1000)
    assert report.observation_slope == pytest.approx(2, abs=0.1)
    assert report.reward_slope == pytest.approx(2, abs=0.1)
    small = report.relative_error < 0.1
    for error in (report.observation_error, report.reward_error):
        slopes = np.diff(np.log(error[small])) / np.diff(np.log(report.radii[small]))
        assert small.sum() >= 5 and np.abs(slopes - 2).max() < 0.2
    growth = np.diff(np.log(report.relative_error[small])) / np.diff(np.log(report.radii[small]))
    assert np.abs(growth - 1).max() < 0.2, "the relative error should grow in proportion to the radius"


@pytest.mark.parametrize("name", ["direction", "noisy"])
def test_a_linear_transition_leaves_but_rounding(datasets: Any, name: str) -> None:
    """SimpleDirection: s' is linear in c; r is off by |dc|^2, the same for all transitions, so any radius will do."""
    report = radius_report(datasets[name])
    assert report.observation_error.max() < 1e-6 and np.isnan(report.observation_slope)
    assert (report.observation_relative == 0).all()
    assert report.reward_slope == pytest.approx(2, abs=0.01)
    spread = datasets[name].rewards.std() or 1.0
    np.testing.assert_allclose(report.reward_error, report.radii**2 / spread, rtol=1e-2)
    assert report.reward_relative[-1] > 0.3 and report.preference_relative.max() < 1e-3
    assert report.suggested == report.radii[-1] and report.limit is None


def test_errors_effects_and_radii_by_hand(datasets: Any) -> None:
    """At one radius on one coordinate the report's numbers are those worked out here."""
    dataset = datasets["pendulum"]
    report = radius_report(dataset, radii=[0.2], samples=10**9)
    assert report.samples == len(dataset)
    np.testing.assert_allclose(report.scale, [2.25, 0.75, 0.75, 1.0])
    env, k = PendulumGoal(), 2
    spread, reward_spread = dataset.next_observations.std(axis=0), dataset.rewards.std()
    relative = []
    for sign in (1, -1):
        moved = dataset.contexts.copy()
        moved[:, k] += sign * 0.2 * 0.75
        states, rewards, _ = env.simulate(dataset.states, dataset.actions, moved)
        effect = (env.observations(states) - dataset.next_observations) / spread
        error = effect - dataset.dnext_observation_dcontext[:, :, k] * sign * 0.15 / spread
        earned = rewards - dataset.rewards
        missed = earned - dataset.dreward_dcontext[:, k] * sign * 0.15
        relative.append([(error**2).sum(), (effect**2).sum(), missed.var() / reward_spread**2, earned.var() / reward_spread**2])
    seen_error, seen, missed, earned = np.sum(relative, axis=0)
    by_hand = max(np.sqrt(seen_error / seen), np.sqrt(missed / earned))
    assert report.coordinate_relative[0, k] == pytest.approx(by_hand, rel=0.1)


def test_what_is_suggested_is_within_the_tolerance_and_what_is_beyond_is_not(datasets: Any, report: RadiusReport) -> None:
    assert 0.05 < report.suggested < 1
    np.testing.assert_allclose(report.radius, report.suggested * np.array([2.25, 0.75, 0.75, 1.0]))
    at = radius_report(datasets["pendulum"], radii=[report.suggested, 1.5 * report.suggested], samples=1000, seed=1)
    assert at.relative_error[0] == pytest.approx(report.tolerance, rel=0.15) and at.relative_error[1] > report.tolerance
    wide, narrow = (radius_report(datasets["pendulum"], samples=1000, tolerance=tolerance) for tolerance in (0.2, 0.05))
    assert narrow.suggested == pytest.approx(wide.suggested / 4, rel=0.2), "a quarter of the error, a quarter of the radius"
    assert report.limit == "l" == report.names[int(report.coordinate_suggested.argmin())]
    assert radius_report(datasets["pendulum"], radii=[1.0, 1.2], samples=200).suggested == 0


def test_an_effect_that_all_rewards_share_limits_no_radius(monkeypatch: pytest.MonkeyPatch, datasets_path: Path) -> None:
    """CartGoal at goal 0 starts at the optimum along the goal: first order misses the loss that all x share, -goal^2 / 2."""
    dataset = offctx.collect("offctx/CartGoal-v0", "radius/cart-v0", episodes_per_context=40, seed=0, progress=False)
    found = radius_report(dataset, samples=600)
    i = int(np.searchsorted(found.radii, 0.1))
    assert found.reward_relative[i] > 0.5 and found.preference_relative[i] < 0.1
    assert found.suggested > 0.05


def test_the_same_seed_gives_the_same_report(datasets: Any, report: RadiusReport) -> None:
    assert radius_report(datasets["pendulum"], samples=1000).to_dict() == report.to_dict()
    assert radius_report(datasets["pendulum"], samples=1000, seed=1).to_dict() != report.to_dict()


def test_discrete_coordinates_are_not_moved(datasets: Any) -> None:
    space = PendulumGoal.context_space
    stuck = ContextSpace(
        space.names, space.low, space.high, space.default, constraints=space.constraints, discrete=["m", "tau"]
    )
    env = PendulumGoal(context_space=stuck)
    env_with_limit = __import__("gymnasium").wrappers.TimeLimit(env, 10)
    report = radius_report(dataclasses.replace(datasets["pendulum"], context_space=stuck), env_with_limit, samples=300)
    assert report.scale.tolist() == [2.25, 0, 0.75, 0] and report.radius[[1, 3]].tolist() == [0, 0]
    assert np.isnan(report.coordinate_relative[:, [1, 3]]).all() and report.limit == "l"


def test_it_is_shown_and_saved(report: RadiusReport, tmp_path: Path) -> None:
    text = report.render()
    assert "Slope of log error against log radius: next observation 2.0" in text and "l leaves it first" in text
    assert max(map(len, text.splitlines())) <= 200
    folder = report.save(tmp_path / "deep" / "report")
    assert sorted(path.name for path in folder.iterdir()) == ["radius.json", "radius.md", "radius.png"]
    data = json.loads((folder / "radius.json").read_text())
    assert data["suggested"] == report.suggested and data["radius"] == report.radius.tolist()
    assert (folder / "radius.png").read_bytes().startswith(b"\x89PNG")
    assert "![errors](radius.png)" in (folder / "radius.md").read_text()
    with pytest.raises(DatasetError, match="expected a folder to write the report into, found a file"):
        report.save(folder / "radius.md")
    with pytest.raises(ValueError, match="read-only"):
        report.radii[0] = 1


def test_what_it_cannot_do_is_told(datasets: Any, runner: Any) -> None:
    dataset = datasets["pendulum"]
    with pytest.raises(DatasetError, match=r"test/runner-v0 names no environment that ships with offctx: pass env=, which was"):
        radius_report(runner)
    for augmentation in (CSE, ContextJitter):  # both take env=
        with pytest.raises(DatasetError, match="ships with offctx: pass env=, which was") as error:
            augmentation("auto").prepare(runner)
        assert "exact=" not in str(error.value)
        augmentation("auto", env="testing/Runner-v0", tolerance=5.0).prepare(runner)
    assert radius_report(runner, "testing/Runner-v0").samples == len(runner)
    with pytest.raises(DatasetError, match="radius/pendulum-v0 has not stored simulator states"):
        radius_report(dataclasses.replace(dataset, states=None))
    with pytest.raises(EnvError, match=r"SimpleDirection has the context \['c_x', 'c_y'\]; radius/pendulum-v0 has \['g'"):
        radius_report(dataset, "offctx/SimpleDirection-v0")
    wrong = dataclasses.replace(dataset, rewards=dataset.rewards[::-1].copy())
    with pytest.raises(EnvError, match="PendulumGoal does not reproduce the transitions of radius/pendulum-v0"):
        radius_report(wrong)
    for radii in ([0.2, 0.1], [0.0, 0.1], [], [np.nan], 0.1):
        with pytest.raises(ContextError, match="radii must be ascending numbers > 0"):
            radius_report(dataset, radii=radii)
    with pytest.raises(ContextError, match="no context is valid at radius 50"):
        radius_report(dataset, radii=[50.0], samples=50)
    with pytest.raises(ContextError, match="expected a tolerance > 0; found 0"):
        radius_report(dataset, tolerance=0)


@pytest.mark.parametrize("given", ["env", "exact", "nothing"])
def test_auto_takes_the_suggested_radius(datasets: Any, given: str) -> None:
    dataset = datasets["pendulum"]
    where: dict[str, Any] = {} if given == "nothing" else {given: "offctx/PendulumGoal-v0"}
    cse = CSE("auto", **where)
    assert repr(cse).startswith("CSE(radius='auto'")
    for use in (lambda: cse.radius, lambda: cse.check(dataset.context_space), lambda: cse(None)):  # type: ignore[arg-type]
        with pytest.raises(ContextError, match=r'CSE\(radius="auto"\) does not know its radius yet: make the buffer with it'):
            use()
    cse.prepare(dataset)
    expected = radius_report(dataset)
    assert cse.report is not None and cse.report.to_dict() == expected.to_dict()
    assert np.array_equal(cse.radius, expected.radius) and np.array_equal(cse.check(dataset.context_space), expected.radius)
    assert np.array_equal(radius_per_coordinate(cse.radius, dataset.context_space, "CSE"), expected.radius)
    assert repr(cse).startswith(f"CSE(radius=[{expected.radius[0]:.4f}") and "(auto)" in repr(cse)
    buffer = dataset.replay_buffer(augmentation=cse)
    assert np.abs(buffer.sample_transition_batch(256).contexts[:, 0] - 2).max() <= expected.radius[0] + 1e-6
    cse.prepare(dataset)
    with pytest.raises(ContextError, match=r"resolved for radius/pendulum-v0; make another for radius/direction-v0"):
        cse.prepare(datasets["direction"])


def test_prepare_leaves_a_given_radius_alone(datasets: Any) -> None:
    cse = CSE(0.25)
    cse.prepare(datasets["pendulum"])
    assert cse.radius == 0.25 and cse.report is None and repr(cse) == "CSE(radius=0.25, perturbation='ball')"


def test_auto_says_when_no_radius_will_do(datasets_path: Path) -> None:
    class Kinked(SimpleDirection):
        """s' does not depend on c to first order at c = 0, but on its absolute value."""

        def transition(self, state, action, context):
            return state + action + context.abs() * context.abs()

    import gymnasium

    def factory() -> Any:
        return gymnasium.wrappers.TimeLimit(Kinked(), 5)

    dataset = offctx.collect(factory, "radius/kinked-v0", episodes_per_context=20, seed=0, progress=False)
    with pytest.raises(ContextError, match=r"first order is off by at least 1 of the effect at every radius"):
        CSE("auto", env=factory).prepare(dataset)
