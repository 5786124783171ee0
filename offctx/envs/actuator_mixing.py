"""What an action becomes before it reaches the actuators: permuted, then multiplied or inverted, then clipped.

Dimensions: N rows, a action, q actuator coordinates.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.checks import number_in
from offctx.contexts.kinds import DeclaredKinds
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.errors import EnvError

ActuatorValues = Sequence[str] | Mapping[str, ArrayLike | None]

_KINDS = ("action_factor", "inversion", "permutation")
_EXACT = 2**53  # the largest whole number up to which float64 holds all


@dataclass(frozen=True)
class _Coordinate:
    """One actuator coordinate.

    Attributes:
        name: such as "action_factor" or "inversion_0".
        kind: "action_factor", "inversion" or "permutation".
        element: which actuator it concerns; None for all.
        values: sorted; None for all permutations.
    """

    name: str
    kind: str
    element: int | None
    values: tuple[float, ...] | None


class ActuatorMixing:
    """From the action that a policy gives to the one that reaches the actuators, by coordinates with these names:

    | name | meaning | values |
    |---|---|---|
    | action_factor, action_factor_<k> | multiplies all actions, or the one of actuator k | -1, 1 |
    | inversion, inversion_<k> | 1: all actuators, or actuator k, act the other way round | 0, 1 |
    | permutation | which actuator an action drives: the k-th permutation in lexicographic order, 0 the identity | 0, 1, ... |

    Actions are first permuted (actuator permutation[i] gets action i), then multiplied, then clipped to the action space. Where
    actions are Discrete, the permutation is one of the actions, and -1 or inversion 1 reverses their order.

    Args:
        space: of the actions; a 1-D Box, or Discrete.
        coordinates: names, or a mapping from names to the values that the coordinate takes; None in place of values stands for
            those of the table.

    Raises:
        EnvError: an unknown name, an actuator that does not exist, or values that do not fit.
    """

    def __init__(self, space: spaces.Space[Any], coordinates: ActuatorValues) -> None:
        self.discrete = isinstance(space, spaces.Discrete)
        if not self.discrete and not (isinstance(space, spaces.Box) and len(space.shape) == 1):
            raise EnvError(f"actuator contexts need actions in a 1-D Box or Discrete; found {space}")
        listed = isinstance(coordinates, (Sequence, Mapping)) and not isinstance(coordinates, str)
        if not listed or not coordinates or not all(isinstance(name, str) for name in coordinates):
            raise EnvError(
                f"expected a list of actuator coordinates, at least one of {', '.join(_KINDS)}; found {coordinates!r}"
            )
        self._space: Any = space
        self.size = int(space.n) if isinstance(space, spaces.Discrete) else int(np.prod(space.shape or ()))
        if len({str(name) for name in coordinates}) < len(coordinates):
            raise EnvError(f"an actuator coordinate is given twice: {list(coordinates)}")
        values_by_name = dict(coordinates) if isinstance(coordinates, Mapping) else dict.fromkeys(coordinates)
        self._coordinates = [self._parse(str(name), values) for name, values in values_by_name.items()]

    def _parse(self, name: str, values: ArrayLike | None) -> _Coordinate:
        kind = next((kind for kind in _KINDS if name == kind or name.startswith(f"{kind}_")), None)
        suffix = name[len(kind) + 1 :] if kind else ""
        if kind is None or (suffix and (kind == "permutation" or self.discrete or not _is_number(suffix))):
            numbered = "" if self.discrete else ", action_factor_<k>, inversion_<k> with k the number of an actuator"
            raise EnvError(f"unknown actuator coordinate {name!r}; known are {', '.join(_KINDS)}{numbered}")
        if suffix and int(suffix) >= self.size:
            raise EnvError(f"{name}: there is no actuator {suffix}; the actions are {self.size}, from 0 on")
        if kind == "permutation" and self.size < 2:
            raise EnvError("a permutation needs two actions; this environment has 1")
        return _Coordinate(name, kind, int(suffix) if suffix else None, self._values(name, kind, values))

    def _values(self, name: str, kind: str, values: ArrayLike | None) -> tuple[float, ...] | None:
        """The values of a coordinate, checked."""
        count = math.factorial(self.size)
        if values is None:
            if kind == "permutation" and count > _EXACT:
                raise EnvError(f"{self.size} actions have {count:.1e} permutations, too many for one number: list some of them")
            return {"action_factor": (-1.0, 1.0), "inversion": (0.0, 1.0), "permutation": None}[kind]
        try:
            listed = np.asarray(values, dtype=np.float64)
            row = np.unique(listed)
        except (TypeError, ValueError) as error:
            raise EnvError(f"the values of {name} must be numbers; found {values!r}") from error
        rules = {
            "action_factor": ("-1 and 1 where actions are Discrete", not self.discrete or bool(np.isin(row, (-1, 1)).all())),
            "inversion": ("0 and 1", bool(np.isin(row, (0, 1)).all())),
            "permutation": (
                f"whole numbers from 0 to {min(count, _EXACT) - 1}",
                bool(((row == np.floor(row)) & (row >= 0) & (row < min(count, _EXACT))).all()),
            ),
        }
        rule, holds = rules[kind]
        if listed.ndim != 1:
            raise EnvError(f"the values of {name} must be one list of numbers; found {values!r}")
        if len(row) < 2 or not np.isfinite(row).all() or not holds:
            raise EnvError(f"the values of {name} must be two or more finite numbers, {rule}; found {values!r}")
        return tuple(row.tolist())

    def context_space(self, kinds: DeclaredKinds) -> ContextSpace:
        """The actuator coordinates alone, of these kinds. At the default nothing changes, or at the nearest value to that."""
        last = [each.values or (0.0, math.factorial(self.size) - 1.0) for each in self._coordinates]
        identity = [1.0 if each.kind == "action_factor" else 0.0 for each in self._coordinates]
        return ContextSpace(
            [each.name for each in self._coordinates],
            [values[0] for values in last],
            [values[-1] for values in last],
            [_nearest(each.values, at) for each, at in zip(self._coordinates, identity, strict=True)],
            constraints=[
                f"0 <= {each.name} <= {math.factorial(self.size) - 1}" for each in self._coordinates if each.values is None
            ],
            discrete={each.name: each.values for each in self._coordinates},
            kinds=kinds,
        )

    def mix(self, actions: Array, contexts: Array, *, clip: bool = True) -> Array:
        """The actions that reach the actuators.

        Args:
            actions: (N, a), or integers (N,) where Discrete; they are not changed.
            contexts: actuator coordinates (N, q).
            clip: whether to clip them to the action space.

        Returns:
            Like the actions, in their dtype.
        """
        if self.discrete:
            return self._mix_discrete(np.asarray(actions), contexts)
        mixed = np.asarray(actions)
        for k, each in enumerate(self._coordinates):
            if each.kind == "permutation":
                mixed = _scattered(mixed, _orders(contexts[:, k], self.size))
        for factor, each in self._factors(contexts):
            columns = slice(None) if each.element is None else slice(each.element, each.element + 1)
            mixed = mixed.copy()
            mixed[:, columns] = mixed[:, columns] * factor[:, None]
        return np.clip(mixed, self._space.low, self._space.high).astype(mixed.dtype) if clip else mixed

    def _mix_discrete(self, actions: Array, contexts: Array) -> Array:
        start = int(self._space.start)
        numbers = actions - start
        for k, each in enumerate(self._coordinates):
            if each.kind == "permutation":
                numbers = np.take_along_axis(_orders(contexts[:, k], self.size), numbers[:, None], axis=1)[:, 0]
        for factor, _ in self._factors(contexts):
            numbers = np.where(factor < 0, self.size - 1 - numbers, numbers)
        return np.asarray(numbers + start, dtype=actions.dtype)

    def _factors(self, contexts: Array) -> list[tuple[Array, _Coordinate]]:
        """What each coordinate that multiplies multiplies by (N,)."""
        signs = [(k, each) for k, each in enumerate(self._coordinates) if each.kind != "permutation"]
        return [(contexts[:, k] if each.kind == "action_factor" else 1 - 2 * contexts[:, k], each) for k, each in signs]


def _is_number(suffix: str) -> bool:
    """Whether it is the number of an actuator, written in the only way: "0", "12", and not "00"."""
    number = number_in(suffix)
    return number is not None and suffix == str(number)


def _nearest(values: tuple[float, ...] | None, number: float) -> float:
    """The nearest of the values to a number; the number where there are no values."""
    return number if values is None else values[int(np.abs(np.subtract(values, number)).argmin())]


def permutation(index: int, n: int) -> list[int]:
    """The permutation of 0..n-1 with this index in lexicographic order."""
    remaining, order = list(range(n)), []
    for k in range(n - 1, -1, -1):
        place, index = divmod(index, math.factorial(k))
        order.append(remaining.pop(place))
    return order


def _orders(indices: Array, n: int) -> Array:
    """The permutations (N, n) of 0..n-1 with these indices (N,)."""
    unique, inverse = np.unique(indices, return_inverse=True)
    return np.array([permutation(int(index), n) for index in unique])[np.ravel(inverse)]


def _scattered(actions: Array, orders: Array) -> Array:
    """Actions (N, a) of which number i stands at place orders[:, i]."""
    mixed = np.empty_like(actions)
    np.put_along_axis(mixed, orders, actions, axis=1)
    return mixed
