"""The headline and the question whether the context matters, from artificial cells of the experiment cse."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tools.cse_cells import pretend
from tools.reproduce import registry
from tools.reproduce.controls.experiment import chosen_environment
from tools.reproduce.cse.experiment import EXPERIMENT as CSE
from tools.reproduce.frame import command

TEN = np.arange(10) - 4.5  # exact in binary
C0 = {arm: 10 + TEN for arm in ("baseline", "hidden", "jitter", "cse", "ldr", "gdr", "gdr-hidden")}
SWEPT = {
    "baseline": -50 + TEN, "hidden": -40 + TEN, "jitter": -30 + TEN, "cse": 8 + TEN, "ldr": 10 + TEN, "gdr": 9 + TEN,
    "gdr-hidden": -20 + TEN, "zero": [-60.0], "random": [-70.0],
}  # fmt: skip


def folders(tmp_path: Path) -> list[str]:
    return ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]


def written(name: str, tmp_path: Path, *arguments: str) -> tuple[str, dict]:
    command.run(registry.load(name), ["report", *arguments, *folders(tmp_path)])
    return (tmp_path / "out" / f"{name}.md").read_text(), json.loads((tmp_path / "out" / f"{name}.json").read_text())


def pretend_headline(tmp_path: Path, returns: dict) -> None:
    """The cells of RotatedThrusters, ten seeds."""
    options = command.parse(registry.load("controls"), folders(tmp_path))
    pretend(chosen_environment(options), options.work, returns, C0)


def test_the_headline_shares_its_cells_with_cse(tmp_path: Path) -> None:
    paths = {}
    for name in ("cse", "controls", "matters"):
        experiment = registry.load(name)
        options = command.parse(experiment, [])
        assert options.work == Path("out/reproduce-cse")
        paths[name] = {cell.path: cell.settings for cell in experiment.cells(options)}
    assert paths["controls"].items() <= paths["cse"].items()
    for path, settings in paths["matters"].items():
        assert paths["cse"].get(path, settings) == settings
    seeds = {cell.key[4] for cell in registry.load("controls").cells(command.parse(CSE, [])) if len(cell.key) == 5}
    assert seeds == set(range(10))


@pytest.mark.parametrize("name", ["controls", "matters"])
def test_sweeps_and_algorithms_need_an_environment(name: str, tmp_path: Path) -> None:
    words = [["--sweep", "nothere=7"], *([["--algorithms", "foo"], ["--algorithms", "td3"]] if name == "controls" else [])]
    for given in words:
        with pytest.raises(SystemExit, match=f"{given[0]}.* expected --env beside it|found 'foo'"):
            command.run(registry.load(name), [*given, "--list", *folders(tmp_path)])


def test_the_claims_are_about_theta_and_every_control(tmp_path: Path) -> None:
    pretend_headline(tmp_path, SWEPT)
    text, stored = written("controls", tmp_path)
    claims = {claim["claim"]: claim["met"] for claim in stored["claims"]}
    controls = ("baseline", "context hidden", "jitter (placebo)", "zero action", "random action")
    assert claims == {f"theta: CSE, first order - {control} > 0": True for control in controls}
    disjoint = "that of CSE, first order lies above those of: baseline, context hidden, jitter (placebo), zero action"
    assert disjoint in " ".join(text.split())
    assert "RotatedThrusters, td3, offline: CSE, exact (10 seeds)." in text.partition("Command:")[0]
    assert "| theta | 30 [30, 30] (GDR, context hidden) | 29 [29, 29] (GDR, context hidden) | yes |" in text
    assert "| CSE, first order | 3.5 | 4.5 | 5.5 |" in text and (tmp_path / "out" / "controls.png").stat().st_size > 10_000


def test_a_claim_is_not_met_where_one_control_is_as_good(tmp_path: Path) -> None:
    pretend_headline(tmp_path, SWEPT | {"jitter": 8 - TEN})
    _, stored = written("controls", tmp_path)
    unmet = [claim["claim"] for claim in stored["claims"] if not claim["met"]]
    assert unmet == ["theta: CSE, first order - jitter (placebo) > 0"]


def test_matters_names_what_is_not_judged(tmp_path: Path) -> None:
    pretend_headline(tmp_path, SWEPT)
    text, stored = written("matters", tmp_path, "--only", "RotatedThrusters")
    told = "30 [30, 30] (GDR, context hidden) | 29 [29, 29] (GDR, context hidden)"
    assert f"| RotatedThrusters | td3, offline | theta | {told} | yes |" in text
    for line in (
        "- AntDirection: no learner",
        "- PendulumGoal: not asked for.",
        "- HopperPhysics: not part of the experiment.",
    ):
        assert line in text.partition("## Not judged")[2]
    assert {answer["answer"] for answer in stored["answers"]} == {"yes"}
    assert stored["missing"] == ["RotatedThrusters/untrained/none/by-hand/0"]


def test_feedback_by_hand_stands_beside_the_headline(tmp_path: Path) -> None:
    pretend_headline(tmp_path, SWEPT | {"by-hand": [7.5]})
    text, stored = written("controls", tmp_path)
    assert "Not a control: damped feedback, by hand, not told the context and not trained, has 7.5 [7.5, 7.5]" in " ".join(
        text.split()
    )
    (less,) = stored["cse_less_by_hand"]
    assert (less["sweep"], less["difference"]["estimate"]) == ("sweep_theta", 0.5)
    text, stored = written("matters", tmp_path, "--only", "RotatedThrusters")
    assert "LDR: yes; GDR: yes among trained policies, not against feedback by hand" in text and stored["missing"] == []
    ldr = stored["answers"][0]["comparisons"][0]
    assert (ldr["told"], ldr["not told"], ldr["told - by hand"]["estimate"]) == ("ldr", "gdr-hidden", 2.5)


def test_a_users_environment_is_not_chosen_among_the_known_ones(tmp_path: Path) -> None:
    for name in ("cse", "matters", "feedback"):
        words = ["--env", "offctx/PointGoal-v0", "--only", "PointGoal", "--list", *folders(tmp_path)]
        with pytest.raises(SystemExit, match="expected --env or --only, not both"):
            command.run(registry.load(name), words)


def test_a_task_of_the_users_own(tmp_path: Path) -> None:
    for name in ("controls", "matters"):
        experiment = registry.load(name)
        arguments = ["--env", "offctx/SimpleDirection-v0", "--sweep", "c_x=-1,1", "--seeds", "2", *folders(tmp_path)]
        keys = {cell.key for cell in experiment.cells(command.parse(experiment, arguments))}
        (env,) = {key[0] for key in keys}
        assert env.startswith("SimpleDirection-"), "no cell of the entry: the tag is that of the id and of its code"
        assert (env, "offline", "td3", "gdr-hidden", 1) in keys
        assert ((env, "offline", "td3", "cse", 1) in keys) == (name == "controls")


def test_other_sweeps_of_a_users_task_have_other_data_of_the_evaluation_range() -> None:
    experiment = registry.load("controls")
    ids = []
    for values in ("c_x=-1,1", "c_x=-0.5,0.5"):
        options = command.parse(experiment, ["--env", "offctx/SimpleDirection-v0", "--sweep", values])
        cells = experiment.preparation(experiment.cells(options), options)
        ids.append({cell.key[2]: cell.settings["dataset_id"] for cell in cells})
    assert ids[0]["gdr"] != ids[1]["gdr"] and ids[0]["base"] == ids[1]["base"]
