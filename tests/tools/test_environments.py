"""The page of environments: what it measures, and that the page in docs/ is that of the registry."""

import dataclasses
import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from offctx.envs import PointGoal
from offctx.envs.random_transitions import random_transitions
from offctx.envs.registry import ENVIRONMENTS, RegistryRow
from offctx.envs.resolve import resolve
from offctx.envs.summaries import EnvSummary
from offctx.envs.testing.derivatives import relative_deviations
from tools.environments.facts import facts
from tools.environments.page import page
from tools.environments.summaries import summaries

ROWS = {row.name: row for row in ENVIRONMENTS}
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "environments.md"


def tables(text: str) -> list[list[list[str]]]:
    """The rows of cells of each table, without its head."""
    blocks = re.findall(r"(?:^\|.*\n?)+", text, flags=re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()[2:]] for block in blocks]


def test_a_derivative_that_is_off_by_a_thousandth_is_seen() -> None:
    resolved = resolve("offctx/PointGoal-v0")
    rows, _ = random_transitions(resolved, 0, episodes=4, steps=8)

    class Wrong(PointGoal):
        def derivatives(self, states, actions, contexts, noise=None):  # type: ignore[no-untyped-def]
            dnext, dreward = super().derivatives(states, actions, contexts, noise)
            return dnext, 1.001 * dreward

    assert relative_deviations(resolved.env, rows).max() < 1e-8
    np.testing.assert_allclose(relative_deviations(Wrong(), rows), 1e-3, rtol=1e-4)


def test_differences_into_invalid_contexts_are_not_taken() -> None:
    env = resolve("offctx/PendulumGoal-v0").env
    contexts = np.array([[2.0, 1.0, 1.0, 0.5], [1.0, 1.0, 1.0, 1 - 1e-9]])  # |tau| < m g l
    deviations = relative_deviations(env, (np.ones((2, 2)), np.ones((2, 1)), contexts, np.zeros((2, 0))))
    assert deviations[0] < 1e-7 and np.isnan(deviations[1])


@pytest.mark.parametrize("name", ["SimpleDirectionStochastic", "CartGoal", "RotatedReacher"])
def test_facts_of_an_environment(name: str) -> None:
    found = facts(ROWS[name], episodes=4, steps=8)
    env = resolve(ROWS[name].id).env
    assert found.observation_size == env.observation_space.shape[0]
    assert found.actions == {"CartGoal": "2 discrete"}.get(name, "2")
    assert found.noise_size == {"SimpleDirectionStochastic": 3}.get(name, 0)
    assert found.error.median < 1e-8 and found.error.rows == 32
    assert (found.error.flagged is None) == (name != "RotatedReacher")
    assert found.kinds == {name: ", ".join(kinds) for name, kinds in env.context_space.kinds.items()}


def test_the_page_of_two_environments() -> None:
    measured = [facts(ROWS[name], episodes=4, steps=8) for name in ("PointGoal", "PendulumGoal")]
    environments, variants, coordinates = tables(page(measured))
    assert [row[:7] for row in environments] == [
        ["`offctx/PointGoal-v0`", "100", "4", "2", "0", "2: 2 reward", "autodiff"],
        ["`offctx/PendulumGoal-v0`", "200", "3", "1", "0", "4: 3 dynamics, reward; 1 reward", "autodiff"],
    ]
    assert variants == [
        ["`offctx/PointGoal-v0`", "100", "-1, (1): dynamics", "(0), 1: dynamics"],
        ["`offctx/PendulumGoal-v0`", "200", "-1, (1): dynamics", ""],
    ]
    assert len(coordinates) == 2 + 4
    assert coordinates[-1] == ["`offctx/PendulumGoal-v0`", "`tau`", "N m", "-1", "1", "0", "reward", "`abs(tau) < m * g * l`"]


def test_the_page_in_docs_is_that_of_the_registry() -> None:
    environments, variants, coordinates = tables(DOCS.read_text())
    assert [(row[0], row[1]) for row in environments] == [(f"`{row.id}`", str(row.horizon)) for row in ENVIRONMENTS], (
        "run `python tools/environments.py > docs/environments.md`"
    )
    assert variants == [cells for row in ENVIRONMENTS if row.variants for cells in [expected_variants(row)]]
    found = [[row[0], row[1].split(" (")[0], *row[2:7]] for row in coordinates]  # without the values of discrete coordinates
    assert found == [cells for row in ENVIRONMENTS for cells in expected_coordinates(row)]


def test_the_table_of_summaries_is_that_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {row.id: EnvSummary.of_made(row.id) for row in ENVIRONMENTS}
    monkeypatch.setattr(EnvSummary, "of_made", made.__getitem__)
    assert (ROOT / "offctx" / "envs" / "summaries.json").read_text() == summaries() + "\n", (
        "run `python tools/environments.py --summaries > offctx/envs/summaries.json`"
    )
    monkeypatch.setattr(EnvSummary, "of_made", None)  # what is in the table is not made
    for env_id, expected in made.items():
        summary = EnvSummary.of(env_id)
        assert summary.to_dict() == expected.to_dict() and summary.space.kinds == expected.space.kinds


def test_a_kind_that_is_not_what_is_measured_is_shown() -> None:
    found = facts(ROWS["PointGoal"], episodes=4, steps=8)
    wrong = dataclasses.replace(found, kinds={**found.kinds, "goal_y": "dynamics"})
    *_, coordinates = tables(page([wrong]))
    assert [row[6] for row in coordinates] == ["reward", "reward (measured: dynamics)"]


def expected_variants(row: RegistryRow) -> list[str]:
    """The cells of a family in the table of variants, by the environments of their ids."""
    cells = [f"`{row.id}`", str(row.horizon)]
    for ending, name in {"Inverted": "action_factor", "Permuted": "permutation"}.items():
        id_ = f"offctx/{row.name}{ending}-v0"
        assert (id_ in gymnasium.registry) == (ending in row.variants)
        if ending not in row.variants:
            cells.append("")
            continue
        resolved = resolve(id_)
        assert resolved.horizon == row.horizon
        space = resolved.env.context_space
        default = space.default[space.index(name)]
        values = [f"({value:g})" if value == default else f"{value:g}" for value in space.values(name)]
        text = ", ".join(values) if len(values) == 2 else f"{values[0]} to {values[-1]}"
        cells.append(f"{text}: {', '.join(space.kinds[name])}")
    return cells


def expected_coordinates(row: RegistryRow) -> list[list[str]]:
    """The first cells of an environment's rows in the second table."""
    space = resolve(row.id).env.context_space
    numbers = np.stack([space.low, space.high, space.default], axis=1)
    return [
        [f"`{row.id}`", f"`{name}`", unit, *(f"{number:.4g}" for number in of), ", ".join(space.kinds[name])]
        for name, unit, of in zip(space.names, space.units, numbers, strict=True)
    ]
