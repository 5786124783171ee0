"""The environments of the experiment, one entry each. To add one, add its entry; `own` makes one for an id of the user's.

Radii are not chosen here: the radius follows from the training data by `radius_report`, at a tolerance that was searched on
other contexts, start states and seeds than those that are reported (`search`). The hyperparameters of the algorithms were
set once for each algorithm and task, with the baseline at c0.
"""

import inspect
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import gymnasium
import numpy as np

from offctx.analysis.context_kinds import context_kinds
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.resolve import resolve
from tools.reproduce.cse.arms import STANDARD, VARIANTS
from tools.reproduce.cse.behaviours import balancing, ladder
from tools.reproduce.cse.by_hand import has_positions_and_velocities
from tools.reproduce.cse.settings import Environment, Training


def sweeps_of(space: ContextSpace, **values: int | Sequence[float]) -> dict[str, Contexts]:
    """Sweeps of single coordinates, the others at c0."""
    return {f"sweep_{name}": space.sweep(name, line) for name, line in values.items()}


MAIN = ("baseline", "hidden", "jitter", "cse", "ldr")  # the arms of a second algorithm
_SMALL = {"batch_size": 128}
# With d3rlpy's own rates the policy saturates before the critic knows which way is up in which context, and stays so.
_DIRECTION = {"gamma": 0.9, "batch_size": 128, "actor_learning_rate": 5e-5, "critic_learning_rate": 1e-3}
_DIRECTION_SAC = _DIRECTION | {"actor_learning_rate": 3e-4, "initial_temperature": 0.01}
_PAPER_RADIUS = 0.1  # arXiv 2507.07348; "sac-paper" and "dqn" are its online experiments, with fewer steps
_PAPER_SAC = {"gamma": 0.9, "batch_size": 256, "initial_temperature": 0.01}
_CART = {"batch_size": 128, "learning_rate": 3e-4, "target_update_interval": 100}
_TRANSITIONS, _STEPS = 40_000, 6000  # of an environment of the user's own, and of RotatedThrusters


def own(env: str, sweeps: Mapping[str, Sequence[float] | None], algorithm: str | None, seeds: int) -> Environment:
    """The experiment in an environment of the user's own, with the settings of RotatedThrusters.

    Args:
        env: Gymnasium id.
        sweeps: from coordinates to their values, or to None for 9 values within the bounds; all coordinates where empty.
        algorithm: a d3rlpy algorithm by name; TD3, or double DQN for discrete actions, where not given.
        seeds: number of seeds.
    """
    resolved = resolve(env)
    discrete = isinstance(resolved.env.action_space, gymnasium.spaces.Discrete)
    name = algorithm or ("doubledqn" if discrete else "td3")
    chosen = dict(sweeps) or {coordinate: None for coordinate in resolved.env.context_space.names}
    values = {coordinate: 9 if line is None else line for coordinate, line in chosen.items()}
    title = env.rsplit("/", maxsplit=1)[-1].rsplit(":", maxsplit=1)[-1].removesuffix("-v0")
    return Environment(
        name=f"{title}-{_code_tag(env, type(resolved.env))}",
        env=env,
        range_tag=f"-{zlib.crc32(json.dumps(values).encode()):08x}",
        sweeps=lambda space: sweeps_of(space, **values),
        offline={name: Training(name, _STEPS, _SMALL, hidden=(128, 128), seeds=seeds, cost=5)},
        data_episodes=-(-_TRANSITIONS // resolved.horizon),
        reward_coordinates=reward_coordinates(env),
        by_hand=has_positions_and_velocities(env),
    )


def _code_tag(env: str, family: type) -> str:
    """A tag of an environment's id and of the file that defines its class: cells of other code are other cells."""
    try:
        source = Path(inspect.getfile(family)).read_bytes()
    except (OSError, TypeError):  # a class without a file, as one that is typed at a prompt
        source = b""
    return f"{zlib.crc32(env.encode() + source):08x}"


def reward_coordinates(env: str) -> tuple[str, ...]:
    """The continuous coordinates within finite bounds that change the reward alone, measured."""
    space = resolve(env).env.context_space
    suitable = space.continuous & np.isfinite(space.low) & np.isfinite(space.high)
    kinds = context_kinds(env)
    return tuple(name for name, ok in zip(space.names, suitable, strict=True) if ok and kinds[name] == "reward")


ENVIRONMENTS: tuple[Environment, ...] = (
    Environment(
        name="RotatedThrusters",
        env="offctx/RotatedThrusters-v0",
        searched=True,
        sweeps=lambda space: sweeps_of(
            space,
            theta=(-1.5, -1, -0.5, 0.5, 1, 1.5),
            gain=(0.5, 0.75, 1.25, 1.5, 2),
            wind_x=(-0.3, -0.15, 0.15, 0.3),
            wind_y=(-0.3, -0.15, 0.15, 0.3),
        ),
        offline={
            "td3": Training("td3", _STEPS, _SMALL, hidden=(128, 128), seeds=10, cost=5),
            "sac": Training("sac", _STEPS, _SMALL, hidden=(128, 128), arms=MAIN, cost=7),
        },
        online={"sac": Training("sac", 5000, _SMALL, (128, 128), random_steps=1000, arms=MAIN, cost=9)},
        data_episodes=400,
        by_hand=True,
        notes="The context decides what an action does. The policies that were trained without it fail at 1.5 rad; damped "
        "feedback that is not told the angle does not, by hand or with gains searched in the simulator (feedback.md).",
    ),
    Environment(
        name="PointGoal",
        env="offctx/PointGoal-v0",
        searched=True,
        sweeps=lambda space: sweeps_of(space, goal_x=9, goal_y=9),
        offline={"td3": Training("td3", _STEPS, _SMALL, hidden=(128, 128), cost=5)},
        data_episodes=400,
        reward_coordinates=("goal_x", "goal_y"),
        by_hand=True,
        notes="The same point mass; the context is the goal, and changes the reward alone.",
    ),
    Environment(
        name="SimpleDirection",
        env="offctx/SimpleDirection-v0",
        searched=True,
        sweeps=lambda space: sweeps_of(space, c_x=9, c_y=9),
        offline={
            "td3": Training("td3", 2000, _DIRECTION, arms=(*STANDARD, *VARIANTS)),
            "sac": Training("sac", 2000, _DIRECTION_SAC, arms=MAIN, cost=9),
        },
        online={
            "sac": Training("sac", 3000, _DIRECTION_SAC, random_steps=500, arms=MAIN, cost=12),
            "sac-paper": Training(
                "sac", 3000, _PAPER_SAC, random_steps=500, seeds=10, arms=MAIN, radius=_PAPER_RADIUS, cost=14
            ),
        },
        data_episodes=1000,
        notes="Every reward at c0 is 0: the baseline cannot know where to go. The transition is linear in c, so that its "
        "expansion is exact; what the reward's leaves out, |dc|^2, no action changes.",
    ),
    Environment(
        name="SimpleDirectionStochastic",
        env="offctx/SimpleDirectionStochastic-v0",
        sweeps=lambda space: sweeps_of(space, c_x=9, c_y=9),
        offline={"td3": Training("td3", 2000, _DIRECTION)},
        data_episodes=1000,
        notes="SimpleDirection with noise in transition and reward; derivatives hold the noise fixed.",
    ),
    Environment(
        name="PendulumGoal",
        env="offctx/PendulumGoal-v0",
        searched=True,
        sweeps=lambda space: sweeps_of(
            space,
            g=(0.5, 1, 1.5, 2.5, 3, 4, 5),
            m=(0.5, 0.75, 1.25, 1.5, 1.75, 2),
            l=(0.5, 0.75, 1.25, 1.5, 1.75, 2),
            tau=9,
        ),
        offline={
            "td3": Training("td3", 8000, _SMALL),
            "sac": Training("sac", 8000, _SMALL, arms=MAIN, cost=8),
        },
        online={
            "sac": Training("sac", 4000, _SMALL, random_steps=1000, arms=MAIN, cost=10),
            "sac-paper": Training(
                "sac", 4000, {"batch_size": 256}, random_steps=1000, seeds=10, arms=MAIN, radius=_PAPER_RADIUS, cost=14
            ),
        },
        data_episodes=250,
        reward_coordinates=("tau",),
        notes="tau changes the reward alone: it sets the goal. g, m and l change the dynamics, and the goal where tau is not "
        "0. All contexts satisfy |tau| < m g l; draws beyond it or beyond the bounds are drawn again, by CSE, jitter and LDR.",
    ),
    Environment(
        name="CartGoal",
        env="offctx/CartGoal-v0",
        tolerance=0.2,
        searched=True,
        sweeps=lambda space: sweeps_of(
            space,
            g=(1, 2.5, 4, 6, 8, 12),
            m_pole=(0.01, 0.25, 0.5, 1, 1.5, 2),
            m_cart=(0.25, 0.5, 0.75, 1.25, 1.5, 2),
            l=(0.1, 0.3, 0.7, 1, 1.5, 2),
            goal=9,
        ),
        offline={
            "doubledqn": Training("doubledqn", 9000, _CART, standardise=True, cost=3),
            "discretebcq": Training("discretebcq", 6000, _CART, standardise=True, arms=MAIN, cost=6),
        },
        online={"dqn": Training("dqn", 6000, _CART, random_steps=500, arms=MAIN, radius=_PAPER_RADIUS, cost=5)},
        data_episodes=200,
        reward_coordinates=("goal",),
        behaviour=balancing,
        behaviour_text="a hand-made balancing controller, each with a place of its own in -2..2 m and 30 % or 60 % of its "
        "actions random (random actions alone fall within half a second)",
        notes="Where the goal lies beyond the edge of the track every reward is negative, and to fall at once is best.",
    ),
    Environment(
        name="RotatedReacher",
        env="offctx/RotatedReacher-v0",
        searched=True,
        sweeps=lambda space: sweeps_of(space, rotation=(-1.8, -1.5, -1.2, -0.6, 0.6, 1.2, 1.5, 1.8), gear=(0.5, 0.75, 1.5, 2)),
        offline={"td3": Training("td3", 8000, _SMALL | {"gamma": 0.95}, hidden=(128, 128), standardise=True, cost=5)},
        data_episodes=800,
        closed_form=False,
        notes="A two-joint arm of MuJoCo whose motors get the action rotated. Feedback hides rotations below about 0.8 rad.",
    ),
    Environment(
        name="CheetahVelocity",
        env="offctx/CheetahVelocity-v0",
        sweeps=lambda space: sweeps_of(space, target_speed=13),
        offline={"iql": Training("iql", 6000, standardise=True, arms=(*MAIN, "gdr", "relabelled"), cost=12)},
        data_episodes=50,
        shared_data=True,
        reward_coordinates=("target_speed",),
        behaviour=lambda: ladder("cheetah-velocity-medium", "cheetah-velocity-expert", "half-cheetah-replay-2"),
        behaviour_text="random actions, the medium and the best policy of SAC's training at c0, and one that runs faster, in "
        "equal shares",
        episodes=5,
        closed_form=False,
        notes="No behaviour runs backwards, and none is told its target.",
    ),
)
WITHDRAWN = {
    "AntDirection": "no learner of ours is competent there: standing still scores more than the trained policies",
    "HalfCheetahPhysics": "no learner of ours gains from the context there, LDR included",
    "AntGoal": "never run, as no learner of ours has learned AntDirection, the other task of the Ant",
}
BY_NAME = {environment.name: environment for environment in ENVIRONMENTS}
