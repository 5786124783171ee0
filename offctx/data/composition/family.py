"""Whether datasets are of one family, so that their episodes may stand in one dataset; and in what they differ."""

import json
from typing import Any

from offctx.data.composition.part import Part
from offctx.data.episodes import Episodes
from offctx.errors import DatasetError

_DERIVATIVES = ("source", "steps", "tolerance")


def check_same_family(first: Part, other: Part) -> None:
    """Checks that the metadata of two datasets agree.

    Raises:
        DatasetError: names the first thing in which they differ: environment, time limit, context space, spaces, or how
            derivatives were computed.
    """
    first_facts, other_facts = _facts(first), _facts(other)
    for name in first_facts:
        if first_facts[name] != other_facts[name]:
            raise DatasetError(
                f"{other.dataset_id} cannot be combined with {first.dataset_id}, as they differ in {name}: "
                f"{_text(other_facts[name])} and {_text(first_facts[name])}"
            )


def check_same_arrays(first: Part, kinds: dict[str, Any], other: Part, episodes: Episodes) -> None:
    """Checks that episodes have the arrays of the first dataset; raises DatasetError that names what differs."""
    other_kinds = kinds_of(episodes)
    for name in sorted(kinds.keys() | other_kinds.keys()):
        if kinds.get(name) != other_kinds.get(name):
            raise DatasetError(
                f"{other.dataset_id} cannot be combined with {first.dataset_id}, as they differ in {name}: "
                f"{_array(other_kinds.get(name))} and {_array(kinds.get(name))}"
            )


def kinds_of(episodes: Episodes) -> dict[str, Any]:
    """Of each array its type and the shape of a row."""
    return {name: (array.dtype.str, array.shape[1:]) for name, array in episodes.arrays().items()}


def _facts(part: Part) -> dict[str, Any]:
    metadata, derivatives = part.metadata, part.metadata.derivatives
    space = metadata.space().to_dict()
    return {
        "the environment": metadata.env,
        "the time limit": metadata.horizon,
        **{f"the {key} of the context space": value for key, value in space.items() if key != "kinds"},
        "the observation space": part.observation_space,
        "the action space": part.action_space,
        "the description of the environment": _plain(part.env_spec),
        "having derivatives": derivatives is not None,
        **{f"the {key} of the derivatives": getattr(derivatives, key, None) for key in _DERIVATIVES},
    }


def _plain(env_spec: str | None) -> Any:
    try:
        return json.loads(env_spec) if env_spec else None
    except (ValueError, RecursionError):
        return env_spec


def _array(kind: tuple[str, tuple[int, ...]] | None) -> str:
    return "none" if kind is None else f"{kind[0]} with rows {kind[1]}"


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}..."
