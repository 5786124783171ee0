"""In other contexts our environments are the suite's code with a model that was edited by hand, bit for bit."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import offctx.envs
from tests.envs.dm_control.suite import assert_same_episode, model_xml, their_env

_RENDERED = ("_", "mat_", "tex_", "name", "geom_matid", "paths")  # and sizes, names and places of names


def find(model: ElementTree.Element, path: str) -> ElementTree.Element:
    element = model.find(path)
    assert element is not None, path
    return element


def scale(element: ElementTree.Element, attribute: str, factor: float, numbers: slice = slice(None)) -> None:
    values = np.array(element.get(attribute, "").split(), dtype=float)
    values[numbers] *= factor
    element.set(attribute, " ".join(map(repr, values.tolist())))


def set_gravity(model: ElementTree.Element, gravity: float) -> None:
    option = model.find("option")
    option = ElementTree.SubElement(model, "option") if option is None else option
    option.set("gravity", f"0 0 {-gravity!r}")


def cartpole(model: ElementTree.Element, length: float, factor: float) -> None:
    find(model, ".//default[@class='pole']/geom").set("fromto", f"0 0 0 0 0 {2 * length!r}")


def ball_in_cup(model: ElementTree.Element, gravity: float, length: float) -> None:
    set_gravity(model, gravity)
    find(model, ".//spatial[@name='string']").set("range", f"0 {length!r}")
    find(model, ".//body[@name='ball']").set("pos", f"0 0 {0.2 + (0.3 - length)!r}")


def walker(model: ElementTree.Element, gravity: float, strength: float) -> None:
    set_gravity(model, gravity)
    for motor in model.findall("actuator/motor"):
        scale(motor, "gear", strength)


def cheetah(model: ElementTree.Element, length: float, factor: float) -> None:
    for name in ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"):
        scale(find(model, f".//geom[@name='{name}']"), "pos", length)
        scale(find(model, f".//geom[@name='{name}']"), "size", length, slice(1, 2))
        if "thigh" not in name:
            scale(find(model, f".//body[@name='{name}']"), "pos", length)


def reacher(model: ElementTree.Element, length: float, mixing: float) -> None:
    for name in ("arm", "hand"):
        scale(find(model, f".//geom[@name='{name}']"), "fromto", length)
    for name in ("hand", "finger"):
        scale(find(model, f".//body[@name='{name}']"), "pos", length)


EDITS: dict[str, Any] = {
    "CartpoleBalance": cartpole,
    "BallInCupCatch": ball_in_cup,
    "WalkerWalk": walker,
    "CheetahRun": cheetah,
    "ReacherEasy": reacher,
    "ReacherHard": reacher,
    "ReacherHardPermuted": reacher,
}


def mix(name: str, context: Any, action: Any) -> Any:
    """The action that the suite's environment gets in place of ours."""
    if name == "ReacherHardPermuted":
        return action[::-1] if context[1] == 1 else action
    return action if name in ("BallInCupCatch", "WalkerWalk") else action * context[1]


def edited(name: str, context: Any) -> str:
    model = model_xml(name)
    EDITS[name](model, *context.tolist())
    return ElementTree.tostring(model, encoding="unicode")


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("which", [0, -1])
def test_a_held_out_context_is_the_suite_with_a_model_edited_by_hand(name: str, which: int) -> None:
    ours = getattr(offctx.envs, name)()
    context = ours.context_space.splits["eval-out"][which]
    theirs = their_env(name, 5, edited(name, context))
    assert_same_episode(ours, theirs, 250, lambda action: mix(name, context, action), seed=5, options={"context": context})


@pytest.mark.parametrize("name", ["CartpoleBalance", "BallInCupCatch", "WalkerWalk", "CheetahRun", "ReacherHard"])
def test_models_in_place_are_models_compiled_from_edited_files(name: str) -> None:
    """Whatever context a scratch model had before, to the last number, but for materials and textures."""
    env = getattr(offctx.envs, name)()
    workspace = env.simulator.workspace()
    for context in (*env.context_space.splits["eval-out"][::6], env.context_space.default):
        workspace.set_context(context)
        theirs = their_env(name, 0, edited(name, context)).physics.model
        for field in dir(workspace.model):
            value = getattr(workspace.model, field)
            if isinstance(value, np.ndarray) and not field.startswith(_RENDERED):
                np.testing.assert_array_equal(value, getattr(theirs._model, field), err_msg=field)
        for statistic in ("extent", "meaninertia", "meanmass", "meansize"):
            assert getattr(workspace.model.stat, statistic) == getattr(theirs._model.stat, statistic), statistic
        np.testing.assert_array_equal(workspace.model.opt.gravity, theirs._model.opt.gravity)
