"""The verb `evaluate`: agents that remember how they saw the context, and what is checked before anything is played."""

import json
import pickle
import shutil
import sys
import warnings

import gymnasium
import pytest

from offctx.evaluation import scoring

PENDULUM = "offctx/PendulumGoal-v0"
ID = "cli/PendulumGoal/random-v0"
ENV = ["--env", "testing/ShortPendulum-v0", "--sweep", "g=1,2", "--episodes", "1", "-q"]
gymnasium.register("testing/ShortPendulum-v0", entry_point="offctx.envs:PendulumGoal", max_episode_steps=10)


@pytest.fixture(scope="module")
def trained(prepare):
    """A folder with the dataset, hidden.d3 and append.d3 with their records; bare.d3, hidden too, without one."""
    options = ["--steps", "1", "--set", "batch_size=4"]
    train = [["train", ID, "--context", mode, *options, "--out", f"{mode}.d3"] for mode in ("hidden", "append")]
    folder = prepare(["collect", "recipe.toml"], *train)
    shutil.copyfile(folder / "hidden.d3", folder / "bare.d3")
    return folder


@pytest.fixture
def agents(trained, tmp_path, monkeypatch):
    """The test's own copy of that folder, which is also the present one."""
    return own_copy(trained, tmp_path, monkeypatch)


def own_copy(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def never_played(monkeypatch):
    """Fails the test where an episode is played."""
    monkeypatch.setattr(scoring, "play", lambda *_, **__: pytest.fail("an episode was played"))


def test_a_hidden_agent_beside_an_appended_one(run, agents):
    code, out, err = run("evaluate", "perm=hidden.d3", "td3=append.d3", "random", *ENV, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert list(report["methods"]) == ["perm", "td3", "random", "zero action"]
    splits = {split: values["contexts"] for split, values in report["splits"].items()}
    assert splits == {"train": [[2.0, 1.0, 1.0, 0.0]], "sweep_g": [[1.0, 1.0, 1.0, 0.0]]}  # g=2 is c0, split train


def test_controls_are_played_unless_they_are_given_or_left_out(run, agents):
    for number, (arguments, expected) in enumerate(
        [
            (["td3=append.d3"], ["td3", "zero action", "random action"]),
            (["td3=append.d3", "--no-controls"], ["td3"]),
            (["td3=append.d3", "zero", "--no-controls"], ["td3", "zero"]),
            (["td3=append.d3", "zero"], ["td3", "zero", "random action"]),
        ]
    ):
        code, out, err = run("evaluate", *arguments, *ENV, "--json", "--out", f"report{number}")
        assert code == 0 and list(json.loads(out)["methods"]) == expected, err


def test_agents_with_one_label_are_runs_of_one_method(run, agents):
    for seed in (1, 2):
        (agents / f"append{seed}.d3").write_bytes((agents / "append.d3").read_bytes())
    for number, words in enumerate([["td3=append.d3,append1.d3,append2.d3"], ["td3=append.d3", "td3=append1.d3,append2.d3"]]):
        code, out, err = run("evaluate", *words, *ENV, "--json", "--out", f"report{number}")
        assert code == 0, err
        report = json.loads(out)
        assert len(report["methods"]["td3"]["runs"]) == 3
        assert [agent["label"] for agent in report["provenance"]["agents"]] == [f"td3, run {k}" for k in range(3)]
    odd = agents / "a,b.d3"
    odd.write_bytes((agents / "append.d3").read_bytes())
    code, out, err = run("evaluate", "td3=a,b.d3", *ENV, "--json", "--out", "odd")
    assert code == 0 and len(json.loads(out)["methods"]["td3"]["runs"]) == 1, err


def test_an_agent_without_a_record_needs_the_option(run, agents):
    code, _, err = run("evaluate", "hidden.d3", "bare.d3", *ENV)
    assert code == 2 and err.startswith("error: agent 'bare': policy takes inputs of shape (3,)") and "--context append" in err
    assert run("evaluate", "hidden.d3", "bare.d3", *ENV, "--context", "hidden")[0] == 0


def test_a_warning_is_one_line(run, agents, monkeypatch):
    bare = agents / "bare.d3"
    bare.write_bytes(pickle.dumps(pickle.loads(bare.read_bytes()) | {"version": "2.7.0"}))

    def shown(message, category, filename, lineno, file=None, line=None):  # as Python has it; pytest keeps warnings to itself
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))

    monkeypatch.setattr(warnings, "showwarning", shown)
    code, _, err = run("evaluate", "bare.d3", *ENV, "--no-controls", "--context", "hidden")
    (line,) = err.splitlines()
    assert code == 0 and line.startswith("warning: bare.d3 was saved by d3rlpy 2.7.0; this is d3rlpy ")


def test_an_option_that_contradicts_the_record_is_told(run, agents, never_played):
    code, _, err = run("evaluate", "td3=append.d3", *ENV, "--context", "hidden")
    assert code == 2
    assert "agent 'td3': --context hidden contradicts append.d3.json, by which it was trained with --context append" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["append.d3", "bare.d3"], "agent 'bare': policy takes"),
        (["append.d3", "b=none.d3"], "agent 'b': no agent at none.d3"),
        (["append.d3", "b=/dev/null"], "agent 'b': cannot read an agent from /dev/null: not a regular file"),
        (["append.d3", "hidden.d3", "--reference", "append"], "--reference needs --baseline"),
        (["append.d3", "hidden.d3", "--baseline", "append", "--reference", "append"], "must be two agents"),
        (["append.d3", "hidden.d3", "--baseline", "append", "--reference", "best"], "no agent is called 'best'"),
        (["append.d3", "append=hidden.d3"], "two agents are called 'append'"),
        (["append.d3", "other/append.d3"], "two agents are called 'append'"),
        (["td3=append.d3,hidden.d3"], "append.d3 observes the context in mode append, hidden.d3 in mode hidden"),
        (["td3=append.d3", "td3=append.d3"], "append.d3 is given twice as 'td3'"),
        (["td3=append.d3,"], "label=seed0.d3,seed1.d3"),
        (["=append.d3"], "label=file.d3"),
    ],
)
def test_faults_are_found_before_anything_is_played(arguments, expected, run, agents, never_played):
    code, out, err = run("evaluate", *arguments, *ENV)
    assert code == 2 and expected in err and not out
    assert not (agents / "report").exists()


def test_labels_are_checked_before_the_folder(run, agents):
    (agents / "report").mkdir()
    (agents / "report" / "report.json").write_text("{}")
    code, _, err = run("evaluate", "append.d3", *ENV, "--baseline", "best")
    assert code == 2 and "no agent is called 'best'" in err


def test_a_report_is_replaced_only_on_request(run, agents, monkeypatch):
    command = ["evaluate", "random", *ENV]
    assert run(*command)[0] == 0
    before = (agents / "report" / "report.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "play", lambda *_, **__: pytest.fail("an episode was played"))
        code, _, err = run(*command, "--seed", "1")
    assert (code, err) == (2, "error: report holds a report already: --overwrite replaces it, --out names another folder\n")
    assert (agents / "report" / "report.json").read_bytes() == before
    assert run(*command, "--seed", "1", "--overwrite")[0] == 0
    assert (agents / "report" / "report.json").read_bytes() != before


def test_an_error_while_an_agent_plays_names_it(run, agents, monkeypatch):
    from d3rlpy.algos import TD3

    monkeypatch.setattr(TD3, "predict", lambda self, observations: observations[:, :1] * float("nan"))
    code, _, err = run("evaluate", "random", "td3=append.d3", *ENV)
    assert code == 2 and err.startswith("error: agent 'td3': policy")


SMALL = ["--steps", "1", "--set", "batch_size=4", "--set", "context_size=2", "--set", "num_layers=1", "-q"]


@pytest.fixture(scope="module")
def trained_transformer(prepare):
    """A folder with dt.d3, a Decision Transformer that does not see the context."""
    train = ["train", ID, "--algorithm", "decisiontransformer", "--context", "hidden", *SMALL, "--out", "dt.d3"]
    return prepare(["collect", "recipe.toml"], train)


@pytest.fixture
def transformer(trained_transformer, tmp_path, monkeypatch):
    return own_copy(trained_transformer, tmp_path, monkeypatch)


def test_an_agent_with_memory_is_scored_cold_and_warm(run, transformer):
    code, out, err = run(
        "evaluate", "dt.d3", "zero", *ENV, "--target-return", "5", "--warmup", "1,3", "--no-controls", "--json"
    )
    assert code == 0, err
    rows = [(row["method"], row["seen"], row["memory"]) for row in json.loads(out)["cold_and_warm"] if row["split"] == "train"]
    assert rows == [("dt", 0, "context"), ("dt", 1, "context"), ("dt", 3, "context"), ("zero", 0, "none")]
    options = ["--target-return", "5", "--warmup", "2", "--warmup-policy", "random", "--out", "by-random", "--no-controls"]
    code, out, err = run("evaluate", "dt.d3", "zero", *ENV, *options)
    assert code == 0 and "'zero' has no memory: a warm-up makes no difference, and none was played" in out, err
    assert "were played by random, while the policy looked on" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "agent 'dt': dt.d3 is a DecisionTransformer: it needs --target-return"),
        (["--target-return", "5", "--temperature", "1"], "agent 'dt': temperature is for Discrete actions"),
        (["--target-return", "5", "--warmup", "2.5"], "--warmup 2.5: warmup must be a whole number, at least 0; found 2.5"),
        (["--target-return", "5", "--warmup", "many"], "--warmup takes numbers separated by commas; found 'many'"),
        (["--target-return", "5", "--warmup", "0"], "--warmup 0: a warm-up has one step at least"),
        (["--target-return", "5", "--warmup-policy", "random"], "there is none: give --warmup"),
        (["--target-return", "5", "--warmup", "2", "--warmup-policy", "no.d3"], "--warmup-policy no.d3: no agent at no.d3"),
    ],
)
def test_faults_of_warm_ups_are_found_before_anything_is_played(options, expected, run, transformer, never_played):
    code, out, err = run("evaluate", "dt.d3", *ENV, *options)
    assert code == 2 and expected in err and not out


def test_a_decision_transformer_is_not_scored_while_it_is_trained(run, transformer):
    options = ["--algorithm", "decisiontransformer", "--eval-env", PENDULUM, "--out", "b.d3", *SMALL]
    code, _, err = run("train", ID, *options)
    assert code == 2 and "DecisionTransformer takes no evaluators while it is trained" in err
