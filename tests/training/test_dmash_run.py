"""The run folder of a learner with memory: a run that was killed ends with the same weights, and remembers what it had seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import offctx
from offctx.algos.dmash.learner import DMASH
from offctx.algos.dmash.presets import dmash_preset
from offctx.errors import AlgorithmError
from offctx.training.agents import load_agent
from tests.training.test_online_run import KilledError, kill_after, rows_of

ENV = "offctx/DoubleIntegrator-v0"
CONTEXTS = np.array([[0.5, 1], [1.5, -1], [1.0, -1]])
SMALL: dict[str, Any] = {"batch_size": 12, "rows_per_window": 3, "window": 10, "width": 8, "bottleneck": 2, "latent_size": 4}


def drawn(rng: np.random.Generator) -> list[float]:
    return [rng.uniform(0.5, 1.5), rng.choice([-1.0, 1.0])]


def run(folder: Path, settings: dict[str, Any], **options: Any) -> Any:
    settings = {**SMALL, **settings}
    agent = dmash_preset(settings.pop("name"), **settings).create()
    context = "append" if agent.config.context == "given" else "hidden"
    given: dict[str, Any] = {"contexts": CONTEXTS, "steps": 330, "random_steps": 30, "seed": 0, "epochs": 3, **options}
    given |= {"updates_per_joint_step": 0.2, "context": context, "run": folder, "progress": False}
    given.setdefault("report_episodes", 0)
    return offctx.train_online(agent, ENV, **given)


def weights_of(agent: Any) -> dict[str, np.ndarray]:
    modules = agent.impl.modules.get_torch_modules()
    return {f"{m}.{n}": np.array(v) for m, module in modules.items() for n, v in module.state_dict().items()}


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"name": "dma-star-sh"}, {}),
        ({"name": "dma-pearl", "encoder": "set"}, {"rows": 2}),
        pytest.param({"name": "dma-star", "encoder": "set", "within": "episode"}, {}, marks=pytest.mark.slow),
        pytest.param({"name": "focal"}, {"rows": 2, "contexts": drawn}, marks=pytest.mark.slow),
        pytest.param({"name": "dr"}, {}, marks=pytest.mark.slow),
        ({"name": "da"}, {}),
    ],
    ids=lambda value: value.get("name", "") if isinstance(value, dict) else "",
)
def test_a_run_that_was_killed_ends_with_the_same_weights(
    settings: dict[str, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    whole = run(tmp_path / "whole", settings, **options)
    for step in (60, 300):  # within the first epoch and the last
        with pytest.raises(KilledError):
            run(tmp_path / "killed", settings, **options, callback=kill_after(step))
        np.random.seed(9)
        torch.manual_seed(9)
    again = run(tmp_path / "killed", settings, **options)
    found, expected = weights_of(again), weights_of(whole)
    assert found.keys() == expected.keys() and again.impl.backbone.updates == whole.impl.backbone.updates > 10
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")
    loaded = load_agent(tmp_path / "killed" / "agent.d3")
    shape = (3, *whole.observation_shape)
    np.testing.assert_array_equal(loaded.predict(np.ones(shape, np.float32)), whole.predict(np.ones(shape, np.float32)))


def test_the_report_of_a_run_scores_cold_and_warm_apart(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    agent = run(folder, {"name": "dma-star-sh"}, report_episodes=2, report_warmup=(12,))
    report = offctx.ZeroShotReport.load(folder / "report")
    assert report.adaptation is not None and report.adaptation.seen == (0, 12)
    again = offctx.evaluate(agent, ENV, {"train": CONTEXTS}, episodes=2, seed=0, context="hidden", warmup=12)
    for seen in (0, 12):
        found, expected = report.after(seen).returns["train"], again.after(seen).returns["train"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    run(folder, {"name": "dma-star-sh"}, report_episodes=2, report_warmup=12)  # the same run: it is loaded
    with pytest.raises(AlgorithmError, match="holds a run with report_warmup"):
        run(folder, {"name": "dma-star-sh"}, report_episodes=2, report_warmup=13)


def test_a_checkpoint_of_another_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(tmp_path / "run", {"name": "dma-star"}, callback=kill_after(200))
    path = tmp_path / "run" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    state["behaviour"]["policy"]["memory"]["count"] = torch.zeros(7)
    torch.save(state, path)
    with pytest.raises(AlgorithmError, match=r"cannot go on from .*expected the shape \(3,\); found \(7,\)"):
        run(tmp_path / "run", {"name": "dma-star"})


@pytest.mark.parametrize(
    ("within", "rows", "expected"),
    [
        ("context", 3, [110, 110, 110]),  # the second episode of each row begins with all of the first, as after a warm-up
        ("episode", 3, [10, 10, 10]),  # it begins cold
        ("context", 2, [10, 10]),  # three contexts in two rows: the second episode is in another context
    ],
)
def test_how_long_it_remembers_while_it_trains(
    within: str, rows: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Episodes have 100 steps; windows of batches have the same span as the memory, and are filled across episodes too."""
    policies: list[Any] = []
    make = DMASH.exploration_policy
    monkeypatch.setattr(DMASH, "exploration_policy", lambda self: policies.append(make(self)) or policies[0])
    settings = {**SMALL, "batch_size": 200, "rows_per_window": 1, "window": 128, "keep": 128}
    agent = dmash_preset("dma-star", encoder="set", within=within, **settings).create()
    filled: list[int] = []
    update = DMASH.update

    def watched(self: DMASH, batch: Any) -> Any:
        filled.extend(batch.history.lengths.tolist())
        return update(self, batch)

    monkeypatch.setattr(DMASH, "update", watched)
    steps = {"steps": 110 * rows, "random_steps": 100 * rows, "update_start_step": 107 * rows}
    options: dict[str, Any] = {**steps, "seed": 0, "context": "hidden", "epochs": 1, "progress": False}
    offctx.train_online(agent, ENV, contexts=CONTEXTS, rows=rows, **options)
    assert policies[0]._running._memory.state()["count"].tolist() == expected
    assert (within == "context") == (max(filled) > 99)  # 99 steps precede the last one of an episode
