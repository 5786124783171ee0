"""Context derivatives of a MuJoCo environment, against central differences through loops over Gymnasium and MuJoCo.

Dimensions: N transitions, o observations, p context coordinates.
"""

from collections.abc import Callable
from unittest import mock

import mujoco
import mujoco.rollout
import numpy as np

from offctx.envs import MujocoPhysics
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.races.cheetah import CHEETAH, Floats, HandMadeCheetah, Rows, cheetah_transitions
from tools.benchmark.timing import alternate, timed

TRANSITIONS = Size(full=512, quick=16)
FORWARD_REWARD_WEIGHT, CONTROL_COST_WEIGHT = 1.0, 0.1  # Gymnasium's defaults for HalfCheetah-v5

Outcome = Callable[[Floats], Floats]  # from a context (p,) to next observations and rewards (N, o + 1)


def against_gymnasium(bench: Bench) -> Measurement:
    """Derivatives against a loop over Gymnasium's own environment."""
    env, rows = cheetah_transitions(bench.size(TRANSITIONS))
    return derivatives(
        bench, env, rows, gymnasium_outcome(env, rows),
        "a Python loop over Gymnasium's HalfCheetah-v5 (unwrapped) that puts each of the 16 contexts into the model once and "
        "does set_state and step for every transition in it, on one thread and without warm starts",
    )  # fmt: skip


def against_mujoco(bench: Bench) -> Measurement:
    """Derivatives against the leanest loop, without Gymnasium."""
    env, rows = cheetah_transitions(bench.size(TRANSITIONS))
    return derivatives(
        bench, env, rows, mujoco_outcome(env, rows),
        "the leanest Python loop: mj_setState with the warm start, mj_step and mj_getState for every transition in each of "
        "the 16 contexts, rewards by arrays, on one thread: what is left is what threads and fewer Python calls gain",
    )  # fmt: skip


def gymnasium_outcome(env: MujocoPhysics, rows: Rows) -> Outcome:
    """One simulation of every row by Gymnasium's `set_state` and `step`."""
    layout, hand = env.simulator.layout, HandMadeCheetah()
    qpos, qvel, single = rows.states[:, layout.qpos], rows.states[:, layout.qvel], hand.env.unwrapped

    def outcome(context: Floats) -> Floats:
        hand.set_context(context)
        results = np.empty((len(rows.states), env.observation_space.shape[0] + 1))
        for i in range(len(rows.states)):
            single.set_state(qpos[i], qvel[i])
            results[i, :-1], results[i, -1], *_ = single.step(rows.actions[i])
        return results

    return outcome


def mujoco_outcome(env: MujocoPhysics, rows: Rows) -> Outcome:
    """One simulation of every row by MuJoCo's `mj_step`, with our environment's observations and rewards."""
    layout, hand = env.simulator.layout, HandMadeCheetah()
    part = mujoco.mjtState
    spec = int(part.mjSTATE_QPOS) | int(part.mjSTATE_QVEL) | int(part.mjSTATE_WARMSTART)
    before = np.hstack([rows.states[:, layout.qpos], rows.states[:, layout.qvel], rows.states[:, layout.warmstart]])
    nq, nv, frame_skip, dt = hand.model.nq, hand.model.nv, hand.env.unwrapped.frame_skip, hand.env.unwrapped.dt

    def outcome(context: Floats) -> Floats:
        hand.set_context(context)
        model, data, after = hand.model, hand.data, np.empty_like(before)
        for i in range(len(before)):
            mujoco.mj_setState(model, data, before[i], spec)
            data.ctrl[:] = rows.actions[i]
            mujoco.mj_step(model, data, frame_skip)
            mujoco.mj_getState(model, data, after[i], spec)
        progress = FORWARD_REWARD_WEIGHT * (after[:, 0] - before[:, 0]) / dt
        rewards = progress - CONTROL_COST_WEIGHT * np.sum(np.square(rows.actions), axis=1)
        return np.hstack([after[:, 1 : nq + nv], rewards[:, None]])

    return outcome


def central_differences(outcome: Outcome, context: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """Derivatives (N, o + 1, p) of `outcome` at a context (p,) by whole and by half steps (p,)."""

    def slopes(offsets: Floats) -> Floats:
        return np.stack([(outcome(context + dc) - outcome(context - dc)) / (2 * dc.sum()) for dc in np.diag(offsets)], axis=-1)

    return slopes(steps), slopes(steps / 2)


def derivatives(bench: Bench, env: MujocoPhysics, rows: Rows, outcome: Outcome, peer: str) -> Measurement:
    """`derivatives_with_error` against central differences through `outcome`, which must be the same numbers.

    Args:
        bench: what races share.
        env: our environment.
        rows: the transitions.
        outcome: the peer's simulation of the transitions in a context.
        peer: how the peer works, in words.

    Raises:
        AssertionError: the derivatives of the two differ.
    """
    space, steps = env.context_space, env.derivative_steps
    _, peer_slopes = central_differences(outcome, space.default, steps)
    dnext, dreward, _ = env.derivatives_with_error(*rows)
    slopes = np.concatenate([dnext, dreward[:, None]], axis=1)
    difference, size = (np.linalg.norm(part * space.default, axis=(1, 2)) for part in (peer_slopes - slopes, slopes))
    agreeing = float((difference < 1e-3 * size).mean())
    assert agreeing > 0.9, f"the peer's derivatives are the same in {agreeing:.0%} of the rows only"
    times = alternate(
        lambda: timed(lambda: env.derivatives_with_error(*rows)),
        lambda: timed(lambda: central_differences(outcome, space.default, steps)),
        bench.repeats,
    )
    what = (
        f"derivatives along {', '.join(space.names)} of {len(slopes)} random transitions of {CHEETAH} by central differences "
        f"with two step sizes, 16 simulations a transition: derivatives_with_error on {env.simulator.threads} thread(s) "
        f"against {peer}; the two agree to 1e-3 in {agreeing:.1%} of the transitions"
    )
    return Measurement(what, *times)


def rollout_share(bench: Bench) -> Measurement:
    """What derivatives cost beside the simulations that they need."""
    env, rows = cheetah_transitions(bench.size(TRANSITIONS))
    with mock.patch.object(mujoco.rollout, "rollout", wraps=mujoco.rollout.rollout) as spy:
        env.derivatives_with_error(*rows)
    calls = [(call.args, call.kwargs) for call in spy.call_args_list]
    simulations = sum(len(args[2]) for args, _ in calls)
    assert simulations == 16 * len(rows.states)

    def simulate() -> None:
        for args, kwargs in calls:
            mujoco.rollout.rollout(*args, **kwargs)

    times = alternate(lambda: timed(lambda: env.derivatives_with_error(*rows)), lambda: timed(simulate), 4 * bench.repeats)
    what = (
        f"ours: derivatives_with_error of {len(rows.states)} random transitions of {CHEETAH} along "
        f"{len(env.context_space.names)} coordinates; peer: the {len(calls)} calls of mujoco.rollout that it made, "
        f"{simulations} simulations in all, made again with the very same arguments: models, inputs and room for the outputs "
        f"there beforehand, the same persistent pool of {env.simulator.threads} thread(s)"
    )
    return Measurement(what, *times)


RACES = (
    Race("mujoco-derivatives", against_gymnasium, target=3),
    Race("mujoco-derivatives-lean", against_mujoco, target=1),
    Race("mujoco-rollout-share", rollout_share, target=130, percent=True),
)
