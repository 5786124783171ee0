"""How a cell runs: a learner is trained, offline or online, and scored cold and warm."""

from typing import Any

import numpy as np

from offctx.analysis.leakage import leakage_report
from offctx.data.collection.collect import collect
from offctx.data.context_levels import agent_mode
from offctx.data.dataset import ContextualDataset
from offctx.data.history.windows import HistoryWindows
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.report import ZeroShotReport
from tools.datasets import temporary_datasets
from tools.reproduce.aib.methods import LEVELS
from tools.reproduce.aib.settings import EVALUATION_SEED, ONLINE_KIND, Run
from tools.reproduce.aib.tasks import BLIND_BEHAVIOUR, EXPERT, MIXTURE, RANDOM
from tools.reproduce.frame.cells import Result

COLD, WARM = "cold", "warm"
_DATA_SEEDS = {RANDOM: 10_000, MIXTURE: 20_000, EXPERT: 30_000, BLIND_BEHAVIOUR: 40_000}  # data of a seed: this and the seed
_LEAKAGE_LENGTH = 24  # of windows; not longer than an episode


def run_cell(run: Run) -> Result:
    """Train and score one learner."""
    if run.kind == ONLINE_KIND:
        return score(run, train_online(run))
    with temporary_datasets():
        data = dataset(run)
        agent = train_offline(run, data)
        result: Result = score(run, agent) | {"behaviour": float(data.episode_returns.mean())}
        return result | ({"leakage": leakage(run, agent, data)} if run.of_method.infers else {})


def dataset(run: Run) -> ContextualDataset:
    """The data of a seed, the same for all methods: equally many episodes in each context of the split "train"."""
    task = run.of_task
    return collect(
        task.env, f"offctx/{task.name}/{run.kind}-v0", contexts=task.splits()["train"], policy=task.behaviours[run.kind](),
        episodes_per_context=run.data_episodes, seed=_DATA_SEEDS[run.kind] + run.seed, gradients=False, progress=False,
    )  # fmt: skip


def train_offline(run: Run, data: ContextualDataset) -> Any:
    """The agent of an offline learner."""
    from offctx.training.fit import train  # imports d3rlpy, which takes seconds
    from offctx.training.names import make_algorithm

    buffer = data.replay_buffer(context=LEVELS[run.of_method.told], seed=run.seed)
    agent = make_algorithm(run.of_method.algorithm, buffer, run.config())
    return train(agent, buffer, steps=run.updates, seed=run.seed, progress=False)


def train_online(run: Run) -> Any:
    """The agent of an online learner: one update after each joint step in all training contexts."""
    from offctx import train_online as train  # as above

    contexts = run.of_task.splits()["train"]
    n, episode = len(contexts), run.of_task.steps
    random_steps = n * run.random_steps
    return train(
        run.of_method.algorithm, run.of_task.env, contexts=contexts, steps=random_steps + n * run.updates, seed=run.seed,
        context=LEVELS[run.of_method.told], random_steps=random_steps, update_start_step=random_steps,
        capacity=n * max(run.random_steps + run.updates, 2 * episode), config=run.config(), epochs=1, progress=False,
    )  # fmt: skip


def score(run: Run, agent: Any) -> Result:
    """Returns by start, "cold" and for methods that infer the context "warm", and by split: (K, M).

    Of methods that infer the context also "adaptation": by transitions seen, the mean return of each context (K,).
    """
    method, task = run.of_method, run.of_task
    seen = tuple(number for number in run.seen if number < run.warmup)
    report = evaluate(
        agent, task.env, run.of_task.splits(), episodes=run.episodes, seed=EVALUATION_SEED,
        context=agent_mode(LEVELS[method.told]), warmup=(*seen, run.warmup) if method.infers else 0,
    )  # fmt: skip
    starts = {COLD: report, **({WARM: report.after(run.warmup)} if method.infers else {})}
    result: Result = {"returns": {start: plain_returns(of) for start, of in starts.items()}}
    if not method.infers:
        return result
    after = {0: report, **{number: report.after(number) for number in (*seen, run.warmup)}}
    return result | {"adaptation": {str(number): _means(of) for number, of in after.items()}}


def plain_returns(report: ZeroShotReport) -> dict[str, list[list[float]]]:
    """The returns (K, M) of each split, as result files store them."""
    return {split: np.round(returns, 4).tolist() for split, returns in report.returns.items()}


def _means(report: ZeroShotReport) -> dict[str, list[float]]:
    """The mean return of each context (K,) of each split."""
    return {split: returns.mean(axis=1).round(4).tolist() for split, returns in report.returns.items()}


def leakage(run: Run, agent: Any, data: ContextualDataset) -> dict[str, Any]:
    """What the encoder reads in the data: the dynamics, or the behaviour."""
    trained = agent.encoder

    def encoder(windows: HistoryWindows) -> Any:
        return trained(windows)

    encoder.__name__ = run.method
    return leakage_report(encoder, data, length=_LEAKAGE_LENGTH, seed=run.seed).to_dict()
