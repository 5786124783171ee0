"""The distribution of perturbations, and perturbed contexts that stay valid."""

import numpy as np

from offctx import CSE
from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal

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


def test_listed_values_that_float32_does_not_hold_stay_as_they_are() -> None:
    space = ContextSpace(["mass", "size"], [0, 0.1], [2, 0.7], [1, 0.1], discrete={"size": [0.1, 0.3, 0.7]})
    base = np.array([[1, 0.1], [1, 0.3], [1, 0.7]] * 20, dtype=np.float32)
    contexts, dc = CSE(0.5).perturb(base, space, np.random.default_rng(0))
    assert np.array_equal(contexts[:, 1], base[:, 1]) and (dc[:, 1] == 0).all()
    assert np.abs(dc[:, 0]).min() > 1e-3  # no draw was taken for an invalid one and shrunk
