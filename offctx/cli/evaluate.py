"""The verb `evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from offctx.cli.agents import BY_NAME, NamedAgent, errors_name, read_agents
from offctx.cli.completion import context_modes, dataset_ids, environment_ids
from offctx.cli.options import (
    Backend,
    Device,
    Json,
    NumberOfJobs,
    Quiet,
    check_report_folder,
    errors_begin,
    read_device,
    read_numbers,
    read_warm_up,
    refuse_repeats,
    workers,
)
from offctx.cli.output import command_line, long_work, print_result
from offctx.errors import EvaluationError, PolicyError

_AGENTS = (
    "Agents: file.d3, label=file.d3, label=seed0.d3,seed1.d3 (training runs of one method; the label may also be repeated), "
    "random or zero."
)


def evaluate(
    agents: Annotated[list[str], typer.Argument(help=_AGENTS)],
    env: Annotated[
        str,
        typer.Option(
            help="Gymnasium id of a contextual environment.",
            autocompletion=environment_ids,
        ),
    ],
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="Sweep a coordinate: g, or g=0.5,1,2 (c0 is split train). Default: the environment's splits."),
    ] = None,
    episodes: Annotated[int, typer.Option(help="Episodes per context.")] = 64,
    context: Annotated[
        str | None,
        typer.Option(
            help="append or hidden, as agents without a record (agent.d3.json) were trained. Default: append.",
            autocompletion=context_modes,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Dataset that the agents learnt from: adds the return against the distance from it.",
            autocompletion=dataset_ids,
        ),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Label that verdicts judge against, beside the null controls.")] = None,
    reference: Annotated[str | None, typer.Option(help="Label that the gap from the strongest null is closed to.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the report that is in --out.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episodes.")] = 0,
    warmup: Annotated[
        str | None,
        typer.Option(help="Unscored steps in the same context before the scored episode: 128, or several: 25,128."),
    ] = None,
    warmup_policy: Annotated[
        str | None, typer.Option(help="Who plays them: random, zero or file.d3. Default: each agent itself.")
    ] = None,
    target_return: Annotated[
        float | None, typer.Option(help="Return that Decision Transformers are asked to reach in an episode.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of the Discrete actions that Decision Transformers draw. Default: the most likely action."),
    ] = None,
    no_controls: Annotated[bool, typer.Option("--no-controls", help="Do not play the zero and the random action.")] = False,
    device: Device = "cpu",
    n_jobs: NumberOfJobs = None,
    backend: Backend = "loky",
    resume: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps finished chunks of agents and controls: the same command goes on."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score agents on contexts they have never seen, on common random numbers, and write a report.

    An agent of `offctx train` remembers whether it observes the context. Agents with and without the context can be compared
    in one report. Other agents need --context hidden where they do not observe it.

    The zero action and a random action are played too, and the report begins with a verdict on each method against the
    baseline and each of them: a gap that standing still closes says nothing about contexts. Label an agent trained with the
    context hidden "hidden", one trained with a jittered context "jitter": they are null controls as well, and the report names
    those that are missing. A verdict needs five agents of each method, one for each training seed: label=seed0.d3,seed1.d3,...

    An agent with memory, such as a d3rlpy Decision Transformer, infers the context from what it has seen. With --warmup it is
    scored cold, in its first episode, and once more after so many steps in the same context; the report shows both apart, and
    the return against the transitions seen. To an agent without memory a warm-up makes no difference: it is scored once.

    Many contexts are played in chunks, by --n-jobs processes side by side; returns do not depend on how many.
    With --resume, the same command goes on after Ctrl-C or kill -9, and plays only the chunks that are missing: of the agents,
    and of the zero and the random action. The folder keeps the chunks of all until the report is written.

    Example: offctx evaluate baseline=base.d3 cse=cse.d3 ldr=ldr.d3
                 --env offctx/PendulumGoal-v0 --sweep g --sweep tau
                 --baseline baseline --reference ldr
             offctx evaluate dt.d3 --env offctx/PendulumGoal-v0
                 --context hidden --target-return 150 --warmup 25,128
    """
    import offctx
    from offctx.envs.policies import check_mode
    from offctx.envs.resolve import resolve
    from offctx.evaluation.kept_chunks import kept_chunks

    named = read_agents(agents, baseline, reference)
    check_report_folder(out, overwrite=overwrite)
    context_mode = None if context is None else check_mode(context)
    with long_work(as_json), kept_chunks(resume) as kept:
        data = None if dataset is None else offctx.load_dataset(dataset)
        sensitivity = None if data is None else offctx.context_sensitivity(data)
        family = resolve(env).env
        contexts = _splits(sweep, family.context_space)
        asked = {"target_return": target_return, "temperature": temperature}
        players = _players(named, read_device(device), context_mode, family, asked)
        warm_up = _warm_up(warmup, warmup_policy, players, family, asked)
        reports: dict[str, list[Any]] = {agent.label: [] for agent in named}
        for agent, policy, mode in players:
            with errors_name(agent):
                report = offctx.evaluate(
                    policy,
                    env,
                    contexts,
                    episodes=episodes,
                    seed=seed,
                    context=mode,
                    train_contexts=None if data is None else data.unique_contexts,
                    name=agent.label,
                    progress=not quiet,
                    **warm_up,
                    resume=kept,
                    **workers(n_jobs, backend),
                )
                reports[agent.label].append(report)
        comparison = offctx.compare(
            reports,
            baseline=baseline,
            reference=reference,
            seed=seed,
            sensitivity=sensitivity,
            provenance=_provenance(named, data),
            controls=not no_controls,
            progress=False if quiet else None,
            resume=kept,
            **workers(n_jobs, backend),
        )
        folder = comparison.save(out, overwrite=overwrite)
    print_result(comparison.to_dict() if as_json else f"{comparison}\n\nreport: {folder / 'report.html'}")


def _warm_up(
    steps: str | None, by: str | None, players: list[tuple[NamedAgent, Any, Any]], family: Any, asked: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of `offctx.evaluate` that say how agents are warmed up. They are checked before an agent plays.

    `asked` is the target return and the temperature of Decision Transformers.
    """
    from offctx.envs.players import make_player

    if steps is None:
        if by is not None:
            raise EvaluationError("--warmup-policy plays the warm-up, but there is none: give --warmup, a number of steps")
        return {}
    numbers = read_warm_up(steps, "--warmup")
    if by is None:
        return {"warmup": numbers}
    with errors_begin(f"--warmup-policy {by}"):
        policy = NamedAgent("warm-up", by).policy(False, **asked)
        for mode in {mode for _, _, mode in players}:
            make_player(policy, family, mode)
    return {"warmup": numbers, "warmup_policy": policy}


def _players(
    named: list[NamedAgent], device: Any, context_mode: Any, family: Any, asked: dict[str, Any]
) -> list[tuple[NamedAgent, Any, Any]]:
    """Each agent with its policy and how it observes the context. All are checked before the first of them plays.

    Raises:
        OffctxError: an agent cannot be read or does not fit the environment, or the runs of one method observe the context
            differently.
    """
    from offctx.envs.players import make_player

    players: list[tuple[NamedAgent, Any, Any]] = []
    for agent in named:
        with errors_name(agent):
            policy, mode = agent.policy(device, **asked), agent.context(context_mode)
            make_player(policy, family, mode)
            for other, _, others_mode in players:
                if other.label == agent.label and others_mode != mode:
                    raise PolicyError(
                        f"{other.path} observes the context in mode {others_mode}, {agent.path} in mode {mode}: they are no "
                        "runs of one method; give each its own label"
                    )
            players.append((agent, policy, mode))
    return players


def _provenance(agents: list[NamedAgent], data: Any) -> Any:
    """The command line, the agents' files, and the datasets that their records and --dataset name."""
    import offctx
    from offctx.training.records import read_record

    files: dict[str, str] = {}
    for label in {agent.label: None for agent in agents}:
        paths = [agent.path for agent in agents if agent.label == label and agent.path not in BY_NAME]
        files |= {label if len(paths) == 1 else f"{label}, run {k}": path for k, path in enumerate(paths)}
    records = [record for record in map(read_record, files.values()) if record is not None]
    datasets = {record.dataset_id: record.dataset_sha256 for record in records if record.dataset_id is not None}
    if data is not None:
        datasets[data.dataset_id] = data.checksum
    return offctx.Provenance.collect(command=command_line(), datasets=datasets, agents=files)


def _splits(sweeps: list[str] | None, space: Any) -> Any:
    """The default context as "train", and a split for each sweep, which does not contain the default context.

    None, the environment's own splits, without sweeps.
    """
    if not sweeps:
        return None
    refuse_repeats([text.partition("=")[0] for text in sweeps], "--sweep")
    splits = {"train": space.default}
    for text in sweeps:
        name, equals, values = text.partition("=")
        chosen = read_numbers(values, "--sweep") if equals else 9
        with errors_begin(f"--sweep {text}"):
            splits[f"sweep_{name}"] = space.sweep(name, chosen, include_base=False)
    return splits
