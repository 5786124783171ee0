"""The card of a dataset: what is in it, as JSON data for programs and as text for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from offctx.contexts.space import ContextSpace
from offctx.data.dataset import ContextualDataset
from offctx.words import count

_QUANTILES = {"5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95}


def card(dataset: ContextualDataset, sensitivity: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns the card of a dataset as plain JSON data; infinite bounds are None.

    Args:
        dataset: the dataset.
        sensitivity: `offctx.context_sensitivity(dataset).to_dict()`, to be part of the card; None leaves it out.

    Example::

        print(render(card(dataset, offctx.context_sensitivity(dataset).to_dict())))
    """
    metadata = dataset.metadata
    return {
        "dataset_id": dataset.dataset_id,
        "about": dataset.about.to_minari(),
        "env": metadata.env if metadata else None,
        "episodes": dataset.num_episodes,
        "transitions": len(dataset),
        "observation_space": str(dataset.observation_space),
        "action_space": str(dataset.action_space),
        "context": _coordinates(dataset.context_space),
        "constraints": list(dataset.context_space.constraints),
        "contexts": _contexts(dataset),
        "behaviour": metadata.behaviour.model_dump() if metadata else None,
        "derivatives": metadata.derivatives.model_dump() if metadata and metadata.derivatives else None,
        "sensitivity": sensitivity,
        "sha256": dataset.checksum,
        "metadata_sha256": metadata.metadata_sha256 if metadata else None,
    }


def _coordinates(space: ContextSpace) -> list[dict[str, Any]]:
    columns = zip(space.names, space.units, space.low, space.high, space.default, strict=True)
    return [
        {
            "name": name,
            "unit": unit,
            "low": _finite(low),
            "high": _finite(high),
            "default": float(default),
            "kinds": list(space.kinds[name]),
        }
        for name, unit, low, high, default in columns
    ]


def _contexts(dataset: ContextualDataset) -> list[dict[str, Any]]:
    """Of each distinct context: its coordinates, how many episodes it has, and the quantiles of their returns."""
    names, ids, returns = dataset.context_space.names, dataset.episode_context_ids, dataset.episode_returns
    return [
        {
            "context": dict(zip(names, map(float, context), strict=True)),
            "episodes": int((ids == c).sum()),
            "return_quantiles": dict(
                zip(_QUANTILES, np.quantile(returns[ids == c], list(_QUANTILES.values())).tolist(), strict=True)
            ),
        }
        for c, context in enumerate(dataset.unique_contexts)
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def render(card: dict[str, Any], most_contexts: int = 20) -> str:
    """Returns a card as text; a list of more than `most_contexts` contexts is cut, and the text says so."""
    lines = [
        card["dataset_id"],
        *about_lines(card["about"]),
        f"  environment   {card['env'] or 'not said'}",
        f"  size          {count(card['transitions'], 'transition')} in {count(card['episodes'], 'episode')}",
        f"  observations  {card['observation_space']}",
        f"  actions       {card['action_space']}",
    ]
    if card["behaviour"]:
        policies = zip(card["behaviour"]["policies"], card["behaviour"]["weights"], strict=True)
        lines.append("  behaviour     " + ", ".join(f"{name} ({weight:.0%})" for name, weight in policies))
    lines += [f"  derivatives   {_derivatives_text(card['derivatives'])}", f"  sha256        {checksum_text(card)}"]
    for changes, coordinates in by_kinds(card["context"]).items():
        lines += [f"  context{changes}", *(_coordinate_line(coordinate) for coordinate in coordinates)]
    lines += [f"    valid where  {text}" for text in card["constraints"]]
    if card["sensitivity"]:
        lines += sensitivity_lines(card["sensitivity"])
    lines.append(f"  {count(len(card['contexts']), 'context')}: episodes, return quantiles {' / '.join(_QUANTILES)}")
    lines += [_context_line(context) for context in card["contexts"][:most_contexts]]
    if len(card["contexts"]) > most_contexts:
        lines.append(f"    ... and {len(card['contexts']) - most_contexts} more; --json has them all")
    return "\n".join(lines)


def by_kinds(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows with "kinds" in groups, each under its heading, such as ", changes the reward"; "" where no row declares any."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get("kinds", ())), []).append(row)
    if list(groups) == [()]:
        return {"": groups[()]}
    return {_changes(kinds): group for kinds, group in groups.items()}


def _changes(kinds: Sequence[str]) -> str:
    return f", changes {' and '.join(f'the {kind}' for kind in kinds)}" if kinds else ", what it changes is not declared"


def about_lines(about: Mapping[str, Any]) -> list[str]:
    """Returns a line for each key of `About.to_minari`."""
    texts = {key: value if isinstance(value, str) else ", ".join(value) for key, value in about.items()}
    names = {"author_email": "email", "code_permalink": "code"}
    return [f"  {names.get(key, key):<13} {' '.join(text.split())}" for key, text in texts.items()]


def checksum_text(card: Mapping[str, Any]) -> str:
    """Returns the checksums of a card, and what they do not cover."""
    if card["sha256"] is None:
        return "none: plain Minari data have no checksum, so that damage and changes are not noticed"
    if card["metadata_sha256"] is None:
        return f"{card['sha256']} of the data; the metadata have none, as in all of layout version 1"
    return f"{card['sha256']} of the data, {card['metadata_sha256']} of all"


def _derivatives_text(derivatives: Mapping[str, Any] | None) -> str:
    if not derivatives:
        return "none"
    text = str(derivatives["source"])
    if derivatives["error"] is not None:
        text += f", relative error {derivatives['error']:.1e}"
    if derivatives["flagged"] is not None:
        text += f", {derivatives['flagged']} flagged (above {derivatives['tolerance']:g})"
    return text


def _coordinate_line(coordinate: Mapping[str, Any]) -> str:
    low = "-inf" if coordinate["low"] is None else f"{coordinate['low']:g}"
    high = "inf" if coordinate["high"] is None else f"{coordinate['high']:g}"
    return f"    {coordinate['name']:<12} [{low}, {high}] {coordinate['unit']:<6} default {coordinate['default']:g}"


def _context_line(context: Mapping[str, Any]) -> str:
    coordinates = ", ".join(f"{name}={value:.4g}" for name, value in context["context"].items())
    quantiles = " / ".join(f"{value:.1f}" for value in context["return_quantiles"].values())
    return f"    {coordinates:<40} {context['episodes']:>5}   {quantiles}"


def _sensitivity_line(row: Mapping[str, Any]) -> str:
    by = f"{row['by']:g} {row['unit']}".strip()
    return f"    {row['name']:<12} {by:<16} {row['next_observation']:>18.3g} {row['reward']:>10.3g} {row['both']:>10.3g}"


def sensitivity_lines(sensitivity: Mapping[str, Any]) -> list[str]:
    """Returns the ranking in `Sensitivity.to_dict` as text, a line for each coordinate, in groups by what these change."""
    lines = ["  sensitivity: root mean square move of outcomes, the coordinate moved by half its range"]
    lines.append(f"    {'':<12} {'moved by':<16} {'next observation':>18} {'reward':>10} {'both':>10}")
    for changes, rows in by_kinds(sensitivity["ranking"]).items():
        lines += [f"   {changes[1:]}:"] if changes else []
        lines += [_sensitivity_line(row) for row in rows]
    lines += [f"    {name:<12} discrete: no derivative, not ranked" for name in sensitivity["discrete"]]
    lines.append("    next observation in units of one step's change, reward in units of its standard deviation")
    if sensitivity["left_out"]:
        total = sensitivity["transitions"] + sensitivity["left_out"]
        lines.append(f"    left out: {sensitivity['left_out']} of {total} transitions, whose derivatives are flagged")
    return lines
