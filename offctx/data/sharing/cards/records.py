"""Croissant's record sets of a dataset: contexts and coordinates with their data, sums from metadata.json, and the HDF5 arrays.

Croissant has no way to say how a value is extracted from HDF5: the fields of the arrays name the file, and their description
says where in it they are.

Dimensions: C contexts, p context.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from offctx.data.dataset import ContextualDataset
from offctx.data.sharing.cards.arrays import ArrayFacts, array_facts
from offctx.words import one_line

METADATA_PATH = "data/metadata.json"
MAIN_PATH = "data/main_data.hdf5"
_MOST_CONTEXTS = 1000
_TYPES = {
    "bool": "sc:Boolean",
    "float16": "cr:Float16",
    "float32": "cr:Float32",
    "float64": "cr:Float64",
    "int8": "cr:Int8",
    "int16": "cr:Int16",
    "int32": "cr:Int32",
    "int64": "cr:Int64",
    "uint8": "cr:UInt8",
    "uint16": "cr:UInt16",
    "uint32": "cr:UInt32",
    "uint64": "cr:UInt64",
}


def record_sets(dataset: ContextualDataset, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the record sets.

    Args:
        dataset: the dataset.
        paths: of its files; a record set stands on a file only where that is among them.
    """
    sets = [_contexts(dataset), _coordinates(dataset)]
    if METADATA_PATH in paths:
        sets.append(_sums(has_checksum=dataset.metadata is not None))
    if MAIN_PATH in paths:
        sets.append(_steps(dataset))
    return sets


def _contexts(dataset: ContextualDataset) -> dict[str, Any]:
    """A row for each context: its coordinates, episodes and returns."""
    ids, returns = dataset.episode_context_ids, dataset.episode_returns
    episodes = np.bincount(ids)
    mean = np.bincount(ids, weights=returns) / episodes
    std = np.sqrt(np.bincount(ids, weights=(returns - mean[ids]) ** 2) / episodes)
    names = dataset.context_space.names
    columns = {f"coordinate_{name}": ("sc:Float", f"coordinate {name} of the context") for name in names}
    columns = {
        "context_id": ("sc:Integer", "number of the context, in the order of first appearance"),
        **columns,
        "episodes": ("sc:Integer", "episodes in this context"),
        "mean_return": ("sc:Float", "mean undiscounted return of these episodes"),
        "std_return": ("sc:Float", "standard deviation of these returns"),
    }
    rows = [
        [c, *context.tolist(), int(episodes[c]), float(mean[c]), float(std[c])]
        for c, context in enumerate(dataset.unique_contexts[:_MOST_CONTEXTS])
    ]
    cut = f"; the first {_MOST_CONTEXTS} of {len(episodes)}" if len(episodes) > _MOST_CONTEXTS else ""
    return _with_data("contexts", f"The contexts and the returns in them{cut}.", columns, rows, key="context_id")


def _coordinates(dataset: ContextualDataset) -> dict[str, Any]:
    """A row for each coordinate of the context; infinite bounds are the words "-inf" and "inf"."""
    space = dataset.context_space
    columns = {
        "name": ("sc:Text", "name of the coordinate"),
        "unit": ("sc:Text", "its unit"),
        "low": ("sc:Text", "its lower bound"),
        "high": ("sc:Text", "its upper bound"),
        "default": ("sc:Float", "its value by default"),
        "changes": ("sc:Text", "what it changes: dynamics, reward, observation; empty where not declared"),
    }
    rows = [
        [name, one_line(unit, 100), str(float(low)), str(float(high)), float(default), ", ".join(space.kinds[name])]
        for name, unit, low, high, default in zip(space.names, space.units, space.low, space.high, space.default, strict=True)
    ]
    return _with_data("coordinates", "The coordinates of the context.", columns, rows, key="name")


def _with_data(
    name: str, description: str, columns: dict[str, tuple[str, str]], rows: list[list[Any]], key: str
) -> dict[str, Any]:
    """A record set that holds its rows."""
    ids = [f"{name}/{column}" for column in columns]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/{key}"},
        "field": [
            _field(identity, column, kind, meaning)
            for identity, (column, (kind, meaning)) in zip(ids, columns.items(), strict=True)
        ],
        "data": [dict(zip(ids, row, strict=True)) for row in rows],
    }


def _sums(*, has_checksum: bool) -> dict[str, Any]:
    """One record, from metadata.json."""
    columns = {
        "total_episodes": ("sc:Integer", "$.total_episodes", "episodes"),
        "total_steps": ("sc:Integer", "$.total_steps", "transitions"),
    }
    if has_checksum:
        columns["sha256"] = ("sc:Text", "$.offctx.sha256", "the dataset's checksum; `offctx validate` compares it")
    return {
        "@type": "cr:RecordSet",
        "@id": "sums",
        "name": "sums",
        "description": "Sizes and checksum, of Minari's metadata.",
        "field": [
            _field(f"sums/{name}", name, kind, meaning)
            | {"source": {"fileObject": {"@id": METADATA_PATH}, "extract": {"jsonPath": path}}}
            for name, (kind, path, meaning) in columns.items()
        ],
    }


def _steps(dataset: ContextualDataset) -> dict[str, Any]:
    """The arrays in HDF5."""
    return {
        "@type": "cr:RecordSet",
        "@id": "episodes",
        "name": "episodes",
        "description": "The arrays of each episode of T steps, in the HDF5 group episode_<number>.",
        "field": [_array_field(fact) for fact in array_facts(dataset)],
    }


def _array_field(fact: ArrayFacts) -> dict[str, Any]:
    shape = ",".join(map(str, (-1, *fact.row)))
    field = _field(f"episodes/{fact.path}", fact.path, _TYPES.get(fact.dtype, "sc:Float"), fact.meaning)
    where = f"episode_<number>/{fact.path} {fact.shape_text}: {fact.meaning}"
    source = {"fileObject": {"@id": MAIN_PATH}, "extract": {"fileProperty": "content"}}
    return field | {"description": where, "isArray": True, "arrayShape": shape, "source": source}


def _field(identity: str, name: str, kind: str, meaning: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": identity, "name": name, "description": meaning, "dataType": kind}
