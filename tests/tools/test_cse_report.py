"""The report of the experiment cse says what its cells say. The cells are artificial."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import offctx
from offctx.evaluation.statistics import difference
from tests.tools.cse_cells import EPISODES, pretend, small
from tools.reproduce.cse.arms import TITLES
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.experiment import EXPERIMENT, dataset_cells, environment_cells, learner_cell
from tools.reproduce.cse.learners import learner_radius
from tools.reproduce.cse.matters import proofs
from tools.reproduce.cse.pictures import STYLES
from tools.reproduce.cse.report import write_report
from tools.reproduce.cse.results import AlgorithmResult, gather
from tools.reproduce.cse.settings import ALL, Environment
from tools.reproduce.cse.tables import share_text
from tools.reproduce.cse.verdicts import Judgement, judgement, judgements
from tools.reproduce.frame import command
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination

FIVE = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
NULLS = {"baseline": 0 + FIVE, "hidden": 5 + FIVE, "jitter": 4 + FIVE, "zero": [-1.0], "random": [-2.0]}
LEARNED = {arm: 1 + FIVE for arm in ("baseline", "hidden", "jitter", "cse", "ldr", "gdr", "gdr-hidden")}


def result_of(environment: Environment, work: Path) -> AlgorithmResult:
    (result,) = gather([environment], Results.read(environment_cells(environment, work)))
    return result


def judged(work: Path, returns: dict, at_c0: dict | None = LEARNED, seeds: int = 5, region: str = ALL) -> Judgement:
    environment = small(seeds=seeds)
    pretend(environment, work, returns, at_c0)
    found = judgement(result_of(environment, work), "cse", region)
    assert found is not None
    return found


def report(environment: Environment, work: Path, out: Path) -> str:
    out.mkdir()
    results = Results.read(environment_cells(environment, work))
    write_report([environment], results, Destination(out, "the command"), work)
    return (out / "cse.md").read_text()


def test_a_method_is_judged_against_the_strongest_of_baseline_and_null_controls(tmp_path: Path) -> None:
    found = judged(tmp_path, NULLS | {"cse": 6 + FIVE, "ldr": 7 + FIVE})
    assert found.control == found.strongest == "hidden"
    assert found.difference.estimate == pytest.approx(1) and found.word == "above"
    # 4 + FIVE and 6 + FIVE move together with the seed, so that their difference has no spread: arms are paired by seed.
    assert found.difference.high - found.difference.low < 1e-9
    share = found.shares["ldr"].share
    assert share is not None and share.estimate == pytest.approx(0.5), "of the gain over the control, not over the baseline"


@pytest.mark.parametrize(("cse", "word"), [(5 + FIVE[::-1], "not above"), (4 + FIVE, "below"), (5.5 + FIVE, "above")])
def test_the_words_of_verdicts(tmp_path: Path, cse: np.ndarray, word: str) -> None:
    assert judged(tmp_path, NULLS | {"cse": cse}).word == word


def test_the_zero_action_can_be_the_strongest_control(tmp_path: Path) -> None:
    found = judged(tmp_path, NULLS | {"cse": 6 + FIVE, "zero": [8.0]})
    assert (found.control, found.strongest, found.word) == ("zero", "zero", "below")


def test_a_method_must_be_above_every_control_and_shares_start_at_the_strongest(tmp_path: Path) -> None:
    """The baseline varies from seed to seed: the method is above the strongest mean, but not above the baseline."""
    swaying = {"baseline": [-60.0, 30, -50, 30, 25]}
    found = judged(tmp_path, NULLS | swaying | {"cse": 6 + FIVE, "ldr": 7 + FIVE})
    assert (found.control, found.strongest, found.word) == ("baseline", "hidden", "not above")
    assert found.difference.low < 0 and found.shares["ldr"].share is not None
    assert found.shares["ldr"].share.estimate == pytest.approx(0.5)
    assert found.lead is not None and found.lead.estimate == pytest.approx(1)


def test_with_four_seeds_there_is_no_verdict_and_the_values_are_shown(tmp_path: Path) -> None:
    returns = {arm: values[:4] for arm, values in (NULLS | {"cse": 6 + FIVE}).items()}
    found = judged(tmp_path, returns, {arm: values[:4] for arm, values in LEARNED.items()}, seeds=4)
    assert found.verdict.met is None and found.word == "no interval over seeds"
    assert str(found.difference) == "1 (seeds: 1, 1, 1, 1)"


def test_the_words_of_shares(tmp_path: Path) -> None:
    def text(seeds: int, ldr: float) -> str:
        returns = {arm: values[:seeds] for arm, values in (NULLS | {"cse": 6 + FIVE, "ldr": ldr + FIVE}).items()}
        at_c0 = {arm: values[:seeds] for arm, values in LEARNED.items()}
        return share_text(judged(tmp_path / f"{seeds}-{ldr}", returns, at_c0, seeds).shares["ldr"])

    assert text(5, 7.0).startswith("0.5")
    assert text(5, 4.5).startswith("no gain: -0.5")
    assert text(4, 7.0) == "no interval (seeds: 0.50, 0.50, 0.50, 0.50)"
    assert text(4, 4.5) == "no gain in any seed"
    assert share_text(None) == ""


def test_arms_are_compared_on_their_common_seeds(tmp_path: Path) -> None:
    """A cell of the strongest control is missing; the seeds of the others must not move to its place."""
    environment = small(seeds=6)
    six = np.arange(6.0)
    returns = {"hidden": 10 * six, "cse": 10 * six + 1, "zero": [-1.0]}
    pretend(environment, tmp_path, returns)
    (tmp_path / "cells" / "SimpleDirection" / "offline" / "td3" / "hidden" / "seed1.json").unlink()
    found = result_of(environment, tmp_path).difference("cse", "hidden", ALL)
    assert found is not None and found.values == pytest.approx([1, 1, 1, 1, 1])


def test_nothing_is_concluded_from_a_learner_that_has_not_learned(tmp_path: Path) -> None:
    at_c0 = LEARNED | {"cse": 1 + FIVE, "zero": [1.0]}
    found = judged(tmp_path / "a", NULLS | {"cse": 6 + FIVE}, at_c0)
    assert found.learned is Competence.NOT_LEARNED and found.word == "not learned" and found.verdict.met is None
    text = report(small(seeds=5), tmp_path / "a", tmp_path / "out")
    assert (
        "- **Not learned**: SimpleDirection, td3, offline: baseline, context hidden, jitter (placebo), CSE, first order."
        in text
    )
    assert "| CSE, first order (**not learned**) | 5 |" in text


def test_a_learner_below_random_actions_has_not_learned(tmp_path: Path) -> None:
    at_c0 = LEARNED | {"zero": [-99.0], "random": [1.0], "cse": 1 + FIVE}
    assert judged(tmp_path, NULLS | {"cse": 6 + FIVE}, at_c0).learned is Competence.NOT_LEARNED
    assert judged(tmp_path, NULLS | {"cse": 6 + FIVE}, at_c0 | {"random": [-9.0]}).learned is Competence.LEARNED


def test_where_every_policy_has_the_same_return_at_c0_there_is_nothing_to_learn_there(tmp_path: Path) -> None:
    found = judged(tmp_path, NULLS | {"cse": 6 + FIVE}, at_c0=None)
    assert found.learned is Competence.NOTHING_TO_LEARN and found.word == "above"
    assert competence(found.result, "zero") is Competence.UNKNOWN


TOLD_ARMS = {"hidden": 5 + FIVE, "gdr-hidden": 6 + FIVE, "ldr": 8 + FIVE, "gdr": 7 + FIVE, "zero": [0.0]}


def test_each_policy_that_is_told_is_judged_against_the_deciding_one_that_is_not(tmp_path: Path) -> None:
    environment = small(seeds=5)
    pretend(environment, tmp_path, TOLD_ARMS, LEARNED)
    proof = proofs(result_of(environment, tmp_path))[0]
    assert [(c.told, c.untold, c.answer) for c in proof.comparisons] == [
        ("ldr", "gdr-hidden", "yes"),
        ("gdr", "gdr-hidden", "yes"),
    ]
    assert [c.difference.estimate for c in proof.comparisons] == pytest.approx([2, 1]) and proof.answer == "yes"
    assert {c.less_by_hand for c in proof.comparisons} == {None}
    pretend(environment, tmp_path, {"gdr-hidden": 7.5 + FIVE}, LEARNED)
    assert proofs(result_of(environment, tmp_path))[0].answer == "LDR: yes; GDR: not shown", "neither is picked by its returns"
    pretend(environment, tmp_path, {"gdr-hidden": 9 + FIVE}, LEARNED)
    assert proofs(result_of(environment, tmp_path))[0].answer == "not shown"
    pretend(environment, tmp_path, {"zero": [0.0]}, {"zero": [2.0]})
    assert proofs(result_of(environment, tmp_path))[0].answer == "not judged: not learned"


def test_feedback_by_hand_is_no_null_control_and_bounds_the_answer(tmp_path: Path) -> None:
    environment = replace(small("RotatedThrusters", seeds=5), online={})
    pretend(environment, tmp_path, TOLD_ARMS | NULLS | {"cse": 6 + FIVE, "by-hand": [7.5]}, LEARNED)
    result = result_of(environment, tmp_path)
    assert "by-hand" not in result.nulls and competence(result, "by-hand") is Competence.UNKNOWN
    proof = proofs(result)[0]
    assert proof.answer == "LDR: yes; GDR: yes among trained policies, not against feedback by hand"
    assert [c.less_by_hand.estimate for c in proof.comparisons if c.less_by_hand] == pytest.approx([0.5, -0.5])
    found = judgement(result, "cse", proof.sweep)
    assert found is not None and found.word == "above", "verdicts are against the baseline and the null controls"
    text = report(environment, tmp_path, tmp_path / "out")
    assert "| damped feedback, by hand | 1 | 0 [0, 0] (episodes) | 7.5 [7.5, 7.5] (episodes)" in text
    assert "a = clip(-p - 4 v, -1, 1)" in " ".join(text.split())


def test_what_is_planned_and_missing_stands_at_the_top(tmp_path: Path) -> None:
    environment = small(seeds=5)
    pretend(environment, tmp_path, NULLS | {"cse": (6 + FIVE)[:3]}, LEARNED)
    top, _, rest = report(environment, tmp_path, tmp_path / "out").partition("## Summary")
    for piece in (
        "**Planned and missing:**",
        "- SimpleDirection, td3, offline: CSE, first order (2 seeds), CSE, exact (5 seeds), LDR (5 seeds)",
        "- SimpleDirection: radius, search tolerance0.2 100",
        "Cells run at abc",
    ):
        assert piece in top, piece
    assert "## How to read this" in rest
    stored = json.loads((tmp_path / "out" / "cse.json").read_text())
    assert "SimpleDirection/offline/td3/cse/4" in stored["missing"] and stored["clean"] is True
    assert stored["cells"]["SimpleDirection/offline/td3/cse/2"] == "abc"


def test_a_dirty_cell_stands_at_the_top_and_the_report_is_not_clean(tmp_path: Path) -> None:
    environment = small(seeds=2)
    pretend(environment, tmp_path, {"cse": [1, 2], "hidden": [1, 2]})
    pretend(environment, tmp_path, {"hidden": [1]}, commit="abc-dirty (offctx/a.py)")
    top = report(environment, tmp_path, tmp_path / "out").partition("## Summary")[0]
    assert (
        "**1 cell was not run from a clean commit:**\n\n- abc-dirty (offctx/a.py): SimpleDirection/offline/td3/hidden/0\n"
        in top
    )
    assert json.loads((tmp_path / "out" / "cse.json").read_text())["clean"] is False


def test_a_dataset_of_changed_code_makes_the_report_unclean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["report", "--only", "SimpleDirection", "--quick", "--work", str(tmp_path), "--out", str(tmp_path / "out")]
    options = command.parse(EXPERIMENT, arguments)
    environment = small(seeds=2)
    pretend(environment, options.work, {"cse": [1, 2], "hidden": [1, 2]})
    cells = [cell for cell in EXPERIMENT.cells(options) if cell.path.exists()]
    assert len(cells) == 4
    source = EXPERIMENT.sources(cells, options)[1]
    assert str(source) == "SimpleDirection/data/base/1"
    source.path.write_text(json.dumps({"settings": source.settings, "commit": "abc-dirty (tools/b.py)"}))
    command.run(EXPERIMENT, arguments)
    printed = capsys.readouterr().out
    assert "1 cell was not run from a clean commit; 1 dataset is of unknown origin" in printed
    text = (tmp_path / "out" / "cse.md").read_text().partition("## Summary")[0]
    assert "- abc-dirty (tools/b.py): SimpleDirection/data/base/1\n" in text
    assert "- no record of the run that made it: SimpleDirection/data/base/0\n" in text
    source.path.write_text(json.dumps({"settings": source.settings, "commit": "abc"}))
    with pytest.raises(SystemExit, match="--clean: 1 dataset is of unknown origin: SimpleDirection/data/base/0"):
        command.run(EXPERIMENT, [*arguments, "--clean"])


def test_a_learner_reads_what_it_is_trained_on_and_what_its_radius_follows_from(tmp_path: Path) -> None:
    environment = small(seeds=1)
    read = {}
    for learner in environment.all_learners():
        sources = dataset_cells([environment], [learner_cell(environment, learner, tmp_path)], tmp_path)
        read[learner.method] = [source.key[2] for source in sources]
    assert read["zero"] == [] and read["hidden"] == read["cse"] == ["base"] and read["gdr"] == ["gdr"]
    assert read["ldr"] == ["base", "ldr"]
    assert learner_radius(environment, environment.all_learners()[2]) is None  # the baseline moves nothing: no data are read


def test_the_report_is_the_same_from_the_same_cells(tmp_path: Path) -> None:
    environment = small(seeds=5)
    pretend(environment, tmp_path, NULLS | {"cse": 6 + FIVE, "ldr": 7 + FIVE}, LEARNED)
    for out in ("one", "two"):
        report(environment, tmp_path, tmp_path / out)
    files = [{path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "two")]
    assert set(files[0]) == {"cse.md", "cse.json", "cse-SimpleDirection.png"}
    assert files[0] == files[1]


def test_every_configuration_that_was_run_is_in_the_report(tmp_path: Path) -> None:
    """Also those with other settings, which a later run has replaced, and those of arms that are not planned any more."""
    old, new = small(seeds=2, steps=39), small(seeds=2)
    pretend(old, tmp_path, {"cse": [1, 2]})
    folder = tmp_path / "cells" / "SimpleDirection" / "offline" / "td3" / "cse"
    (folder / "superseded").mkdir()
    for path in folder.glob("*.json"):
        path.rename(folder / "superseded" / path.name)
    pretend(new, tmp_path, {"cse": [3, 4], "hidden": [3, 4]})
    text = report(new, tmp_path, tmp_path / "out")
    (line,) = [line for line in text.splitlines() if line.startswith("- SimpleDirection / offline / td3 / cse, seeds 0, 1:")]
    assert "steps 39" in line and line.endswith("Mean returns: c0 0, sweep_c_x 1.5, sweep_c_y 1.5.")
    assert "- SimpleDirection, td3, offline: 40 steps" in text
    (other,) = json.loads((tmp_path / "out" / "cse.json").read_text())["other_runs"]
    assert [run["mean_returns"]["sweep_c_x"] for run in other["runs"]] == [1, 2] and other["settings"]["steps"] == 39


def test_every_seed_is_in_the_json_and_the_intervals_follow_from_it(tmp_path: Path) -> None:
    environment = small(seeds=2)
    pretend(environment, tmp_path, {"cse": [3, 4], "hidden": [3, 5], "zero": [0.0]})
    report(environment, tmp_path, tmp_path / "out")
    (record,) = json.loads((tmp_path / "out" / "cse.json").read_text())["results"]
    assert record["returns"]["hidden"]["sweep_c_x"] == [[3] * 8, [5] * 8]
    by_start = {arm: np.array(splits["sweep_c_x"])[:, None] for arm, splits in record["returns_by_start_state"].items()}
    assert by_start["hidden"].tolist() == [[[3] * EPISODES], [[5] * EPISODES]]
    assert difference(by_start["cse"], by_start["hidden"]).to_dict() == record["judgements"][0]["difference"]
    assert record["seeds"] == {"hidden": [0, 1], "cse": [0, 1], "zero": [0]}
    assert record["judgements"][0]["difference"]["values"] == [0, -1]


def test_without_all_controls_there_is_no_verdict(tmp_path: Path) -> None:
    found = judged(tmp_path, {arm: values for arm, values in NULLS.items() if arm != "jitter"} | {"cse": 9 + FIVE})
    assert found.word == "controls missing" and found.verdict.met is None


def test_verdicts_are_those_of_compare(tmp_path: Path) -> None:
    """The same reports, given to `offctx.compare`, give the same controls, differences and verdict."""
    environment = small("RotatedThrusters", seeds=5)
    swept = NULLS | {"cse": 5.02 + FIVE[::-1], "cse-exact": 6 + FIVE, "ldr": 4 + FIVE, "zero": [-1.0]}
    pretend(environment, tmp_path, swept, LEARNED | {"cse-exact": 1 + FIVE})
    result = result_of(environment, tmp_path)
    reports = {TITLES[arm]: list(runs.values()) for arm, runs in result.runs.items()}
    compared = offctx.compare(reports, baseline="baseline", reference="LDR", controls=False)
    theirs = {
        (v.method, v.split): (v.null, v.status, v.difference, v.lead, v.start) for v in compared.verdicts if v.split != "train"
    }
    ours = {
        (TITLES[j.method], j.region): (TITLES[j.control], j.word, j.difference, j.lead, TITLES[j.strongest])
        for j in judgements(result)
        if j.region != ALL
    }
    assert len(ours) == 8 and {word for _, word, *_ in ours.values()} == {"above", "not above"}
    assert ours == {key: theirs[key] for key in ours}


def test_every_arm_has_a_style_of_its_own() -> None:
    assert list(STYLES) and set(STYLES) == set(TITLES)
    drawn = [style for arm, style in STYLES.items() if arm != "constant"]  # instead of zero, never beside it
    assert len(set(drawn)) == len(drawn)
