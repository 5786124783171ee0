"""The sizes of the theory checks; each field is an option of the command line."""

import argparse
import inspect
import re
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Attributes:
        seeds: seeds 0 .. seeds - 1 of instance, data and search.
        population: number of contexts of a random instance.
        states: S, the number of states of a random instance.
        actions: A, the number of actions of a random instance.
        horizon: H, the number of steps of an episode.
        difference: share of a random instance's measures and reward weights in which its contexts differ.
        dimension: d, the number of features of random linear instances.
        environments: numbers of training contexts n, where n varies.
        trajectories: numbers of trajectories in each context K, where K varies.
        fixed_environments: n where it does not vary.
        fixed_trajectories: K where it does not vary.
        many_trajectories: the larger K of the check "environments".
        worst_states: S, the number of states of the worst-case family.
        samples: number of merged samples of the goodness-of-fit tests.
        beta: the weight of pessimism beta of PERM and PEVI where it does not vary.
        betas: the grid of beta in the check "pessimism".
        restarts: number of restarts of the search for a policy.
        iterations: number of iterations of each restart.
    """

    seeds: int = 24
    population: int = 200
    states: int = 4
    actions: int = 3
    horizon: int = 3
    difference: float = 0.6
    dimension: int = 6
    environments: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128)
    trajectories: tuple[int, ...] = (30, 100, 300, 1000, 3000, 10000)
    fixed_environments: int = 16
    fixed_trajectories: int = 300
    many_trajectories: int = 3000
    worst_states: int = 8
    samples: int = 100_000
    beta: float = 0.1
    betas: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)
    restarts: int = 8
    iterations: int = 40

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> "Sizes":
        """The sizes among parsed options or in a JSON report; lists become tuples."""
        given = {field.name: values[field.name] for field in fields(cls)}
        converted: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
        return cls(**converted)


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """Add one option for each field of Sizes, with its meaning and its default in --help."""
    meanings = size_meanings()
    for field in fields(Sizes):
        default: Any = field.default
        several = isinstance(default, tuple)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(default[0] if several else default),
            nargs="+" if several else None,
            default=default,
            help=f"{meanings[field.name]} (default {' '.join(map(str, default)) if several else default})",
        )


def size_meanings() -> dict[str, str]:
    """field -> its meaning, from the lines "field: meaning." of the docstring of Sizes."""
    return dict(re.findall(r"^    (\w+): (.+)\.$", inspect.getdoc(Sizes) or "", flags=re.MULTILINE))
