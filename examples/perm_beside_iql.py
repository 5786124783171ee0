"""PERM beside IQL in a d3rlpy script. The lines marked "new" are those that a script with IQL alone does not have.

The data are confounded: where the drift c gives high rewards by itself, the behaviour is poor and has the most episodes;
where the drift gives low rewards, the behaviour is good. In the merged data, poor actions look better than they are. PERM has
separate critics for each context, and optimises one policy, which does not see the context, for the mean of their values
(arXiv 2503.07988).

python examples/perm_beside_iql.py [--steps N]
"""

import argparse

import numpy as np

import offctx  # new: 1

offctx.quiet()

import d3rlpy

ENV = "offctx/SimpleDirection-v0"  # a point in the plane; reward: how far along c it moves


def behaviour(observations: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Push forwards where the drift is weak and backwards where it is strong."""
    push = 0.7 - 1.4 * contexts[:, :1]
    mean = np.concatenate([push, np.zeros_like(push)], axis=1)
    return np.clip(mean + 0.4 * rng.standard_normal(mean.shape), -1, 1)


def main() -> None:
    """Train both on the same buffer; evaluate them in contexts that are not in the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="gradient steps of each agent")
    parser.add_argument("--episodes", type=int, default=20, help="episodes in an average context")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    contexts, unseen = rng.uniform((0.0, -0.5), (1.0, 0.5), (2, 16, 2))
    recorded = np.repeat(contexts, np.ceil(2 * args.episodes * contexts[:, 0]).astype(int), axis=0)
    offctx.collect(ENV, "examples/SimpleDirection/confounded-v0", contexts=recorded, policy=behaviour, seed=0, progress=False)

    buffer = offctx.load_dataset("examples/SimpleDirection/confounded-v0").replay_buffer(context="hidden")  # new: 2
    small = d3rlpy.models.VectorEncoderFactory([64, 64])
    settings = dict.fromkeys(("actor_encoder_factory", "critic_encoder_factory", "value_encoder_factory"), small)
    for name, config in {
        "IQL": d3rlpy.algos.IQLConfig(gamma=0.9, **settings),
        "PERM": offctx.algos.PERMConfig(gamma=0.9, **settings),  # new: 3
    }.items():
        d3rlpy.seed(0)
        agent = config.create()
        agent.fit(
            buffer, n_steps=args.steps, n_steps_per_epoch=args.steps, logger_adapter=d3rlpy.logging.NoopAdapterFactory()
        )  # fmt: skip
        report = offctx.evaluate(agent, ENV, {"unseen": unseen}, episodes=16, seed=1, context="hidden", name=name)
        print(f"{name:5} average return on unseen contexts {report.aer('unseen'):7.2f}")


if __name__ == "__main__":
    main()
