"""What is known of a registered environment: its sizes and context space, and what is measured on random transitions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.analysis.context_kinds import context_kinds
from offctx.contexts.kinds import kinds_text
from offctx.contexts.space import ContextSpace
from offctx.envs.base import ContextualEnv
from offctx.envs.random_transitions import random_transitions
from offctx.envs.registry import VARIANTS, RegistryRow
from offctx.envs.resolve import resolve
from offctx.envs.testing.derivatives import relative_deviations


@dataclass(frozen=True)
class DerivativeError:
    """How far derivatives are from central differences, relative to these, over random transitions.

    Attributes:
        median: of all transitions.
        high: the 99 % quantile.
        flagged: share of transitions whose own error estimate is above the tolerance; None where there is no estimate.
        rows: how many transitions.
    """

    median: float
    high: float
    flagged: float | None
    rows: int


@dataclass(frozen=True)
class Facts:
    """One environment.

    Attributes:
        row: of the registry.
        space: of its contexts.
        observation_size: o.
        actions: such as "2" or "2 discrete".
        noise_size: normal numbers that a step draws.
        source: of the context derivatives.
        kinds: what each coordinate changes, measured.
        error: of the context derivatives.
        variants: the environments around this one that have ids, by the ending of their names.
    """

    row: RegistryRow
    space: ContextSpace
    observation_size: int
    actions: str
    noise_size: int
    source: str
    kinds: dict[str, str]
    error: DerivativeError
    variants: dict[str, "Variant"]


@dataclass(frozen=True)
class Variant:
    """An environment of the registry around another one, such as "Inverted".

    Attributes:
        id: of Gymnasium.
        horizon: its time limit.
        coordinate: that it adds, a discrete one.
        values: that the coordinate takes.
        default: at which nothing changes.
        kinds: what it changes.
    """

    id: str
    horizon: int
    coordinate: str
    values: tuple[float, ...]
    default: float
    kinds: str


def facts(row: RegistryRow, seed: int = 0, **sizes: Any) -> Facts:
    """Looks at and measures one environment.

    Args:
        row: of the registry.
        seed: of all random draws.
        sizes: `episodes` and `steps` of `random_transitions`, for the error of derivatives.
    """
    resolved = resolve(row.id)
    env = resolved.env
    (o,) = env.observation_space.shape or ()
    rows, _ = random_transitions(resolved, seed, **sizes)
    return Facts(
        row=row,
        space=env.context_space,
        observation_size=o,
        actions=_actions(env),
        noise_size=env.noise_size,
        source=env.derivative_source,
        kinds=context_kinds(row.id, seed),
        error=_derivative_error(env, rows),
        variants={ending: _variant(row, ending) for ending in row.variants},
    )


def _variant(row: RegistryRow, ending: str) -> Variant:
    resolved, name = resolve(row.variant_id(ending)), VARIANTS[ending]
    space = resolved.env.context_space
    values = tuple(space.values(name).tolist())
    default = float(space.default[space.index(name)])
    return Variant(row.variant_id(ending), resolved.horizon, name, values, default, kinds_text(space.kinds[name]))


def _actions(env: ContextualEnv) -> str:
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return f"{space.n} discrete"
    assert isinstance(space, spaces.Box)
    return str(space.shape[0])


def _derivative_error(env: ContextualEnv, rows: Any) -> DerivativeError:
    deviations = relative_deviations(env, rows)
    deviations = deviations[np.isfinite(deviations)]
    estimated = env.derivatives_with_error(*rows)[2]
    flagged = None if estimated is None else float((~(estimated <= (env.derivative_tolerance or 0))).mean())
    return DerivativeError(float(np.median(deviations)), float(np.quantile(deviations, 0.99)), flagged, len(deviations))
