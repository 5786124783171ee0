"""Wrong types and values: every argument of these either works, or gives an error of offctx. Nothing raw comes through."""

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.contexts.aib import aib_splits
from offctx.errors import ContextError, OffctxError

WRONG = [
    None, "x", "", b"x", float("nan"), float("inf"), -1, 0, 1, 2.5, True, [], {}, (), np.float32(0.005), np.int64(3),
    np.bool_(True), np.array([1, 2]), np.array(3), np.array(["a"]), np.zeros((2, 3, 4)), object(), [[1], [1, 2]], [None],
    ["a", 3], [3, 4], {"mass": None}, {"g": "x"}, {3: 4}, {"a": [1, [2]]}, 1 + 2j, 10**30, -(10**30), (0, 1), {1}, range(2),
    int,
]  # fmt: skip
PENDULUM = "offctx/PendulumGoal-v0"
SPACE = offctx.ContextSpace(["mass", "action_factor"], [0.1, -1], [2, 1], [1, 1], discrete={"action_factor": [-1, 1]})


def sweep(function, right, values=WRONG, leave_out=()):
    """Calls a function with each argument replaced by each wrong value, the others right."""
    function(**right)
    raw = []
    for name in right:
        for value in values:
            if any(name == left and value is right_value for left, right_value in leave_out):
                continue
            try:
                function(**right | {name: value})
            except OffctxError:
                pass
            except Exception as error:
                raw.append(f"{name}={value!r}: {type(error).__name__}: {error}")
    assert not raw, "\n".join(raw)


def test_layers():
    sweep(
        offctx.ActuatorContexts,
        {"env": PENDULUM, "actuators": ["action_factor"], "training": {"g": (1, 3)}, "kinds": "dynamics"},
    )
    ranges = {"noise": (0, 0.5), "gain": (0.5, 2), "bias": (0, 1), "delay": (0, 2), "distractors": 1, "scale": 1.0}
    sweep(offctx.ObservationContexts, {"env": PENDULUM} | ranges)


def test_history_and_splits():
    choices = {"within": "context", "draw": "last", "spacing": "even"}
    sweep(offctx.History, {"length": 4, "shortest": 0, "rows_per_window": 1, "keep": 2, "shuffle": True} | choices)
    sweep(aib_splits, {"space": SPACE, "training": {"mass": (0.5, 1.5)}, "points": 4, "instances": 4, "gap": 0.01})


def test_numpy_numbers_are_numbers():
    splits = aib_splits(SPACE, {"mass": (0.5, 1.5)}, gap=np.float32(0.25), points=np.int64(4))
    assert splits["eval-in"][:, 0].min() == pytest.approx(0.75)
    with pytest.raises(ContextError, match=r"gap must be a share of the training range in \[0, 0.5\); found np.float32\(0.5\)"):
        aib_splits(SPACE, {"mass": (0.5, 1.5)}, gap=np.float32(0.5))


def test_buffers_and_counterfactuals(pendulum):
    options = {"context": "hidden", "augmentation": None, "seed": 0, "history": None}
    sweep(lambda **given: pendulum.replay_buffer(**given).sample_transition_batch(8), options)
    right = {"dataset": pendulum, "contexts": pendulum.context_space.default, "env": None, "per_episode": False}
    sweep(offctx.counterfactual, right)


def test_leakage_reports(pendulum, monkeypatch):
    monkeypatch.setattr("offctx.analysis.leakage.measure._probe", lambda *_: [np.zeros(3)] * 3)
    monkeypatch.setattr("offctx.analysis.leakage.variance.REPLICATES", 10)
    right = {
        "encoder": lambda windows: windows.observations[:, -1], "dataset": pendulum, "length": 4, "windows_per_context": 4,
        "contexts": pendulum.unique_contexts[:2], "behaviours": None, "env": None, "seed": 0,
    }  # fmt: skip
    sweep(offctx.leakage_report, right, leave_out={("encoder", int)})  # a function that raises is the caller's


def test_evaluation_with_a_warm_up():
    env = gymnasium.make("testing/Runner-v0")
    right = {
        "policy": lambda observations, contexts, rng: np.zeros((len(observations), 1)), "env": env, "contexts": [[0.5, 0.0]],
        "episodes": 2, "seed": 0, "context": "hidden", "warmup": 3, "warmup_policy": "random",
    }  # fmt: skip
    sweep(offctx.evaluate, right, leave_out={("policy", int), ("warmup_policy", int)})


def test_online_training(tmp_path):
    def train(**given):
        offctx.train_online("sac", "testing/Runner-v0", **{"contexts": [[0.5, 0.0]], "report_episodes": 0} | given)

    right = {
        "seed": 0, "steps": 2, "rows": 1, "context": "hidden", "capacity": 100, "history": None, "epochs": 1, "gradients": None,
        "run": None, "config": None, "device": False, "updates_per_joint_step": 1, "progress": False,
    }  # fmt: skip
    wrong = ["cuda:77", float("nan"), -1, 2.5, [], np.int64(3), np.array([1, 2]), object(), [[1], [1, 2]], 10**30]
    sweep(train, right, wrong, leave_out={("run", "cuda:77")})
