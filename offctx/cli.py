"""The command line: collect | show | validate | derivatives | train | evaluate | demo. Thin: a verb is one public function."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from offctx.errors import ContextError, OffctxError, PolicyError

app = typer.Typer(
    help="Context-labelled offline RL: collect datasets, train d3rlpy agents, score them on contexts they have never seen.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


@app.command()
def collect(
    recipe: Annotated[Path, typer.Argument(help="A TOML recipe; datasets/*.toml are examples.")],
    dataset_id: Annotated[str | None, typer.Option("--id", help="Dataset id instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed instead of the recipe's.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    r"""Collect a dataset by a recipe, with contexts and context derivatives, as plain Minari.

    It appears below MINARI_DATASETS_PATH only when it is complete. A recipe is a few lines of TOML:

    \b
        dataset_id = "offctx/PendulumGoal/random-v0"
        env = "offctx/PendulumGoal-v0"
        episodes_per_context = 250
        seed = 0
        [contexts]                        # values = [[...]], mesh = {g = [1, 2]} or local = {n = 250, radius = 0.5}
        mesh = { g = [1.0, 2.0, 4.0] }
        [[policy]]                        # several are a mixture
        name = "random"                   # or agent = "expert.d3"

    Example: offctx collect datasets/pendulum-goal-random.toml
    """
    from offctx.algos import load_agent
    from offctx.data.card import card
    from offctx.data.recipes import collect_recipe

    with _working(as_json):
        dataset = collect_recipe(recipe, load_agent=load_agent, dataset_id=dataset_id, seed=seed, progress=not quiet)
    text = f"{dataset.dataset_id}: {len(dataset)} transitions in {dataset.num_episodes} episodes"
    _print(card(dataset) if as_json else text)


@app.command()
def show(dataset_id: Annotated[str, typer.Argument(help="A Minari dataset id.")], as_json: Json = False) -> None:
    """Show a dataset's card: spaces, context names, contexts with return quantiles, behaviour, derivatives, checksum.

    Example: offctx show offctx/PendulumGoal/random-v0
    """
    from offctx.data.card import card, render
    from offctx.data.load import load_dataset

    found = card(load_dataset(dataset_id))
    _print(found if as_json else render(found))


@app.command()
def validate(dataset_id: Annotated[str, typer.Argument(help="A Minari dataset id.")], as_json: Json = False) -> None:
    """Check a dataset's layout, alignment, finiteness, contexts and checksum; exit 1 with the first fault.

    Example: offctx validate offctx/PendulumGoal/random-v0
    """
    from offctx.data.validation import validate_dataset

    try:
        dataset = validate_dataset(dataset_id)
    except OffctxError as error:
        _print({"dataset_id": dataset_id, "valid": False, "fault": str(error)} if as_json else f"not valid: {error}")
        raise typer.Exit(1) from error
    label = "with the offctx layout" if dataset.metadata else "plain Minari, no checksum to compare"
    text = f"valid ({label}): {len(dataset)} transitions in {dataset.num_episodes} episodes"
    _print({"dataset_id": dataset_id, "valid": True, "transitions": len(dataset)} if as_json else text)


@app.command()
def derivatives(
    dataset_id: Annotated[str, typer.Argument(help="A Minari dataset id.")],
    env: Annotated[
        str | None, typer.Option(help="Gymnasium id of the environment recorded; not needed where it is one of offctx.")
    ] = None,
    new_id: Annotated[str | None, typer.Option(help="Id of a new dataset; in place where not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace derivatives that are there.")] = False,
    check: Annotated[bool, typer.Option(help="Refuse data that the environment does not reproduce.")] = True,
    batch_size: Annotated[int | None, typer.Option(help="Transitions differentiated at once.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    r"""Attach context derivatives to a dataset that exists: one of offctx, or anyone's Minari data from MuJoCo.

    The simulator's state comes from infos/state, infos/qpos and infos/qvel, or the observations where they determine it.
    The dataset is never half-written. Interrupted, the same command goes on where it was.

    \b
    Examples: offctx derivatives offctx/PendulumGoal/random-v0
              offctx derivatives mujoco/halfcheetah/expert-v0 --env offctx/HalfCheetahPhysics-v0
                  --new-id offctx/HalfCheetahPhysics/expert-v0
    """
    from offctx import attach_derivatives

    with _working(as_json):
        dataset = attach_derivatives(
            dataset_id, env, new_id=new_id, batch_size=batch_size, progress=not quiet, overwrite=overwrite, check=check
        )
    assert dataset.metadata and dataset.metadata.derivatives
    found = dataset.metadata.derivatives
    text = f"{dataset.dataset_id}: derivatives of {len(dataset)} transitions by {found.source}"
    if found.error is not None:
        text += f", relative error below {found.error:.1e} in 99 % of those not flagged"
    if found.flagged is not None:
        text += f"; {found.flagged} flagged (above {found.tolerance:g})"
    result = {"dataset_id": dataset.dataset_id, "transitions": len(dataset), "derivatives": found.model_dump()}
    _print(result if as_json else text)


@app.command()
def train(
    dataset_id: Annotated[str, typer.Argument(help="A Minari dataset id.")],
    out: Annotated[Path, typer.Option(help="Where to save the agent (as d3rlpy saves it).")] = Path("agent.d3"),
    algorithm: Annotated[
        str, typer.Option(help="d3rlpy's: td3, iql, cql, td3plusbc, discretecql, ...; ours: perm, pppo, discreteperm, ...")
    ] = "td3",
    steps: Annotated[int, typer.Option(help="Gradient steps.")] = 5000,
    cse_radius: Annotated[
        str | None, typer.Option(help="Context sample enhancement: one radius, or g=0.5,tau=0.2 (others stay).")
    ] = None,
    pessimism: Annotated[
        float | None, typer.Option(min=0, help="Subtract this many times the uncertainty of each context's data from rewards.")
    ] = None,
    context: Annotated[str, typer.Option(help="append the context to observations, or leave it hidden.")] = "append",
    setting: Annotated[list[str] | None, typer.Option("--set", help="Hyperparameter, e.g. batch_size=512.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda:0.")] = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    r"""Train an algorithm on a dataset, with or without context sample enhancement (CSE) or pessimism, and save the agent.

    \b
    Examples: offctx train offctx/PendulumGoal/random-v0 --algorithm td3 --cse-radius 0.5 --out cse.d3
              offctx train ID --algorithm perm --context hidden --set evaluation=policy --out perm.d3
    """
    from offctx import Pessimism, algos, load_dataset
    from offctx.envs.policies import check_mode

    _writable(out, folder=False)
    if cse_radius is not None and pessimism is not None:
        raise algos.AlgorithmError("--cse-radius and --pessimism both change the batch: give one of them")
    with _working(as_json):
        data = load_dataset(dataset_id)
        augmentation = _cse(cse_radius, data.context_space) if pessimism is None else Pessimism(pessimism)
        buffer = data.replay_buffer(check_mode(context), augmentation=augmentation, seed=seed)
        config = dict(_assignment(text) for text in setting or [])
        agent = algos.make_algorithm(algorithm, buffer, config, device=_device(device))
        algos.train(agent, buffer, steps=steps, seed=seed, progress=not quiet)
        agent.save(str(out))
    result = {"agent": str(out), "algorithm": algorithm, "dataset_id": dataset_id, "steps": steps, "seed": seed}
    _print(result if as_json else f"{algorithm} after {steps} steps on {dataset_id}: saved to {out}")


@app.command()
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
    device: Annotated[str, typer.Option(help="cpu or cuda:0.")] = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    r"""Score agents on contexts they have never seen, on common random numbers, and write a report.

    \b
    Example: offctx evaluate baseline=base.d3 cse=cse.d3 ldr=ldr.d3 --env offctx/PendulumGoal-v0
                 --sweep g --sweep tau --baseline baseline --reference ldr
    """
    import offctx
    from offctx.envs.policies import check_mode
    from offctx.envs.resolve import resolve

    _writable(out, folder=True)
    labels = [_label(text) for text in agents]
    for label in labels:
        if labels.count(label) > 1:
            raise PolicyError(f"two agents are called {label!r}: give each its own label=file.d3")
    for wanted in (baseline, reference):
        if wanted is not None and wanted not in labels:
            raise PolicyError(f"no agent is called {wanted!r}; there are {labels}")
    with _working(as_json):
        data = None if dataset is None else offctx.load_dataset(dataset)
        sensitivity = None if data is None else offctx.context_sensitivity(data)
        contexts = _sweeps(sweep, resolve(env).env.context_space)
        policies = {label: _agent(text, device) for label, text in zip(labels, agents, strict=True)}
        reports = {}
        for label, policy in policies.items():
            reports[label] = offctx.evaluate(
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
        comparison = offctx.compare(reports, baseline=baseline, reference=reference, seed=seed, sensitivity=sensitivity)
        folder = comparison.save(out)
    _print(comparison.to_dict() if as_json else f"{comparison}\n\nreport: {folder / 'report.html'}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for datasets, agents and the report.")] = Path("out/demo"),
    algorithm: Annotated[str, typer.Option(help="A d3rlpy algorithm for continuous actions.")] = "td3",
    steps: Annotated[int, typer.Option(help="Gradient steps of each of the three learners.")] = 8000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of data, learners and batches.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda:0.")] = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The whole product in a few minutes: collect PendulumGoal data, train with and without CSE, score on unseen contexts.

    Baseline and CSE learn from the same data, all of it at one context; LDR learns from real data of contexts around
    it, which is what CSE tries to do without.

    Example: offctx demo --seed 1 --out out/demo-1
    """
    from offctx import compare
    from offctx.training import demo

    os.environ.setdefault("MINARI_DATASETS_PATH", str((out / "datasets").resolve()))
    chosen = demo.Setting(algorithm=algorithm, steps=steps, seed=seed, device=_device(device))
    with _working(as_json):
        reports = demo.run(chosen, out, lambda text: typer.echo(text, err=True), progress=not quiet)
        title = f"{demo.ENV}, {algorithm}: zero-shot generalization from one context"
        comparison = compare(reports, baseline=demo.BASELINE, reference=demo.REFERENCE, title=title)
        folder = comparison.save(out / "report")
    _print(comparison.to_dict() if as_json else f"\n{comparison}\n\nreport: {(folder / 'report.html').resolve()}")


# --- reading arguments ---------------------------------------------------------------------------------------------------


def _device(text: str) -> Any:
    import torch

    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:
        raise PolicyError(f"--device {text!r} is not to be had here: {str(error).splitlines()[0]}") from error
    return False if text == "cpu" else text


def _writable(path: Path, folder: bool) -> None:
    """Refuse a place that cannot be written before the work that is to be written there."""
    if path.is_dir() != folder and path.exists():
        raise PolicyError(f"cannot write to {path}: it is a {'file' if folder else 'folder'}")
    if not path.parent.is_dir() and not folder:
        raise PolicyError(f"cannot write to {path}: folder {path.parent} does not exist")


def _assignment(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise PolicyError(f"--set takes key=value; found {text!r}")
    with contextlib.suppress(ValueError):
        return key, json.loads(value)
    return key, value


def _numbers(text: str, what: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ContextError(f"{what} takes numbers separated by commas; found {text!r}") from error


def _cse(text: str | None, space: Any) -> Any:
    from offctx import CSE

    if text is None:
        return None
    if "=" not in text:
        radii = _numbers(text, "--cse-radius")
        return CSE(radii[0] if len(radii) == 1 else radii)
    given = [part.partition("=")[::2] for part in text.split(",")]
    for name, _ in given:
        if name not in space.names:
            raise ContextError(f"--cse-radius: unknown context name {name!r}; this space has {list(space.names)}")
    _refuse_repeats([name for name, _ in given], "--cse-radius")
    radius = {name: _numbers(value, f"--cse-radius {name}")[0] for name, value in given}
    return CSE([radius.get(name, 0.0) for name in space.names])


def _refuse_repeats(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ContextError(f"{what} names {name!r} twice")


def _sweeps(texts: list[str] | None, space: Any) -> Any:
    if not texts:
        return None
    _refuse_repeats([text.partition("=")[0] for text in texts], "--sweep")
    splits = {"train": space.default}
    for text in texts:
        name, equals, values = text.partition("=")
        splits[f"sweep_{name}"] = space.sweep(name, _numbers(values, "--sweep") if equals else 9)
    return splits


def _label(text: str) -> str:
    label, equals, _ = text.partition("=")
    return label if equals else Path(text).stem


def _agent(text: str, device: str) -> Any:
    from offctx.algos import load_agent

    path = text.partition("=")[2] or text
    return path if path == "random" else load_agent(path, device=_device(device))


# --- printing ------------------------------------------------------------------------------------------------------------


def _print(result: Any) -> None:
    typer.echo(result if isinstance(result, str) else json.dumps(result, allow_nan=False, indent=1))


@contextlib.contextmanager
def _working(as_json: bool) -> Iterator[None]:
    """Long work: with --json, what libraries print goes to standard error; an interrupt ends with a line and code 130."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        try:
            yield
        except KeyboardInterrupt as stop:
            typer.echo(f"stopped: {stop}" if str(stop) else "stopped", err=True)
            raise typer.Exit(130) from stop


def _quiet_libraries() -> None:
    """d3rlpy tells of every shape that it detects, and imports a library that announces its own end."""
    import logging

    import gym_notices.notices
    import structlog

    gym_notices.notices.notices.clear()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _interrupted(signal_number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: bad input ends with one line that says what was wrong and what would be right."""
    signal.signal(signal.SIGTERM, _interrupted)  # so that what is half-written is cleared away
    _quiet_libraries()
    try:
        code = app(standalone_mode=False)
    except OffctxError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors
            error.show()
            sys.exit(error.exit_code)
        raise
    sys.exit(code if isinstance(code, int) else 0)  # a verb that exits by itself ends here with its code


if __name__ == "__main__":
    main()
