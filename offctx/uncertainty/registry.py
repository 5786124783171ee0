"""Quantifiers by name, so that a learner's config can be saved and loaded."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from offctx.errors import LinearError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.ensemble import EnsembleUncertainty
from offctx.uncertainty.none import NoUncertainty
from offctx.uncertainty.quantifier import UncertaintyQuantifier

Kind = TypeVar("Kind", bound=type[UncertaintyQuantifier])

_KINDS: dict[str, type[UncertaintyQuantifier]] = {
    "none": NoUncertainty,
    "elliptical": EllipticalUncertainty,
    "ensemble": EnsembleUncertainty,
}


def register_quantifier(name: str) -> Callable[[Kind], Kind]:
    """Registers a class under a name, as a decorator.

    Args:
        name: of the class in saved configs.

    Returns:
        a decorator, which returns the class unchanged.

    Raises:
        LinearError: the class is no `UncertaintyQuantifier`, or the name belongs to another class.
    """

    def register(kind: Kind) -> Kind:
        if not (isinstance(kind, type) and issubclass(kind, UncertaintyQuantifier)):
            raise LinearError(f"expected a subclass of UncertaintyQuantifier to register as {name!r}; found {kind!r}")
        owner = _KINDS.get(name, kind)
        if (owner.__module__, owner.__qualname__) != (kind.__module__, kind.__qualname__):  # the same class anew is fine
            raise LinearError(f"the name {name!r} belongs to {owner.__module__}.{owner.__qualname__}: choose another")
        _KINDS[name] = kind
        return kind

    return register


def quantifier_names() -> list[str]:
    """All registered names."""
    return list(_KINDS)


def make_quantifier(name: str, **settings: Any) -> UncertaintyQuantifier:
    """A quantifier by its registered name.

    Args:
        name: one of `quantifier_names()`.
        settings: arguments of the class; its defaults where left out.

    Returns:
        the quantifier, not fitted.

    Raises:
        LinearError: no such name, or settings that the quantifier does not take.
    """
    if name not in _KINDS:
        raise LinearError(
            f"expected a registered quantifier, one of {quantifier_names()}; found {name!r}. A quantifier of your own "
            f"has a name once its module is imported"
        )
    try:
        return _KINDS[name](**settings)
    except TypeError as error:
        raise LinearError(f"the quantifier {name!r} does not take these settings: {error}") from error


def describe(quantifier: UncertaintyQuantifier) -> tuple[str, dict[str, Any]]:
    """The registered name and the settings that make a quantifier anew.

    Raises:
        LinearError: its class is not registered, or a setting cannot be written as JSON.
    """
    kind = type(quantifier)
    name = next((name for name, known in _KINDS.items() if known is kind), None)
    if name is None:
        raise LinearError(
            f"expected a registered quantifier, so that it can be saved; found {kind.__name__}: put "
            f'@register_quantifier("a name of your own") before the class'
        )
    settings = quantifier.settings()
    try:
        json.dumps(settings)
    except (TypeError, ValueError) as error:
        raise LinearError(f"the settings of {kind.__name__} must be numbers and strings; found {settings}: {error}") from error
    return name, settings


def as_quantifier(quantifier: UncertaintyQuantifier | str) -> UncertaintyQuantifier:
    """A quantifier itself, or the one of a name with its default settings."""
    if isinstance(quantifier, UncertaintyQuantifier):
        return quantifier
    if not isinstance(quantifier, str):
        raise LinearError(f"expected a quantifier or one of the names {quantifier_names()}; found {quantifier!r}")
    return make_quantifier(quantifier)


def require_features(quantifier: UncertaintyQuantifier, use: str) -> UncertaintyQuantifier:
    """The quantifier, if it serves where there are features of data and no critic.

    Raises:
        LinearError: it needs the values of a critic's members.
    """
    if quantifier.needs == "members":
        valid = [name for name, kind in _KINDS.items() if kind.needs != "members"]
        raise LinearError(
            f"{type(quantifier).__name__} needs the values of a deep critic's members, and {use} has no critic: use a "
            f"quantifier of features, such as one of {valid}"
        )
    return quantifier
