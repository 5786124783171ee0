"""The verb `evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from offctx.cli.options import Device, Json, Quiet, check_writable, read_device, read_numbers, refuse_repeats
from offctx.cli.output import long_work, print_result
from offctx.errors import PolicyError


def evaluate(
    agents: Annotated[list[str], typer.Argument(help="Agents: file.d3, label=file.d3, or random.")],
    env: Annotated[str, typer.Option(help="Gymnasium id of a contextual environment.")],
    sweep: Annotated[
        list[str] | None, typer.Option(help="Sweep a coordinate: g, or g=0.5,1,2. Default: the environment's splits.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="Episodes per context.")] = 64,
    context: Annotated[str, typer.Option(help="append or hidden, as the agents were trained.")] = "append",
    dataset: Annotated[
        str | None, typer.Option(help="Dataset that the agents learnt from: adds the return against the distance from it.")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Label that the gap is closed from.")] = None,
    reference: Annotated[str | None, typer.Option(help="Label that the gap is closed to.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episodes.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score agents on contexts they have never seen, on common random numbers, and write a report.

    Example: offctx evaluate baseline=base.d3 cse=cse.d3 ldr=ldr.d3 --env offctx/PendulumGoal-v0
                 --sweep g --sweep tau --baseline baseline --reference ldr
    """
    import offctx
    from offctx.envs.policies import check_mode
    from offctx.envs.resolve import resolve

    check_writable(out, folder=True)
    labels = _labels(agents, baseline, reference)
    with long_work(as_json):
        data = None if dataset is None else offctx.load_dataset(dataset)
        sensitivity = None if data is None else offctx.context_sensitivity(data)
        contexts = _splits(sweep, resolve(env).env.context_space)
        policies = {label: _policy(text, device) for label, text in zip(labels, agents, strict=True)}
        reports = {
            label: offctx.evaluate(
                policy,
                env,
                contexts,
                episodes=episodes,
                seed=seed,
                context=check_mode(context),
                train_contexts=None if data is None else data.unique_contexts,
                name=label,
                progress=not quiet,
            )
            for label, policy in policies.items()
        }
        comparison = offctx.compare(reports, baseline=baseline, reference=reference, seed=seed, sensitivity=sensitivity)
        folder = comparison.save(out)
    print_result(comparison.to_dict() if as_json else f"{comparison}\n\nreport: {folder / 'report.html'}")


def _labels(agents: list[str], baseline: str | None, reference: str | None) -> list[str]:
    """The label of each agent, `label=file.d3` or the file's stem; baseline and reference must be among the labels."""
    labels = [text.partition("=")[0] if "=" in text else Path(text).stem for text in agents]
    for label in labels:
        if labels.count(label) > 1:
            raise PolicyError(f"two agents are called {label!r}: give each its own label=file.d3")
    for role in (baseline, reference):
        if role is not None and role not in labels:
            raise PolicyError(f"no agent is called {role!r}; there are {labels}")
    return labels


def _splits(sweeps: list[str] | None, space: Any) -> Any:
    """The default context as "train", and a split for each sweep; None, the environment's own splits, without sweeps."""
    if not sweeps:
        return None
    refuse_repeats([text.partition("=")[0] for text in sweeps], "--sweep")
    splits = {"train": space.default}
    for text in sweeps:
        name, equals, values = text.partition("=")
        splits[f"sweep_{name}"] = space.sweep(name, read_numbers(values, "--sweep") if equals else 9)
    return splits


def _policy(text: str, device: str) -> Any:
    """The agent in a file, or "random"."""
    from offctx.training.agents import load_agent

    path = text.partition("=")[2] or text
    return path if path == "random" else load_agent(path, device=read_device(device))
