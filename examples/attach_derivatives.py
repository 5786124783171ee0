"""Context derivatives for a MuJoCo dataset that was recorded without contexts.

python examples/attach_derivatives.py [--episodes N] [--steps T]

For users who have data already. The script records Gymnasium's HalfCheetah-v5 with plain Minari (Minari's recorder needs
`pip install jax`), attaches derivatives along gravity and body mass, and makes a d3rlpy buffer with context sample enhancement.
"""

import argparse

import gymnasium
import minari

import offctx


def record(dataset_id: str, episodes: int, steps: int) -> None:
    """Record random actions with Minari alone, without infos."""
    env = minari.DataCollector(gymnasium.make("HalfCheetah-v5", max_episode_steps=steps))
    env.action_space.seed(0)
    for seed in range(episodes):
        env.reset(seed=seed)
        done = False
        while not done:
            *_, terminated, truncated, _ = env.step(env.action_space.sample())
            done = terminated or truncated
    env.create_dataset(dataset_id, algorithm_name="random")
    env.close()


def main() -> None:
    """Record a dataset, attach derivatives, sample an enhanced batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1000, help="of an episode")
    parser.add_argument("--id", default="examples/HalfCheetah/random-v0", help="dataset id, not in use")
    args = parser.parse_args()

    record(args.id, args.episodes, args.steps)
    env = offctx.envs.MujocoPhysics("HalfCheetah-v5", ["gravity", "mass"])
    dataset = offctx.attach_derivatives(args.id, env, new_id="examples/HalfCheetahPhysics/random-v0")

    assert dataset.metadata is not None
    print(dataset.metadata.derivatives)
    buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=[0.5, 0.1]))
    batch = buffer.sample_transition_batch(4)
    print("gravity [m/s^2] and mass scale of four enhanced samples:")
    print(batch.observations[:, -2:])


if __name__ == "__main__":
    main()
