"""How good the first-order expansion is in an environment: a cell of its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from offctx.analysis.radius import radius_report
from offctx.data.dataset import ContextualDataset
from tools.reproduce.cse.data import dataset, radius
from tools.reproduce.cse.learners import augmentation
from tools.reproduce.cse.settings import Environment, Floats
from tools.reproduce.frame.cells import Result, plain
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Verdict


def radius_settings(environment: Environment) -> Result:
    """What the result depends on, as plain JSON."""
    return plain(
        {
            "env": environment.env,
            "behaviour": environment.behaviour_text,
            "data_episodes": environment.data_episodes,
            "tolerance": environment.tolerance,
            "moves": environment.moves,
        }
    )


def run_radius(environment: Environment) -> Result:
    """The error of first order as the radius grows, and at the radius that CSE uses."""
    data, radii = dataset(environment, "base", 0), radius(environment, 0)
    report = radius_report(data, environment.env, tolerance=environment.tolerance)
    return {"report": report.to_dict(), "radius": radii.tolist(), "used": relative_errors(environment, data, radii)}


def relative_errors(environment: Environment, data: ContextualDataset, radii: Floats, rows: int = 4096) -> dict[str, float]:
    """Root mean square error of first order over that of the context's effect, at perturbations as CSE draws them."""
    changes = [None, *(augmentation(environment, method, radii) for method in ("cse", "cse-exact"))]
    original, first, exact = (
        data.replay_buffer(augmentation=change, seed=0).sample_transition_batch(rows) for change in changes
    )  # the same rows and perturbations, as the seed is the same
    if not np.array_equal(first.contexts, exact.contexts):
        raise RuntimeError("expected the same perturbations from the same seed")
    spread = np.maximum(exact.next_observations.std(axis=0), 1e-9)
    pairs = {
        "next observation": [(batch.next_observations - exact.next_observations) / spread for batch in (first, original)],
        "reward": [batch.rewards - exact.rewards for batch in (first, original)],
    }
    o = data.observations.shape[1]  # the appended context is the same in both
    sizes = {name: [float(np.linalg.norm(d[:, :o])) for d in pair] for name, pair in pairs.items()}
    return {name: error / effect if effect else 0.0 for name, (error, effect) in sizes.items()}


def slope_verdicts(environment: Environment, result: Mapping[str, Any]) -> list[Verdict]:
    """Whether the first-order error is of second order, in closed form; nothing to judge where first order is exact."""
    if not environment.closed_form:
        return []
    slopes = {"next observation": result["report"]["observation_slope"], "reward": result["report"]["reward_slope"]}
    return [
        Verdict(
            f"{environment.name}: log-log slope of the first-order error of the {name} in the radius is 2 +- 0.1",
            f"{slope:.3f}",
            abs(slope - 2) <= 0.1,
        )
        for name, slope in slopes.items()
        if slope is not None
    ]


def radius_lines(environment: Environment, result: Mapping[str, Any] | None) -> list[str]:
    """What first order misses in this environment, in Markdown."""
    if result is None:
        return []
    report, used = result["report"], result["used"]
    text = (
        f"First order at the radius that CSE uses: its root mean square error is {used['next observation']:.2g} of the "
        f"context's root mean square effect in next observations, {used['reward']:.2g} in rewards. One coordinate alone, "
        f"moved as far as its radius:"
    )
    space = environment.space
    used_radius = np.array(result["radius"])
    scale, alone = np.array(report["scale"]), np.array(report["coordinate_relative"], dtype=np.float64)
    rows = []
    for k, name in enumerate(space.names):
        unit = f" {space.units[k]}" if space.units[k] else ""
        if scale[k] == 0:
            continue  # a discrete coordinate is not moved
        finite = np.isfinite(alone[:, k])
        radii = np.array(report["radii"])[finite]
        error = np.interp(used_radius[k] / scale[k], radii, alone[finite, k]) if finite.any() else np.nan
        suggested = report["coordinate_suggested"][k] * scale[k]
        rows.append((name, f"{used_radius[k]:.3g}{unit}", f"{error:.2g}", f"{suggested:.3g}{unit}"))
    head = ["coordinate", "CSE radius", "relative error there", f"radius of relative error {report['tolerance']:g}"]
    return [*paragraph(text), *table(head, rows)]
