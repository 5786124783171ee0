"""BallInCupCatch: DeepMind Control's ball_in_cup-catch under other gravity, with strings of other lengths."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.dm_control.family import DmControlFamily
from offctx.errors import EnvError

_PLANE = (0, 2)  # x and z of a position
_MOST_DRAWS = 10_000  # of one start; within the bounds a few suffice


class BallInCupCatch(DmControlFamily):
    """DeepMind Control's ball_in_cup-catch: a cup shall catch the ball that hangs from it. Contexts: arXiv 2602.06550.

    Observations: positions of cup and ball [m], each x and z and relative to where its body is at rest, and their velocities
    [m/s]. The ball's body, and with it its start, is the higher the shorter the string. The reward is 1 where the ball is in
    the cup, and else 0. Where a string is much shorter than the default's, an episode may start with the ball beyond its
    reach; the string then pulls it in. Splits: `offctx.aib_splits` with [8, 12] m/s^2 and [0.24, 0.36] m for training.

    With a string far beyond its bounds (extrapolated, about 0.95 m), every start touches the ground: `reset` raises EnvError.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space = with_aib_splits(
        ContextSpace(
            names=["gravity", "string_length"],
            low=(1.0, 0.1),
            high=(20.0, 0.5),
            default=(9.81, 0.3),
            units=["m/s^2", "m"],
            constraints=["gravity >= 0", "string_length > 0"],
            kinds="dynamics",
        ),
        {"gravity": (8.0, 12.0), "string_length": (0.24, 0.36)},
    )
    suite_name = "ball_in_cup"
    n_sub_steps = 10
    lengths = ("string_length",)

    @staticmethod
    def edit(spec: mujoco.MjSpec, lengths: Contexts) -> None:
        string, ball = spec.tendon("string"), spec.body("ball")
        ball.pos[2] += string.range[1] - lengths[0]
        string.range[1] = lengths[0]

    def _set(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        model.opt.gravity[2] = -context[0]

    @staticmethod
    def read(model: mujoco.MjModel) -> Mapping[str, Sequence[int]]:
        target, ball = 3 * model.site("target").id, 3 * model.body("ball").id
        return {"site_xpos": [target + k for k in _PLANE], "xpos": [ball + k for k in _PLANE]}

    def draw_start(self, draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> Sequence[float]:
        x, z = (model.joint(name).qposadr[0] for name in ("ball_x", "ball_z"))
        for _ in range(_MOST_DRAWS):
            data.qpos[x] = draws.uniform(-0.2, 0.2)
            data.qpos[z] = draws.uniform(0.2, 0.5)
            mujoco.mj_forward(model, data)
            if not data.ncon:  # neither the cup nor the ground
                return ()
        context = [-model.opt.gravity[2], model.tendon_range[model.tendon("string").id, 1]]
        raise EnvError(
            f"BallInCupCatch: no start without contact found in {_MOST_DRAWS:,} draws, in context "
            f"{self.context_space.describe(context)}; take a string_length within its bounds"
        )

    def observations(self, states: Array) -> Array:
        q, v = self.simulator.layout.qpos, self.simulator.layout.qvel
        return np.concatenate([states[:, q], states[:, v]], axis=1)

    def states_from_observations(self, observations: Array) -> Array:
        return self.states_from_physics(observations[:, :4], observations[:, 4:])

    def rewards(self, states: Array, controls: Array) -> Array:
        offsets = np.abs(self.part(states, "site_xpos") - self.part(states, "xpos"))
        reach = self.model.site("target").size[list(_PLANE)] - self.model.geom("ball").size[0]
        return np.asarray((offsets < reach).all(axis=1), dtype=np.float64)
