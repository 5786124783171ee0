"""A registered quantifier as a field of a d3rlpy config: its name and settings are saved."""

from typing import Any

from dataclasses_json import config

from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import describe, make_quantifier


def _encode(quantifier: UncertaintyQuantifier | None) -> dict[str, Any] | None:
    if quantifier is None:
        return None
    name, settings = describe(quantifier)
    return {"name": name, "settings": settings}


def _decode(saved: dict[str, Any] | None) -> UncertaintyQuantifier | None:
    return None if saved is None else make_quantifier(saved["name"], **saved["settings"])


QUANTIFIER = config(encoder=_encode, decoder=_decode)
