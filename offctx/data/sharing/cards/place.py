"""All cards of a dataset as files, for whoever puts them beside its data."""

import json
from collections.abc import Sequence

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.sharing.cards.croissant import croissant
from offctx.data.sharing.cards.files import CardFile
from offctx.data.sharing.cards.hub import hub_card

README, CROISSANT, PICTURE = "README.md", "croissant.json", "returns.png"


def card_files(
    dataset: ContextualDataset,
    files: Sequence[CardFile],
    about: About | None = None,
    *,
    remote: str | None = None,
    url: str | None = None,
    published: str | None = None,
) -> dict[str, bytes]:
    """Returns README.md, croissant.json and the picture that the README shows, as they stand beside the data.

    Args:
        dataset: the dataset.
        files: its files, of `hash_files`, with their addresses where these are not their paths.
        about: its description, authors and license, `About.of(metadata.json)`.
        remote: where it is pulled from, such as "hf://datasets/org/name"; left out where None.
        url: its page; left out where None.
        published: the date of its publication, such as "2026-11-22"; left out where None.

    Returns:
        From the names of the files to their contents.

    Example::

        for name, content in card_files(dataset, hash_files(folder)).items():
            (folder / name).write_bytes(content)
    """
    described = croissant(dataset, files, about, url=url, published=published)
    return {
        README: hub_card(dataset, about, files, remote=remote, picture=PICTURE).encode(),
        CROISSANT: json.dumps(described, indent=1, allow_nan=False).encode() + b"\n",
        PICTURE: _picture(dataset),
    }


def _picture(dataset: ContextualDataset) -> bytes:
    from offctx.evaluation.plots.dataset import plot_dataset
    from offctx.evaluation.plots.style import figure_png

    return figure_png(plot_dataset(dataset))
