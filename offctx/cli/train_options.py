"""How the texts of the verb `train`'s options are read and checked."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from offctx.cli.completion import context_modes
from offctx.cli.options import check_writable, read_numbers, refuse_repeats
from offctx.errors import ContextError, EnvError, PolicyError

if TYPE_CHECKING:
    from offctx.envs.policies import ContextMode

LearnerContext = Annotated[
    str | None,
    typer.Option(
        help="append the context to observations, or leave it hidden. Default: append; hidden for learners that infer it.",
        autocompletion=context_modes,
    ),
]


def learner_mode(context: str | None, algorithm: str, config: dict[str, Any]) -> "ContextMode":
    """How the learner's observations have the context: as --context says, or as the algorithm needs it."""
    from offctx.envs.policies import check_mode
    from offctx.training.preset_defaults import context_of

    return context_of(algorithm, config) if context is None else check_mode(context)


def check_agent_file(out: Path, *, overwrite: bool) -> None:
    """Refuse a place for an agent that cannot be written to, or where another one is."""
    check_writable(out, folder=False)
    if out.exists() and not overwrite:
        raise PolicyError(f"{out} exists already: --overwrite replaces it, --out names another file")


def augmentations(cse_radius: str | None, jitter_radius: str | None, pessimism: float | None, space: Any) -> list[Any]:
    """The augmentations in the order in which they apply: CSE or its placebo moves the batch, then pessimism lowers rewards."""
    from offctx.augmentations.context_jitter import ContextJitter
    from offctx.augmentations.cse import CSE
    from offctx.augmentations.pessimism import Pessimism

    if cse_radius is not None and jitter_radius is not None:
        raise PolicyError("--jitter-radius is the placebo of --cse-radius: train one agent with each, and compare them")
    chosen: list[Any] = [] if cse_radius is None else [CSE(_radius(cse_radius, "--cse-radius", space))]
    if jitter_radius is not None:
        chosen.append(ContextJitter(_radius(jitter_radius, "--jitter-radius", space)))
    if pessimism is not None:
        chosen.append(Pessimism(pessimism))
    return chosen


def automatic_radius(chosen: list[Any]) -> dict[str, float] | None:
    """The radius of each coordinate that "auto" was resolved to, by name; None where no radius was automatic."""
    report = getattr(chosen[0], "report", None) if chosen else None
    if report is None:
        return None
    return {name: float(f"{value:.4g}") for name, value in zip(report.names, report.radius, strict=True)}


def _radius(text: str, option: str, space: Any) -> float | list[float] | Literal["auto"]:
    """The radius: auto, one number for all, one for each coordinate, or NAME=NUMBER pairs; coordinates not named stay."""
    if text == "auto":
        return "auto"
    if "=" not in text:
        radii = read_numbers(text, option)
        return radii[0] if len(radii) == 1 else radii
    pairs = [part.partition("=")[::2] for part in text.split(",")]
    for name, _ in pairs:
        if name not in space.names:
            raise ContextError(f"{option}: unknown context name {name!r}; this space has {list(space.names)}")
    refuse_repeats([name for name, _ in pairs], option)
    radius = {name: read_numbers(value, f"{option} {name}")[0] for name, value in pairs}
    return [radius.get(name, 0.0) for name in space.names]


def assignment(text: str) -> tuple[str, Any]:
    """The hyperparameter in "key=value": the value as JSON where it is JSON, else as text."""
    key, equals, value = text.partition("=")
    if not equals:
        raise PolicyError(f"--set takes key=value; found {text!r}")
    with contextlib.suppress(ValueError):
        return key, json.loads(value)
    return key, value


def held_out(env_id: str, data: Any, context: Any) -> Any:
    """The evaluator on the environment's splits. Raises EnvError where the environment is not that of the data."""
    from offctx.envs.resolve import resolve
    from offctx.evaluation.training_evaluator import ZeroShotEvaluator

    env = resolve(env_id).env
    for what, ours, theirs in (
        ("context", list(env.context_space.names), list(data.context_space.names)),
        ("observation shape", env.observation_space.shape, data.observation_space.shape),
        ("action shape", env.action_space.shape, data.action_space.shape),
    ):
        if ours != theirs:
            raise EnvError(f"--eval-env {env_id} does not fit {data.dataset_id}: its {what} is {ours}, the data's {theirs}")
    return ZeroShotEvaluator(env_id, context=context)


@dataclass(frozen=True)
class ProgressOptions:
    """How a training is watched.

    Attributes:
        fit_options: arguments of d3rlpy's `fit`.
        log: the folder of the log, or None.
        scores: filled during the training: a dict of step and mean return after each epoch.
    """

    fit_options: dict[str, Any]
    log: Path | None
    scores: list[dict[str, float]]

    @classmethod
    def of(cls, steps: int, epochs: int | None, logdir: Path | None, out: Path, evaluator: Any) -> "ProgressOptions":
        """From the options of the verb. Without a log and an evaluator there is one epoch, and nothing is written."""
        from offctx.training.log import file_log, steps_per_epoch

        scores: list[dict[str, float]] = []
        if logdir is None and evaluator is None:
            if epochs is not None:
                raise PolicyError("--epochs says how often --logdir and --eval-env write; give one of these")
            return cls({}, None, scores)
        each = steps_per_epoch(steps, epochs)
        options: dict[str, Any] = {"n_steps_per_epoch": each}
        log = None
        if logdir is not None:
            check_writable(logdir, folder=True)
            logging, log = file_log(logdir, out.stem)
            options |= logging

        def announced(agent: Any, dataset: Any) -> float:
            scores.append({"step": agent._grad_step, "zero_shot": evaluator(agent)})
            typer.echo("step {step}: zero-shot return {zero_shot:.2f}".format(**scores[-1]), err=True)
            return scores[-1]["zero_shot"]

        if evaluator is not None:
            options["evaluators"] = {"zero_shot": announced}
        return cls(options, log, scores)
