"""The card of plain Minari data that carry no contexts, or that offctx does not read: what is known of them all the same."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from gymnasium import spaces
from minari.serialization import deserialize_space

from offctx.contexts.space import ContextSpace
from offctx.data.about import About
from offctx.data.card import about_lines, card, checksum_text
from offctx.data.dataset import ContextualDataset
from offctx.data.layout import check_spaces
from offctx.data.metadata import parse_metadata
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.limits import size_of
from offctx.data.storage.read import read_metadata
from offctx.errors import DatasetError
from offctx.words import bytes_text, count

_ANY_CONTEXT = ContextSpace(["any"], low=-1.0, high=1.0, default=0.0)  # to read the arrays of data whose context is not known
_LONGEST = 400  # characters of a space in the text


def plain_card(dataset_id: str, load: Callable[..., ContextualDataset], fault: DatasetError) -> dict[str, Any]:
    """Returns the card of plain Minari data that cannot be loaded as they are, as plain JSON data.

    It has the keys of `offctx.data.card.card` and some more. The arrays are read where offctx can hold them, so that damage is
    an error here too. Of other data, their metadata tell all.

    Args:
        dataset_id: Minari id.
        load: as `load_dataset`.
        fault: why the data cannot be loaded.

    Returns:
        Beside the keys of every card: `not_loaded`, the reason and what to do; `algorithm`, as Minari has it; `size_bytes`; and
        `returns`, from quantiles to returns of episodes, or None.

    Raises:
        DatasetError: `fault`, where the data are offctx's own, or their metadata describe no spaces; or the data are damaged.
    """
    folder = dataset_folder(dataset_id)
    raw = read_metadata(folder / "data", dataset_id)
    if parse_metadata(raw, dataset_id) is not None:
        raise fault
    observation_space, action_space = (_space(raw, key, fault) for key in ("observation_space", "action_space"))
    outside = _outside_layout(observation_space, action_space, dataset_id)
    if outside is None:
        dataset = load(dataset_id, relabel=_ANY_CONTEXT.default, context_space=_ANY_CONTEXT)
        contents = card(dataset)
        returns, reason = contents["contexts"][0]["return_quantiles"], f"in Python, offctx.load_dataset: {fault}"
    else:
        contents, returns = _by_metadata(raw, dataset_id), None
        reason = f"offctx does not read them: {outside}. minari.load_dataset does"
    spaces_text = {"observation_space": _text_of(observation_space), "action_space": _text_of(action_space)}
    algorithm = raw["algorithm_name"] if isinstance(raw.get("algorithm_name"), str) else None
    more = {"not_loaded": reason, "algorithm": algorithm, "size_bytes": size_of(folder), "returns": returns}
    return contents | spaces_text | {"env": _env_id(raw), "context": [], "contexts": [], "sha256": None} | more


def render_plain(card: Mapping[str, Any]) -> str:
    """Returns what `plain_card` returned as text."""
    numbers = (("transitions", "transition"), ("episodes", "episode"))
    size = " in ".join(count(card[key], word) if card[key] is not None else f"{key} not said" for key, word in numbers)
    lines = [
        card["dataset_id"],
        *about_lines(card["about"]),
        f"  environment   {card['env'] or 'not said'}",
        *([f"  algorithm     {' '.join(card['algorithm'].split())}"] if card["algorithm"] else []),
        f"  size          {size}, {bytes_text(card['size_bytes'])} on disk",
        f"  observations  {_cut(card['observation_space'] or 'not said')}",
        f"  actions       {_cut(card['action_space'] or 'not said')}",
    ]
    if card["returns"]:
        values = " / ".join(f"{value:.1f}" for value in card["returns"].values())
        lines.append(f"  returns       quantiles {' / '.join(card['returns'])}: {values}")
    lines += [
        "  derivatives   none",
        f"  sha256        {checksum_text(card)}",
        "  contexts      none are known: plain Minari data carry no labels",
        f"  to use them   {card['not_loaded']}",
    ]
    return "\n".join(lines)


def _by_metadata(raw: Mapping[str, Any], dataset_id: str) -> dict[str, Any]:
    """The keys of a card, from Minari's metadata alone."""
    return {
        "dataset_id": dataset_id,
        "about": About.of(raw).to_minari(),
        "env": None,
        "episodes": _number(raw.get("total_episodes")),
        "transitions": _number(raw.get("total_steps")),
        "observation_space": None,
        "action_space": None,
        "context": [],
        "constraints": [],
        "contexts": [],
        "behaviour": None,
        "derivatives": None,
        "sensitivity": None,
        "sha256": None,
        "metadata_sha256": None,
    }


def _space(raw: Mapping[str, Any], key: str, fault: DatasetError) -> spaces.Space[Any] | None:
    """A space that the metadata describe; None where they leave it to the environment, as Minari allows."""
    if raw.get(key) is None:
        return None
    try:
        space: spaces.Space[Any] = deserialize_space(raw[key])
    except Exception:  # whatever Minari, Gymnasium and NumPy raise for a hostile description; the fault says what
        raise fault from None
    return space


def _outside_layout(observation_space: Any, action_space: Any, dataset_id: str) -> str | None:
    """Why offctx cannot hold data of these spaces; None where it can."""
    if observation_space is None or action_space is None:
        return "the metadata do not describe the spaces, and it does not make the environment to find out"
    try:
        check_spaces(observation_space, action_space, dataset_id)
    except DatasetError as error:
        return str(error).removeprefix(f"{dataset_id}: ")
    return None


def _env_id(raw: Mapping[str, Any]) -> str | None:
    """The environment that Gymnasium's description names."""
    try:
        name = json.loads(raw["env_spec"])["id"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _text_of(space: Any) -> str | None:
    return None if space is None else " ".join(str(space).split())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
