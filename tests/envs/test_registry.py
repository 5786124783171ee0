"""Every registered environment keeps the contract, and a row of the registry is all that a new one needs.

The derivatives of those in closed form are also tested entry by entry: test_closed_form_derivatives.py.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx.envs
from offctx.envs import registry
from offctx.envs.registry import ENVIRONMENTS, RegistryRow
from offctx.envs.resolve import resolve
from offctx.envs.summaries import EnvSummary
from offctx.envs.testing import check_contextual_env

rows = pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.name)
TRANSITIONS = {"classic": 128}  # 48 elsewhere: simulation is slow


@rows
def test_every_environment_keeps_the_contract(row: RegistryRow) -> None:
    measured = check_contextual_env(row.id, transitions=TRANSITIONS.get(row.module.split(".")[0], 48))
    declared = resolve(row.id).env.context_space.kinds
    assert all(declared.values()), f"declare kinds in the context space; measured: {measured}"


@rows
def test_the_row_says_where_the_class_is_and_how_long_an_episode_lasts(row: RegistryRow) -> None:
    module = importlib.import_module(f"offctx.envs.{row.module}")
    assert getattr(offctx.envs, row.class_name) is getattr(module, row.class_name)
    assert row.class_name in offctx.envs.__all__
    resolved = resolve(row.id)
    assert (type(resolved.env).__name__, resolved.horizon, resolved.name) == (row.class_name, row.horizon, row.id)
    assert resolved.spec is not None and resolved.spec.entry_point == f"offctx.envs:{row.class_name}"


def test_an_environment_that_is_in_no_table_is_made() -> None:
    inverted = EnvSummary.of("offctx/CartGoalInverted-v0")
    assert (inverted.space.names[-1], inverted.actions, inverted.horizon) == ("action_factor", "discrete", 500)


@pytest.mark.parametrize("row", [row for row in ENVIRONMENTS if row.module.startswith("mujoco.")], ids=lambda row: row.name)
def test_mujoco_episodes_last_as_long_as_gymnasium_s(row: RegistryRow) -> None:
    own = getattr(getattr(offctx.envs, row.class_name), "gymnasium_id", "Ant-v5")
    theirs = gymnasium.spec(row.arguments.get("gymnasium_id", own))
    assert gymnasium.spec(row.id).max_episode_steps == theirs.max_episode_steps


def test_ids_are_distinct() -> None:
    assert len({row.id for row in ENVIRONMENTS}) == len(ENVIRONMENTS)


def test_registering_again_leaves_an_id_as_it_is() -> None:
    before = gymnasium.spec("offctx/PendulumGoal-v0")
    registry.register()
    assert gymnasium.spec("offctx/PendulumGoal-v0") is before


SCRATCH = """
import numpy as np
from gymnasium.spaces import Box

from offctx.contexts.space import ContextSpace
from offctx.envs.differentiable import DifferentiableEnv


class Scratch(DifferentiableEnv):
    context_space = ContextSpace(["wind"], -1.0, 1.0, 0.25, ["m/s"])
    observation_space = Box(-np.inf, np.inf, (1,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)
    factor = 1.0

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def initial_state(self, rng, context):
        return rng.uniform(-1, 1, (*context.shape[:-1], 1))

    def transition(self, state, action, context):
        return state + 0.1 * (action + context**3)

    def reward(self, state, action, next_state, context):
        return -(next_state**2).sum(-1)

    def derivatives(self, states, actions, contexts, noise=None):
        dnext, dreward = super().derivatives(states, actions, contexts, noise)
        return self.factor * dnext, dreward
"""


@pytest.fixture
def scratch_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RegistryRow, RegistryRow]]:
    """A new environment: one file in a folder of `offctx.envs`, and a row; and a second row with a wrong derivative."""
    (tmp_path / "scratch.py").write_text(SCRATCH)
    classic = importlib.import_module("offctx.envs.classic")
    right = RegistryRow("Scratch", "classic.scratch", 7)
    wrong = RegistryRow("ScratchWrong", "classic.scratch", 7, "Scratch", {"factor": 1.01})
    with monkeypatch.context() as patch:
        patch.setattr(classic, "__path__", [*classic.__path__, str(tmp_path)])
        patch.setattr(registry, "ENVIRONMENTS", (*ENVIRONMENTS, right, wrong))
        importlib.reload(offctx.envs)
        yield right, wrong
    for row in (right, wrong):
        del gymnasium.registry[row.id]
    sys.modules.pop("offctx.envs.classic.scratch", None)
    importlib.reload(offctx.envs)


def test_a_file_and_a_row_are_all_that_a_new_environment_needs(scratch_rows: tuple[RegistryRow, RegistryRow]) -> None:
    right, wrong = scratch_rows
    environments: Any = offctx.envs
    assert "Scratch" in environments.__all__
    assert environments.Scratch.context_space.names == ("wind",)
    env = gymnasium.make("offctx/Scratch-v0")
    assert env.spec is not None and env.spec.max_episode_steps == 7
    check_contextual_env(right.id)
    with pytest.raises(AssertionError, match="derivative of the next observation 0 along context coordinate 'wind'"):
        check_contextual_env(wrong.id)
    dnext, _ = env.unwrapped.derivatives(np.zeros((1, 1)), np.zeros((1, 1)), np.array([[0.5]]))
    np.testing.assert_allclose(dnext, [[[0.1 * 3 * 0.25]]], rtol=1e-12)


def test_the_scratch_environment_is_gone_afterwards() -> None:
    assert "Scratch" not in offctx.envs.__all__
    assert "offctx/Scratch-v0" not in gymnasium.registry
