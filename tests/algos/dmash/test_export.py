"""Exported files act as the learner that they were made from: with a window, cold, in batches of any size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from d3rlpy.preprocessing import MinMaxActionScaler, StandardObservationScaler, StandardRewardScaler

from offctx.algos.dmash.learner import DMASH
from offctx.algos.dmash.presets import dmash_preset
from offctx.data.history.windows import HistoryWindows
from offctx.envs.policies_with_memory import Transitions
from offctx.errors import AlgorithmError
from tests.algos.conftest import randomise_adapters

O, A, K = 4, 2, 10
SMALL: dict[str, Any] = {"batch_size": 24, "rows_per_window": 3, "window": K, "width": 16, "bottleneck": 4, "latent_size": 4}


def learner(name: str, **settings: Any) -> DMASH:
    torch.manual_seed(0)
    scalers = {
        "observation_scaler": StandardObservationScaler(mean=np.full(O, 0.2), std=np.full(O, 2.0)),
        "action_scaler": MinMaxActionScaler(minimum=np.full(A, -3.0), maximum=np.full(A, 3.0)),
        "reward_scaler": StandardRewardScaler(mean=1.0, std=2.0),
    }
    agent = dmash_preset(name, **{**SMALL, **scalers, **settings}).create()
    agent.create_impl((O,), A)
    if agent.impl.inference.hypernetwork is not None:
        randomise_adapters(agent.impl.inference.hypernetwork)
    return agent


def run(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What a file gives: by torch alone, or by ONNX's reference evaluator, and by its runtime where that is installed."""
    if path.suffix == ".pt":
        return torch.jit.load(str(path))(*(torch.from_numpy(array) for array in inputs.values())).detach().numpy()
    from onnx.reference import ReferenceEvaluator

    (found,) = ReferenceEvaluator(str(path)).run(None, inputs)
    try:
        import onnxruntime
    except ImportError:
        return found
    (same,) = onnxruntime.InferenceSession(str(path)).run(None, inputs)
    np.testing.assert_allclose(same, found, atol=1e-5)
    return same


def windows(agent: DMASH, rows: int, filled: list[int], rng: np.random.Generator, slots: int = K) -> dict[str, np.ndarray]:
    """Windows whose last slots are filled."""
    mask = np.arange(slots) >= slots - np.array(filled)[:, None]
    sizes = {"observations": O, "actions": A, "rewards": 1, "next_observations": O}
    if not agent.config.encode_rewards:
        del sizes["rewards"]
    columns = {f"window_{name}": rng.standard_normal((rows, slots, size)).astype(np.float32) for name, size in sizes.items()}
    return {name: array * mask[..., None] for name, array in columns.items()} | {"window_mask": mask}


def played(agent: DMASH, seen: dict[str, np.ndarray], observations: np.ndarray) -> np.ndarray:
    """What the learner's own policy with memory does after it has seen the windows."""
    policy, rows = agent.memory_policy(), np.arange(len(observations))
    policy.begin(rows, np.zeros(len(rows), bool), len(rows))
    for slot in range(seen["window_mask"].shape[1]):
        filled = np.flatnonzero(seen["window_mask"][:, slot])
        columns = [seen[f"window_{name}"][filled, slot] for name in ("observations", "actions", "next_observations")]
        rewards = seen["window_rewards"][filled, slot, 0] if "window_rewards" in seen else np.zeros(len(filled))
        ends = np.zeros(len(filled), bool)
        if len(filled):
            policy.observe(Transitions(filled, columns[0], columns[1], rewards, columns[2], ends, ends))
    return np.asarray(policy.act(rows, observations, np.random.default_rng(0)))


@pytest.mark.parametrize("ending", [".pt", ".onnx"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dma-star-sh", {"backbone": "sac"}),
        ("dma-star-sh", {"backbone": "td3bc", "encoder": "set"}),
        ("dma-star", {"backbone": "iql", "use": "adapter"}),
        ("dma-pearl", {"backbone": "sac"}),
        ("focal", {"backbone": "td3bc"}),
    ],
)
def test_an_exported_policy_acts_as_the_policy_with_memory(
    name: str, settings: dict[str, Any], ending: str, tmp_path: Path
) -> None:
    agent, rng = learner(name, **settings), np.random.default_rng(0)
    path = tmp_path / f"policy{ending}"
    agent.save_policy(str(path))
    for filled in ([0, 1, 5, K], [3]):
        seen = windows(agent, len(filled), filled, rng)
        observations = rng.standard_normal((len(filled), O)).astype(np.float32)
        found = run(path, {"observations": observations, **seen})
        np.testing.assert_allclose(found, played(agent, seen, observations), rtol=1e-4, atol=1e-4)
    cold = run(path, {"observations": observations, **windows(agent, 1, [0], rng)})
    np.testing.assert_allclose(cold, agent.predict(observations), rtol=1e-4, atol=1e-4)
    if agent.config.encoder == "set":  # which takes windows of any length
        seen = windows(agent, 2, [25, 9], rng, slots=25)
        observations = rng.standard_normal((2, O)).astype(np.float32)
        found = run(path, {"observations": observations, **seen})
        np.testing.assert_allclose(found, played(agent, seen, observations), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ending", [".pt", ".onnx"])
@pytest.mark.parametrize("settings", [{}, {"encoder": "set", "encode_rewards": True}])
def test_an_exported_encoder_gives_the_same_z(settings: dict[str, Any], ending: str, tmp_path: Path) -> None:
    agent = learner("dma-star", keep=K, **settings)
    path = tmp_path / f"encoder{ending}"
    agent.encoder.export(path)
    seen = windows(agent, 3, [0, 4, K], np.random.default_rng(0))
    given = {name.removeprefix("window_"): array for name, array in seen.items()}
    given.setdefault("rewards", np.zeros((3, K, 1), np.float32))
    expected = agent.encoder(HistoryWindows(**given, window_of_row=np.arange(3)))
    np.testing.assert_allclose(run(path, seen), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected[1] - expected[2]).max() > 1e-4


def test_exporting_leaves_the_learner_as_it_is(tmp_path: Path) -> None:
    agent = learner("dma-star-sh")
    agent.impl.modules.set_train()
    requires = [weight.requires_grad for weight in agent.impl.backbone.parameters()]
    agent.save_policy(str(tmp_path / "policy.pt"))
    assert [weight.requires_grad for weight in agent.impl.backbone.parameters()] == requires
    assert agent.impl.inference.training and agent.impl.inference.encoder.training
    with pytest.raises(AlgorithmError, match=r"ends in .pt .* or .onnx"):
        agent.save_policy(str(tmp_path / "policy.bin"))
    with pytest.raises(AlgorithmError, match="no networks yet"):
        dmash_preset("dma-star").create().save_policy(str(tmp_path / "policy.pt"))
