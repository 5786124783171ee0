"""Does it learn? Slow, over seeds: CSE makes an agent of data from one context that serves others."""

import d3rlpy
import numpy as np
import pytest

import offctx
from offctx.evaluation.statistics import gap_closed

ENV = "offctx/SimpleDirection-v0"


def train(dataset: offctx.ContextualDataset, augmentation: offctx.CSE | None, seed: int) -> offctx.ZeroShotReport:
    """TD3 with the paper's discount of this task, on one of three sources of transitions."""
    d3rlpy.seed(seed)
    agent = d3rlpy.algos.TD3Config(gamma=0.9, batch_size=128).create()
    buffer = dataset.replay_buffer(augmentation=augmentation, seed=seed)
    agent.fit(
        buffer, n_steps=1500, n_steps_per_epoch=1500, show_progress=False, logger_adapter=d3rlpy.logging.NoopAdapterFactory()
    )
    space = dataset.context_space
    return offctx.evaluate(agent, ENV, {"held_out": space.mesh(c_x=[-0.8, 0.8], c_y=[-0.8, 0.8])}, episodes=32, seed=99)


@pytest.mark.slow
def test_cse_closes_the_gap_where_the_base_context_teaches_nothing(datasets_path):
    """At c0 every reward of SimpleDirection is 0: the baseline cannot know where to go, and CSE can (arXiv 2507.07348)."""
    returns: dict[str, list] = {"baseline": [], "CSE": [], "LDR": []}
    for seed in range(5):
        space = offctx.envs.SimpleDirection.context_space
        contexts = {"base": space.default, "ldr": space.local(1000, 0.5, np.random.default_rng(seed))}
        base, ldr = (
            offctx.collect(
                ENV, f"test/{kind}-v{seed}", contexts=c, episodes_per_context=1000 // np.atleast_2d(c).shape[0], seed=seed,
                progress=False,
            )
            for kind, c in contexts.items()
        )  # fmt: skip
        for name, source, augmentation in (("baseline", base, None), ("CSE", base, offctx.CSE(0.5)), ("LDR", ldr, None)):
            returns[name].append(train(source, augmentation, seed).returns["held_out"])
    stacked = {name: np.stack(runs) for name, runs in returns.items()}
    closed = gap_closed(stacked["CSE"], stacked["baseline"], stacked["LDR"])
    assert closed.separated, closed.reason
    assert closed.share is not None and closed.share.estimate > 0.8, str(closed)
