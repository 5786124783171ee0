"""Spaces as JSON data and as text."""

import json
from typing import Any

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal
from offctx.errors import ContextError

PENDULUM = PendulumGoal.context_space
SQUARE = ContextSpace(["x", "y"], [-1, 0], [1, 4], [0, 1], ["m", ""])
OPEN = ContextSpace(["x", "y"], [-np.inf, 0], [1, np.inf], [0, 1])


SPLIT = ContextSpace(["x"], -np.inf, 3, 1, ["kg"], constraints=["x ** 2 < 10"], splits={"train": [[0], [1]], "far": [[3]]})


@pytest.mark.parametrize("space", [PENDULUM, SQUARE, OPEN, SPLIT])
def test_round_trip_through_json(space: ContextSpace) -> None:
    text = json.dumps(space.to_dict(), allow_nan=False)
    again = ContextSpace.from_dict(json.loads(text))
    assert again == space and hash(again) == hash(space)
    assert again.to_dict() == space.to_dict()
    assert (again.names, again.units, again.constraints) == (space.names, space.units, space.constraints)
    assert np.array_equal([again.low, again.high, again.default], [space.low, space.high, space.default])
    assert {k: v.tolist() for k, v in again.splits.items()} == {k: v.tolist() for k, v in space.splits.items()}


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["x", "z"]}, {"units": ["km", ""]}, {"low": [-2, 0]}, {"high": [1, None]}, {"default": [0, 2]},
        {"constraints": ["x < y"]}, {"splits": {"train": [[0, 1]]}},
    ],
)  # fmt: skip
def test_spaces_that_differ_are_not_equal(change: dict[str, Any]) -> None:
    assert ContextSpace.from_dict(SQUARE.to_dict() | change) != SQUARE


@pytest.mark.parametrize(
    "change",
    [
        {"names": None}, {"low": "abc"}, {"low": [[0], [1]]}, {"high": 3}, {"constraints": ["__import__('os')"]},
        {"splits": [1, 2]}, {"splits": {"train": [["a", "b"]]}}, {"default": [0, 9]}, {"default": [None, 1]}, {"units": ["m"]},
    ],
)  # fmt: skip
def test_a_description_of_no_space_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ContextError):
        ContextSpace.from_dict(SQUARE.to_dict() | change)


@pytest.mark.parametrize("key", sorted(SQUARE.to_dict().keys() - {"discrete"}))  # which came later
def test_a_description_that_lacks_a_part_says_which(key: str) -> None:
    with pytest.raises(ContextError, match=f"not the description of a context space: KeyError '{key}'"):
        ContextSpace.from_dict({k: v for k, v in SQUARE.to_dict().items() if k != key})


def test_what_people_read() -> None:
    assert PENDULUM.describe([2, 1, 0.5, -0.25]) == "(g=2, m=1, l=0.5, tau=-0.25)"
    assert repr(SPLIT) == "ContextSpace(x in [-inf, 3] kg, x ** 2 < 10; default [1.0])"
    assert PENDULUM.size == 4
