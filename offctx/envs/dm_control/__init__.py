"""Tasks of DeepMind Control as contextual families: lengths of limbs, poles, arms and strings, gravity and actuators.

Only the suite's model files are read from the installed `dm_control` (suite_files.py). None of its Python is imported, and so
neither is its renderer. Models: compiled.py compiles one for each length, once. Time: simulator.py and workspace.py step as
`dm_control` does. Family: family.py joins both to a `ContextualEnv`; rewards.py has the soft indicators of the suite's rewards,
joints.py the random joint positions of its starts. Then one task a file (cartpole_balance.py, ball_in_cup_catch.py,
walker_walk.py, cheetah_run.py, reacher.py); action_factor.py is common to those whose actions may be inverted.
"""
