"""The card of a recipe: what its dataset held when it was built, on which machine, and with which packages.

The card of `datasets/<name>.toml` is `datasets/cards/<name>.json`. It is read strictly, as data.
"""

import platform
from pathlib import Path

import pydantic

from offctx.data.dataset import ContextualDataset
from offctx.data.known.summary import ArraySummary, ContextReturns, summarize_arrays, summarize_returns
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.limits import size_of
from offctx.errors import DatasetError
from offctx.files import read_file
from offctx.words import first_fault

CARDS_FOLDER = "cards"


class RecipeCard(pydantic.BaseModel):
    """What a recipe makes.

    Attributes:
        dataset_id: of the recipe.
        seed: of the recipe.
        sha256: checksum of the data.
        transitions: N.
        episodes: E.
        size_bytes: of the dataset's files.
        packages: versions of Python and of the packages that made the data.
        machine: the processor's kind, on which rounding depends.
        arrays: from names of arrays to what they are like.
        returns: of each context, in the order of first appearance.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    dataset_id: str
    seed: int
    sha256: str
    transitions: int
    episodes: int
    size_bytes: int
    packages: dict[str, str]
    machine: str
    arrays: dict[str, ArraySummary]
    returns: list[ContextReturns]


def card_file(recipe: Path) -> Path:
    """Returns the file of a recipe's card, which need not exist."""
    return recipe.parent / CARDS_FOLDER / f"{recipe.stem}.json"


def read_recipe_card(recipe: Path) -> RecipeCard | None:
    """Reads the card of a recipe; None where the recipe has none.

    Raises:
        DatasetError: the card is malformed.
    """
    path = card_file(recipe)
    if not path.is_file():
        return None
    try:
        return RecipeCard.model_validate_json(read_file(path))
    except OSError as error:
        raise DatasetError(f"cannot read the card {path}: {error.strerror}") from error
    except pydantic.ValidationError as error:
        raise DatasetError(f"card {path} is not valid: {first_fault(error)}") from error


def make_recipe_card(dataset: ContextualDataset, seed: int) -> RecipeCard:
    """Returns the card of a dataset that was just collected on this machine.

    Args:
        dataset: with offctx metadata.
        seed: with which it was collected.

    Raises:
        DatasetError: the dataset has no offctx metadata.
    """
    if dataset.metadata is None:
        raise DatasetError(f"{dataset.dataset_id} has no offctx metadata, from which a card could be made")
    return RecipeCard(
        dataset_id=dataset.dataset_id,
        seed=seed,
        sha256=dataset.metadata.sha256,
        transitions=len(dataset),
        episodes=dataset.num_episodes,
        size_bytes=size_of(dataset_folder(dataset.dataset_id)),
        packages=dataset.metadata.packages,
        machine=this_machine(),
        arrays=summarize_arrays(dataset),
        returns=summarize_returns(dataset),
    )


def this_machine() -> str:
    """Returns the kind of this machine, such as "Linux x86_64, AVX2": on its processor depends how numbers are rounded."""
    import torch

    return f"{platform.system()} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
