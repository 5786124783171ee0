"""Datasets whose context derivatives are known by hand.

Dimensions: N transitions, o observation, p context.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from gymnasium import spaces

import offctx
from offctx.contexts.space import ContextSpace
from offctx.data.metadata import Behaviour, Derivatives, Metadata

N = 400
J = np.array([[3.0, 0.0, 1.0], [0.0, 4.0, -2.0]])  # d next observation / d context
R = np.array([2.0, -1.0, 0.0])  # d reward / d context
SPACE = ContextSpace(["a", "b", "c"], [-1, -2, -np.inf], [1, 2, np.inf], [0, 0, 5], ["kg", "", "m"])


def linear(**changes: Any) -> offctx.ContextualDataset:
    """Transitions of s' = s + (noise) + J c, r = (noise) + R c at the default context: constant derivatives J and R."""
    rng = np.random.default_rng(3)
    space = changes.get("context_space", SPACE)
    observations = rng.normal(size=(N, 2))
    given: dict[str, Any] = {
        "dataset_id": "test/linear-v0",
        "context_space": space,
        "observation_space": spaces.Box(-np.inf, np.inf, (2,), np.float64),
        "action_space": spaces.Box(-1.0, 1.0, (1,), np.float32),
        "observations": observations,
        "actions": np.zeros((N, 1), np.float32),
        "rewards": rng.normal(size=N),
        "next_observations": observations + rng.normal(size=(N, 2)) * [2.0, 0.5],
        "terminations": np.zeros(N, dtype=bool),
        "truncations": np.arange(N) % 20 == 19,
        "contexts": np.tile(space.default, (N, 1)),
        "context_ids": np.zeros(N, dtype=np.int64),
        "episode_starts": np.arange(0, N, 20),
        "episode_ends": np.arange(20, N + 1, 20),
        "dnext_observation_dcontext": np.tile(J, (N, 1, 1)),
        "dreward_dcontext": np.tile(R, (N, 1)),
    }
    return offctx.ContextualDataset(**(given | changes))


def by_name(found: offctx.Sensitivity) -> dict[str, Any]:
    return {row.name: row for row in found.ranking}


def flagged(data: offctx.ContextualDataset, errors: np.ndarray, tolerance: float | None = None) -> offctx.ContextualDataset:
    """The data with derivative errors, and in the metadata the tolerance where one is given."""
    metadata = Metadata(
        layout_version=1,
        env="test",
        horizon=20,
        context_space=data.context_space.to_dict(),
        behaviour=Behaviour(policies=["random"], weights=[1.0], context="append"),
        derivatives=Derivatives(source="central differences", tolerance=tolerance),
        recipe={},
        packages={},
        sha256="",
    )
    return dataclasses.replace(data, derivative_errors=errors, metadata=metadata)
