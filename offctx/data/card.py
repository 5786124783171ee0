"""The card of a dataset: what is in it, for people and for programs."""

from typing import Any

import numpy as np

from offctx.analysis.sensitivity import context_sensitivity, ranking_lines
from offctx.data.dataset import ContextualDataset
from offctx.errors import DerivativeError


def card(dataset: ContextualDataset) -> dict[str, Any]:
    """What `offctx show` shows, as plain JSON data; infinite bounds are None."""
    space, returns = dataset.context_space, dataset.episode_returns
    ids = dataset.episode_context_ids
    metadata = dataset.metadata
    quantiles = [np.quantile(returns[ids == c], (0.05, 0.25, 0.5, 0.75, 0.95)) for c in range(ids.max() + 1)]
    return {
        "dataset_id": dataset.dataset_id,
        "env": metadata.env if metadata else None,
        "episodes": dataset.num_episodes,
        "transitions": len(dataset),
        "observation_space": str(dataset.observation_space),
        "action_space": str(dataset.action_space),
        "context": [
            {"name": n, "unit": u, "low": _finite(lo), "high": _finite(hi), "default": float(d)}
            for n, u, lo, hi, d in zip(space.names, space.units, space.low, space.high, space.default, strict=True)
        ],
        "constraints": list(space.constraints),
        "contexts": [
            {
                "context": dict(zip(space.names, map(float, context), strict=True)),
                "episodes": int((ids == c).sum()),
                "return_quantiles": {"5%": q[0], "25%": q[1], "50%": q[2], "75%": q[3], "95%": q[4]},
            }
            for c, (context, q) in enumerate(zip(dataset.unique_contexts, np.asarray(quantiles).tolist(), strict=True))
        ],
        "behaviour": metadata.behaviour.model_dump() if metadata else None,
        "derivatives": metadata.derivatives.model_dump() if metadata and metadata.derivatives else None,
        "sensitivity": _sensitivity(dataset),
        "sha256": metadata.sha256 if metadata else None,
    }


def _sensitivity(dataset: ContextualDataset) -> dict[str, Any] | None:
    """`Sensitivity.to_dict`; None without derivatives, or where all are flagged."""
    try:
        return context_sensitivity(dataset).to_dict() if dataset.has_derivatives else None
    except DerivativeError:
        return None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def render(card: dict[str, Any], most_contexts: int = 20) -> str:
    """A card as text; a long list of contexts is cut, and says so."""
    lines = [
        card["dataset_id"],
        f"  environment   {card['env'] or 'not said'}",
        f"  size          {card['transitions']} transitions in {card['episodes']} episodes",
        f"  observations  {card['observation_space']}",
        f"  actions       {card['action_space']}",
    ]
    behaviour, derivatives = card["behaviour"], card["derivatives"]
    if behaviour:
        members = zip(behaviour["policies"], behaviour["weights"], strict=True)
        lines.append("  behaviour     " + ", ".join(f"{name} ({weight:.0%})" for name, weight in members))
    if derivatives:
        error = "" if derivatives["error"] is None else f", relative error {derivatives['error']:.1e}"
        if derivatives["flagged"] is not None:
            error += f", {derivatives['flagged']} flagged (above {derivatives['tolerance']:g})"
        lines.append(f"  derivatives   {derivatives['source']}{error}")
    else:
        lines.append("  derivatives   none")
    lines += [f"  sha256        {card['sha256'] or 'none'}", "  context"]
    for c in card["context"]:
        low, high = ("-inf" if c["low"] is None else f"{c['low']:g}", "inf" if c["high"] is None else f"{c['high']:g}")
        lines.append(f"    {c['name']:<12} [{low}, {high}] {c['unit']:<6} default {c['default']:g}")
    lines += [f"    valid where  {text}" for text in card["constraints"]]
    if card["sensitivity"]:
        lines += ranking_lines(card["sensitivity"])
    lines.append(f"  {len(card['contexts'])} contexts: episodes, return quantiles 5% / 25% / 50% / 75% / 95%")
    for row in card["contexts"][:most_contexts]:
        where = ", ".join(f"{name}={value:.4g}" for name, value in row["context"].items())
        quantiles = " / ".join(f"{value:.1f}" for value in row["return_quantiles"].values())
        lines.append(f"    {where:<40} {row['episodes']:>5}   {quantiles}")
    if len(card["contexts"]) > most_contexts:
        lines.append(f"    ... and {len(card['contexts']) - most_contexts} more; --json has them all")
    return "\n".join(lines)
