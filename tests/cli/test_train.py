"""The verb `train`: what it writes, keeps, and refuses."""

import json

import pytest

import offctx
from offctx.data import load as load_module
from offctx.training.records import read_record

ID = "cli/PendulumGoal/random-v0"


@pytest.fixture
def train(run, recipe, tmp_path, monkeypatch):
    """Run `offctx train ID` in the test's folder."""
    assert run("collect", str(recipe), "-q")[0] == 0
    monkeypatch.chdir(tmp_path)
    return lambda *options: run("train", ID, "--steps", "4", "--set", "batch_size=4", "-q", *options)


def test_an_agent_is_not_overwritten_without_a_word(train, tmp_path):
    assert train()[0] == 0
    before = (tmp_path / "agent.d3").read_bytes()
    code, _, err = train("--seed", "1")
    assert code == 2 and "agent.d3 exists already: --overwrite replaces it" in err
    assert (tmp_path / "agent.d3").read_bytes() == before
    assert train("--seed", "1", "--overwrite")[0] == 0
    assert (tmp_path / "agent.d3").read_bytes() != before and read_record("agent.d3").seed == 1


def test_an_agent_remembers_context_and_dataset(train):
    code, out, _ = train("--context", "hidden", "--pessimism", "2", "--json")
    assert code == 0 and json.loads(out)["record"] == "agent.d3.json"
    record = read_record("agent.d3")
    assert (record.context, record.dataset_id, record.algorithm, record.steps) == ("hidden", ID, "td3", 4)
    assert record.dataset_sha256 == offctx.load_dataset(ID).metadata.sha256
    assert "Pessimism" in record.options["augmentations"][0] and record.options["settings"] == {"batch_size": 4}


def test_data_beyond_the_memory_budget_are_mapped(train, monkeypatch):
    loaded, load = [], load_module.load_dataset
    monkeypatch.setattr(load_module, "load_dataset", lambda *a, **b: loaded.append(load(*a, **b)) or loaded[-1])
    assert train("--memory-budget", "1kB")[0] == 0 and train("--memory-budget", "1GB", "--overwrite")[0] == 0
    assert [dataset.lazy for dataset in loaded] == [True, False]
    code, _, err = train("--memory-budget", "much", "--overwrite")
    assert code == 2 and "memory_budget must be a number of bytes" in err


def test_an_interrupt_is_one_line_and_saves(train, monkeypatch):
    from d3rlpy.algos import TD3

    real, calls = TD3.update, []

    def update(self, batch):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(TD3, "update", update)
    code, out, err = train("--out", "half.d3")
    assert (code, out) == (130, "")
    assert err == "stopped: the agent after 2 of 4 steps is saved to half.d3 (record: half.d3.json)\n"
    assert offctx.algos.load_agent("half.d3").config.batch_size == 4


def test_log_and_scores(train, tmp_path):
    code, out, err = train("--logdir", "logs", "--eval-env", "offctx/PendulumGoal-v0", "--epochs", "2", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert [row["step"] for row in result["scores"]] == [2, 4] and "step 4: zero-shot return" in err
    (log,) = (tmp_path / "logs").iterdir()
    assert tmp_path / result["log"] == log
    rows = [line.split(",") for line in (log / "zero_shot.csv").read_text().splitlines()]
    assert [(int(step), float(score)) for _, step, score in rows] == [tuple(row.values()) for row in result["scores"]]
    assert (log / "critic_loss.csv").exists() and not (tmp_path / "d3rlpy_logs").exists()
    agent = offctx.algos.load_agent("agent.d3")
    score = offctx.ZeroShotEvaluator("offctx/PendulumGoal-v0")(agent)
    assert score == result["scores"][-1]["zero_shot"]


def test_a_watched_training_ends_with_the_same_agent(train, tmp_path):
    assert train("--out", "plain.d3")[0] == train("--out", "watched.d3", "--logdir", "l", "--epochs", "4")[0] == 0
    plain, watched = (offctx.algos.load_agent(name) for name in ("plain.d3", "watched.d3"))
    seen = offctx.load_dataset(ID).replay_buffer().table["observations"]
    assert (plain.predict(seen) == watched.predict(seen)).all()


def test_an_environment_of_another_family_is_refused(train, tmp_path):
    code, _, err = train("--eval-env", "offctx/CartGoal-v0")
    assert code == 2 and "--eval-env offctx/CartGoal-v0 does not fit" in err and "its context is" in err


def test_epochs_of_nothing(train):
    code, _, err = train("--epochs", "2")
    assert code == 2 and "give one of these" in err


def test_epochs_that_do_not_divide_the_steps(train):
    code, _, err = train("--logdir", "logs", "--epochs", "3")
    assert code == 2 and "4 steps cannot be divided among 3 epochs" in err


def test_a_radius_read_off_the_data(train):
    code, out, err = train("--cse-radius", "auto")
    assert code == 0, err
    assert "radius {'g': " in out and "read off the data" in out


def test_the_placebo_of_cse_is_an_option_of_its_own(train):
    code, _, err = train("--jitter-radius", "g=0.5")
    assert code == 0, err
    assert read_record("agent.d3").options["augmentations"] == [
        "ContextJitter(radius=[0.5, 0. , 0. , 0. ], perturbation='ball')"
    ]
    code, _, err = train("--jitter-radius", "0.5", "--cse-radius", "0.5", "--overwrite")
    assert code == 2 and "--jitter-radius is the placebo of --cse-radius" in err
    code, _, err = train("--jitter-radius", "mass=1", "--overwrite")
    assert code == 2 and "--jitter-radius: unknown context name 'mass'" in err


def test_learners_that_infer_the_context_are_not_told_it_and_have_a_backbone_for_data(train):
    small = [word for name in ("width=8", "bottleneck=2", "rows_per_window=2") for word in ("--set", name)]
    for name, context in (("dma-star-sh", "hidden"), ("dr", "hidden"), ("concat", "append")):
        code, _, err = train("--algorithm", name, *small, "--overwrite")
        assert code == 0, err
        record = read_record("agent.d3")
        assert record.context == context and record.options["settings"]["backbone"] == "td3bc"
    assert train("--algorithm", "dr", *small, "--set", "backbone=iql", "--overwrite")[0] == 0
    assert read_record("agent.d3").options["settings"]["backbone"] == "iql"
    code, _, err = train("--algorithm", "dma-star-sh", *small, "--context", "append", "--overwrite")
    assert code == 2 and "needs a buffer that hides the context" in err
