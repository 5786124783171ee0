"""Ways to damage a file, and whether two datasets are equal."""

import dataclasses
import json

import numpy as np


def same_dataset(found, expected) -> bool:
    """Whether two datasets are equal, in arrays, spaces, contexts and metadata."""
    for field in dataclasses.fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            if one is None or one.dtype != other.dtype or not np.array_equal(one, other):
                return False
        elif field.name == "context_space":
            if one.to_dict() != other.to_dict():
                return False
        elif one != other:
            return False
    return True


def flip(content: bytes, rng) -> bytes:
    damaged = bytearray(content)
    for position in rng.integers(0, len(content), rng.choice([1, 1, 1, 3])):
        damaged[position] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def cut(content: bytes, rng) -> bytes:
    return content[: int(rng.integers(len(content)))]


def zero(content: bytes, rng) -> bytes:
    begin = int(rng.integers(len(content)))
    length = int(rng.integers(1, 600))
    return content[:begin] + bytes(len(content[begin : begin + length])) + content[begin + length :]


def swap(content: bytes, rng) -> bytes:
    """Two blocks in each other's place."""
    size = int(rng.integers(1, max(2, min(200, len(content) // 3))))
    one, other = sorted(int(k) for k in rng.integers(0, max(1, len(content) - 2 * size), 2))
    end = other + size
    first, between, second = content[one : one + size], content[one + size : end], content[end : end + size]
    return content[:one] + second + between + first + content[end + size :]


def _leaves(value, path=()):
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _leaves(value[key], (*path, key))
    else:
        yield path, value


def _set(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def swap_values(content: bytes, rng) -> bytes:
    """Two values of JSON in each other's place, or one changed."""
    tree = json.loads(content)
    leaves = list(_leaves(tree))
    path, value = leaves[rng.integers(len(leaves))]
    alike = [(p, v) for p, v in leaves if type(v) is type(value) and v != value]
    if alike and rng.random() < 0.7:
        other_path, other = alike[rng.integers(len(alike))]
        _set(tree, path, other)
        _set(tree, other_path, value)
    else:
        _set(tree, path, value + 1 if isinstance(value, int | float) else f"{value}x")
    return json.dumps(tree).encode()
