"""The options that say who does the work, and commands that go on after an interrupt."""

import json

import pytest

import offctx
from offctx.cli.options import workers
from offctx.data.collection import parts, task
from offctx.evaluation import chunks


def test_the_number_of_jobs_depends_on_the_backend_where_it_is_not_given():
    assert workers(None, "loky") == {"n_jobs": 1, "backend": "loky"}
    assert workers(None, "ray") == {"n_jobs": -1, "backend": "ray"}
    assert workers(3, "ray") == {"n_jobs": 3, "backend": "ray"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--n-jobs", "0"], "n_jobs must be a whole number of at least 1, or -1"),
        (["--backend", "dask"], 'backend must be "loky"'),
    ],
)
@pytest.mark.parametrize(
    "verb",
    [["collect", "RECIPE"], ["derivatives", "cli/x-v0"], ["evaluate", "random", "--env", "offctx/PendulumGoal-v0"]],
    ids=lambda verb: verb[0],
)
def test_bad_options_are_an_error(verb, options, expected, run, recipe, tmp_path):
    out = ["--out", str(tmp_path / "report")] if verb[0] == "evaluate" else []
    code, _, err = run(*[str(recipe) if word == "RECIPE" else word for word in verb], *out, *options, "-q")
    assert code == 2 and expected in err


def test_the_same_command_goes_on_after_an_interrupt(run, recipe, monkeypatch):
    monkeypatch.setattr(parts, "PART_TRANSITIONS", 200)  # one episode
    do = task.Task.do

    def interrupted(self, part, **options):
        if part.number == 2:
            raise KeyboardInterrupt
        return do(self, part, **options)

    with monkeypatch.context() as patch:
        patch.setattr(task.Task, "do", interrupted)
        code, _, err = run("collect", str(recipe), "-q")
    assert code == 130 and "2 of 4 chunks are kept, and the same call goes on from there" in err
    code, out, _ = run("clean", "--dry-run")
    assert "unfinished collection" in out
    assert run("collect", str(recipe), "-q")[0] == 0
    assert len(offctx.load_dataset("cli/PendulumGoal/random-v0")) == 800
    assert "unfinished" not in run("clean", "--dry-run")[1]


@pytest.mark.parametrize("after", [2, 4], ids=["an agent", "a control"])
def test_the_same_evaluation_goes_on_after_an_interrupt(after, run, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 400)  # one context
    play, played = chunks.Scorer.play_each, []

    def interrupted(self, *rest):
        if len(played) == after:
            played.append("interrupted")
            raise KeyboardInterrupt
        played.append(self.name)
        return play(self, *rest)

    folder, options = tmp_path / "unfinished", ["--sweep", "g=1,2,3", "--episodes", "2", "--seed", "1", "-q", "--json"]
    command = ["evaluate", "random", "--env", "offctx/PendulumGoal-v0", *options]
    out = ["--out", str(tmp_path / "report"), "--resume", str(folder)]
    with monkeypatch.context() as patch:
        patch.setattr(chunks.Scorer, "play_each", interrupted)
        code, _, err = run(*command, *out)
        assert code == 130 and f"is kept in {folder} ({after} chunks), and the same call goes on from there" in err
        assert len(list(folder.iterdir())) == after
        resumed = json.loads(run(*command, *out)[1])
    in_all = ["random"] * 3 + ["zero action"] * 3
    assert played == [*in_all[:after], "interrupted", *in_all[after:]] and list(folder.iterdir()) == []
    whole = json.loads(run(*command, "--out", str(tmp_path / "whole"))[1])
    assert resumed["methods"] == whole["methods"]
