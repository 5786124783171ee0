"""Gymnasium's MuJoCo environments as contextual families.

State and time: simulator.py steps many states at once, each with the model of its own context (state_layout.py, workspace.py).
Task: tasks.py computes what Gymnasium computes from a state: observations, rewards and terminations; stepped.py does so for
any other environment, row by row. Family: family.py joins both to a `ContextualEnv`. Contexts: physics.py has physical
parameters as the context (parameter.py, mixing.py, parameters.py, model_physics.py); reward_context.py changes the reward,
with one family a file (ant_direction.py, ant_goal.py, cheetah_velocity.py).
"""
