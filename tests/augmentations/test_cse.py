"""Context sample enhancement against its formula, worked out here row by row, and against exact simulation."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box

from offctx import CSE, collect
from offctx.contexts.space import ContextSpace
from offctx.envs import ContextualEnv, PendulumGoal, SimpleDirection, SimpleDirectionStochastic
from offctx.envs.resolve import resolve
from offctx.errors import ContextError, DerivativeError, EnvError, PolicyError

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


# --- several base contexts, discrete coordinates --------------------------------------------------------------------------


def test_each_sample_expands_around_its_own_context(pendulum: Any) -> None:
    """Four base contexts: at this radius first order is near the truth around a sample's own context, and around no other."""
    env, rng = PendulumGoal(), np.random.default_rng(0)
    with_states = CSE(1, exact="offctx/PendulumGoal-v0")
    plain = pendulum.replay_buffer(augmentation=with_states).batch(np.arange(len(pendulum)))
    assert len(np.unique(plain.context_ids)) == 4
    moved = CSE([0.2, 0, 0, 0.03])(plain, rng)
    assert np.abs(moved.contexts - plain.contexts).max() <= 0.2
    _, rewards, _ = env.simulate(plain.states, plain.actions, moved.contexts)
    error = np.abs(moved.rewards[:, 0] - rewards).max()
    defaults = np.tile(env.context_space.default, (len(rewards), 1))
    _, before, _ = env.simulate(plain.states, plain.actions, defaults)
    _, dreward = env.derivatives(plain.states, plain.actions, defaults)
    dc = moved.contexts.astype(np.float64)
    recorded_with_derivatives_of_default = plain.rewards[:, 0] + (dreward * (dc - plain.contexts)).sum(axis=1)
    all_around_default = before + (dreward * (dc - defaults)).sum(axis=1)
    assert error < 0.1
    for wrong in (recorded_with_derivatives_of_default, all_around_default):
        assert np.abs(wrong - rewards).max() > 3 * error


def test_discrete_coordinates_stay_and_a_radius_of_their_own_is_refused() -> None:
    space = ContextSpace(["g", "flipped"], [0, 0], [10, 1], [5, 1], discrete=["flipped"])
    base = np.tile([5.0, 1.0], (50, 1)).astype(np.float32)
    for radius in (0.5, [0.5, 0]):
        contexts, dc = CSE(radius).perturb(base, space, np.random.default_rng(0))
        assert (contexts[:, 1] == 1).all() and (dc[:, 0] != 0).all() and (dc[:, 1] == 0).all()
    with pytest.raises(ContextError, match="flipped is discrete, so that CSE cannot move it"):
        CSE([0.5, 0.1]).check(space)
    only = ContextSpace(["flipped"], 0, 1, 0, discrete=["flipped"])
    with pytest.raises(ContextError, match="every coordinate of the context is discrete"):
        CSE(0.5).check(only)


# --- actions and states ---------------------------------------------------------------------------------------------------

ID = "offctx/SimpleDirection-v0"


class Linear:
    """Gaussian about gain * context with deviation spread * (1 + |c_x|), both (a,) = (2,); draws its mean."""

    def __init__(self, gain: float = 0.4, spread: float = 0.5) -> None:
        self.gain, self.spread = gain, spread

    def gaussian(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        contexts = observations[:, 2:].astype(np.float64)
        return self.gain * contexts, self.spread * (1 + np.abs(contexts[:, :1])) * np.ones((1, 2))

    def sample_action(self, observations: np.ndarray) -> np.ndarray:
        return self.gaussian(observations)[0]


def rows_of(dataset: Any, cse: CSE, context: Any = "append") -> Any:
    return dataset.replay_buffer(context=context, augmentation=cse).batch(np.arange(len(dataset)))


def by_hand(batch: Any, moved: Any, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SimpleDirection in the moved context with the moved action from the given states (B, 2)."""
    after = states + moved.actions.astype(np.float64) + moved.contexts
    return after, (after * moved.contexts).sum(axis=1)


@pytest.mark.parametrize("perturbation", ["ball", "sphere"])
def test_random_actions_lie_within_their_radius_and_the_box(datasets: Any, perturbation: Any) -> None:
    cse = CSE(0.3, exact=ID, action="random", action_radius=0.2, perturbation=perturbation)
    batch = rows_of(datasets[True], cse)
    moved = cse(batch, np.random.default_rng(0))
    da = np.linalg.norm(moved.actions - batch.actions, axis=1)
    inside = (np.abs(moved.actions) < 1).all(axis=1)
    assert da.max() <= 0.2 + 1e-6 and np.abs(moved.actions).max() <= 1 and (~inside).any()
    if perturbation == "sphere":
        np.testing.assert_allclose(da[inside], 0.2, atol=1e-6)
        assert (da[~inside] < 0.2 - 1e-4).any(), "what is left of da after clipping"
    after, rewards = by_hand(batch, moved, batch.observations[:, :2])
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-5)
    np.testing.assert_allclose(moved.rewards[:, 0], rewards, atol=1e-5)  # of the new action, with the new state
    assert moved.actions.dtype == moved.rewards.dtype == np.float32 and not np.array_equal(batch.actions, moved.actions)


@pytest.mark.parametrize("action", ["random", "resampled", "transported"])
def test_first_order_of_action_state_and_context_together(datasets: Any, action: Any) -> None:
    """SimpleDirection's transition is linear, so exact; r = s'_bar . c_bar less the products of two changes."""
    cse = CSE(0.2, env=ID, action=action, action_radius=0.3, state_radius=[0.1, 0.0], policy=Linear())
    assert cse.requires == ("states",)
    batch = rows_of(datasets[False], cse)
    moved = cse(batch, np.random.default_rng(0))
    ds = moved.observations[:, :2] - batch.observations[:, :2]
    assert np.abs(ds[:, 0]).max() <= 0.1 + 1e-6 and (np.abs(ds[:, 0]) > 1e-4).mean() > 0.9 and (ds[:, 1] == 0).all()
    after, rewards = by_hand(batch, moved, moved.observations[:, :2])
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-5)
    dc = moved.contexts.astype(np.float64) - batch.contexts
    change = ds + (moved.actions - batch.actions) + dc
    np.testing.assert_allclose(moved.rewards[:, 0], rewards - (change * dc).sum(axis=1), atol=1e-5)
    assert np.array_equal(moved.terminals, batch.terminals)
    for seen in (moved.observations, moved.next_observations):
        assert np.array_equal(seen[:, 2:], moved.contexts)


def test_resampled_actions_are_the_policys_at_the_new_observation(datasets: Any) -> None:
    cse = CSE(0.3, exact=ID, action="resampled", policy=Linear(gain=0.7))
    moved = cse(rows_of(datasets[True], cse), np.random.default_rng(0))
    np.testing.assert_allclose(moved.actions, 0.7 * moved.contexts, atol=1e-6)

    class Greedy:
        def predict(self, observations: np.ndarray) -> np.ndarray:
            return -observations[:, 2:]

    greedy = CSE(0.3, exact=ID, action="resampled", policy=Greedy())
    moved = greedy(rows_of(datasets[True], greedy), np.random.default_rng(0))
    np.testing.assert_allclose(moved.actions, -moved.contexts, atol=1e-6)


def test_transported_actions_keep_their_place_in_the_distribution(datasets: Any) -> None:
    policy = Linear()
    cse = CSE(0.3, exact=ID, action="transported", policy=policy)
    batch = rows_of(datasets[True], cse)
    moved = cse(batch, np.random.default_rng(0))
    (mean1, std1), (mean2, std2) = policy.gaussian(batch.observations), policy.gaussian(moved.observations)
    inside = (np.abs(moved.actions) < 1).all(axis=1)
    place = (batch.actions - mean1) / std1
    np.testing.assert_allclose(((moved.actions - mean2) / std2)[inside], place[inside], atol=1e-5)
    assert inside.mean() > 0.5 and np.abs(moved.actions - batch.actions)[inside].max() > 0.05


def test_a_state_moves_in_simulator_coordinates(pendulum: Any) -> None:
    """theta and theta_dot move; the observation (cos, sin, theta_dot), the transition and the reward follow."""
    env, cse = PendulumGoal(), CSE(0.0, exact="offctx/PendulumGoal-v0", state_radius=[0.3, 0.1], perturbation="sphere")
    batch = rows_of(pendulum, cse)
    moved = cse(batch, np.random.default_rng(0))
    assert np.array_equal(moved.contexts, batch.contexts) and np.array_equal(moved.actions, batch.actions)
    theta = [np.arctan2(b.observations[:, 1], b.observations[:, 0]) for b in (batch, moved)]
    dtheta = np.angle(np.exp(1j * (theta[1] - theta[0])))
    speed = moved.observations[:, 2] - batch.observations[:, 2]
    np.testing.assert_allclose((dtheta / 0.3) ** 2 + (speed / 0.1) ** 2, 1, atol=1e-3)
    states = np.stack([theta[1], moved.observations[:, 2]], axis=1)
    after, rewards, _ = env.simulate(states, batch.actions, batch.contexts)
    np.testing.assert_allclose(moved.next_observations[:, :3], env.observations(after), atol=1e-5)
    np.testing.assert_allclose(moved.rewards[:, 0], rewards, atol=1e-4)
    first = CSE(0.0, env="offctx/PendulumGoal-v0", state_radius=[0.003, 0.001])
    near = first(batch, np.random.default_rng(0))
    ds = np.stack([np.angle(np.exp(1j * (np.arctan2(near.observations[:, 1], near.observations[:, 0]) - theta[0])))], 1)
    after, rewards, _ = env.simulate(
        np.concatenate([theta[0][:, None] + ds, near.observations[:, 2:3]], axis=1), batch.actions, batch.contexts
    )
    np.testing.assert_allclose(near.next_observations[:, :3], env.observations(after), atol=1e-5)
    np.testing.assert_allclose(near.rewards[:, 0], rewards, atol=1e-4)
    assert np.abs(near.rewards - batch.rewards).max() > 1e-3


def test_discrete_actions(chooser: Any) -> None:
    env = "testing/Chooser-v0"
    plain = CSE(0.2)
    assert np.array_equal(plain(rows_of(chooser, plain), np.random.default_rng(0)).actions, rows_of(chooser, plain).actions)
    cse = CSE(0.2, exact=env, action="random")
    batch = rows_of(chooser, cse)
    moved = cse(batch, np.random.default_rng(0))
    assert np.array_equal(np.unique(moved.actions), [0, 1, 2]) and moved.actions.shape == batch.actions.shape
    after = batch.observations[:, :2] + np.concatenate([moved.actions - 1, moved.contexts], axis=1)
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-6)
    np.testing.assert_allclose(moved.rewards[:, 0], -(after**2).sum(axis=1), atol=1e-5)

    class Last:
        def sample_action(self, observations: np.ndarray) -> np.ndarray:
            return np.full(len(observations), 2)

    chosen = CSE(0.2, exact=env, action="resampled", policy=Last())(batch, np.random.default_rng(0))
    assert (chosen.actions == 2).all()
    states = CSE(0.2, env=env, state_radius=0.1)(batch, np.random.default_rng(0))  # first order in state and context
    pushed = np.concatenate([batch.actions - 1, states.contexts], axis=1)
    np.testing.assert_allclose(states.next_observations[:, :2], states.observations[:, :2] + pushed, atol=1e-5)
    with pytest.raises(PolicyError, match='action="random" needs exact= where actions are Discrete'):
        CSE(0.2, env=env, action="random")
    with pytest.raises(PolicyError, match="cannot transport Discrete actions"):
        CSE(0.2, exact=env, action="transported", policy=Last())


def test_changes_ask_for_what_they_need(datasets: Any) -> None:
    with pytest.raises(EnvError, match=r'CSE with action="random" needs env= \(to first order\) or exact='):
        CSE(0.1, action="random")
    with pytest.raises(EnvError, match="CSE with state_radius > 0 needs env="):
        CSE(0.1, state_radius=0.1)
    with pytest.raises(EnvError, match="either env=, to expand to first order, or exact="):
        CSE(0.1, env=ID, exact=ID)
    with pytest.raises(PolicyError, match=r"CSE action must be one of .*'transported'.*found 'moved'"):
        CSE(0.1, action="moved")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match='action="resampled" needs policy='):
        CSE(0.1, env=ID, action="resampled")
    with pytest.raises(ContextError, match="CSE action_radius must be one number >= 0, or one per action coordinate"):
        CSE(0.1, env=ID, action="random", action_radius=-1)
    with pytest.raises(ContextError, match=r"CSE action_radius has shape \(3,\); an action has \(2,\)"):
        CSE(0.1, env=ID, action="random", action_radius=[1, 2, 3])
    cse = CSE(0.1, env=ID, state_radius=[0.1, 0.1, 0.1])
    with pytest.raises(ContextError, match="CSE state_radius has 3 numbers; a state has 2"):
        cse(rows_of(datasets[True], cse))
    other = CSE(0.1, exact="offctx/PendulumGoal-v0")
    with pytest.raises(
        ContextError, match=r"CSE's environment has the context \['g', 'm', 'l', 'tau'\]; the data have \['c_x'"
    ):
        other.check(datasets[True].context_space)
    unknown = CSE(0.1, env=ID, action="transported", policy=object())
    with pytest.raises(PolicyError, match=r"can transport the actions of a diagonal Gaussian.*found object"):
        unknown(rows_of(datasets[True], unknown))
    mute = CSE(0.1, env=ID, action="resampled", policy=object())
    with pytest.raises(PolicyError, match="with sample_action or predict; found object"):
        mute(rows_of(datasets[True], mute))


# --- with d3rlpy's own policies -------------------------------------------------------------------------------------------


def scaled(kind: str, **options: Any) -> Any:
    """One of d3rlpy's algorithms whose actions are scaled by 4 / 3 and observations standardised by known numbers."""
    import d3rlpy
    from d3rlpy.preprocessing import MinMaxActionScaler, StandardObservationScaler

    return getattr(d3rlpy.algos, f"{kind}Config")(
        action_scaler=MinMaxActionScaler(minimum=[-1.5, -1.5], maximum=[1.5, 1.5]),
        observation_scaler=StandardObservationScaler(mean=np.array([0.3, 0, 0, 0.1]), std=np.array([2.0, 1, 0.5, 0.5])),
        **options,
    ).create()


def distribution(algo: Any, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """mu, tanh(mu) and sigma, worked out with the scaling written out (d3rlpy adds 1e-3 to a deviation)."""
    import torch

    standard = (observations - [0.3, 0, 0, 0.1]) / [2.001, 1.001, 0.501, 0.501]
    with torch.no_grad():
        out = algo.impl.policy(torch.tensor(standard, dtype=torch.float32))
    return out.mu.numpy(), out.squashed_mu.numpy(), None if out.logstd is None else out.logstd.exp().numpy()


@pytest.mark.parametrize("kind", ["SAC", "IQL", "AWAC", "TD3", "BC"])
def test_transported_by_d3rlpys_policies(datasets: Any, kind: str) -> None:
    algo = scaled(kind)
    cse = CSE(0.4, exact=ID, action="transported", policy=algo)
    buffer = datasets[True].replay_buffer(augmentation=cse)
    batch = buffer.batch(np.arange(len(datasets[True])))
    with pytest.raises(PolicyError, match=rf"CSE's policy {kind} has no networks yet: call its build_with_dataset"):
        cse(batch, np.random.default_rng(0))
    algo.build_with_dataset(buffer)
    moved = cse(batch, np.random.default_rng(0))
    mu1, mean1, std1 = distribution(algo, batch.observations)
    mu2, mean2, std2 = distribution(algo, moved.observations)
    ratio = 1.0 if std1 is None or std2 is None else std2 / std1
    inner = batch.actions / 1.5
    squashed = np.tanh(mu2 + (np.arctanh(inner) - mu1) * ratio)
    expected = squashed if kind == "SAC" else mean2 + (inner - mean1) * ratio
    np.testing.assert_allclose(moved.actions, np.clip(1.5 * expected, -1, 1), atol=1e-5)
    assert np.abs(moved.actions - batch.actions).max() > 1e-2, "the policy should differ between the contexts"


def test_sac_trains_on_what_it_transports_and_resamples(datasets: Any) -> None:
    import d3rlpy

    for action in ("resampled", "transported"):
        algo = d3rlpy.algos.SACConfig(batch_size=32).create()
        cse = CSE(0.3, env=ID, action=action, policy=algo)  # type: ignore[arg-type]
        buffer = datasets[True].replay_buffer(augmentation=cse)
        logger = d3rlpy.logging.NoopAdapterFactory()
        algo.fit(buffer, n_steps=3, n_steps_per_epoch=3, logger_adapter=logger, show_progress=False)
        batch = buffer.sample_transition_batch(64)
        assert np.isfinite(batch.rewards).all() and np.abs(batch.actions).max() <= 1
        assert algo.impl.policy.training is not None


def test_transport_moves_no_saturated_action_where_the_policy_is_the_same(datasets: Any) -> None:
    """tanh does not reach 1, and actions of the data may: with equal observations nothing may move."""
    import d3rlpy

    algo = d3rlpy.algos.SACConfig().create()
    cse = CSE(0.3, exact=ID, action="transported", policy=algo)
    buffer = datasets[True].replay_buffer(context="hidden", augmentation=cse)
    algo.build_with_dataset(buffer)
    batch = buffer.batch(np.arange(20))
    batch = dataclasses.replace(batch, actions=np.sign(batch.actions))
    np.testing.assert_allclose(cse(batch, np.random.default_rng(0)).actions, batch.actions, atol=1e-6)


def test_a_policy_of_another_kind_or_size_is_told(datasets: Any) -> None:
    import d3rlpy

    cse = CSE(0.3, exact=ID, action="transported", policy=d3rlpy.algos.BCQConfig().create())
    buffer = datasets[True].replay_buffer(augmentation=cse)
    cse.policy.build_with_dataset(buffer)
    with pytest.raises(PolicyError, match=r"can transport the actions of a diagonal Gaussian.*found BCQ"):
        cse(buffer.batch(np.arange(4)))
    small = CSE(0.3, exact=ID, action="transported", policy=d3rlpy.algos.SACConfig().create())
    small.policy.create_impl((2,), 2)
    with pytest.raises(PolicyError, match=r"CSE's policy takes inputs of shape \(2,\); the batch has \(4,\)"):
        small(buffer.batch(np.arange(4)))
    unfit = d3rlpy.algos.SACConfig(action_scaler=d3rlpy.preprocessing.MinMaxActionScaler()).create()
    unfit.build_with_dataset(buffer)
    with pytest.raises(PolicyError, match="the action_scaler of CSE's policy SAC is not fitted yet"):
        CSE(0.3, exact=ID, action="transported", policy=unfit)(buffer.batch(np.arange(4)))


# --- directional derivatives ----------------------------------------------------------------------------------------------


class Doubly(PendulumGoal):
    """PendulumGoal that shows its observations in float64, and whose `expand` is the one that every environment gets."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float64)
    expand = ContextualEnv.expand


def directions(n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    contexts = rng.uniform([1, 0.7, 0.7, -0.3], [4, 1.5, 1.5, 0.3], (n, 4))
    states, actions = rng.uniform([-np.pi, -3], [np.pi, 3], (n, 2)), rng.uniform(-1.9, 1.9, (n, 1))
    return states, actions, contexts, *(rng.uniform(-0.1, 0.1, (n, k)) for k in (2, 1, 4))


def test_expand_against_central_differences() -> None:
    """Each way of changing alone, and all together; automatic differentiation against plain differences written here."""
    *point, ds, da, dc = directions(2000)
    env, h = Doubly(), 1e-5
    for way in ((ds, None, None), (None, da, None), (None, None, dc), (ds, da, dc)):
        plus, minus = (
            env.simulate(*(x if dx is None else x + sign * h * dx for x, dx in zip(point, way, strict=True)))
            for sign in (1, -1)
        )
        dnext = (env.observations(plus[0]) - env.observations(minus[0])) / (2 * h)
        dreward = (plus[1] - minus[1]) / (2 * h)
        for found in (PendulumGoal().expand(*point, *way), env.expand(*point, *way)):
            for got, expected in zip(found, (dnext, dreward), strict=True):
                assert np.linalg.norm(got - expected) <= 1e-6 * np.linalg.norm(expected)
    total = PendulumGoal().expand(*point, None, None, dc)
    parts = PendulumGoal().derivatives(*point)
    np.testing.assert_allclose(total[0], np.einsum("nop,np->no", parts[0], dc), atol=1e-12)
    np.testing.assert_allclose(total[1], (parts[1] * dc).sum(axis=1), atol=1e-12)


def test_expand_at_a_bound_of_the_actions_is_not_halved_by_clipping() -> None:
    class Clipping(Doubly):
        def simulate(self, states, actions, contexts, noise=None):
            return super().simulate(states, np.clip(actions, -2, 2), contexts, noise)

    states, _, contexts, *_ = directions(100)
    actions = np.where(np.arange(100)[:, None] % 2, 2.0, -2.0)
    found = Clipping().expand(states, actions, contexts, None, -0.1 * actions, None)
    exact = PendulumGoal().expand(states, actions, contexts, None, -0.1 * actions, None)
    for got, expected in zip(found, exact, strict=True):
        assert np.linalg.norm(got - expected) <= 1e-6 * np.linalg.norm(expected)


def test_expand_holds_the_noise_and_refuses_what_has_no_derivative(chooser: Any) -> None:
    rng, env = np.random.default_rng(0), SimpleDirectionStochastic()
    states, actions, contexts, dc, noise = (rng.uniform(-1, 1, (50, k)) for k in (2, 2, 2, 2, 3))
    dnext, dreward = env.expand(states, actions, contexts, None, None, dc, noise)
    after = states + actions + contexts + 0.1 * noise[:, :2]
    np.testing.assert_allclose(dnext, dc, atol=1e-12)
    np.testing.assert_allclose(dreward, ((after + contexts) * dc).sum(axis=1), atol=1e-12)
    float32 = ContextualEnv.expand(env, states, actions, contexts, None, None, dc, noise)
    np.testing.assert_allclose(float32[0], dc, atol=1e-4)
    with pytest.raises(DerivativeError, match="there is no derivative along Discrete actions"):
        resolve("testing/Chooser-v0").env.expand(states, np.zeros(50, int), contexts[:, :1], None, actions[:, :1], None)
    with pytest.raises(DerivativeError, match=r"PendulumGoal: the derivative is not finite in row 1, in context \(g=0"):
        contexts4 = np.array([[2.0, 1, 1, 0], [0, 1, 1, 0]])
        PendulumGoal().expand(states[:2], actions[:2, :1], contexts4, None, None, np.full((2, 4), 0.1))
