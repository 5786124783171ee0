"""The d3rlpy-facing side of data: batches, replay buffer, samplers, and what an augmentation is."""
