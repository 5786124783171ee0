"""The radius of CSE: which ones are refused, and discrete coordinates."""

from typing import Any

import numpy as np
import pytest

from offctx import CSE, collect
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError


@pytest.mark.parametrize("radius", [-0.1, np.nan, np.inf, [0.1, -1], [[0.1]]])
def test_a_radius_that_means_nothing_is_refused(radius: Any) -> None:
    with pytest.raises(ContextError, match="CSE radius must be one number >= 0, or one per context coordinate"):
        CSE(radius)


def test_a_radius_of_the_wrong_size_and_an_unknown_shape_are_refused(batch: Any) -> None:
    with pytest.raises(ContextError, match=r"CSE radius has 3 numbers; the context has 2: \['c_x', 'c_y'\]"):
        CSE([0.1, 0.2, 0.3])(batch)
    with pytest.raises(ContextError, match='must be "ball" or "sphere"; found \'cube\''):
        CSE(0.1, perturbation="cube")  # type: ignore[arg-type]


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


def test_a_larger_tolerance_allows_a_larger_radius(datasets_path: Any) -> None:
    dataset = collect("offctx/RotatedThrusters-v0", "offctx/test/thrusters-v0", episodes_per_context=5, seed=0, progress=False)
    narrow, wide = CSE("auto", tolerance=0.1), CSE("auto", tolerance=0.5)
    for cse in (narrow, wide):
        dataset.replay_buffer(augmentation=cse)
    assert (2 * narrow.radius < wide.radius).all() and wide.report is not None and wide.report.tolerance == 0.5
