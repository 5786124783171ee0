"""Property 10: context coordinates change what the space declares (`offctx.contexts.kinds`), and nothing else.

A wrong declaration raises no error elsewhere: rewards of other contexts are taken for known, or a report groups wrongly.

Dimensions: N rows, p context.
"""

import numpy as np

from offctx.contexts.kinds import ContextKind, Kinds, in_order, kinds_text
from offctx.envs.context_draws import draw_contexts, with_other_values
from offctx.envs.kinds import KindCounts, count_kinds
from offctx.envs.random_transitions import Outcomes, Rows
from offctx.envs.testing.case import Case
from offctx.words import count

_CHANGES: dict[ContextKind, str] = {
    "dynamics": "another next latent state or termination",
    "reward": "another reward at the same next latent state",
    "observation": "another observation of the same next latent state",
}


def check_declared_kinds(case: Case) -> None:
    """Every coordinate with declared kinds shows each of them in some transition, and no other kind in any."""
    for name, counts in kind_counts(case).items():
        declared = case.env.context_space.kinds[name]
        if declared:
            _check_no_other_kind(case, name, declared, counts)
            _check_each_is_seen(case, name, declared, counts)


def kind_counts(case: Case) -> dict[str, KindCounts]:
    """What another value of each coordinate changes in the random transitions of a case."""
    space, rows = case.env.context_space, Rows(*case.rows)
    outcomes = Outcomes(*case.simulate())
    others = np.roll(draw_contexts(space, np.random.default_rng([case.seed, 3]), len(rows.contexts)), 1, axis=0)
    return {
        name: count_kinds(case.env, rows, outcomes, with_other_values(space, rows.contexts, others, k))
        for k, name in enumerate(space.names)
    }


def _check_no_other_kind(case: Case, name: str, declared: Kinds, counts: KindCounts) -> None:
    for kind, n in counts.certain.items():
        assert not n or kind in declared, (
            f"{case.name}: context coordinate {name!r} is declared to change {_among(declared)} alone; another value of it "
            f"gives {_CHANGES[kind]} in {n} of {count(counts.rows, 'random transition')}. If the equations are right, declare "
            f"kinds={{{name!r}: {list(in_order([*declared, kind]))}}}"
        )


def _check_each_is_seen(case: Case, name: str, declared: Kinds, counts: KindCounts) -> None:
    for kind in declared:
        assert counts.possible[kind] or (kind == "dynamics" and _starts_differ(case, name)), (
            f"{case.name}: context coordinate {name!r} is declared to change {_among(declared)}; no other value of it gives "
            f"{_CHANGES[kind]} in {count(counts.rows, 'random transition')}. Measured: {kinds_text(counts.kinds, 'nothing')}. "
            f"Leave {kind!r} out of its kinds; or, where it shows rarely, test more by transitions=..."
        )


def _starts_differ(case: Case, name: str) -> bool:
    """Whether another value of a coordinate gives another latent start in some episode: the start belongs to the dynamics."""
    space = case.env.context_space
    others = np.roll(case.contexts, 1, axis=0)
    moved = with_other_values(space, case.contexts, others, space.index(name))
    starts = [
        np.stack([case.env.start(np.random.default_rng(int(seed)), c) for seed, c in zip(case.seeds, of, strict=True)])
        for of in (case.contexts, moved)
    ]
    before, after = map(case.env.latent_states, starts)
    return not np.array_equal(before, after)


def _among(kinds: Kinds) -> str:
    return "the " + " and the ".join(kinds)
