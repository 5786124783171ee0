"""Race offctx against its peers: d3rlpy 2.8.1's buffer, loader and evaluator, Minari's DataCollector, plain NumPy loops,
Gymnasium and MuJoCo stepped by hand.

    python tools/benchmark.py                          # every race; writes docs/results/benchmark.json and .md
    python tools/benchmark.py --only sample fit-bc     # two of them; prints the table and writes nothing
    python tools/benchmark.py --quick --out /tmp/race  # small sizes: does it work? The ratios mean nothing

In each race ours and the peer take turns (A B A B ...) in one process on the same data, so that a machine that grows slower
slows both. A ratio is the peer's median time over ours; above 1 we are faster. The exit status is 0 whatever the ratios
are: the column "met" compares them with their targets.

A race is a function `Bench -> Race` listed in RACES; to add one, write it and list it there.
"""

import argparse
import contextlib
import copy
import dataclasses
import gc
import io
import json
import logging
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium
import minari
import mujoco
import mujoco.rollout
import numpy as np
import structlog
import torch

import offctx
import offctx.linear
from offctx.linear import LinearCMDP

with contextlib.redirect_stderr(io.StringIO()):  # d3rlpy imports gym, which prints that it is unmaintained
    import d3rlpy

    from offctx.algos import PERMConfig, make_algorithm

ROOT = Path(__file__).resolve().parents[1]
ENV = "offctx/PendulumGoal-v0"
HORIZON = 200  # steps of each of its episodes
CHEETAH, GYM_CHEETAH = "offctx/HalfCheetahPhysics-v0", "HalfCheetah-v5"
BATCH = 256

# --- what a race is made of -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """How much work each race does; see QUICK for a size at which only the machinery is tested."""

    sample_episodes: int = 500
    sample_calls: int = 200
    fit_steps: int = 300
    fit_warm_up: int = 30
    collect_episodes: int = 250
    load_episodes: int = 1000
    evaluate_contexts: int = 64
    evaluate_episodes: int = 10
    ppe_environments: int = 64
    mujoco_transitions: int = 512
    mujoco_contexts: int = 16
    mujoco_steps: int = 1000
    perm_contexts: int = 16
    perm_updates: int = 20


QUICK = Sizes(
    sample_episodes=5, sample_calls=40, fit_steps=5, fit_warm_up=1, collect_episodes=2, load_episodes=5,
    evaluate_contexts=2, evaluate_episodes=1, ppe_environments=2,
    mujoco_transitions=16, mujoco_contexts=2, mujoco_steps=20, perm_contexts=2, perm_updates=2,
)  # fmt: skip


@dataclass(frozen=True)
class Race:
    """What a race measured.

    Attributes:
        name: as in RACES.
        what: what was timed, on what, and what differs between the two.
        ours: one time per repetition.
        peer: the same for the peer.
        target: the least ratio, or, where `percent`, the largest share.
        unit: of `ours` and `peer`.
        percent: what counts is 100 ours / peer, a cost, rather than peer / ours, a speed-up.
    """

    name: str
    what: str
    ours: list[float]
    peer: list[float]
    target: float
    unit: str = "s"
    percent: bool = False

    @property
    def ratio(self) -> float:
        """Peer's median over ours."""
        return statistics.median(self.peer) / statistics.median(self.ours)

    @property
    def result(self) -> float:
        """What is compared with the target."""
        return 100 * statistics.median(self.ours) / statistics.median(self.peer) if self.percent else self.ratio

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.result <= self.target if self.percent else self.result >= self.target

    def to_dict(self) -> dict[str, Any]:
        """The record with what follows from it, ready for JSON."""
        medians = {"ours_median": statistics.median(self.ours), "peer_median": statistics.median(self.peer)}
        return dataclasses.asdict(self) | medians | {"ratio": self.ratio, "result": self.result, "met": self.met}


@dataclass
class Bench:
    """What races share: sizes, repetitions, and datasets collected once."""

    sizes: Sizes
    repeats: int
    _datasets: dict[int, offctx.ContextualDataset] = field(default_factory=dict)

    def dataset(self, episodes: int) -> offctx.ContextualDataset:
        """Random play at the default context, derivatives included, stored below MINARI_DATASETS_PATH."""
        if episodes not in self._datasets:
            self._datasets[episodes] = offctx.collect(
                ENV, f"benchmark/random{episodes}-v0", episodes_per_context=episodes, seed=0, progress=False
            )
        return self._datasets[episodes]

    def contextual(self) -> offctx.ContextualDataset:
        """Random play in several contexts."""
        n = self.sizes.perm_contexts
        if -n not in self._datasets:
            contexts = gymnasium.make(ENV).unwrapped.context_space.sample(np.random.default_rng(0), n)
            self._datasets[-n] = offctx.collect(
                ENV, f"benchmark/contexts{n}-v0", contexts=contexts, episodes_per_context=2, seed=0, gradients=False,
                progress=False,
            )  # fmt: skip
        return self._datasets[-n]

    def buffers(self) -> tuple[Any, d3rlpy.dataset.ReplayBuffer]:
        """The very same transitions, contexts appended, in our buffer and in d3rlpy's."""
        ours = self.dataset(self.sizes.sample_episodes).replay_buffer()
        file = io.BytesIO()
        ours.dump(file)
        file.seek(0)
        peer = d3rlpy.dataset.ReplayBuffer.load(file, d3rlpy.dataset.InfiniteBuffer())
        assert peer.transition_count == ours.transition_count
        return ours, peer


Contender = Callable[[], float]  # does its work once and returns the seconds that count


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def alternate(ours: Contender, peer: Contender, rounds: int, block: int = 1) -> tuple[list[float], list[float]]:
    """Times of both, which take turns: a block of ours, a block of the peer's, and so on, `rounds` times."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for contender, record in zip((ours, peer), times, strict=True):
            gc.collect()  # neither pays for the other's garbage
            record += [contender() for _ in range(block)]
    return times


@contextlib.contextmanager
def fresh_datasets() -> Iterator[Path]:
    """An empty temporary folder as MINARI_DATASETS_PATH."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    with tempfile.TemporaryDirectory(prefix="offctx-benchmark-") as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["MINARI_DATASETS_PATH"]
            else:
                os.environ["MINARI_DATASETS_PATH"] = before


def own_share(steps: int, seconds: float) -> str:
    """How much of a peer's `seconds` over `steps` was spent in our environment's step, which is made for many rows."""
    env = gymnasium.make(ENV).unwrapped
    env.reset(seed=0)
    action = np.zeros(1, np.float32)
    step = statistics.median(timed(lambda: env.step(action)) for _ in range(500))
    return f"about {min(step * steps / seconds, 1):.0%} of the peer's time is our environment's step, slow for a single row"


# --- the races --------------------------------------------------------------------------------------------------------


def sample(bench: Bench) -> Race:
    """A batch of transitions from memory."""
    ours, peer = bench.buffers()
    block = 20
    times = alternate(
        lambda: timed(lambda: ours.sample_transition_batch(BATCH)),
        lambda: timed(lambda: peer.sample_transition_batch(BATCH)),
        rounds=max(bench.sizes.sample_calls, 40 * bench.repeats) // block,
        block=block,
    )
    what = (
        f"sample_transition_batch({BATCH}) of {ours.transition_count} transitions: our buffer, which also gathers contexts "
        f"and derivatives, against d3rlpy's ReplayBuffer(InfiniteBuffer()) holding the same transitions; one time per call"
    )
    return Race("sample", what, *times, target=25)


def fit_race(bench: Bench, algorithm: str, target: float) -> Race:
    """A stock d3rlpy algorithm's `fit` on both buffers."""
    ours, peer = bench.buffers()
    sizes = bench.sizes

    def fit(buffer: Any) -> float:
        d3rlpy.seed(0)
        learner = make_algorithm(algorithm, ours, {"batch_size": BATCH})

        def steps(n: int) -> None:
            quiet = d3rlpy.logging.NoopAdapterFactory()
            learner.fit(buffer, n_steps=n, n_steps_per_epoch=n, logger_adapter=quiet, show_progress=False)

        steps(sizes.fit_warm_up)
        return timed(lambda: steps(sizes.fit_steps))

    times = alternate(lambda: fit(ours), lambda: fit(peer), bench.repeats)
    what = (
        f"d3rlpy's {algorithm} on CPU, default networks, batch {BATCH}: fit for {sizes.fit_steps} steps after "
        f"{sizes.fit_warm_up}, on our buffer against d3rlpy's ReplayBuffer with the same {ours.transition_count} transitions"
    )
    return Race(f"fit-{algorithm}", what, *times, target=target)


def fit_iql(bench: Bench) -> Race:
    """Training IQL."""
    return fit_race(bench, "iql", 1.1)


def fit_td3plusbc(bench: Bench) -> Race:
    """Training TD3+BC."""
    return fit_race(bench, "td3plusbc", 1.15)


def fit_bc(bench: Bench) -> Race:
    """Training behavioural cloning."""
    return fit_race(bench, "bc", 1.5)


def cse_cost(bench: Bench) -> Race:
    """What CSE adds to a training step."""
    dataset = bench.dataset(bench.sizes.sample_episodes)
    plain, moved = dataset.replay_buffer(), dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5))
    learner = make_algorithm("iql", plain, {"batch_size": BATCH})
    learner.create_impl((plain.sample_transition().observation.shape[0],), plain.dataset_info.action_size)

    def step() -> None:
        learner.update(plain.sample_transition_batch(BATCH))

    block = max(2, bench.sizes.sample_calls // 4)
    for _ in range(bench.sizes.fit_warm_up):
        step()
    added, whole = [], []
    for _ in range(bench.repeats):
        without, enhanced = alternate(
            lambda: timed(lambda: plain.sample_transition_batch(BATCH)),
            lambda: timed(lambda: moved.sample_transition_batch(BATCH)),
            rounds=2,
            block=block,
        )
        added.append(statistics.median(enhanced) - statistics.median(without))
        whole.append(statistics.median(timed(step) for _ in range(block)))
    what = (
        f"ours: what CSE(radius=0.5) adds to sampling a batch of {BATCH}, a median of {2 * block} calls with it less one "
        f"without; peer: a whole training step of d3rlpy's IQL without it (sample and update), a median of {block}"
    )
    return Race("cse-cost", what, added, whole, target=3, percent=True)


def collect(bench: Bench) -> Race:
    """Random play into a new dataset."""
    episodes = bench.sizes.collect_episodes

    def ours() -> float:
        with fresh_datasets():
            return timed(
                lambda: offctx.collect(ENV, "benchmark/ours-v0", episodes_per_context=episodes, seed=0, progress=False)
            )

    def peer() -> float:
        with fresh_datasets():
            return timed(lambda: record_by_minari("benchmark/peer-v0", episodes))

    times = alternate(ours, peer, bench.repeats)
    what = (
        f"{episodes} episodes of {HORIZON} random steps in {ENV} at its default context, written to a new dataset: "
        f"offctx.collect, context derivatives included, against minari.DataCollector(gymnasium.make(id), record_infos=True) "
        f"around the same environment, stepped one row at a time, without derivatives; "
        f"{own_share(episodes * HORIZON, statistics.median(times[1]))}"
    )
    return Race("collect", what, *times, target=10)


def record_by_minari(dataset_id: str, episodes: int) -> None:
    """The loop of Minari's own tutorial."""
    env = minari.DataCollector(gymnasium.make(ENV), record_infos=True)
    for _ in range(episodes):
        env.reset()
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over = terminated or truncated
    dataset = env.create_dataset(dataset_id)
    assert dataset.total_steps == episodes * HORIZON
    env.close()


def load_race(bench: Bench, name: str, how: str, target: float, before_ours: Callable[[], None]) -> Race:
    """From a dataset id to a buffer that has sampled one batch."""
    dataset = bench.dataset(bench.sizes.load_episodes)

    def ours() -> float:
        before_ours()
        return timed(lambda: offctx.load_dataset(dataset.dataset_id).replay_buffer().sample_transition_batch(BATCH))

    def peer() -> float:
        return timed(lambda: d3rlpy.datasets.get_minari(dataset.dataset_id)[0].sample_transition_batch(BATCH))

    times = alternate(ours, peer, bench.repeats)
    what = (
        f"from a dataset id to a buffer that has sampled one batch of {BATCH}: offctx.load_dataset(id).replay_buffer(), "
        f"{how}, against d3rlpy.datasets.get_minari(id), on one file of {len(dataset)} transitions in "
        f"{dataset.num_episodes} episodes that the system has read before; ours reads contexts and derivatives too"
    )
    return Race(name, what, *times, target=target)


def forget_flat_copies() -> None:
    """Remove what `load_dataset` keeps for the next time."""
    shutil.rmtree(Path(os.environ["MINARI_DATASETS_PATH"]) / ".offctx-cache", ignore_errors=True)


def load_first(bench: Bench) -> Race:
    """Loading a dataset never loaded before."""
    return load_race(bench, "load-first", "its flat copy not there yet, checked and written", 1.5, forget_flat_copies)


def load_second(bench: Bench) -> Race:
    """Loading it again."""
    dataset = bench.dataset(bench.sizes.load_episodes)
    offctx.load_dataset(dataset.dataset_id)
    return load_race(bench, "load-second", "its flat copy there from an earlier load", 20, lambda: None)


def evaluate(bench: Bench) -> Race:
    """Scoring one policy in many contexts."""
    k, m = bench.sizes.evaluate_contexts, bench.sizes.evaluate_episodes
    made = gymnasium.make(ENV)
    space = made.unwrapped.context_space  # type: ignore[attr-defined]  # every environment of ours has one
    contexts = space.sample(np.random.default_rng(0), k)
    d3rlpy.seed(0)
    policy = d3rlpy.algos.TD3Config().create()
    policy.create_impl((7,), 1)  # 3 observations and 4 context coordinates; 1 action
    one_by_one = offctx.envs.AppendContext(offctx.envs.CycleContexts(made, contexts))

    def ours(episodes: int = m) -> float:
        return timed(lambda: offctx.evaluate(policy, ENV, contexts, episodes=episodes, seed=0))

    def peer(trials: int = k * m) -> float:
        judge = d3rlpy.metrics.EnvironmentEvaluator(one_by_one, n_trials=trials)
        return timed(lambda: judge(policy, None))

    ours(1)  # few repetitions follow, as the peer takes minutes: none of them shall be a first call
    peer(1)
    times = alternate(ours, peer, min(bench.repeats, 2))
    what = (
        f"{k} contexts x {m} episodes of {HORIZON} steps in {ENV} with an untrained TD3 policy: offctx.evaluate against "
        f"d3rlpy's EnvironmentEvaluator on the same contexts, one step at a time; both in full; "
        f"{own_share(k * m * HORIZON, statistics.median(times[1]))}"
    )
    return Race("evaluate", what, *times, target=20)


def ppe(bench: Bench) -> Race:
    """Pessimistic policy evaluation in many environments."""
    n, H, K, d, S, A = bench.sizes.ppe_environments, 20, 200, 50, 25, 4
    rng = np.random.default_rng(0)
    cmdp = LinearCMDP.random(n, S, A, d, H, rng)
    data = cmdp.sample(rng.dirichlet(np.ones(A), size=(n, H, S)), K, rng)
    policy = rng.dirichlet(np.ones(A), size=(H, S))
    found = offctx.linear.ppe(*data, policy, cmdp.features, beta=1.0)
    ratios = {}
    for solver in ("cholesky", "inverse"):
        q = ppe_by_loops(*data, policy, cmdp.features, solver=solver)
        assert np.abs(q - found.q).max() < 1e-10

        def ours() -> float:
            return timed(lambda: offctx.linear.ppe(*data, policy, cmdp.features, beta=1.0))

        def peer(solver: str = solver) -> float:
            return timed(lambda: ppe_by_loops(*data, policy, cmdp.features, solver=solver))

        ratios[solver] = alternate(ours, peer, bench.repeats)
    inverse = statistics.median(ratios["inverse"][1]) / statistics.median(ratios["inverse"][0])
    what = (
        f"one policy in n = {n} linear MDPs, H = {H}, K = {K}, d = {d}, S = {S}, A = {A}, float64: offctx.linear.ppe against "
        f"the same mathematics, by Cholesky too, as a NumPy loop over environments and steps (agreeing to 1e-10); against a "
        f"loop that inverts Lambda outright, which is less work, the ratio is {inverse:.2f}x"
    )
    return Race("ppe", what, *ratios["cholesky"], target=3)


def ppe_by_loops(
    states: Any, actions: Any, rewards: Any, policy: Any, features: Any, *, solver: str, beta: float = 1.0, ridge: float = 1.0
) -> Any:
    """q (n, H, S, A) with whole arrays inside a step, as one would write it in NumPy without batching."""
    n, _, H = actions.shape
    S, A, d = features.shape
    rows = features.reshape(S * A, d)
    q, v = np.zeros((n, H, S, A)), np.zeros((n, H + 1, S))
    for i in range(n):
        for h in reversed(range(H)):
            phi = features[states[i, :, h], actions[i, :, h]]
            precision = phi.T @ phi + ridge * np.eye(d)
            target = phi.T @ (rewards[i, :, h] + v[i, h + 1, states[i, :, h + 1]])
            if solver == "cholesky":
                factor = np.linalg.cholesky(precision)
                w = np.linalg.solve(factor.T, np.linalg.solve(factor, target))
                square = (np.linalg.solve(factor, rows.T) ** 2).sum(axis=0)
            else:
                inverse = np.linalg.inv(precision)
                w = inverse @ target
                square = (rows @ inverse * rows).sum(axis=1)
            q[i, h] = np.clip(rows @ w - beta * np.sqrt(square), 0, H - h).reshape(S, A)
            v[i, h] = (policy[h] * q[i, h]).sum(axis=1)
    return q


# --- races in MuJoCo --------------------------------------------------------------------------------------------------


class HandMadeCheetah:
    """Gymnasium's HalfCheetah with our four physical parameters, as one would set them without us."""

    def __init__(self, env: gymnasium.Env[Any, Any] | None = None) -> None:
        self.env: Any = env or gymnasium.make(GYM_CHEETAH)
        self.model, self.data = self.env.unwrapped.model, self.env.unwrapped.data
        self.nominal = copy.copy(self.model)

    def put(self, context: Any) -> None:
        """Gravity, mass, friction and gear into the model; what it held before is lost. Reset or set the state next."""
        gravity, mass, friction, gear = context
        self.model.opt.gravity[2] = -gravity
        self.model.body_mass[:] = mass * self.nominal.body_mass
        self.model.body_inertia[:] = mass * self.nominal.body_inertia
        self.model.geom_friction[:] = friction * self.nominal.geom_friction
        self.model.actuator_gear[:] = gear * self.nominal.actuator_gear
        mujoco.mj_setConst(self.model, self.data)  # constants that follow from masses


def central_differences(outcome: Callable[[Any], Any], context: Any, steps: Any) -> tuple[Any, Any]:
    """Derivatives (N, o + 1, p) of `outcome(context)` (N, o + 1) at a context (p,) by whole and by half steps (p,)."""

    def slopes(offsets: Any) -> Any:
        return np.stack([(outcome(context + dc) - outcome(context - dc)) / (2 * dc.sum()) for dc in np.diag(offsets)], axis=-1)

    return slopes(steps), slopes(steps / 2)


def cheetah_transitions(n: int) -> tuple[Any, tuple[Any, Any, Any]]:
    """Our environment, and states, actions and contexts of n steps of random play at its default context."""
    env: Any = gymnasium.make(CHEETAH).unwrapped
    rng, context = np.random.default_rng(0), env.context_space.default
    episodes = max(n // 128, 1)
    contexts = np.tile(context, (episodes, 1))
    now = np.stack([env.start(rng, context) for _ in range(episodes)])
    states, actions = [], []
    for _ in range(n // episodes):
        states.append(now)
        actions.append(rng.uniform(-1, 1, (episodes, 6)).astype(np.float32))
        now = env.simulate(now, actions[-1], contexts)[0]
    rows = np.concatenate(states), np.concatenate(actions)
    return env, (*rows, np.tile(context, (len(rows[0]), 1)))


def mujoco_derivatives(bench: Bench) -> Race:
    """Context derivatives against Gymnasium's own environment."""
    env, (states, actions, contexts) = cheetah_transitions(bench.sizes.mujoco_transitions)
    layout, hand = env.simulator.layout, HandMadeCheetah()
    qpos, qvel, gym_env = states[:, layout.qpos], states[:, layout.qvel], hand.env.unwrapped

    def outcome(context: Any) -> Any:
        """Next observations and rewards (N, o + 1)."""
        hand.put(context)
        found = np.empty((len(states), env.observation_space.shape[0] + 1))
        for i in range(len(states)):
            gym_env.set_state(qpos[i], qvel[i])
            found[i, :-1], found[i, -1], *_ = gym_env.step(actions[i])
        return found

    return derivatives_race(
        bench, "mujoco-derivatives", env, (states, actions, contexts), outcome, 3,
        "a Python loop over Gymnasium's HalfCheetah-v5 (unwrapped) that puts each of the 16 contexts into the model once and "
        "does set_state and step for every transition in it, on one thread and without warm starts",
    )  # fmt: skip


def mujoco_derivatives_lean(bench: Bench) -> Race:
    """The same against a loop without Gymnasium."""
    env, (states, actions, contexts) = cheetah_transitions(bench.sizes.mujoco_transitions)
    layout, hand, gym = env.simulator.layout, HandMadeCheetah(), env.task.env
    part = mujoco.mjtState
    spec = int(part.mjSTATE_QPOS) | int(part.mjSTATE_QVEL) | int(part.mjSTATE_WARMSTART)
    before = np.hstack([states[:, layout.qpos], states[:, layout.qvel], states[:, layout.warmstart]])
    nq, nv = hand.model.nq, hand.model.nv

    def outcome(context: Any) -> Any:
        hand.put(context)
        model, data, after = hand.model, hand.data, np.empty_like(before)
        for i in range(len(states)):
            mujoco.mj_setState(model, data, before[i], spec)
            data.ctrl[:] = actions[i]
            mujoco.mj_step(model, data, gym.frame_skip)
            mujoco.mj_getState(model, data, after[i], spec)
        progress = gym._forward_reward_weight * (after[:, 0] - before[:, 0]) / gym.dt
        rewards = progress - gym._ctrl_cost_weight * np.sum(np.square(actions), axis=1)
        return np.hstack([after[:, 1 : nq + nv], rewards[:, None]])

    return derivatives_race(
        bench, "mujoco-derivatives-lean", env, (states, actions, contexts), outcome, 1,
        "the leanest Python loop: mj_setState with the warm start, mj_step and mj_getState for every transition in each of "
        "the 16 contexts, rewards by arrays, on one thread: what is left is what threads and fewer Python calls gain",
    )  # fmt: skip


def derivatives_race(
    bench: Bench, name: str, env: Any, rows: tuple[Any, Any, Any], outcome: Callable[[Any], Any], target: float, how: str
) -> Race:
    """`derivatives_with_error` against central differences through `outcome`, which must be the same numbers."""
    space, steps = env.context_space, env.derivative_steps
    _, found = central_differences(outcome, space.default, steps)
    dnext, dreward, _ = env.derivatives_with_error(*rows)
    ours = np.concatenate([dnext, dreward[:, None]], axis=1)
    apart, size = (np.linalg.norm(part * space.default, axis=(1, 2)) for part in (found - ours, ours))
    agreeing = float((apart < 1e-3 * size).mean())
    assert agreeing > 0.9, f"the peer's derivatives are the same in {agreeing:.0%} of the rows only"
    times = alternate(
        lambda: timed(lambda: env.derivatives_with_error(*rows)),
        lambda: timed(lambda: central_differences(outcome, space.default, steps)),
        bench.repeats,
    )
    what = (
        f"derivatives along {', '.join(space.names)} of {len(ours)} random transitions of {CHEETAH} by central differences "
        f"with two step sizes, 16 simulations a transition: derivatives_with_error on {env.simulator.threads} thread(s) "
        f"against {how}; the two agree to 1e-3 in {agreeing:.1%} of the transitions"
    )
    return Race(name, what, *times, target=target)


def mujoco_rollout_share(bench: Bench) -> Race:
    """What derivatives cost beside the simulation that they need."""
    env, rows = cheetah_transitions(bench.sizes.mujoco_transitions)
    with mock.patch.object(mujoco.rollout, "rollout", wraps=mujoco.rollout.rollout) as spy:
        env.derivatives_with_error(*rows)
    calls = [(call.args, call.kwargs) for call in spy.call_args_list]
    simulations = sum(len(args[2]) for args, _ in calls)
    assert simulations == 16 * len(rows[0])

    def bare() -> None:
        for args, kwargs in calls:
            mujoco.rollout.rollout(*args, **kwargs)

    times = alternate(lambda: timed(lambda: env.derivatives_with_error(*rows)), lambda: timed(bare), 4 * bench.repeats)
    what = (
        f"ours: derivatives_with_error of {len(rows[0])} random transitions of {CHEETAH} along "
        f"{len(env.context_space.names)} coordinates; peer: the {len(calls)} calls of mujoco.rollout that it made, "
        f"{simulations} simulations in all, made again with the very same arguments: models, inputs and room for the outputs "
        f"there beforehand, the same persistent pool of {env.simulator.threads} thread(s)"
    )
    return Race("mujoco-rollout-share", what, *times, target=130, percent=True)


def mujoco_collect(bench: Bench) -> Race:
    """Random play in many physical contexts into a new dataset."""
    k, steps = bench.sizes.mujoco_contexts, bench.sizes.mujoco_steps

    def make() -> Any:
        return gymnasium.make(CHEETAH, max_episode_steps=steps)

    made = make().unwrapped
    contexts = made.context_space.sample(np.random.default_rng(0), k)

    def ours() -> float:
        with fresh_datasets():
            return timed(
                lambda: offctx.collect(make, "benchmark/ours-v0", contexts=contexts, seed=0, gradients=False, progress=False)
            )

    times = {}
    for infos in (True, False):

        def peer(infos: bool = infos) -> float:
            with fresh_datasets():
                return timed(lambda: record_cheetah("benchmark/peer-v0", contexts, steps, infos))

        times[infos] = alternate(ours, peer, bench.repeats)
    without = statistics.median(times[False][1]) / statistics.median(times[False][0])
    what = (
        f"{k} contexts x 1 episode of {steps} random steps, written to a new dataset: offctx.collect(gradients=False) in "
        f"{CHEETAH}, on {made.simulator.threads} thread(s), which stores context and simulator state of every step, against "
        f"minari.DataCollector(record_infos=True) around Gymnasium's {GYM_CHEETAH}, the model's fields set by hand for each "
        f"context, stepped one at a time, which stores Gymnasium's four infos (padded at reset, as Minari needs); with "
        f"record_infos=False, which stores neither state nor context, the ratio is {without:.2f}x"
    )
    return Race("mujoco-collect", what, *times[True], target=2)


def perm_contexts(bench: Bench) -> Race:
    """What telling 16 contexts apart costs."""
    many, batches = perm_learner(bench, None), context_batches(bench)
    one = perm_learner(bench, 1)
    times = alternate(updates(many, batches), updates(one, batches), bench.repeats, block=2)
    critics, steps = many.impl.modules.critics, len(batches)

    def floor() -> None:
        for _ in range(steps):
            many.impl.modules.critic_optim.step()
            critics.target.track(critics.online, 0.005)

    bare = statistics.median(timed(floor) / steps for _ in range(bench.repeats))
    weights = sum(p.numel() for p in critics.online.parameters())
    what = (
        f"ours: one PERM update (PERMConfig(), no quantifier) with {bench.sizes.perm_contexts} contexts, a batch of {BATCH} "
        f"transitions drawn equally from them; peer: the same batches, groups=1, so one context; the optimiser's step and the "
        f"target's update alone, over {weights:,} critic weights, take {1e3 * bare:.2f} ms of it, "
        f"{100 * bare / statistics.median(times[0]):.0f} %"
    )
    return Race("perm-contexts", what, *times, target=300, percent=True)


def perm_many_iqls(bench: Bench) -> Race:
    """What the same critics cost as separate learners."""
    many, batches = perm_learner(bench, None), context_batches(bench)
    ids = np.unique(batches[0].context_ids)
    learners = [iql_learner(bench) for _ in ids]
    parts = [[dataclasses.replace(batch, **rows_of(batch, batch.context_ids == k)) for k in ids] for batch in batches]

    def peer() -> float:
        def work() -> None:
            for shares in parts:
                for learner, share in zip(learners, shares, strict=True):
                    learner.update(share)

        return timed(work) / len(parts)

    times = alternate(updates(many, batches), peer, bench.repeats)
    what = (
        f"ours: one PERM update with {len(ids)} contexts on {BATCH} transitions; peer: {len(ids)} d3rlpy IQL learners updated "
        f"one after the other, each on its own context's {BATCH // len(ids)} of the same transitions (and each with a policy "
        f"of its own, where PERM has one)"
    )
    return Race("perm-many-iqls", what, *times, target=3)


def perm_one(bench: Bench) -> Race:
    """What PERM costs where there is nothing to tell apart."""
    batches = context_batches(bench)
    times = alternate(
        updates(perm_learner(bench, 1), batches), updates(iql_learner(bench), batches), 2 * bench.repeats, block=2
    )
    what = (
        f"ours: one update of PERM with one context, no quantifier and expectile evaluation, which is IQL, on {BATCH} "
        f"transitions; peer: d3rlpy's IQL on the same batches"
    )
    return Race("perm-one-context", what, *times, target=110, percent=True)


def context_batches(bench: Bench) -> list[Any]:
    """Batches drawn equally from all contexts, the context hidden."""
    buffer = bench.contextual().replay_buffer(context="hidden")
    view = buffer.stratified(buffer.table["context_ids"])
    return [view.sample_transition_batch(BATCH) for _ in range(bench.sizes.perm_updates)]


def rows_of(batch: Any, chosen: Any) -> dict[str, Any]:
    """Some rows of a batch."""
    fields = (
        "observations",
        "actions",
        "rewards",
        "next_observations",
        "next_actions",
        "terminals",
        "intervals",
        "context_ids",
    )
    return {name: getattr(batch, name)[chosen] for name in fields}


def perm_learner(bench: Bench, groups: int | None) -> Any:
    """PERM with its networks made."""
    learner = PERMConfig(action_scaler=pendulum_scaler(), groups=groups).create()
    learner.build_with_dataset(bench.contextual().replay_buffer(context="hidden"))
    return learner


def iql_learner(bench: Bench) -> Any:
    """d3rlpy's IQL with its networks made."""
    learner = d3rlpy.algos.IQLConfig(action_scaler=pendulum_scaler()).create()
    learner.build_with_dataset(bench.contextual().replay_buffer(context="hidden"))
    return learner


def pendulum_scaler() -> Any:
    """From the environment's torques to [-1, 1]."""
    space = gymnasium.make(ENV).action_space
    return d3rlpy.preprocessing.MinMaxActionScaler(space.low, space.high)


def updates(learner: Any, batches: list[Any]) -> Contender:
    """Seconds of one update."""

    def work() -> None:
        for batch in batches:
            learner.update(batch)

    return lambda: timed(work) / len(batches)


class PaddedInfos(minari.StepDataCallback):  # type: ignore[misc]  # Minari ships no types
    """HalfCheetah's infos say less at reset than after a step; Minari needs the same names in both."""

    def __call__(self, env: Any, **step: Any) -> Any:
        """What is stored of a step."""
        data = super().__call__(env, **step)
        names = ("x_position", "x_velocity", "reward_forward", "reward_ctrl")
        data["info"] = {name: data["info"].get(name, 0.0) for name in names}
        return data


def record_cheetah(dataset_id: str, contexts: Any, steps: int, infos: bool) -> None:
    """Minari's loop, with each context put into the model before its episode."""
    made = gymnasium.make(GYM_CHEETAH, max_episode_steps=steps)
    env = minari.DataCollector(made, step_data_callback=PaddedInfos, record_infos=infos)
    hand = HandMadeCheetah(env)
    for context in contexts:
        hand.put(context)
        env.reset()
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over = terminated or truncated
    dataset = env.create_dataset(dataset_id)
    assert dataset.total_steps == len(contexts) * steps
    env.close()


RACES: dict[str, Callable[[Bench], Race]] = {
    "sample": sample,
    "fit-iql": fit_iql,
    "fit-td3plusbc": fit_td3plusbc,
    "fit-bc": fit_bc,
    "cse-cost": cse_cost,
    "collect": collect,
    "load-first": load_first,
    "load-second": load_second,
    "evaluate": evaluate,
    "ppe": ppe,
    "mujoco-derivatives": mujoco_derivatives,
    "mujoco-derivatives-lean": mujoco_derivatives_lean,
    "mujoco-rollout-share": mujoco_rollout_share,
    "mujoco-collect": mujoco_collect,
    "perm-contexts": perm_contexts,
    "perm-many-iqls": perm_many_iqls,
    "perm-one-context": perm_one,
}


# --- the report -------------------------------------------------------------------------------------------------------

HEADER = ("race", "ours", "peer", "result", "target", "met")


def show_time(value: float, unit: str) -> str:
    """Three digits; seconds in the unit that suits them."""
    scales = {"s": 1.0, "ms": 1e3, "µs": 1e6} if unit == "s" else {unit: 1.0}
    name = next((name for name, factor in scales.items() if abs(value) * factor >= 1), list(scales)[-1])
    return f"{value * scales[name]:.3g} {name}"


def show_times(values: Sequence[float], unit: str) -> str:
    """The median, and from the least to the largest where there are several."""
    middle = show_time(statistics.median(values), unit)
    return middle if len(values) == 1 else f"{middle} ({show_time(min(values), unit)} to {show_time(max(values), unit)})"


def row(race: Race) -> tuple[str, ...]:
    """One line of the table."""
    number, sign = ("{:.2f} %", "<=") if race.percent else ("{:.2f}x", ">=")
    times = (show_times(race.ours, race.unit), show_times(race.peer, race.unit))
    target = f"{sign} {race.target:g}{' %' if race.percent else 'x'}"
    return (race.name, *times, number.format(race.result), target, "yes" if race.met else "no")


def table(races: Sequence[Race]) -> str:
    """For the terminal: columns as wide as they need to be."""
    rows = [HEADER, *(row(race) for race in races)]
    widths = [max(len(line[k]) for line in rows) for k in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows)


def setting(args: argparse.Namespace, argv: Sequence[str]) -> dict[str, Any]:
    """What the numbers depend on."""
    packages = ("offctx", "d3rlpy", "minari", "gymnasium", "mujoco", "numpy", "torch", "h5py", "jax")
    return {
        "command": shlex.join(["python", "tools/benchmark.py", *argv]),
        "commit": commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "quick": args.quick,
        "repeats": args.repeats,
    }


def commit() -> str:
    """The short Git commit, "-dirty" where files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if git("status", "--porcelain") else "")


def markdown(races: Sequence[Race], facts: dict[str, Any]) -> str:
    """The table as Markdown, with what was timed and the setting."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    parts = [
        "# Benchmark\n",
        f"`{facts['command']}`\n",
        "Times are medians, with the least and the largest in brackets. A result in x is the peer's median over ours; a "
        "result in % is a cost. Ours and the peer took turns in one process.\n",
        *([] if not facts["quick"] else ["**Quick sizes: these numbers say only that it runs.**\n"]),
        "\n".join([line(HEADER), line(["---"] * len(HEADER)), *(line(row(race)) for race in races)]) + "\n",
        "\n".join(f"- **{race.name}**: {race.what}." for race in races) + "\n",
        f"Commit {facts['commit']}, {facts['date']}; {facts['platform']}, {facts['cpus']} CPUs, load average "
        f"{facts['load_average_at_start']} at the start, {facts['torch_threads']} torch thread(s); Python "
        f"{facts['python']}, {packages}.",
    ]
    return "\n".join(parts) + "\n"


# --- the command ------------------------------------------------------------------------------------------------------


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; `out` is None where nothing is to be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    lines = ", ".join(RACES)
    parser.add_argument("--only", nargs="+", choices=RACES, metavar="NAME", default=list(RACES), help=f"of: {lines}")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="turns of each side; default 5")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="where benchmark.json and benchmark.md go; default docs/results for every race at full size, else nowhere",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="torch threads; default 1")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, the table on stderr")
    args = parser.parse_args(argv)
    if args.repeats < 1 or args.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    if args.out is None and not args.quick and set(args.only) == set(RACES):
        args.out = ROOT / "docs" / "results"
    return args


def hush() -> None:
    """Keep logs and warnings of the libraries out of the table: d3rlpy logs each fit, Minari warns of missing authors."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    gymnasium.logger.min_level = gymnasium.logger.ERROR


def main(argv: Sequence[str]) -> None:
    """Run the races that were asked for and report them."""
    args = parse(argv)
    hush()
    torch.set_num_threads(args.threads)
    facts = setting(args, argv)
    bench = Bench(QUICK if args.quick else Sizes(), args.repeats)
    races = []
    with fresh_datasets():
        for name in args.only:
            begin = time.perf_counter()
            print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
            races.append(RACES[name](bench))
            print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    text = json.dumps({**facts, "races": [race.to_dict() for race in races]}, indent=1, allow_nan=False) + "\n"
    print(table(races), file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(text, end="")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "benchmark.json").write_text(text)
        (args.out / "benchmark.md").write_text(markdown(races, facts))


if __name__ == "__main__":
    main(sys.argv[1:])
