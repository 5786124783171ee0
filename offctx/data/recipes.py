"""Recipes: TOML files that determine a dataset; the same recipe makes the same dataset again.

dataset_id = "offctx/PendulumGoal/random-v0"
env = "offctx/PendulumGoal-v0"
episodes_per_context = 250
seed = 0

[contexts]                              # at most one of these keys; without any, the default context
values = [[2.0, 1.0, 1.0, 0.0]]         # a list of contexts
mesh = { g = [1.0, 2.0], tau = [0.0] }  # a product, the other coordinates at the default
local = { n = 250, radius = 0.5 }       # local domain randomization around the default (or `base`)

[[policy]]                              # without any, "random"; of several, each episode draws one by weight
name = "random"
weight = 1.0

[[policy]]
agent = "expert.d3"                     # saved by d3rlpy; relative to the recipe
weight = 1.0

[[policy]]
agent = "transformer.d3"                # a Decision Transformer of d3rlpy
target_return = 150.0                   # that it is asked to reach in each episode
temperature = 1.0                       # draws Discrete actions; the most likely ones where not given

[[policy]]
actor = "weights/expert.safetensors"    # plain weights, as `offctx.algos.load_actor` reads them; they do not see the context
stochastic = true                       # draws actions; false plays the mode, with context = "hidden" above
"""

import math
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.about import About
from offctx.envs.policies import Policy
from offctx.errors import ContextError, DatasetError
from offctx.files import read_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_MOST_CONTEXTS, _MOST_EPISODES = 10**6, 10**9  # larger numbers are mistakes; `collect` refuses what finds no room
_LARGEST_SEED = 2**128 - 1  # NumPy's own seeds have 128 bits
_LARGEST_FILE = 4 * 2**20  # bytes; TOML is read slowly
# A dotted key of more parts is read in quadratic time, and no recipe has one.
_LONG_KEY = re.compile(r"""(?<![\w"'-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){16}""")


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class LocalDraw(_Strict):
    """Arguments of `ContextSpace.local`: n contexts base + radius * N(0, I)."""

    n: int = pydantic.Field(gt=0, le=_MOST_CONTEXTS)
    radius: float | list[float]
    base: list[float] | None = None
    seed: int | None = pydantic.Field(default=None, ge=0, le=_LARGEST_SEED)  # the seed of the recipe where not given


class ContextsRecipe(_Strict):
    """The contexts to play in, described in at most one of three ways."""

    values: list[list[float]] | None = None
    mesh: dict[str, list[float]] | None = None
    local: LocalDraw | None = None

    def make(self, space: ContextSpace, seed: int) -> Contexts:
        """Returns the contexts (K, p); drawn ones are drawn with the recipe's seed.

        Raises:
            ContextError: more than one description, or contexts that do not fit the context space.
        """
        descriptions = [name for name in ("values", "mesh", "local") if getattr(self, name) is not None]
        if len(descriptions) > 1:
            raise ContextError(f"[contexts] takes one of values, mesh and local; found {descriptions}")
        if self.values is not None:
            return space.check_many(self.values)
        if self.mesh is not None:
            if math.prod(map(len, self.mesh.values())) > _MOST_CONTEXTS:
                raise ContextError(f"[contexts] mesh has more than {_MOST_CONTEXTS:,} contexts")
            return space.mesh(**self.mesh)
        if self.local is not None:
            rng = np.random.default_rng([seed if self.local.seed is None else self.local.seed, 3])
            return space.local(self.local.n, self.local.radius, rng, base=self.local.base)
        return space.default[None]


class PolicyRecipe(_Strict):
    """One policy of the behaviour: "random" or "zero", an agent saved by d3rlpy, or an actor of plain weights."""

    name: Literal["random", "zero"] | None = None
    agent: str | None = None
    actor: str | None = None
    stochastic: bool | None = None  # None means True for an actor, and False for an agent
    target_return: float | None = pydantic.Field(default=None, allow_inf_nan=False)  # of a Decision Transformer, as is the next
    temperature: float | None = pydantic.Field(default=None, ge=1e-6, allow_inf_nan=False)
    weight: float = pydantic.Field(default=1.0, ge=0)

    @pydantic.model_validator(mode="after")
    def _check_one_kind(self) -> "PolicyRecipe":
        if [self.name, self.agent, self.actor].count(None) != 2:
            raise ValueError('give one of name = "random", agent = "<file>.d3" and actor = "<file>.safetensors"')
        if self.actor is not None and not self.actor.endswith(".safetensors"):
            raise ValueError('actor takes a .safetensors file; what d3rlpy saved is given as agent = "<file>.d3"')
        if self.name is not None and self.stochastic is not None:
            raise ValueError("stochastic belongs to an actor or an agent; random and zero have no such choice")
        for key in ("target_return", "temperature"):
            if self.agent is None and getattr(self, key) is not None:
                raise ValueError(f"{key} belongs to an agent that is a Decision Transformer")
        return self

    def make(self, folder: Path, load_agent: Callable[[Path], Policy]) -> Policy:
        """Returns the policy as its file has it; that is relative to `folder`, and `load_agent` reads it."""
        if self.actor is not None:
            actor = load_agent(folder / self.actor)
            return actor if self.stochastic is False else actor.sampler()
        return self.name if self.agent is None else load_agent(folder / self.agent)


class Recipe(_Strict):
    """A whole recipe; its keys are arguments of `offctx.collect`."""

    dataset_id: str
    env: str
    seed: int = pydantic.Field(ge=0, le=_LARGEST_SEED)
    episodes_per_context: int = pydantic.Field(default=1, gt=0, le=_MOST_EPISODES)
    gradients: bool = True
    context: Literal["append", "hidden"] = "append"
    description: str | None = None
    author: str | list[str] | None = None
    author_email: str | list[str] | None = None
    license: str | None = None
    code_permalink: str | None = None
    compression: Literal["gzip"] | None = None
    contexts: ContextsRecipe = ContextsRecipe()
    policy: list[PolicyRecipe] = pydantic.Field(default=[PolicyRecipe(name="random")], min_length=1)

    @property
    def about(self) -> About:
        """Description, authors, license and link; raises DatasetError where an author is empty."""
        return About.check(**{key.name: getattr(self, key.name) for key in fields(About)})


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe from a TOML file.

    Raises:
        DatasetError: the file cannot be read, is no regular file, is not TOML, or has an unknown key or a value of the wrong
            type, which the message names.
    """
    try:
        text = read_file(path, _LARGEST_FILE).decode()
        if long_key := _LONG_KEY.search(text):
            raise ValueError(f"a key of more than 16 parts, {long_key[0][:40]!r}...")
        return Recipe.model_validate(tomllib.loads(text))
    except OSError as error:
        raise DatasetError(f"cannot read recipe {path}: {error.strerror}") from error
    except pydantic.ValidationError as error:
        raise DatasetError(f"recipe {path}: {_first_fault(error)}") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:  # of the parser, for hostile files too
        raise DatasetError(f"recipe {path} is not TOML: {error}") from error


def _first_fault(error: pydantic.ValidationError) -> str:
    """The first fault as a sentence that names the key."""
    fault = error.errors()[0]
    key = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        tables: dict[str, type[pydantic.BaseModel]] = {"contexts": ContextsRecipe, "policy": PolicyRecipe}
        table = tables.get(str(fault["loc"][0]), Recipe) if len(fault["loc"]) > 1 else Recipe
        table = LocalDraw if "local" in fault["loc"] else table
        return f"unknown key {key!r}; known there are {', '.join(table.model_fields)}"
    value = "" if fault["type"] == "missing" else f"; found {_shown(fault['input'])}"
    return f"{key:.200}: {fault['msg']}{value}"


def _shown(value: object) -> str:
    """A value for a message; long ones are cut."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4300 digits
        return "an integer of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}..."
