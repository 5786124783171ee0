"""Datasets that plain Minari records, for tests of data without contexts."""

import gymnasium
import minari


def record_pendulum(dataset_id, episodes, **about):
    """Records so many episodes of 5 random steps, with the seeds 0, 1, ..."""
    collector = minari.DataCollector(gymnasium.make("Pendulum-v1", max_episode_steps=5))
    for e in range(episodes):
        collector.reset(seed=e)
        for _ in range(5):
            collector.step(collector.action_space.sample())
    collector.create_dataset(dataset_id, **about)
