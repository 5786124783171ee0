"""The d3rlpy-facing side of data: from a dataset to the batches of a replay buffer, and what an augmentation is."""
