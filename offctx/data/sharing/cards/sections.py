"""The sections of a dataset's README: what there is, contexts, returns, arrays, and how it was made.

Dimensions: N transitions, E episodes, C contexts, p context.
"""

import json
from typing import Any

import numpy as np

from offctx.data.about import About
from offctx.data.card import by_kinds, card
from offctx.data.dataset import ContextualDataset
from offctx.data.sharing.cards.arrays import array_facts
from offctx.data.sharing.cards.markdown import code, escaped, table
from offctx.words import count

_MOST_CONTEXTS = 50


def shape(dataset: ContextualDataset, about: About) -> list[str]:
    """A table of what there is."""
    metadata = dataset.metadata
    rows = [
        ["dataset id", code(dataset.dataset_id)],
        ["environment", code(metadata.env) if metadata else "not said"],
        ["size", f"{len(dataset):,} transitions in {count(dataset.num_episodes, 'episode')}"],
        ["contexts", f"{len(dataset.unique_contexts)}, of {count(dataset.context_space.size, 'coordinate')}"],
        ["observations", code(str(dataset.observation_space))],
        ["actions", code(str(dataset.action_space))],
    ]
    if metadata:
        behaviour = metadata.behaviour
        policies = zip(behaviour.policies, behaviour.weights, strict=False)
        rows.append(["behaviour", ", ".join(f"{escaped(name, 160)} ({weight:.0%})" for name, weight in policies)])
        rows.append(["context derivatives", escaped(metadata.derivatives.source, 160) if metadata.derivatives else "none"])
    rows.append(["license", escaped(about.license, 160) if about.license else "not said"])
    if about.author:
        rows.append(["authors", ", ".join(escaped(author, 160) for author in about.author)])
    return table(["", ""], rows)


def contexts(dataset: ContextualDataset) -> list[str]:
    """The coordinates of the context."""
    described = card(dataset)
    rows = [
        [
            code(row["name"]),
            escaped(row["unit"], 60),
            _number(row["low"], "-inf"),
            _number(row["high"], "inf"),
            f"{row['default']:g}",
            changes.removeprefix(", ").replace("changes ", ""),
        ]
        for changes, group in by_kinds(described["context"]).items()
        for row in group
    ]
    lines = ["## Contexts", "", *table(["coordinate", "unit", "low", "high", "default", "changes"], rows), ""]
    if described["constraints"]:
        lines += [f"Valid where {', '.join(code(text) for text in described['constraints'])}.", ""]
    return lines


def returns(dataset: ContextualDataset) -> list[str]:
    """The returns in each context; of many contexts, the first."""
    described = card(dataset)["contexts"]
    names = dataset.context_space.names
    ids, all_returns = dataset.episode_context_ids, dataset.episode_returns
    means = np.bincount(ids, weights=all_returns) / np.bincount(ids)
    rows = [
        [
            *(f"{row['context'][name]:.4g}" for name in names),
            str(row["episodes"]),
            f"{means[k]:.1f}",
            *(f"{row['return_quantiles'][quantile]:.1f}" for quantile in ("5%", "50%", "95%")),
        ]
        for k, row in enumerate(described[:_MOST_CONTEXTS])
    ]
    heads = [*(code(name) for name in names), "episodes", "mean return", "5 %", "median", "95 %"]
    lines = ["## Returns", "", *table(heads, rows), ""]
    if len(described) > _MOST_CONTEXTS:
        lines += [f"... and {len(described) - _MOST_CONTEXTS} contexts more. ", ""]
    return lines


def arrays(dataset: ContextualDataset) -> list[str]:
    """The arrays of an episode."""
    rows = ([code(fact.path), code(fact.shape_text), code(fact.dtype), fact.meaning] for fact in array_facts(dataset))
    heads = ["array", "shape", "type", "what"]
    return ["## Arrays of an episode of T steps", "", *table(heads, rows), ""]


def making(dataset: ContextualDataset, about: About) -> list[str]:
    """How the dataset was made, with versions and checksum."""
    metadata = dataset.metadata
    if metadata is None:
        return ["## How it was made", "", "Not said: plain Minari data without a checksum.", ""]
    rows = [
        ["episodes end after", count(metadata.horizon, "step")],
        ["policies saw the context", "appended to observations" if metadata.behaviour.context == "append" else "no"],
        *([escaped(key, 60), escaped(_text(value), 300)] for key, value in metadata.recipe.items()),
        *([f"{escaped(name, 60)} version", escaped(version, 60)] for name, version in metadata.packages.items()),
    ]
    if metadata.derivatives and metadata.derivatives.error is not None:
        rows.append(["relative error of derivatives", f"{metadata.derivatives.error:.1e}"])
    if metadata.derivatives and metadata.derivatives.flagged is not None:
        rows.append(["derivatives flagged", f"{metadata.derivatives.flagged} transitions, near a contact switch"])
    if about.code_permalink:
        rows.append(["code", escaped(about.code_permalink, 300)])
    rows.append(["checksum (SHA-256)", code(metadata.sha256)])
    return ["## How it was made", "", *table(["", ""], rows), "", "`offctx validate` compares the data with the checksum.", ""]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)[:1200]


def _number(value: float | None, infinite: str) -> str:
    return infinite if value is None else f"{value:g}"
