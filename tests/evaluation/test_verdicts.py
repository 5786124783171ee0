"""Verdicts: against every null, over seeds and episodes, and not of learners that have learnt nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import offctx
from offctx.errors import EvaluationError, OffctxWarning
from offctx.evaluation.compare import compare
from offctx.evaluation.pages.files import page_files
from offctx.evaluation.pages.verdicts import seed_table, verdict_notes, verdict_table
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.evaluation.verdicts import Verdict

MakeReport = Callable[..., ZeroShotReport]


@pytest.fixture
def arms(make: MakeReport) -> Callable[..., dict[str, Any]]:
    """Makes methods by their level of return: several runs around it for learners, one run for fixed controls."""

    def made(runs: int = 5, **levels: float) -> dict[str, Any]:
        spread = np.linspace(-1, 1, runs) if runs > 1 else [0.0]
        fixed = ("zero", "random")
        return {
            name: make(level, 9) if name in fixed else [make(level + shift, seed) for seed, shift in enumerate(spread)]
            for name, level in levels.items()
        }

    return made


def of(comparison: Comparison, method: str, split: str = "test") -> Verdict:
    return next(verdict for verdict in comparison.verdicts if (verdict.method, verdict.split) == (method, split))


def test_the_deciding_null_is_the_strongest_where_all_differences_are_as_wide(arms: Any, make: MakeReport) -> None:
    methods = arms(baseline=-90, hidden=-50, CSE=-40, LDR=-20, zero=-200, random=-300)
    # The zero action is bad in the training context, but the best null off it, as in PendulumGoal's sweep of tau.
    zero = make(-200, 9, returns={"train": np.full((3, 6), -200.0), "test": np.full((2, 6), -55.0)})
    comparison = compare(methods | {"zero": zero}, baseline="baseline", reference="LDR")
    assert of(comparison, "CSE", "train").null == "hidden" and of(comparison, "CSE").null == "zero"
    assert {verdict.method for verdict in comparison.verdicts} == {"CSE", "LDR"}
    difference = of(comparison, "CSE").difference
    assert difference == comparison.difference("CSE", "zero", "test") and difference.over == "seeds and episodes"
    assert comparison.null_controls == ("hidden", "zero", "random") and comparison.references == ("LDR",)


def test_the_whole_interval_must_meet_the_rule(arms: Any) -> None:
    methods = arms(baseline=-90, hidden=-50, above=-40, same=-49.7, below=-70, LDR=-20, zero=-200)
    methods["same"].reverse()  # seed by seed the differences are -2 to 2
    comparison = compare(methods, baseline="baseline", reference="LDR")
    assert {name: of(comparison, name).status for name in ("above", "same", "below")} == {
        "above": "above",
        "same": "not above",
        "below": "below",
    }
    assert of(comparison, "above").difference.low > 0 > of(comparison, "below").difference.high


def test_a_gain_that_the_placebo_has_too_is_no_verdict_for_the_method(arms: Any) -> None:
    """The case that this exists for: CSE closes the gap of the baseline, and so does the placebo."""
    methods = arms(baseline=-400, CSE=-135, LDR=-130, zero=-900)
    methods["jitter (placebo)"] = arms(jitter=-134)["jitter"]
    comparison = compare(methods, baseline="baseline", reference="LDR")
    verdict = of(comparison, "CSE")
    assert (verdict.status, verdict.null, verdict.start) == ("below", "jitter (placebo)", "jitter (placebo)")
    share = verdict.shares["LDR"].share  # from the baseline it would be 0.98, for CSE and for the placebo
    assert share.estimate == pytest.approx(-0.25) and comparison.gap_closed("CSE", "test").share == share
    rows = {row.method: row.gap_closed for row in comparison.rows if row.split == "test"}
    assert [name for name, closed in rows.items() if closed is not None] == ["CSE"]
    text = str(comparison)
    assert "Gap closed: 0 at the strongest of baseline and null controls" in page_files(comparison)["report.md"].decode()
    assert "with the highest mean return in the split (jitter (placebo))" in text


def test_shares_of_every_reference(arms: Any) -> None:
    methods = arms(baseline=-90, CSE=-50, LDR=-20, gdr=-10, zero=-200)
    methods["reward relabelled"] = arms(x=-90.0)["x"]
    comparison = compare(methods, baseline="baseline", reference="LDR")
    assert comparison.references == ("LDR", "gdr", "reward relabelled")
    shares = of(comparison, "CSE").shares
    assert shares["LDR"] == comparison.gap_closed("CSE", "test")
    assert shares["gdr"].share.estimate == pytest.approx(40 / 80, abs=0.02)
    assert shares["reward relabelled"].share is None  # it gains nothing over the strongest null, the baseline
    assert list(of(comparison, "LDR").shares) == ["gdr", "reward relabelled"]
    assert "reward relabelled - baseline in test = " in str(comparison)
    alone = compare(arms(CSE=-50, LDR=-20, zero=-200))
    assert (of(alone, "CSE").status, of(alone, "CSE").null) == ("above", "zero")
    assert of(alone, "CSE").shares["LDR"].share.estimate == pytest.approx(150 / 180, abs=0.02)  # from the zero action
    with pytest.raises(EvaluationError, match="a baseline or a null control, found one without"):
        compare(arms(CSE=-50, LDR=-20), controls=False).share("CSE", "LDR", "test")


def test_a_learner_below_standing_still_is_not_learned(arms: Any) -> None:
    """AntDirection: standing still scores 994, the baseline 623, CSE 468, LDR 520."""
    comparison = compare(arms(baseline=623, CSE=468, LDR=520, good=1100, zero=994), baseline="baseline", reference="LDR")
    assert comparison.learned == {"baseline": False, "CSE": False, "LDR": False, "good": True}
    assert of(comparison, "CSE").status == "not learned" and of(comparison, "CSE").shares == {}
    assert of(comparison, "good").status == "above" and of(comparison, "good").null == "zero"
    assert of(comparison, "good").shares["LDR"].reason == "LDR is not learned"
    texts = [str(comparison), *(page_files(comparison)[name].decode() for name in ("report.md", "report.html"))]
    for text in texts:
        assert text.count("CSE (not learned)") >= 2 and "good (not learned)" not in text
        assert "Nothing is concluded from such a learner" in text


def test_a_learner_below_random_actions_is_not_learned(arms: Any) -> None:
    """With actions in [0, 2] the zero action is an extreme, and a poor bar alone."""
    comparison = compare(arms(low=-50, good=-10, zero=-200, random=-40))
    assert comparison.learned == {"low": False, "good": True} and comparison.bar == ("zero", "random")
    assert "does not lie above that of zero and random," in " ".join(verdict_notes(comparison))
    assert of(comparison, "low").status == "not learned"


def test_where_no_action_changes_the_return_there_is_nothing_to_learn(arms: Any, make: MakeReport) -> None:
    """SimpleDirection at c = (0, 0): every policy has the return 0; the other contexts decide."""
    still = {"train": np.zeros((3, 6))}
    runs = [make(0, k, returns=still | {"test": np.full((2, 6), 5.0 + k)}) for k in range(5)]
    fixed = {name: make(0, 9, returns=still | {"test": np.full((2, 6), 1.0)}) for name in ("zero", "random")}
    comparison = compare({"CSE": runs} | fixed)
    assert comparison.learned == {"CSE": None} and of(comparison, "CSE").status == "above"
    assert "no action that changes the return" in " ".join(verdict_notes(comparison))
    # A learner that plays the zero action has learnt nothing, where random actions have other returns.
    other = fixed | {"random": make(-1, 9)}
    assert compare({"CSE": runs} | other).learned == {"CSE": False}


def test_whether_a_learner_learnt_with_few_seeds_and_with_one(arms: Any, make: MakeReport) -> None:
    few = compare({"a": [make(-10, 0), make(-30, 1)], "b": [make(-10, 0), make(-12, 1)], "zero": make(-20, 9)})
    assert few.learned == {"a": False, "b": True}  # of a, one seed is worse than standing still
    one = compare({"a": make(-10), "b": make(-20.1, 1), "zero": make(-20, 9)})
    assert one.learned == {"a": True, "b": False}
    unknown = compare({"a": make(-10, episodes=1), "zero": make(-20, 9, episodes=1)})
    assert unknown.learned == {"a": None} and "only one episode" in " ".join(verdict_notes(unknown))
    no_zero = compare({"a": make(-10), "random": make(-20, 9)})
    assert no_zero.learned == {"a": None} and "there is no zero action" in " ".join(verdict_notes(no_zero))
    constant = compare({"a": make(-10), "constant action": make(-20, 9)})
    assert constant.learned == {"a": True}


def test_fewer_than_five_seeds_give_no_verdict(arms: Any, make: MakeReport) -> None:
    for runs, over in ((1, "episodes"), (4, None)):
        comparison = compare(arms(runs, baseline=-90, CSE=-50, LDR=-20, zero=-200), baseline="baseline", reference="LDR")
        verdict = of(comparison, "CSE")
        assert verdict.status == "no interval over seeds" and verdict.difference.over == over
        assert "needs at least 5 agents of each method" in str(comparison) and f"found {runs} of each" in str(comparison)
    # A trained null with one run says nothing of its own seeds; a scripted policy that the user names is a constant.
    mixed = arms(CSE=-50, zero=-200) | {"hidden": make(-60)}
    assert of(compare(mixed), "CSE").status == "no interval over seeds"
    scripted = arms(CSE=-50, zero=-200) | {"controller": make(-60)}
    assert of(compare(scripted, controls=["controller"]), "CSE").status == "above"
    assert "2 of CSE" not in str(compare(scripted, controls=["controller"]))


def test_a_method_must_be_above_every_null(make: MakeReport) -> None:
    """The strongest mean does not decide alone: a null that varies from seed to seed may be as good as the method."""
    steady = {"CSE": 10.0 + np.linspace(-1, 1, 5), "hidden": 8.0 + np.linspace(-1, 1, 5), "baseline": [20.0, -60, 8, 7, 15]}
    methods = {name: [make(level, seed) for seed, level in enumerate(levels)] for name, levels in steady.items()}
    comparison = compare(methods | {"zero": make(-90, 9), "random": make(-95, 8)}, baseline="baseline")
    verdict = of(comparison, "CSE")
    assert verdict.start == "hidden" and comparison.difference("CSE", "hidden", "test").low > 0
    assert (verdict.status, verdict.null) == ("not above", "baseline")
    assert verdict.difference == comparison.difference("CSE", "baseline", "test") and verdict.difference.low < 0


def test_the_lead_is_over_the_best_null_of_each_context(make: MakeReport) -> None:
    """Two nulls that are each good in one context leave less to a method than the best of them over all contexts."""
    flat = {"train": np.zeros((3, 6))}

    def runs(first: float, second: float) -> list[ZeroShotReport]:
        noise = [np.random.default_rng(seed).normal(size=(2, 6)) for seed in range(5)]
        return [make(0, returns=flat | {"test": np.array([[first], [second]]) + 0.1 * each}) for each in noise]

    nulls = {"hidden": runs(10, -20), "jitter": runs(-20, 8)}
    methods = {"CSE": runs(11, 11), "zero": make(0, returns=flat | {"test": np.full((2, 6), -30.0)})} | nulls
    comparison = compare(methods)
    verdict = of(comparison, "CSE")
    assert verdict.start == "hidden" and verdict.difference.estimate == pytest.approx(16)
    assert verdict.lead.estimate == pytest.approx(2) and verdict.lead.low == pytest.approx(2, abs=1e-6)
    assert verdict.to_dict()["lead"]["over"] == "seeds and episodes"
    assert str(verdict.lead) in str(comparison)


def test_null_controls_that_are_missing_are_named(arms: Any) -> None:
    methods = arms(baseline=-90, CSE=-50, zero=-200, random=-300)
    comparison = compare(methods, baseline="baseline")
    sentence = "Not among the methods, by their names: context hidden, jitter (placebo). The verdicts hold against "
    assert sentence + "baseline and zero and random only." in str(comparison)
    assert comparison.to_dict()["controls"]["missing"] == ["context hidden", "jitter (placebo)"]
    whole = compare(methods | {"Jitter (placebo)": arms(x=-80)["x"], "context hidden": arms(x=-70)["x"]}, baseline="baseline")
    assert whole.missing_controls == () and "Not among the methods" not in str(whole)


def test_one_report_given_as_several_seeds_is_named(arms: Any, make: MakeReport) -> None:
    one = make(-50)
    sentence = "Runs 0, 1, 2, 3 and 4 of CSE have identical returns: they are no independent seeds"
    with pytest.warns(OffctxWarning, match=sentence):
        comparison = compare({"CSE": [one] * 5, "zero": [make(-200, 9)] * 5})
    assert sentence in str(comparison) and "of zero have" not in str(comparison)
    for name in ("report.md", "report.html"):
        assert sentence in " ".join(page_files(comparison)[name].decode().split())
    assert comparison.to_dict()["repeated"] == {"CSE": [[0, 1, 2, 3, 4]]}
    with pytest.warns(OffctxWarning, match="Runs 1 and 3 of CSE have"):
        compare({"CSE": [make(-50, seed) for seed in (0, 1, 2, 1)]})
    assert compare(arms(CSE=-50, zero=-200)).repeated == {}


@pytest.mark.filterwarnings("ignore:Runs:offctx.errors.OffctxWarning")
def test_repeated_reports_are_no_seeds_for_verdicts(arms: Any, make: MakeReport) -> None:
    methods = arms(CSE=-50, LDR=-20, zero=-200, random=-300)
    cases = {"all": [make(-50)] * 5, "two": [make(-50, 1), make(-50, 2)] * 3, "five": [*methods["CSE"], methods["CSE"][0]]}
    for name, runs in cases.items():
        comparison = compare(methods | {"CSE": runs})
        verdict = of(comparison, "CSE")
        known = name == "five"
        assert verdict.status == ("above" if known else "no interval over seeds")
        assert np.isfinite([verdict.difference.low, verdict.lead.low]).all() == known
        counts = {"all": "found 1 of CSE", "two": "found 2 of CSE", "five": ""}
        assert counts[name] in str(comparison) and ("found" in str(comparison)) != known
        assert known or verdict.shares["LDR"].reason == "fewer than 5 runs of CSE differ"
    as_null = compare(methods | {"hidden": cases["all"]})
    assert of(as_null, "LDR").status == "no interval over seeds" and of(as_null, "LDR").null == "hidden"


@pytest.mark.parametrize("name", ["Placebo (ContextJitter)", "TD3, no context", "td3_no-context", "TD3, context hidden"])
def test_a_method_that_is_named_like_a_null_control_is_named(arms: Any, name: str) -> None:
    methods = arms(CSE=-50, zero=-200, random=-300) | {name: arms(x=-40)["x"]}
    sentence = f"The name {name!r} looks like that of a null control, but {name} is judged as a method"
    with pytest.warns(OffctxWarning, match=re.escape(sentence)):
        comparison = compare(methods)
    assert sentence in str(comparison) and f"controls=[{name!r}]" in str(comparison) and of(comparison, "CSE").status == "above"
    named = compare(methods, controls=[name])
    assert named.unrecognised_controls == () and of(named, "CSE").null == name and of(named, "CSE").status == "below"
    assert compare(methods, baseline=name).unrecognised_controls == ()


def test_without_any_null_there_is_no_verdict(make: MakeReport) -> None:
    comparison = compare({"a": make(), "b": make(5)}, controls=False)
    assert {verdict.status for verdict in comparison.verdicts} == {"no control"}
    assert verdict_table(comparison) is None and "Verdict" not in str(comparison) and "left out" in str(comparison)
    assert "verdict" not in str(make()).lower() and "control" not in str(make()).lower()


def test_a_report_begins_with_the_verdicts(arms: Any) -> None:
    comparison = compare(arms(baseline=-90, CSE=-50, LDR=-20, zero=-200), baseline="baseline", reference="LDR")
    table = verdict_table(comparison)
    assert table is not None
    assert table.head == ["split", "method", "verdict", "deciding null", "difference", "lead by context", "share of LDR's gain"]
    assert table.rows[2][:5] == ["test", "CSE", "above", "baseline", str(of(comparison, "CSE").difference)]
    assert "95 % intervals over 5 training seeds and their episodes" in table.caption
    markdown, page = (page_files(comparison)[name].decode() for name in ("report.md", "report.html"))
    for text, parts in (
        (markdown, ("## Verdicts", "## Summary", "## Seeds", "## train", "## test")),
        (page, ("<h2>Verdicts</h2>", "<h2>Summary</h2>", "<h2>Seeds</h2>", "<h2>train</h2>")),
        (str(comparison), ("verdict", "AER")),
    ):
        places = [text.index(part) for part in parts]
        assert places == sorted(places)
    data = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert data["verdicts"][2]["status"] == "above" and data["verdicts"][2]["null"] == "baseline"
    assert data["controls"]["null"] == ["zero"] and data["controls"]["learned"]["CSE"] is True


def test_the_values_of_every_seed_are_in_a_table(arms: Any, make: MakeReport) -> None:
    comparison = compare(arms(CSE=-50, zero=-200))
    table = seed_table(comparison)
    assert table is not None and table.head == ["split", "method", *(f"seed {k}" for k in range(5))]
    row = next(row for row in table.rows if row[:2] == ["test", "CSE"])
    assert [float(value) for value in row[2:]] == pytest.approx(comparison.seed_means("CSE", "test").tolist(), rel=1e-3)
    assert next(row for row in table.rows if row[:2] == ["test", "zero"])[3:] == [""] * 4
    assert seed_table(compare({"a": make()})) is None


def test_captions_say_what_intervals_are_over(arms: Any, make: MakeReport) -> None:
    for methods, words in (
        (arms(CSE=-50, zero=-200), "with 95 % intervals over 5 training seeds"),
        (arms(1, CSE=-50, zero=-200), "with 95 % intervals over episodes of one agent"),
        (arms(3, CSE=-50, zero=-200), "of 3 training seeds, too few for intervals"),
        (
            arms(CSE=-50) | {"one": make()},
            "with 95 % intervals over training seeds (at least 5) and episodes, or over episodes of one agent",
        ),
    ):
        text = page_files(compare(methods))["report.md"].decode()
        assert f"Mean return in each context of test, {words}" in text
        assert f"Undiscounted returns of each method in each split, {words}" in text


def test_the_block_of_the_guide(arms: Any, capsys: Any) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    (block,) = (block for block in re.findall(r"```py\n(.*?)```", guide, re.DOTALL) if "comparison.verdicts" in block)
    names = arms(base=-90, hidden=-80, jitter=-70, cse=-40, ldr=-20)
    exec(compile(block, "guide.md", "exec"), names | {"offctx": offctx})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[2].startswith("test CSE above jitter")
