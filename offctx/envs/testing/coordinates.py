"""Property 9: every context coordinate changes something. (A known context library's `masscart` never did.)

Dimensions: N rows, E episodes, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.context_draws import draw_contexts, with_other_values
from offctx.envs.testing.case import Case


def check_every_coordinate_matters(case: Case) -> None:
    """With another value of the coordinate, some next state, reward, termination or start is another."""
    space, contexts = case.env.context_space, case.rows[2]
    rng = np.random.default_rng(case.seed + 1)
    others = np.roll(draw_contexts(space, rng, len(contexts)), 1, axis=0)
    for k, name in enumerate(space.names):
        before = outcomes(case, contexts, case.contexts)
        after = outcomes(case, *(with_other_values(space, of, others, k) for of in (contexts, case.contexts)))
        assert any((np.isfinite(b) & (a != b)).any() for a, b in zip(before, after, strict=True)), (
            f"expected context coordinate {name!r} to change some next state, reward, termination or start; found "
            f"none changed in {len(contexts)} random transitions and {len(case.seeds)} starts"
        )


def outcomes(case: Case, contexts: Contexts, episode_contexts: Contexts) -> list[Array]:
    """Next states, rewards and terminations in contexts (N, p), and start states in contexts (E, p)."""
    states, actions, _, noise = case.rows
    generators = [np.random.default_rng(int(seed)) for seed in case.seeds]
    starts = [case.env.start(rng, context) for rng, context in zip(generators, episode_contexts, strict=True)]
    return [*case.simulate((states, actions, contexts, noise)), np.stack(starts)]
