"""Context sample enhancement against its formula, worked out here row by row, and against exact simulation."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offctx import CSE, collect
from offctx.contexts import ContextSpace
from offctx.envs import PendulumGoal, SimpleDirection
from offctx.errors import ContextError, DerivativeError

CONTEXTS = np.array([[0.0, 0.0], [0.25, -0.5]])


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        options: dict[str, Any] = {"contexts": CONTEXTS, "episodes_per_context": 3, "seed": 0, "progress": False}
        yield {
            True: collect("offctx/SimpleDirection-v0", "offctx/test/with-v0", **options),
            False: collect("offctx/SimpleDirection-v0", "offctx/test/without-v0", gradients=False, **options),
        }


def batch_of(dataset: Any, context: Any = "append") -> Any:
    return dataset.replay_buffer(context=context).batch(np.arange(0, len(dataset), 2))


@pytest.fixture
def batch(datasets: Any) -> Any:
    return batch_of(datasets[True])


def test_a_batch_of_two_by_hand(batch: Any) -> None:
    """o = 1, p = 2: s' + d_c f dc, r + (total) d_c r dc, contexts c + dc before and after; all else as it was."""
    space = ContextSpace(["a", "b"], -10, 10, [0, 0])
    contexts = np.array([[1, 2], [3, 4]], np.float32)
    small = dataclasses.replace(
        batch,
        observations=np.array([[0.1, 1, 2], [0.2, 3, 4]], np.float32),
        next_observations=np.array([[0.3, 1, 2], [0.4, 3, 4]], np.float32),
        actions=np.array([[5], [6]], np.float32),
        rewards=np.array([[7], [8]], np.float32),
        contexts=contexts,
        dnext_observation_dcontext=np.array([[[1, 10]], [[-2, 0.5]]], np.float32),
        dreward_dcontext=np.array([[100, 0], [3, -4]], np.float32),
        context_space=space,
    )

    class Known(CSE):
        def perturb(self, contexts, space, rng):
            dc = np.array([[0.5, -0.25], [1, 2]], np.float32)
            return contexts + dc, dc

    moved = Known(1.0)(small)
    # Row 0: 0.3 + 1 * 0.5 + 10 * -0.25 = -1.7; 7 + 100 * 0.5 = 57.  Row 1: 0.4 - 2 * 1 + 0.5 * 2 = -0.6; 8 + 3 - 8 = 3.
    np.testing.assert_allclose(moved.next_observations, [[-1.7, 1.5, 1.75], [-0.6, 4, 6]], rtol=1e-6)
    np.testing.assert_allclose(moved.rewards, [[57], [3]])
    np.testing.assert_allclose(moved.observations, [[0.1, 1.5, 1.75], [0.2, 4, 6]], rtol=1e-6)
    assert moved.contexts.tolist() == [[1.5, 1.75], [4, 6]]
    assert np.array_equal(moved.actions, small.actions) and np.array_equal(moved.terminals, small.terminals)
    assert small.observations[0, 1] == 1 and small.next_observations[0, 0] == np.float32(0.3), "the batch given must stay"
    assert contexts.tolist() == [[1, 2], [3, 4]] and small.rewards.tolist() == [[7], [8]]


def test_simple_direction_rows_by_the_formula(batch: Any) -> None:
    """There d_c f = I and d_c r = s' + c, so s'_bar = s' + dc and r_bar = r + (s' + c) . dc."""
    moved = CSE(radius=0.3)(batch, np.random.default_rng(0))
    dc = moved.contexts.astype(np.float64) - batch.contexts
    assert np.linalg.norm(dc, axis=1).max() <= 0.3 + 1e-6 and (np.linalg.norm(dc, axis=1) > 0).all()
    after = batch.next_observations[:, :2].astype(np.float64)
    np.testing.assert_allclose(moved.next_observations[:, :2], after + dc, atol=1e-6)
    by_hand = batch.rewards[:, 0] + ((after + batch.contexts) * dc).sum(axis=1)
    np.testing.assert_allclose(moved.rewards[:, 0], by_hand, atol=1e-5)
    assert np.array_equal(moved.observations[:, :2], batch.observations[:, :2])
    for seen in (moved.observations, moved.next_observations):
        assert np.array_equal(seen[:, 2:], moved.contexts)
    kept = (
        "actions",
        "terminals",
        "intervals",
        "context_ids",
        "dnext_observation_dcontext",
        "dreward_dcontext",
        "next_actions",
    )
    assert all(np.array_equal(getattr(moved, name), getattr(batch, name)) for name in kept)
    changed = [getattr(moved, name) for name in ("observations", "next_observations", "rewards", "contexts")]
    assert {array.dtype for array in changed} == {np.dtype(np.float32)}


def test_radius_zero_is_the_very_same_batch(batch: Any, datasets: Any) -> None:
    assert CSE(radius=0)(batch) is batch
    assert CSE(radius=[0, 0])(batch) is batch
    without = batch_of(datasets[False])
    assert CSE(radius=0)(without) is without


def test_a_hidden_context_leaves_what_the_agent_sees_of_it_alone(datasets: Any) -> None:
    hidden = batch_of(datasets[True], "hidden")
    assert hidden.observations.shape[1] == 2
    moved = CSE(radius=0.3)(hidden, np.random.default_rng(0))
    dc = moved.contexts - hidden.contexts
    assert np.array_equal(moved.observations, hidden.observations)
    np.testing.assert_allclose(moved.next_observations, hidden.next_observations + dc, atol=1e-6)
    appended = CSE(radius=0.3)(batch_of(datasets[True]), np.random.default_rng(0))
    assert np.array_equal(moved.rewards, appended.rewards)


def test_missing_derivatives_are_told(datasets: Any) -> None:
    with pytest.raises(DerivativeError, match="CSE needs a batch with dnext_observation_dcontext"):
        CSE(radius=0.1)(batch_of(datasets[False]))
    with pytest.raises(
        DerivativeError, match=r"CSE needs dnext_observation_dcontext.* offctx/test/without-v0 .*gradients=True"
    ):
        datasets[False].replay_buffer(augmentation=CSE(radius=0.1))


@pytest.mark.parametrize("radius", [-0.1, np.nan, np.inf, [0.1, -1], [[0.1]]])
def test_a_radius_that_means_nothing_is_refused(radius: Any) -> None:
    with pytest.raises(ContextError, match="CSE radius must be one number >= 0, or one per context coordinate"):
        CSE(radius)


def test_a_radius_of_the_wrong_size_and_an_unknown_shape_are_refused(batch: Any) -> None:
    with pytest.raises(ContextError, match=r"CSE radius has 3 numbers; the context has 2: \['c_x', 'c_y'\]"):
        CSE([0.1, 0.2, 0.3])(batch)
    with pytest.raises(ContextError, match='must be "ball" or "sphere"; found \'cube\''):
        CSE(0.1, perturbation="cube")  # type: ignore[arg-type]


def test_randomness_is_the_callers_or_its_own(batch: Any) -> None:
    first, again, other = (CSE(0.3)(batch, np.random.default_rng(seed)).contexts for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    own, same, different = (CSE(0.3, seed=seed)(batch).contexts for seed in (1, 1, 2))
    assert np.array_equal(own, same) and not np.array_equal(own, different)
    one = CSE(0.3)
    assert not np.array_equal(one(batch).contexts, one(batch).contexts)


# --- the distribution of perturbations -----------------------------------------------------------------------------------

WIDE = ContextSpace(["a", "b", "c"], -100, 100, [0, 0, 0])
N = 20_000


def drawn(cse: CSE, space: ContextSpace = WIDE, n: int = N) -> np.ndarray:
    base = np.tile(space.default, (n, 1)).astype(np.float32)
    return cse.perturb(base, space, np.random.default_rng(0))[1].astype(np.float64)


def _distance_to_uniform(sample: np.ndarray) -> float:
    """Kolmogorov-Smirnov statistic against U(0, 1); beyond 1.95 / sqrt(n) one honest sample in a thousand falls."""
    sample, n = np.sort(sample), len(sample)
    return float(max((np.arange(1, n + 1) / n - sample).max(), (sample - np.arange(n) / n).max()))


def test_the_ball_is_filled_uniformly() -> None:
    """Then norm^p is uniform, and so is the share that a coordinate has of the norm in three dimensions (Archimedes)."""
    dc = drawn(CSE(0.5))
    norm = np.linalg.norm(dc, axis=1) / 0.5
    assert _distance_to_uniform(norm**3) < 1.95 / np.sqrt(N)
    assert _distance_to_uniform(norm) > 0.1, "the statistic should see the difference between norm and norm^3"
    for k in range(3):
        assert _distance_to_uniform((dc[:, k] / (0.5 * norm) + 1) / 2) < 1.95 / np.sqrt(N)


def test_the_sphere_has_a_fixed_norm_and_uniform_directions() -> None:
    dc = drawn(CSE(0.5, perturbation="sphere"))
    np.testing.assert_allclose(np.linalg.norm(dc, axis=1), 0.5, rtol=1e-6)
    for k in range(3):
        assert _distance_to_uniform((dc[:, k] / 0.5 + 1) / 2) < 1.95 / np.sqrt(N)


def test_each_coordinate_has_its_own_radius_and_zero_is_untouched() -> None:
    """The ball becomes an ellipsoid in the coordinates that move: here a flat one, so norm^2 is uniform."""
    dc = drawn(CSE([0.5, 0.0, 20.0]))
    assert (dc[:, 1] == 0).all()
    norm = np.hypot(dc[:, 0] / 0.5, dc[:, 2] / 20)
    assert _distance_to_uniform(norm**2) < 1.95 / np.sqrt(N)
    contexts, _ = CSE([0.5, 0.0, 20.0]).perturb(
        np.tile([0.0, 0.1, 0.0], (9, 1)).astype(np.float32), WIDE, np.random.default_rng(0)
    )
    assert (contexts[:, 1] == np.float32(0.1)).all()


def test_contexts_stay_valid_next_to_the_border_that_bounds_and_constraints_draw() -> None:
    space = PendulumGoal.context_space
    rng = np.random.default_rng(0)
    edge = space.sample(rng, 3000)
    edge[:, 3] = np.sign(edge[:, 3]) * np.minimum(0.9999 * edge[:, :3].prod(axis=1), 1.0)
    corners = np.array([[0.5, 0.5, 0.5, 0.124], [5, 2, 2, 1], [5, 2, 2, -1], [0.5, 2, 2, 1]])
    base = np.concatenate([edge, np.repeat(corners, 100, axis=0)]).astype(np.float32)
    assert space.valid(base).all()
    for radius in (0.01, 0.1, 1.0):
        contexts, dc = CSE(radius).perturb(base, space, rng)
        assert space.valid(contexts).all(), f"radius {radius}: {(~space.valid(contexts)).sum()} contexts are not valid"
        moved = np.abs(dc).max(axis=1) > 0
        assert moved[:3000].mean() > 0.999, "drawing again should move nearly all of them"
        assert moved[3000:].mean() > 0.9, "and most of those in a corner"
        np.testing.assert_allclose(contexts, base + dc, atol=1e-5)


def test_a_base_on_a_bound_that_float32_cannot_hold_is_moved() -> None:
    space = ContextSpace(["friction", "g"], [0.0, -1.0], [0.1, 1.0], [0.1, 0.0])
    base = np.tile(space.default, (100, 1)).astype(np.float32)
    _, dc = CSE([0.0, 0.5]).perturb(base, space, np.random.default_rng(0))
    assert (dc[:, 1] != 0).all()


def test_a_base_that_is_itself_outside_stays_where_it_is() -> None:
    base = np.array([[500.0, 0, 0]], np.float32)
    contexts, dc = CSE(0.1).perturb(base, WIDE, np.random.default_rng(0))
    assert np.array_equal(contexts, base) and not dc.any()


# --- against exact simulation --------------------------------------------------------------------------------------------


def test_the_error_against_exact_simulation_is_of_second_order(datasets: Any) -> None:
    """PendulumGoal: half the radius, a quarter of the error, in the next observation and in the reward."""
    env, rng, n = PendulumGoal(), np.random.default_rng(0), 4000
    space = env.context_space
    contexts = np.tile(space.default, (n, 1)).astype(np.float32)
    states, actions = rng.uniform([-np.pi, -3], [np.pi, 3], (n, 2)), rng.uniform(-2, 2, (n, 1))
    dnext, dreward = env.derivatives(states, actions, contexts)
    next_states, rewards, _ = env.simulate(states, actions, contexts)
    seen = [np.concatenate([env.observations(s), contexts], axis=1) for s in (states, next_states)]
    batch = dataclasses.replace(
        batch_of(datasets[True]), observations=seen[0], next_observations=seen[1], actions=actions.astype(np.float32),
        rewards=rewards[:, None].astype(np.float32), contexts=contexts, dnext_observation_dcontext=dnext.astype(np.float32),
        dreward_dcontext=dreward.astype(np.float32), context_space=space,
    )  # fmt: skip
    radii, errors = np.array([0.4, 0.2, 0.1, 0.05]), []
    for radius in radii:
        moved = CSE(radius, perturbation="sphere")(batch, np.random.default_rng(1))
        exact_states, exact_rewards, _ = env.simulate(states, actions, moved.contexts.astype(np.float64))
        gap = moved.next_observations[:, :3] - env.observations(exact_states)
        errors.append([np.abs(gap).mean(), np.abs(moved.rewards[:, 0] - exact_rewards).mean()])
    slopes = np.polyfit(np.log(radii), np.log(np.array(errors)), 1)[0]
    assert slopes == pytest.approx([2, 2], abs=0.15)


def test_simple_directions_transition_is_exact_and_its_reward_off_by_the_square(batch: Any) -> None:
    """s' is linear in c; r = (s + a + c) . c is quadratic, so what first order leaves out is |dc|^2 exactly."""
    moved = CSE(0.5)(batch, np.random.default_rng(0))
    exact, rewards, _ = SimpleDirection().simulate(batch.observations[:, :2], batch.actions, moved.contexts)
    dc = moved.contexts.astype(np.float64) - batch.contexts
    np.testing.assert_allclose(moved.next_observations[:, :2], exact, atol=1e-5)
    np.testing.assert_allclose(rewards - moved.rewards[:, 0], (dc**2).sum(axis=1), atol=1e-5)


# --- exact enhancement ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_exact_enhancement_simulates_the_perturbed_context(datasets: Any, context: Any) -> None:
    dataset, cse = datasets[False], CSE(0.5, exact="offctx/SimpleDirection-v0")
    buffer = dataset.replay_buffer(context=context, augmentation=cse)  # derivatives are not needed
    plain = buffer.batch(np.arange(len(dataset)))
    moved = cse(plain, np.random.default_rng(0))
    same_draw = CSE(0.5).perturb(plain.contexts, dataset.context_space, np.random.default_rng(0))[0]
    assert np.array_equal(moved.contexts, same_draw)
    after = plain.observations[:, :2] + plain.actions + moved.contexts
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-6)
    np.testing.assert_allclose(moved.rewards[:, 0], (after * moved.contexts).sum(axis=1), atol=1e-5)
    assert np.array_equal(moved.observations[:, :2], plain.observations[:, :2])
    if context == "append":
        for seen in (moved.observations, moved.next_observations):
            assert np.array_equal(seen[:, 2:], moved.contexts)
    assert moved.rewards.dtype == moved.next_observations.dtype == moved.terminals.dtype == np.float32
    assert moved.rewards.shape == moved.terminals.shape == (len(dataset), 1)


def test_exact_enhancement_asks_for_what_it_needs() -> None:
    assert CSE(0.5).requires == ("dnext_observation_dcontext", "dreward_dcontext")
    assert CSE(0.5, exact="offctx/PendulumGoal-v0").requires == ("states",)
    assert CSE(0.5, exact="offctx/SimpleDirectionStochastic-v0").requires == ("states", "noise")
