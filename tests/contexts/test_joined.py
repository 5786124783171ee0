"""Two context spaces side by side."""

import numpy as np
import pytest

from offctx.contexts.joined import joined
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError

ARM = ContextSpace(
    ["mass", "factor"], [0.5, -1], [2, 1], [1, 1], ["kg", ""], constraints=["mass > 0"], discrete={"factor": [-1, 1]},
    kinds="dynamics", splits={"train": [[1, 1], [1, -1]]},
)  # fmt: skip
LENS = ContextSpace(["blur", "lag"], 0, [1, 3], [0, 0], ["", "steps"], discrete=["lag"], kinds=["observation", None])


def test_it_has_all_of_both() -> None:
    space = joined(ARM, LENS)
    assert space.names == ("mass", "factor", "blur", "lag") and space.units == ("kg", "", "", "steps")
    assert space.default.tolist() == [1, 1, 0, 0] and space.constraints == ("mass > 0",)
    assert space.discrete == ("factor", "lag") and space.values("factor").tolist() == [-1, 1]
    assert space.kinds == {"mass": ("dynamics",), "factor": ("dynamics",), "blur": ("observation",), "lag": ()}


def test_splits_of_the_first_hold_the_default_of_the_second() -> None:
    splits = joined(ARM, LENS).splits
    assert splits["train"].tolist() == [[1, 1, 0, 0], [1, -1, 0, 0]]
    assert np.array_equal(splits["sweep_lag"], [[1, 1, 0, lag] for lag in range(4)])


def test_without_splits_every_coordinate_is_swept() -> None:
    assert set(joined(LENS, ContextSpace(["x"], 0, 1, [0])).splits) == {"train", "sweep_blur", "sweep_lag", "sweep_x"}


def test_a_name_of_both_is_refused() -> None:
    with pytest.raises(ContextError, match="the environment has a coordinate 'mass' already"):
        joined(ARM, ARM)
