"""Augmentations of a replay buffer: functions from batch to batch, one a file."""
