"""An agent that adapts within an episode to a flipped actuator, from offline data whose contexts are hidden.

In DoubleIntegrator a point must stop at the origin; it has an unknown mass, and its actuators may push the other way
(action_factor -1). The data come from a controller that is told the context, with noise, and from random actions. DMA*-SH
(arXiv 2602.06550) learns from them without contexts: it infers them from the transitions that it sees, while it plays.

python examples/adapt_to_a_flipped_actuator.py [--steps N]
"""

import argparse

import numpy as np

import offctx

offctx.quiet()

ENV = "offctx/DoubleIntegrator-v0"
SEEN = (1, 4, 16, 64)  # transitions seen in the context before the episode that is scored


def controller(observations: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Feedback that is told the mass and the action factor, with noise."""
    position, velocity = observations[:, :2], observations[:, 2:]
    force = contexts[:, :1] * (-4 * position - 4 * velocity)
    actions = contexts[:, 1:] * np.clip(force, -1, 1)
    return np.clip(actions + 0.5 * rng.standard_normal(actions.shape), -1, 1)


def main() -> None:
    """Collect, train, and score after more and more transitions in contexts that are not in the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000, help="gradient steps")
    parser.add_argument("--episodes", type=int, default=50, help="episodes in each training context")
    args = parser.parse_args()
    dataset = offctx.collect(
        ENV, "examples/DoubleIntegrator/mixture-v0", contexts=offctx.envs.DoubleIntegrator.context_space.splits["train"],
        policy=offctx.Mixture([controller, "random"]), episodes_per_context=args.episodes, seed=0, gradients=False,
        progress=False,
    )  # fmt: skip
    agent = offctx.algos.dmash_preset("dma-star-sh", backbone="td3bc").create()
    buffer = dataset.replay_buffer(context="anonymous")  # which episodes share a context, and not which context
    offctx.algos.train(agent, buffer, steps=args.steps, seed=0, progress=False)

    masses = [[0.55, 1.0], [1.45, 1.0]], [[0.55, -1.0], [1.45, -1.0]]
    splits = dict(zip(("as usual", "flipped"), masses, strict=True))
    report = offctx.evaluate(agent, ENV, splits, episodes=20, seed=1, context="hidden", warmup=SEEN, name="DMA*-SH")
    print("transitions seen   " + "".join(f"{split:>10}" for split in splits))
    for seen in (0, *SEEN):
        after = report.after(seen) if seen else report
        print(f"{seen:16}   " + "".join(f"{after.aer(split):10.1f}" for split in splits))
    folder = report.save("out/adapt")
    print(f"pictures: {folder}/adaptation-*.png")


if __name__ == "__main__":
    main()
