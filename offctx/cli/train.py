"""The verb `train`."""

import contextlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from offctx.cli.options import DatasetId, Device, Json, Quiet, check_writable, read_device, read_numbers, refuse_repeats
from offctx.cli.output import long_work, print_result
from offctx.errors import ContextError, PolicyError


def train(
    dataset_id: DatasetId,
    out: Annotated[Path, typer.Option(help="Where to save the agent (as d3rlpy saves it).")] = Path("agent.d3"),
    algorithm: Annotated[
        str, typer.Option(help="d3rlpy's: td3, iql, cql, td3plusbc, discretecql, ...; ours: perm, pppo, discreteperm, ...")
    ] = "td3",
    steps: Annotated[int, typer.Option(help="Gradient steps.")] = 5000,
    cse_radius: Annotated[
        str | None, typer.Option(help="Context sample enhancement: one radius, or g=0.5,tau=0.2 (others stay).")
    ] = None,
    pessimism: Annotated[
        float | None,
        typer.Option(min=0, help="Subtract this many times the uncertainty of each context's data from rewards, after CSE."),
    ] = None,
    context: Annotated[str, typer.Option(help="append the context to observations, or leave it hidden.")] = "append",
    setting: Annotated[list[str] | None, typer.Option("--set", help="Hyperparameter, e.g. batch_size=512.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train an algorithm on a dataset and save the agent; optionally with context sample enhancement (CSE) and pessimism.

    Examples: offctx train offctx/PendulumGoal/random-v0 --algorithm td3 --cse-radius 0.5 --out cse.d3
              offctx train ID --algorithm td3plusbc --cse-radius 0.5 --pessimism 1 --out both.d3
              offctx train ID --algorithm perm --context hidden --set evaluation=policy --out perm.d3
    """
    from offctx.data.load import load_dataset
    from offctx.envs.policies import check_mode
    from offctx.training.fit import train as fit
    from offctx.training.names import make_algorithm

    check_writable(out, folder=False)
    with long_work(as_json):
        data = load_dataset(dataset_id)
        augmentations = _augmentations(cse_radius, pessimism, data.context_space)
        buffer = data.replay_buffer(check_mode(context), augmentation=augmentations, seed=seed)
        config = dict(_assignment(text) for text in setting or [])
        agent = make_algorithm(algorithm, buffer, config, device=read_device(device))
        fit(agent, buffer, steps=steps, seed=seed, progress=not quiet)
        agent.save(str(out))
    result = {"agent": str(out), "algorithm": algorithm, "dataset_id": dataset_id, "steps": steps, "seed": seed}
    print_result(result if as_json else f"{algorithm} after {steps} steps on {dataset_id}: saved to {out}")


def _augmentations(cse_radius: str | None, pessimism: float | None, space: Any) -> list[Any]:
    """The augmentations in the order in which they apply: CSE moves the batch, then pessimism lowers its rewards."""
    from offctx.augmentations.cse import CSE
    from offctx.augmentations.pessimism import Pessimism

    augmentations: list[Any] = [] if cse_radius is None else [CSE(_radius(cse_radius, space))]
    if pessimism is not None:
        augmentations.append(Pessimism(pessimism))
    return augmentations


def _radius(text: str, space: Any) -> float | list[float]:
    """One radius for all coordinates, one number for each, or NAME=NUMBER pairs; coordinates not named stay where they are."""
    if "=" not in text:
        radii = read_numbers(text, "--cse-radius")
        return radii[0] if len(radii) == 1 else radii
    pairs = [part.partition("=")[::2] for part in text.split(",")]
    for name, _ in pairs:
        if name not in space.names:
            raise ContextError(f"--cse-radius: unknown context name {name!r}; this space has {list(space.names)}")
    refuse_repeats([name for name, _ in pairs], "--cse-radius")
    radius = {name: read_numbers(value, f"--cse-radius {name}")[0] for name, value in pairs}
    return [radius.get(name, 0.0) for name in space.names]


def _assignment(text: str) -> tuple[str, Any]:
    """The hyperparameter in "key=value": the value as JSON where it is JSON, else as text."""
    key, equals, value = text.partition("=")
    if not equals:
        raise PolicyError(f"--set takes key=value; found {text!r}")
    with contextlib.suppress(ValueError):
        return key, json.loads(value)
    return key, value
