"""The d3rlpy-facing side of data: from a dataset to the batches of a replay buffer, and what an augmentation is."""

from offctx.notices import import_gym_silently

import_gym_silently()  # before the first import of d3rlpy, which imports gym
