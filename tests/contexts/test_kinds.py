"""What coordinates are declared to change: what is admitted, what is kept, what is refused."""

import json
from typing import Any

import pytest

from offctx.contexts.kinds import checked_kinds, kinds_text
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError

NAMES = ("g", "goal", "noise")


def space(kinds: Any = ()) -> ContextSpace:
    return ContextSpace(NAMES, 0.0, 1.0, [0.5] * 3, kinds=kinds)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ((), {"g": (), "goal": (), "noise": ()}),
        ({}, {"g": (), "goal": (), "noise": ()}),
        ("dynamics", dict.fromkeys(NAMES, ("dynamics",))),
        (["dynamics", None, "observation"], {"g": ("dynamics",), "goal": (), "noise": ("observation",)}),
        ({"goal": "reward"}, {"g": (), "goal": ("reward",), "noise": ()}),
        ({"g": ["reward", "dynamics", "reward"]}, {"g": ("dynamics", "reward"), "goal": (), "noise": ()}),
    ],
)
def test_kinds_are_declared_for_all_by_order_or_by_name(declared: Any, expected: dict[str, Any]) -> None:
    assert space(declared).kinds == expected


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"mass": "dynamics"}, r"unknown coordinate 'mass'; this space has \['g', 'goal', 'noise'\]"),
        ({"g": "physics"}, r"'g' must be among \['dynamics', 'reward', 'observation'\]; found 'physics'"),
        ({"g": ["dynamics", "physics"]}, "'g' must be among"),
        ({"g": 3}, "'g' must be among"),
        ("physics", "'g' must be among"),
        (["dynamics"], "3 entries, one for each of .*; found"),
        (7, "found 7"),
    ],
)
def test_other_declarations_are_refused(declared: Any, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        space(declared)


def test_kinds_are_stored_and_read_back() -> None:
    declared = space({"g": ("dynamics", "reward"), "noise": "observation"})
    data = json.loads(json.dumps(declared.to_dict()))
    assert data["kinds"] == {"g": ["dynamics", "reward"], "noise": ["observation"]}
    assert ContextSpace.from_dict(data).kinds == declared.kinds


def test_data_without_kinds_are_read_and_stay_as_they_were() -> None:
    data = space("reward").to_dict()
    del data["kinds"]
    old = ContextSpace.from_dict(data)
    assert old.kinds == dict.fromkeys(NAMES, ()) and old.to_dict() == data


@pytest.mark.parametrize("stored", [["dynamics"], {"g": "physics"}, {"g": 1}, {"mass": ["reward"]}, None])
def test_stored_kinds_that_are_none_are_refused(stored: Any) -> None:
    with pytest.raises(ContextError):
        ContextSpace.from_dict(space().to_dict() | {"kinds": stored})


def test_spaces_with_other_kinds_are_equal() -> None:
    assert space("dynamics") == space() and hash(space("dynamics")) == hash(space())


def test_the_kinds_of_a_space_cannot_be_changed() -> None:
    declared = space("reward")
    declared.kinds["g"] = ("dynamics",)
    assert declared.kinds["g"] == ("reward",)


def test_text() -> None:
    assert kinds_text(("dynamics", "reward")) == "dynamics, reward"
    assert kinds_text(()) == "not declared" and kinds_text((), "none") == "none"
    assert checked_kinds((), ["a"]) == {"a": ()}
