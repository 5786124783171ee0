"""An online training from its first epoch to its report, with or without a folder."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from offctx.errors import AlgorithmError
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.run import TRAIN
from offctx.training.agents import load_weights
from offctx.training.checkpoint import restore_checkpoint, write_checkpoint
from offctx.training.online_loop import OnlineLoop
from offctx.training.records import online_record, read_record, save_agent
from offctx.training.run_folder import RunFolder
from offctx.training.run_settings import RunOptions, settings_of

Evaluator = Callable[[Any, Any], float]
Callback = Callable[[Any, int, int], None]


@dataclass(frozen=True)
class Watch:
    """How a training is watched.

    Attributes:
        evaluators: by name; called as evaluator(agent, buffer) after each epoch.
        callback: called as callback(agent, epoch, step) after each joint step, or None.
        progress: show a progress bar.

    Raises:
        AlgorithmError: evaluators or callback are none.
    """

    evaluators: Mapping[str, Evaluator]
    callback: Callback | None
    progress: bool

    def __post_init__(self) -> None:
        named = isinstance(self.evaluators, Mapping) and all(callable(each) for each in self.evaluators.values())
        if not named:
            raise AlgorithmError(
                f"expected evaluators as a dict from names to functions (agent, buffer) -> float; found {self.evaluators!r}"
            )
        if self.callback is not None and not callable(self.callback):
            raise AlgorithmError(f"expected callback as a function (agent, epoch, step); found {self.callback!r}")


def run_epochs(loop: OnlineLoop, watch: Watch, folder: RunFolder | None) -> list[dict[str, float]]:
    """Goes through the epochs that are left.

    Args:
        loop: at its beginning.
        watch: evaluators, callback and progress bar.
        folder: where it goes on from its checkpoint, and writes metrics and checkpoints; or None.

    Returns:
        The metrics of each epoch.
    """
    rows: list[dict[str, float]] = []
    if folder is not None and folder.checkpoint.exists():
        rows = restore_checkpoint(folder.checkpoint, loop)["metrics"]
    total = loop.schedule.joint_steps * loop.schedule.rows
    with tqdm(total=total, initial=loop.steps, desc="training", unit="step", disable=not watch.progress) as bar:
        for epoch in range(len(rows) + 1, loop.schedule.epochs + 1):

            def after_step(step: int, epoch: int = epoch) -> None:
                bar.update(loop.schedule.rows)
                if watch.callback is not None:
                    watch.callback(loop.agent, epoch, step)

            row = loop.run_epoch(epoch, after_step)
            row |= {name: float(evaluator(loop.agent, loop.buffer)) for name, evaluator in watch.evaluators.items()}
            rows.append(row)
            bar.set_postfix({name: f"{row[name]:.4g}" for name in ("rollout_return", *watch.evaluators) if name in row})
            if folder is not None:
                folder.write_metrics(rows)
                write_checkpoint(folder.checkpoint, loop, {"metrics": rows})
    return rows


def run_and_save(loop: OnlineLoop, watch: Watch, run: str | os.PathLike[str] | None, options: RunOptions) -> None:
    """Trains to the end; with a folder, goes on where it was stopped, and saves the agent and its report.

    Args:
        loop: at its beginning.
        watch: evaluators, callback and progress bar.
        run: the folder, or None.
        options: what the folder's files say.

    Raises:
        AlgorithmError: the folder holds something else, or its files are damaged.
    """
    if run is None:
        run_epochs(loop, watch, None)
        return
    loop.behaviour.state()  # raises an error where a checkpoint would
    folder = RunFolder(run, settings_of(loop, options, list(watch.evaluators)))
    if folder.finished:
        load_weights(loop.agent, folder.agent)
        record = read_record(folder.agent)
        loop.agent.set_grad_step(loop.agent.grad_step + (record.steps if record else 0))
        return
    run_epochs(loop, watch, folder)
    record = online_record(loop.buffer, options.resolved.name, type(loop.agent).__name__, steps=loop.updates, seed=options.seed)
    save_agent(loop.agent, folder.agent, record)
    if options.report_episodes:
        _report(loop, folder, options)
    folder.checkpoint.unlink(missing_ok=True)


def _report(loop: OnlineLoop, folder: RunFolder, options: RunOptions) -> None:
    """Scores the trained agent in the contexts of the training and in the other splits of the environment."""
    splits = dict(options.resolved.env.context_space.splits)
    if options.plan.contexts is not None:
        splits = {TRAIN: options.plan.contexts} | {name: rows for name, rows in splits.items() if name != TRAIN}
    mode = loop.buffer.context
    report = evaluate(
        loop.agent, options.env, splits or None, episodes=options.report_episodes, seed=options.seed, context=mode,
        warmup=options.report_warmup,
    )  # fmt: skip
    report.save(folder.report)
