"""What the simulator keeps between calls changes its speed and nothing else."""

from typing import Any

import cloudpickle
import numpy as np
import pytest

from offctx.envs import MujocoPhysics
from offctx.envs.mujoco import workspace


@pytest.fixture
def cheetah() -> Any:
    return MujocoPhysics("HalfCheetah-v5", ["gravity", "mass", "gear"], threads=2)


def rows(env: Any, contexts: Any) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    states = np.stack([env.initial_state(rng, context) for context in contexts])
    return states, rng.uniform(-1, 1, (len(contexts), 6)).astype(np.float32), contexts


def test_contexts_beyond_those_that_are_kept_and_back_again(cheetah: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace.Workspace.__init__, "__defaults__", (3,))  # kept
    cheetah.simulator._workspaces.clear()
    batch = rows(cheetah, cheetah.context_space.sample(np.random.default_rng(1), 16))
    repeated = [cheetah.simulate(*batch)[0] for _ in range(3)]
    fresh = MujocoPhysics("HalfCheetah-v5", ["gravity", "mass", "gear"], threads=1)
    alone = np.concatenate([fresh.simulate(*(array[i : i + 1] for array in batch))[0] for i in range(16)])
    for next_states in repeated:
        np.testing.assert_array_equal(next_states, alone)
    assert len(cheetah.simulator.workspace(0)._models) == len(cheetah.simulator.workspace(1)._models) == 3


def test_a_context_that_comes_again_is_not_made_again(cheetah: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = rows(cheetah, cheetah.context_space.sample(np.random.default_rng(1), 8))
    cheetah.simulate(*batch)
    monkeypatch.setattr(cheetah._physics, "apply", lambda *_: pytest.fail("a model was made again"))
    cheetah.simulate(*batch)


def test_an_error_in_any_thread_reaches_the_caller(cheetah: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = rows(cheetah, cheetah.context_space.sample(np.random.default_rng(1), 8))

    for bad in batch[2]:  # some are the caller's own part, some the other thread's
        monkeypatch.setattr(cheetah._physics, "apply", refusing(bad))
        cheetah.simulator._workspaces.clear()
        with pytest.raises(FloatingPointError, match="no model"):
            cheetah.simulate(*batch)


def refusing(bad: Any) -> Any:
    """Parameters that cannot be those of one context."""

    def apply(model: Any, data: Any, context: Any) -> None:
        if np.array_equal(context, bad):
            raise FloatingPointError(f"no model of {context}")

    return apply


def test_derivatives_of_single_precision_states_are_those_of_their_values(cheetah: Any) -> None:
    states, actions, contexts = rows(cheetah, np.tile(cheetah.context_space.default, (8, 1)))
    single = states.astype(np.float32)
    for a, b in zip(
        cheetah.derivatives_with_error(single, actions, contexts),
        cheetah.derivatives_with_error(single.astype(np.float64), actions, contexts),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_an_environment_that_was_sent_to_a_worker_uses_the_cores_of_the_worker(
    cheetah: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFCTX_THREADS", "1")
    sent = cloudpickle.loads(cloudpickle.dumps(cheetah))
    assert (cheetah.simulator.threads, sent.simulator.threads) == (2, 1)
    batch = rows(cheetah, cheetah.context_space.sample(np.random.default_rng(1), 4))
    np.testing.assert_array_equal(sent.simulate(*batch)[0], cheetah.simulate(*batch)[0])
