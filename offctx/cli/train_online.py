"""The verb `train-online`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from offctx.cli.completion import algorithm_names, environment_ids
from offctx.cli.interrupt import before_training
from offctx.cli.options import Device, Json, Quiet, check_writable, read_device, read_warm_up
from offctx.cli.output import long_work, print_result
from offctx.cli.train_options import LearnerContext, assignment, augmentations, learner_mode
from offctx.errors import ContextError
from offctx.words import count

_MOST_CONTEXTS = 1_000_000  # drawn at random


def train_online(
    env: Annotated[str, typer.Argument(help="Gymnasium id of a contextual environment.", autocompletion=environment_ids)],
    run: Annotated[Path, typer.Option(help="Folder of the run: config, metrics.csv, agent.d3, report.")] = Path("run"),
    algorithm: Annotated[
        str, typer.Option(help="d3rlpy's that learn online: sac, td3, ddpg, dqn, ...", autocompletion=algorithm_names)
    ] = "sac",
    steps: Annotated[int, typer.Option(help="Steps of single environments, in all contexts together.")] = 100_000,
    contexts: Annotated[
        str | None,
        typer.Option(help="A split of the environment, or how many contexts to draw at random. Default: train, else c0."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="How many environments side by side. Default: one for each context.")
    ] = None,
    updates: Annotated[float, typer.Option(min=0, help="Updates after each joint step of all environments; any ratio.")] = 1.0,
    random_steps: Annotated[int, typer.Option(min=0, help="The first steps are random; rounded up to joint steps.")] = 0,
    noise: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Exploration of td3, ddpg: standard deviation of Gaussian noise; of dqn: probability of a random action. sac "
            "needs none.",
        ),
    ] = None,
    context: LearnerContext = None,
    cse_radius: Annotated[str | None, typer.Option(help="Context sample enhancement: one radius, or g=0.5,tau=0.2.")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="Hyperparameter, e.g. batch_size=512.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often metrics and a checkpoint are written.")] = 10,
    eval_episodes: Annotated[int, typer.Option(min=0, help="Episodes per context in the report at the end; 0: none.")] = 10,
    eval_warmup: Annotated[
        str | None,
        typer.Option(help="Unscored steps in the context before scored episodes of the report: 128, or several: 25,128."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, episodes, exploration and batches.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train an algorithm online, in many contexts side by side, into a run folder.

    One joint step makes one step in every environment, appends all of them to the replay buffer, and is followed by --updates
    updates. A run that was stopped (Ctrl-C, a crash) goes on when the same command is given again, and ends with the same
    weights. At the end, the agent is scored on the environment's splits. `offctx evaluate RUN/agent.d3` scores it again.
    An agent that infers the context is scored cold, and with --eval-warmup once more after so many steps in the same context.

    Examples: offctx train-online offctx/RotatedThrusters-v0
                  --contexts 20 --steps 200000 --random-steps 5000
                  --run runs/sac-0
              offctx train-online offctx/PendulumGoal-v0 --algorithm td3
                  --noise 0.1 --context hidden --run runs/hidden
              offctx train-online offctx/PendulumGoal-v0
                  --cse-radius 0.5 --set batch_size=128 --run runs/cse
              offctx train-online offctx/DoubleIntegrator-v0
                  --algorithm dma-star-sh
                  --eval-warmup 24,128 --run runs/sh
    """
    with long_work(as_json):
        with before_training("train"):
            from offctx.envs.resolve import resolve
            from offctx.training.online import train_online as work

            check_writable(run, folder=True)
            family = resolve(env).env
            config = dict(assignment(text) for text in setting or [])
            options: dict[str, Any] = {
                "contexts": _contexts(contexts, family.context_space, seed),
                "context": learner_mode(context, algorithm, config),
                "augmentation": augmentations(cse_radius, None, None, family.context_space) or None,
                "explorer": _explorer(noise, family),
                "config": config,
                "device": read_device(device),
                "report_warmup": 0 if eval_warmup is None else read_warm_up(eval_warmup, "--eval-warmup"),
            }
        try:
            agent = work(
                algorithm,
                env,
                steps=steps,
                rows=rows,
                seed=seed,
                updates_per_joint_step=updates,
                random_steps=random_steps,
                epochs=epochs,
                report_episodes=eval_episodes,
                run=run,
                progress=not quiet,
                **options,
            )
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"the same command goes on where the last checkpoint in {run} was made") from stop
    _print(agent, run, algorithm, env, as_json)


def _contexts(text: str | None, space: Any, seed: int) -> Any:
    """The contexts (K, p) that are asked for; None for the default ones."""
    import numpy as np

    from offctx.checks import number_in

    if text is None:
        return None
    number = number_in(text)
    if number is not None:
        if not 1 <= number <= _MOST_CONTEXTS:
            raise ContextError(f"--contexts takes a number from 1 to {_MOST_CONTEXTS:,}, or a split; found {number}")
        return space.sample(np.random.default_rng([seed, 1]), number)
    if text not in space.splits:
        raise ContextError(f"--contexts takes a number, or one of the splits {sorted(space.splits)}; found {text!r}")
    return space.splits[text]


def _explorer(noise: float | None, family: Any) -> Any:
    """d3rlpy's explorer for the kind of actions, or None."""
    from d3rlpy.algos import ConstantEpsilonGreedy, NormalNoise
    from gymnasium.spaces import Discrete

    if noise is None:
        return None
    return ConstantEpsilonGreedy(noise) if isinstance(family.action_space, Discrete) else NormalNoise(std=noise)


def _print(agent: Any, run: Path, algorithm: str, env: str, as_json: bool) -> None:
    """Says what was done, and where."""
    report = run / "report" / "report.html"
    about = {"run": str(run), "agent": str(run / "agent.d3"), "algorithm": algorithm, "env": env, "updates": agent.grad_step}
    about["report"] = str(report) if report.exists() else None
    text = f"{algorithm} after {count(agent.grad_step, 'update')} in {env}: saved to {run / 'agent.d3'}"
    text += f"; report: {report}" if report.exists() else ""
    print_result(about if as_json else text)
