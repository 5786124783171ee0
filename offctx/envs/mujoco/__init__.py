"""Gymnasium's MuJoCo environments as contextual families.

simulator.py steps many states at once; tasks.py and stepped.py say what Gymnasium makes of them; family.py joins the two
to a `ContextualEnv`; physics.py makes physical parameters (parameters.py) the context, reward_contexts.py the task.
"""

from offctx.envs.mujoco.family import MujocoFamily
from offctx.envs.mujoco.physics import MujocoPhysics
from offctx.envs.mujoco.reward_contexts import AntDirection, AntGoal, CheetahVelocity

__all__ = ["AntDirection", "AntGoal", "CheetahVelocity", "MujocoFamily", "MujocoPhysics"]
