"""docs/environments.md: tables of all registered environments."""

import re
from collections import Counter
from collections.abc import Sequence

import gymnasium
import mujoco

import offctx
from offctx.contexts.kinds import kinds_text
from offctx.contexts.space import ContextSpace
from offctx.envs.registry import ENVIRONMENTS, VARIANTS
from offctx.evaluation.markdown import markdown_table
from tools.environments.facts import Facts, Variant, facts

_MOST_VALUES = 2  # that a cell lists
_HEAD = """# Environments

All environments that offctx registers. Written by `python tools/environments.py > docs/environments.md`
(offctx {offctx}, Gymnasium {gymnasium}, MuJoCo {mujoco}).

**Error of derivatives**: how far the context derivatives of a transition are from extrapolated central differences, relative to
their size: median and 99 % quantile over random transitions in random contexts. Norms are over next observation, reward and
coordinates, these in half-widths of their bounds. The differences have an error of 1e-11 to 1e-8 themselves; where derivatives
are central differences, too, it is the disagreement of different steps. **Flagged**: the share of transitions whose own error
estimate is above its tolerance; contacts begin or end there.

**Threads** (`threads=` of MuJoCo families; one a core where not given) help where a step takes long inside MuJoCo: many
rows, many steps of MuJoCo in a step, contacts (`Ant`, `Walker2d`, `WalkerWalk`). A step of 20 contexts of CartpoleBalance,
CheetahRun or ReacherEasy takes some 0.5 ms, about half of it between MuJoCo's calls, which the interpreter makes one at a
time: a second thread brings little there.
"""
_CONTEXTS = """
## Context coordinates

**Changes**, as the context space declares and `check_contextual_env` verifies on transitions: the dynamics (next latent states
or terminations), the reward of the same transition, the observation of the same latent state, or several of these. Where
`offctx.context_kinds` measures something else on random transitions, the cell says so. A mass, friction or gear without a unit
is a factor on the model's own. `offctx.ObservationContexts` adds coordinates of observation to each of these environments.
"""

_VARIANTS = """
## With inverted or permuted actuators

Environments around those above that have ids of their own, `offctx/<name>Inverted-v0` and `offctx/<name>Permuted-v0`
(`offctx.ActuatorContexts` makes more of any family). Each has the coordinates, steps, observations, actions and derivatives of
the family, and one discrete coordinate more, along which derivatives are zero; at its default, in brackets, it is the family. A
cell has the values of this coordinate, and what it changes. A family without an id has such a coordinate already, or too few
actions.
"""


def page(measured: Sequence[Facts] | None = None) -> str:
    """The page as Markdown.

    Args:
        measured: the environments; all that are registered, measured now, where not given.
    """
    measured = [facts(row) for row in ENVIRONMENTS] if measured is None else measured
    head = _HEAD.format(offctx=offctx.__version__, gymnasium=gymnasium.__version__, mujoco=mujoco.__version__)
    return "\n".join([head, *_environments(measured), _VARIANTS, *_variants(measured), _CONTEXTS, *_coordinates(measured)])


def _environments(measured: Sequence[Facts]) -> list[str]:
    head = ["id", "steps", "observation", "actions", "noise", "context", "derivatives"]
    head += ["error, median", "error, 99 %", "flagged"]
    rows = [
        [
            f"`{each.row.id}`",
            str(each.row.horizon),
            str(each.observation_size),
            each.actions,
            str(each.noise_size),
            _context_sizes(each.space),
            each.source,
            _error(each.error.median),
            _error(each.error.high),
            "" if each.error.flagged is None else f"{each.error.flagged:.2%}",
        ]
        for each in measured
    ]
    return markdown_table(head, rows, right=[1, 2, 3, 4, 7, 8, 9])


def _variants(measured: Sequence[Facts]) -> list[str]:
    """A row for each family that has variants, and a column for each kind of these."""
    rows = [
        [f"`{each.row.id}`", str(each.row.horizon), *(_variant(each.variants.get(ending)) for ending in VARIANTS)]
        for each in measured
        if each.variants
    ]
    head = ["family", "steps", *(f"{ending}: `{name}`" for ending, name in VARIANTS.items())]
    return markdown_table(head, rows, right=[1])


def _variant(variant: Variant | None) -> str:
    if variant is None:
        return ""
    values = [f"({value:g})" if value == variant.default else f"{value:g}" for value in variant.values]
    many = len(values) > _MOST_VALUES  # whole numbers, one for each permutation
    return f"{f'{values[0]} to {values[-1]}' if many else ', '.join(values)}: {variant.kinds}"


def _context_sizes(space: ContextSpace) -> str:
    """How many coordinates change what, such as "4: 3 dynamics, reward; 1 reward"."""
    counts = Counter(kinds_text(kinds) for kinds in space.kinds.values())
    return f"{space.size}: " + "; ".join(f"{n} {kinds}" for kinds, n in counts.items())


def _changes(each: Facts, name: str) -> str:
    """What a coordinate is declared to change, and what is measured where that is something else."""
    declared, measured = kinds_text(each.space.kinds[name]), each.kinds[name]
    return declared if declared == measured else f"{declared} (measured: {measured})"


def _error(value: float) -> str:
    return "0" if value == 0 else f"{value:.0e}"


def _coordinates(measured: Sequence[Facts]) -> list[str]:
    head = ["id", "coordinate", "unit", "from", "to", "default", "changes", "valid where"]
    rows = [
        [
            f"`{each.row.id}`",
            f"`{name}`" + _values(each.space, name),
            each.space.units[k],
            *(f"{bound[k]:.4g}" for bound in (each.space.low, each.space.high, each.space.default)),
            _changes(each, name),
            _constraints(each.space, name),
        ]
        for each in measured
        for k, name in enumerate(each.space.names)
    ]
    return markdown_table(head, rows, right=[3, 4, 5])


def _values(space: ContextSpace, name: str) -> str:
    """Which values a discrete coordinate takes, in brackets; nothing of a continuous one."""
    if name not in space.discrete:
        return ""
    return f" ({', '.join(f'{value:g}' for value in space.listed[name])})" if name in space.listed else " (discrete)"


def _constraints(space: ContextSpace, name: str) -> str:
    """The constraints that mention a coordinate, without those that its bounds imply, such as `mass > 0`."""
    k = space.index(name)
    mentioned = [text for text in space.constraints if re.search(rf"\b{name}\b", text)]
    trivial = {f"{name} > 0", f"{name} >= 0"} if space.low[k] > 0 else set()
    return ", ".join(f"`{text}`" for text in mentioned if text not in trivial)
