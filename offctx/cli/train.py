"""The verb `train`."""

from pathlib import Path
from typing import Annotated

import typer

from offctx.cli.completion import algorithm_names, environment_ids
from offctx.cli.interrupt import before_training
from offctx.cli.options import DatasetId, Device, Json, Quiet, read_device
from offctx.cli.output import long_work, print_result
from offctx.cli.train_options import (
    LearnerContext,
    ProgressOptions,
    assignment,
    augmentations,
    automatic_radius,
    check_agent_file,
    held_out,
    learner_mode,
)
from offctx.words import count


def train(
    dataset_id: DatasetId,
    out: Annotated[Path, typer.Option(help="Where to save the agent (as d3rlpy saves it).")] = Path("agent.d3"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the agent that is at --out.")] = False,
    algorithm: Annotated[
        str,
        typer.Option(
            help="d3rlpy's: td3, iql, cql, td3plusbc, discretecql, ...; ours: perm, pppo, discreteperm, ...; with TD3+BC: "
            "dma-star-sh, focal, ..., which infer hidden contexts.",
            autocompletion=algorithm_names,
        ),
    ] = "td3",
    steps: Annotated[int, typer.Option(help="Gradient steps.")] = 5000,
    cse_radius: Annotated[
        str | None,
        typer.Option(help="Context sample enhancement: one radius, g=0.5,tau=0.2 (others stay), or auto (read off the data)."),
    ] = None,
    jitter_radius: Annotated[
        str | None,
        typer.Option(help="The placebo of --cse-radius: moves the appended context likewise, and nothing else."),
    ] = None,
    pessimism: Annotated[
        float | None,
        typer.Option(min=0, help="Subtract this many times the uncertainty of each context's data from rewards, after CSE."),
    ] = None,
    context: LearnerContext = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="Hyperparameter, e.g. batch_size=512.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")] = 0,
    logdir: Annotated[
        Path | None,
        typer.Option(help="Folder for d3rlpy's log: losses and scores as CSV, parameters, agents on the way."),
    ] = None,
    eval_env: Annotated[
        str | None,
        typer.Option(
            help="Gymnasium id: print the mean return on its held-out contexts after each epoch.",
            autocompletion=environment_ids,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="How often --logdir and --eval-env write; divides --steps. Default: up to 10."),
    ] = None,
    device: Device = "cpu",
    memory_budget: Annotated[
        str | None,
        typer.Option(help="Map the data from files where they and the buffer take more, such as 2GB; same results."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train an algorithm on a dataset and save the agent; optionally with context sample enhancement (CSE) and pessimism.

    Beside agent.d3 stands agent.d3.json, which says how the agent observes the context and what it learnt from. An interrupt
    (Ctrl-C) ends the training and saves the agent as it is.

    Examples: offctx train offctx/PendulumGoal/random-v0
                  --algorithm td3 --cse-radius 0.5 --out cse.d3
              offctx train ID --jitter-radius 0.5 --out placebo.d3
              offctx train ID --algorithm td3plusbc
                  --cse-radius 0.5 --pessimism 1 --out both.d3
              offctx train ID --algorithm perm --context hidden
                  --set evaluation=policy --out perm.d3
              offctx train ID --algorithm dma-star-sh --out sh.d3
              offctx train ID --eval-env offctx/PendulumGoal-v0
                  --logdir logs --epochs 5
    """
    with long_work(as_json):
        with before_training("train"):
            from offctx.data.load import load_dataset
            from offctx.training.names import make_algorithm
            from offctx.training.preset_defaults import offline_settings
            from offctx.training.records import AgentRecord, record_path
            from offctx.training.run import train_to_file

            check_agent_file(out, overwrite=overwrite)
            config = offline_settings(algorithm, dict(assignment(text) for text in setting or []))
            mode = learner_mode(context, algorithm, config)
            data = load_dataset(dataset_id, memory_budget=memory_budget)
            evaluator = None if eval_env is None else held_out(eval_env, data, mode)
            progress = ProgressOptions.of(steps, epochs, logdir, out, evaluator)
            chosen = augmentations(cse_radius, jitter_radius, pessimism, data.context_space)
            buffer = data.replay_buffer(mode, augmentation=chosen, seed=seed)
            agent = make_algorithm(algorithm, buffer, config, device=read_device(device))
            options = {"augmentations": [repr(each) for each in chosen], "settings": config}
            record = AgentRecord.of(buffer, data, algorithm, steps=steps, seed=seed, options=options)
        done = train_to_file(agent, buffer, out, record, progress=not quiet, **progress.fit_options)
    radius = automatic_radius(chosen)
    text = f"{algorithm} after {count(done, 'step')} on {dataset_id}: saved to {out}"
    text += f"; radius {radius}, read off the data" if radius else ""
    text += f"; log in {progress.log}" if progress.log else ""
    about = {"agent": str(out), "algorithm": algorithm, "dataset_id": dataset_id, "steps": done, "seed": seed, "context": mode}
    about |= {"record": str(record_path(out)), "log": progress.log and str(progress.log), "scores": progress.scores}
    print_result(about | {"cse_radius": radius} if as_json else text)
