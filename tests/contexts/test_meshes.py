"""Products of coordinate values and lines along one coordinate."""

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal
from offctx.errors import ContextError

PENDULUM = PendulumGoal.context_space
SQUARE = ContextSpace(["x", "y"], [-1, 0], [1, 4], [0, 1], ["m", ""])
OPEN = ContextSpace(["x", "y"], [-np.inf, 0], [1, np.inf], [0, 1])


def test_mesh_is_a_product_with_the_last_name_fastest() -> None:
    mesh = PENDULUM.mesh(tau=[-0.5, 0, 0.5], g=[1, 2])  # the order of the keywords does not matter
    assert mesh.tolist() == [[g, 1, 1, tau] for g in (1, 2) for tau in (-0.5, 0, 0.5)]
    assert PENDULUM.mesh().tolist() == [[2, 1, 1, 0]]
    assert PENDULUM.mesh(m=1.5).tolist() == [[2, 1.5, 1, 0]]


def test_mesh_refuses_unknown_names_and_invalid_combinations() -> None:
    with pytest.raises(ContextError, match="unknown context name 'mass'"):
        PENDULUM.mesh(mass=[1])
    with pytest.raises(ContextError, match=r"\(g=0.5, m=1, l=1, tau=1\) \(row 0 of 1\)|must satisfy"):
        PENDULUM.mesh(g=[0.5], tau=[1])


def test_sweep_by_count_keeps_the_valid_ones() -> None:
    assert SQUARE.sweep("y", 3).tolist() == [[0, 0], [0, 2], [0, 4]]
    assert SQUARE.sweep("x", 3, base=[0, 4]).tolist() == [[-1, 4], [0, 4], [1, 4]]
    kept = PENDULUM.sweep("tau", 9, base=[0.5, 1, 1, 0])  # |tau| < 0.5 leaves 3 of 9
    assert kept[:, 3].tolist() == [-0.25, 0, 0.25]


def test_sweep_without_its_base() -> None:
    assert SQUARE.sweep("y", 5, include_base=False).tolist() == [[0, 0], [0, 2], [0, 3], [0, 4]]
    assert SQUARE.sweep("y", [1, 3], include_base=False).tolist() == [[0, 3]]
    assert SQUARE.sweep("y", [1, 3], base=[0, 3], include_base=False).tolist() == [[0, 1]]
    assert SQUARE.sweep("x", [-1, 0.3], base=[0.1 + 0.2, 4], include_base=False).tolist() == [[-1, 4]]  # up to rounding
    assert len(PENDULUM.sweep("g", 10, include_base=False)) == 9  # one of ten is 2 m/s^2
    with pytest.raises(ContextError, match=r"sweep of x without its base \(x=0, y=1\) has no context"):
        SQUARE.sweep("x", [0.0], include_base=False)


def test_sweep_by_values_refuses_invalid_ones() -> None:
    assert OPEN.sweep("x", [-7, 1]).tolist() == [[-7, 1], [1, 1]]
    with pytest.raises(ContextError, match="must satisfy"):
        PENDULUM.sweep("tau", [0, 0.9], base=[0.5, 1, 1, 0])
    with pytest.raises(ContextError, match="a sweep of x by count needs finite bounds; give its values instead"):
        OPEN.sweep("x", 3)
    with pytest.raises(ContextError, match="unknown context name 'q'"):
        SQUARE.sweep("q")
