"""Context sample enhancement (CSE) in online training: one base context, an agent for all contexts.

For users who train online. It is the experiment of the CSE paper in SimpleDirection.

python examples/cse_online.py [--steps N]
"""

import argparse

import gymnasium

import offctx
from offctx.envs import LabelTransitions, RandomContexts

offctx.quiet()

import d3rlpy
from d3rlpy.algos import SACConfig

ENV = "offctx/SimpleDirection-v0"
RADIUS = 0.5


def main() -> None:
    """Train SAC at the base context without and with CSE, and in contexts around it (LDR); compare over all contexts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000, help="steps of each agent in its environment")
    parser.add_argument("--out", default="out/cse_online", help="folder of the report")
    args = parser.parse_args()

    space = offctx.envs.SimpleDirection.context_space
    plain = gymnasium.make(ENV)
    varied = RandomContexts(plain, lambda rng: space.local(1, RADIUS, rng)[0], seed=0)
    experiments = {  # the environment and the augmentation of each batch
        "baseline": (LabelTransitions(plain, gradients=False), None),
        "CSE": (LabelTransitions(plain), offctx.CSE(RADIUS)),
        "CSE exact": (LabelTransitions(plain, gradients=False), offctx.CSE(RADIUS, exact=ENV)),
        "LDR": (LabelTransitions(varied, gradients=False), None),
    }
    contexts = space.mesh(c_x=[-0.8, 0.0, 0.8], c_y=[-0.8, 0.0, 0.8])

    reports = {}
    for name, (env, augmentation) in experiments.items():
        d3rlpy.seed(0)
        d3rlpy.envs.seed_env(env, 0)
        env.action_space.seed(0)
        buffer = offctx.online_buffer(env, capacity=100_000, augmentation=augmentation, seed=0)
        agent = SACConfig(gamma=0.9).create()
        steps = {"n_steps": args.steps, "n_steps_per_epoch": args.steps, "random_steps": 100}
        agent.fit_online(env, buffer, **steps, logger_adapter=d3rlpy.logging.NoopAdapterFactory())
        reports[name] = offctx.evaluate(agent, ENV, contexts, episodes=64, seed=1, name=name)

    comparison = offctx.compare(reports)
    print(comparison)
    print("report:", comparison.save(args.out) / "report.html")


if __name__ == "__main__":
    main()
