"""The verb `train-online`: a run folder, what goes on after an interrupt, and what is refused."""

import json

import numpy as np
import pytest

import offctx

ENV = "offctx/SimpleDirection-v0"


@pytest.fixture
def train(run, tmp_path, monkeypatch):
    """Run `offctx train-online ENV` in the test's folder."""
    monkeypatch.chdir(tmp_path)
    options = ("--steps", "60", "--set", "batch_size=4", "--eval-episodes", "1", "--epochs", "3", "-q")
    return lambda *more, env=ENV: run("train-online", env, *options, *more)


def test_a_run_and_what_it_prints(train, run, tmp_path):
    code, out, err = train("--contexts", "5", "--run", "sac", "--json")
    assert code == 0, err
    about = json.loads(out)
    assert about["updates"] == 12 and about["agent"] == "sac/agent.d3" and (tmp_path / about["report"]).exists()
    config = json.loads((tmp_path / "sac" / "config.json").read_text())["settings"]
    assert len(config["contexts"]) == 5 and config["rows"] == 5 and config["config"]["batch_size"] == 4
    assert run("evaluate", "sac/agent.d3", "--env", ENV, "--episodes", "2", "--out", "again", "-q")[0] == 0
    code, out, _ = train("--contexts", "5", "--run", "sac")
    assert code == 0 and "sac after 12 updates in offctx/SimpleDirection-v0: saved to sac/agent.d3; report: sac/report" in out


def test_the_report_is_cold_and_warm_where_asked(train, tmp_path):
    small = [word for name in ("width=8", "bottleneck=2", "latent_size=4") for word in ("--set", name)]
    options = ("--algorithm", "dma-star-sh", "--set", "rows_per_window=2", *small, "--contexts", "4")
    code, _, err = train(*options, "--eval-warmup", "2,5", "--run", "sh", env="offctx/DoubleIntegrator-v0")
    assert code == 0, err
    assert json.loads((tmp_path / "sh" / "config.json").read_text())["settings"]["context"] == "hidden"  # by default
    assert offctx.ZeroShotReport.load(tmp_path / "sh" / "report").adaptation.seen == (0, 2, 5)
    code, _, err = train(*options, "--eval-warmup", "none", "--run", "other")
    assert code == 2 and "--eval-warmup takes numbers" in err and not (tmp_path / "other").exists()


def test_an_interrupt_says_how_to_go_on_and_the_same_command_does(train, tmp_path, monkeypatch):
    from d3rlpy.algos import TD3

    options = ("--algorithm", "td3", "--noise", "0.1", "--context", "hidden", "--contexts", "train", "--rows", "4")
    assert train(*options, "--run", "whole")[0] == 0
    real, calls = TD3.update, []

    def update(self, batch):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(TD3, "update", update)
    code, _, err = train(*options, "--run", "stopped")
    assert (code, err) == (130, "stopped: the same command goes on where the last checkpoint in stopped was made\n")
    assert train(*options, "--run", "stopped")[0] == 0
    one, other = (offctx.algos.load_agent(tmp_path / name / "agent.d3") for name in ("whole", "stopped"))
    seen = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    np.testing.assert_array_equal(one.predict(seen), other.predict(seen))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--contexts", "nosuch"), "--contexts takes a number, or one of the splits"),
        (("--contexts", "0"), "found 0"),
        (("--contexts", "1000001"), "from 1 to 1,000,000"),
        (("--contexts", "9" * 5000), "--contexts takes a number, or one of the splits"),
        (("--algorithm", "dqn"), "dqn is for discrete actions"),
        (("--context", "shown"), "context must be"),
        (("--cse-radius", "auto"), "prepare"),
        (("--steps", "0"), "steps must be a whole number"),
        (("--device", "cuda:9"), "--device 'cuda:9' is not available"),
    ],
)
def test_what_is_refused(train, options, message, tmp_path):
    code, out, err = train(*options)
    assert code == 2 and message in err and out == ""
    assert not (tmp_path / "run").exists()


def test_another_command_does_not_go_on_with_a_run(train):
    assert train("--contexts", "2")[0] == 0
    code, _, err = train("--contexts", "2", "--seed", "1")
    assert code == 2 and "run holds a run with" in err
