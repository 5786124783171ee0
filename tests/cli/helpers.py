"""A recipe of two contexts, for the tests of the command line."""

RECIPE = """
dataset_id = "cli/PendulumGoal/random-v0"
env = "offctx/PendulumGoal-v0"
episodes_per_context = 2
seed = 0
[contexts]
mesh = { g = [1.0, 2.0] }
"""
