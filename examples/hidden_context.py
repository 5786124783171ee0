"""d3rlpy's TD3+BC in a hidden context: an encoder of history windows is trained alone, and then TD3+BC on what it infers.

python examples/hidden_context.py [--steps N] [--episodes N]
"""

import argparse

import offctx

offctx.quiet()

import d3rlpy

ENV = "offctx/DoubleIntegrator-v0"


def main() -> None:
    """TD3+BC with and without the inferred context, on data that do not tell the context."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000, help="gradient steps of the encoder, and of each agent")
    parser.add_argument("--episodes", type=int, default=20, help="episodes per context")
    parser.add_argument("--id", default="examples/DoubleIntegrator/pushes-v0", help="dataset id, not in use")
    args = parser.parse_args()

    def pushes(observations, contexts, rng):  # towards the goal, as often the wrong way as not: no context is told
        signs = rng.choice([-1.0, 1.0], size=(len(observations), 1))
        return signs * (-observations[:, :2] - observations[:, 2:]) + 0.5 * rng.normal(size=(len(observations), 2))

    contexts = offctx.envs.DoubleIntegrator.context_space.splits["train"]
    dataset = offctx.collect(
        ENV, args.id, contexts=contexts, policy=pushes, episodes_per_context=args.episodes, seed=0, gradients=False
    )
    hidden = dataset.replay_buffer(context="anonymous")  # which transitions share a context, and nothing else

    encoder = offctx.train_encoder(hidden, steps=args.steps, seed=0, progress=False)
    encoder.save("encoder.safetensors")

    buffers = {
        "blind": hidden,
        "inferred": dataset.replay_buffer(context="anonymous", augmentation=offctx.InferredContext(encoder)),
    }
    for name, buffer in buffers.items():
        agent = d3rlpy.algos.TD3PlusBCConfig(batch_size=128).create()
        offctx.algos.train(agent, buffer, steps=args.steps, seed=0, progress=False)
        agent.save(f"{name}.d3")
        policy = agent if name == "blind" else offctx.InferredContextPolicy(agent, encoder)
        report = offctx.evaluate(policy, ENV, episodes=10, seed=0, context="hidden", warmup=64, progress=False)
        scores = {split: report.aer(split) for split in report.splits}
        warm = {} if name == "blind" else {split: report.after(64).aer(split) for split in report.splits}
        print(name, {split: round(score, 1) for split, score in scores.items()}, "after 64 transitions:", warm or "the same")


if __name__ == "__main__":
    main()
