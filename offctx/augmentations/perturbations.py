"""Random perturbations within a radius, and perturbed contexts that stay valid.

Dimensions: n rows, d coordinates, p context.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from offctx.checks import Floats
from offctx.contexts.redraw import redraw_until_valid
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError

Shape = Literal["ball", "sphere"]
Draw = Callable[[int, Floats, np.random.Generator], Floats]

_REDRAWS = 20
_HALVINGS = 30


def in_ball(n: int, radius: Floats, rng: np.random.Generator) -> Floats:
    """n perturbations (n, d), uniform in the ellipsoid with semi-axes `radius` (d,); 0 where the radius is 0."""
    perturbations, moving = np.zeros((n, len(radius))), radius > 0
    if moving.any():
        direction = _directions(n, int(moving.sum()), rng)
        direction *= rng.random((n, 1)) ** (1 / direction.shape[1])
        perturbations[:, moving] = direction * radius[moving]
    return perturbations


def on_sphere(n: int, radius: Floats, rng: np.random.Generator) -> Floats:
    """n perturbations (n, d) on the surface of that ellipsoid: uniform unit vectors times `radius` (d,)."""
    perturbations, moving = np.zeros((n, len(radius))), radius > 0
    if moving.any():
        perturbations[:, moving] = _directions(n, int(moving.sum()), rng) * radius[moving]
    return perturbations


DRAWS: dict[str, Draw] = {"ball": in_ball, "sphere": on_sphere}


def _directions(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Uniform unit vectors (n, d)."""
    direction = rng.standard_normal((n, d))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction


def perturbed_contexts(
    contexts: NDArray[np.float32], space: ContextSpace, radius: Floats, draw: Draw, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Valid contexts near the given ones.

    A perturbation to a context that is not valid is drawn again, and from a smaller and smaller radius where that does not
    help. A context that is not valid itself stays as it is.

    Args:
        contexts: (n, p).
        space: says which contexts are valid.
        radius: (p,), in the units of the context.
        draw: `in_ball` or `on_sphere`.
        rng: of the draws.

    Returns:
        The contexts (n, p), and the perturbations (n, p).
    """
    base = contexts.astype(np.float64)
    within = np.clip(base, space.low, space.high)
    # float32 does not hold every bound: a context on a bound may come in one rounding outside it.
    base = np.where(np.abs(base - within) <= np.spacing(np.abs(contexts)), within, base)

    def propose(missing: NDArray[np.intp], attempt: int) -> tuple[Floats, NDArray[np.bool_]]:
        proposed = draw(len(missing), radius, rng)
        if attempt > _REDRAWS:
            proposed *= 0.5 ** (attempt - _REDRAWS)
        return proposed, space.valid((base[missing] if attempt else base) + proposed)

    perturbations, invalid = redraw_until_valid(propose, len(base), 1 + _REDRAWS + _HALVINGS)
    perturbations[invalid] = 0
    return (base + perturbations).astype(np.float32), perturbations.astype(np.float32)


def check_radius(radius: Any, name: str, of: str) -> Floats:
    """A radius as one number >= 0, () or a vector of those, one per coordinate.

    Args:
        radius: what the user gives.
        name: of the augmentation and its argument, as "CSE radius".
        of: what has the coordinates, a "context", a "state" or an "action".

    Raises:
        ContextError: it is something else.
    """
    try:
        checked = np.array(radius, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContextError(f"{name} must be one number, or one per {of} coordinate; found {radius!r}") from error
    if checked.ndim > 1 or not np.isfinite(checked).all() or (checked < 0).any():
        raise ContextError(f"{name} must be one number >= 0, or one per {of} coordinate; found {radius!r}")
    return checked
