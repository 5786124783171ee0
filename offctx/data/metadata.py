"""The metadata of an offctx dataset: one key in Minari's metadata.json, parsed strictly."""

import json
import platform
from importlib.metadata import version
from typing import Any

import pydantic

from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError, DatasetError
from offctx.words import first_fault

LAYOUT_VERSION = 2  # 1 is read as well
METADATA_KEY = "offctx"


class Derivatives(pydantic.BaseModel):
    """How the derivatives were computed, and how large their errors are.

    Attributes:
        source: "autodiff" or "central differences".
        error: the 99 % quantile of the relative errors of the rows that are not flagged; None where exact up to rounding.
        steps: of central differences: one for each coordinate, in its units; 0 where the coordinate is discrete.
        tolerance: a row whose estimated relative error is larger is flagged: it is near a contact switch.
        flagged: how many rows are flagged; infos/derivative_error says which.
    """

    source: str
    error: float | None = None
    steps: list[float] | None = None
    tolerance: float | None = None
    flagged: int | None = None


class Behaviour(pydantic.BaseModel):
    """The policies that collected the data.

    Attributes:
        policies: their names.
        weights: the probability with which an episode draws each of them.
        context: whether they saw it: "append" or "hidden".
    """

    policies: list[str]
    weights: list[float]
    context: str


class Metadata(pydantic.BaseModel):
    """The value of the key "offctx" in a dataset's metadata.

    Attributes:
        layout_version: 1, whose checksum covers the data alone; or 2, whose checksum covers the metadata as well.
        env: Gymnasium id of the environment, or its class name.
        horizon: steps after which an episode is truncated.
        context_space: as `ContextSpace.to_dict` gives it.
        behaviour: the policies.
        derivatives: None where the dataset has none.
        recipe: the arguments from which the dataset was made.
        packages: versions of Python and of the packages that matter.
        sha256: checksum of the data, of `Episodes.checksum`; the writer fills it in.
        metadata_sha256: checksum of all metadata, of `offctx.data.checksums`, and by `sha256` of the data as well; None in
            layout version 1.
    """

    layout_version: int
    env: str
    horizon: int
    context_space: dict[str, Any]
    behaviour: Behaviour
    derivatives: Derivatives | None
    recipe: dict[str, Any]
    packages: dict[str, str]
    sha256: str = ""
    metadata_sha256: str | None = None

    def space(self) -> ContextSpace:
        """The context space in which the data were collected."""
        return ContextSpace.from_dict(self.context_space)


def parse_metadata(raw: dict[str, Any], dataset_id: str) -> Metadata | None:
    """Parses the offctx part of metadata.json; returns None where there is none.

    Raises:
        DatasetError: it is malformed, or its layout version is newer than this offctx reads.
    """
    if METADATA_KEY not in raw:
        return None
    part = raw[METADATA_KEY]
    layout_version = part.get("layout_version") if isinstance(part, dict) else None
    if isinstance(layout_version, int) and layout_version > LAYOUT_VERSION:
        raise DatasetError(
            f"{dataset_id} has layout version {layout_version}; this offctx reads up to {LAYOUT_VERSION}: update offctx"
        )
    try:
        metadata = Metadata.model_validate(part)
        metadata.space()
    except pydantic.ValidationError as error:
        raise DatasetError(f"{dataset_id}: metadata {METADATA_KEY}/{first_fault(error)}") from error
    except ContextError as error:
        raise DatasetError(f"{dataset_id}: metadata {METADATA_KEY}/context_space is not valid: {error}") from error
    except Exception as error:  # whatever numbers, texts and depths beyond all sense raise
        raise DatasetError(f"{dataset_id}: metadata {METADATA_KEY} are not valid: {type(error).__name__}: {error}") from error
    return metadata


def installed_packages() -> dict[str, str]:
    """Versions of Python and of the packages on which a dataset's numbers depend."""
    names = ("offctx", "gymnasium", "minari", "mujoco", "numpy", "torch")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def to_json(data: Any) -> str:
    """JSON with sorted keys; NaN and infinity are errors."""
    return json.dumps(data, sort_keys=True, allow_nan=False)
