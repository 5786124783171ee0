"""The metadata of an offctx dataset: one JSON key in Minari's own, read strictly."""

import json
import platform
from importlib.metadata import version
from typing import Any

import pydantic

from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError, DatasetError

LAYOUT_VERSION = 1
METADATA_KEY = "offctx"


class Derivatives(pydantic.BaseModel):
    """Where the derivatives come from, and how far off they may be."""

    source: str  # "autodiff" or "central differences"
    error: float | None = None  # 99 % quantile of the relative error of the rows that are not flagged; None where exact
    steps: list[float] | None = None  # of central differences: one for each coordinate, in its units; 0 where discrete
    tolerance: float | None = None  # a row whose estimated relative error is larger is flagged: near a contact switch
    flagged: int | None = None  # how many are; which ones, infos/derivative_error says


class Behaviour(pydantic.BaseModel):
    """Who played."""

    policies: list[str]
    weights: list[float]
    context: str  # "append" or "hidden"


class Metadata(pydantic.BaseModel):
    """What stands under the key "offctx" of a dataset's metadata."""

    layout_version: int
    env: str
    horizon: int
    context_space: dict[str, Any]
    behaviour: Behaviour
    derivatives: Derivatives | None
    recipe: dict[str, Any]
    packages: dict[str, str]
    sha256: str

    def space(self) -> ContextSpace:
        """The context space that the data were collected in."""
        return ContextSpace.from_dict(self.context_space)


def parse_metadata(raw: dict[str, Any], dataset_id: str) -> Metadata | None:
    """The offctx part of a dataset's metadata, None where it has none.

    Raises:
        DatasetError: it is there and malformed, or of a layout newer than this version reads.
    """
    if METADATA_KEY not in raw:
        return None
    part = raw[METADATA_KEY]
    version = part.get("layout_version") if isinstance(part, dict) else None
    if isinstance(version, int) and version > LAYOUT_VERSION:
        raise DatasetError(
            f"{dataset_id} has layout version {version}; this offctx reads up to {LAYOUT_VERSION}: update offctx"
        )
    try:
        metadata = Metadata.model_validate(part)
        metadata.space()
    except pydantic.ValidationError as error:
        where = "/".join(str(step) for step in error.errors()[0]["loc"])
        raise DatasetError(f"{dataset_id}: metadata {METADATA_KEY}/{where} is not valid: {error.errors()[0]['msg']}") from error
    except ContextError as error:
        raise DatasetError(f"{dataset_id}: metadata {METADATA_KEY}/context_space is not valid: {error}") from error
    return metadata


def installed_packages() -> dict[str, str]:
    """Versions of what made a dataset."""
    names = ("offctx", "gymnasium", "minari", "mujoco", "numpy", "torch")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def to_json(data: Any) -> str:
    """Strict, stable JSON."""
    return json.dumps(data, sort_keys=True, allow_nan=False)
