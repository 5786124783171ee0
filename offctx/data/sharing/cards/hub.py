"""The README of a dataset: text for people under a header for the Hugging Face hub, made from the metadata alone."""

from collections.abc import Sequence

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.sharing.cards.citation import bibtex, hub_license, pretty_name
from offctx.data.sharing.cards.files import CardFile
from offctx.data.sharing.cards.markdown import code, escaped, table, yaml_header
from offctx.data.sharing.cards.sections import arrays, contexts, making, returns, shape
from offctx.words import bytes_text

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGER = ((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T"))


def hub_card(
    dataset: ContextualDataset,
    about: About | None = None,
    files: Sequence[CardFile] = (),
    *,
    remote: str | None = None,
    picture: str | None = None,
) -> str:
    """Returns the README.md of a dataset, for a folder, a web server or the Hugging Face hub.

    Metadata are text of somebody else: they are shown as they are, and none of them becomes markup or a key of the header.

    Args:
        dataset: the dataset.
        about: its description, authors and license, `About.of(metadata.json)`.
        files: its files, of `hash_files`; they are listed with their SHA-256.
        remote: where it is pulled from, such as "hf://datasets/org/name"; left out where None.
        picture: the file name of the picture of `offctx.evaluation.plots.dataset`, beside the README; left out where None.

    Returns:
        Markdown under a YAML header.

    Example::

        print(hub_card(offctx.load_dataset("offctx/PendulumGoal/random-v0")))
    """
    about = about or About()
    title = pretty_name(dataset.dataset_id)
    lines = [*yaml_header(_header(dataset, about)), "", f"# {escaped(title)}", ""]
    if about.description:
        lines += [escaped(about.description), ""]
    lines += [
        "Offline reinforcement learning data whose environment differs by a context vector, which every episode is labelled "
        "with. A plain [Minari](https://minari.farama.org) dataset; offctx made this page from its metadata.",
        "",
        *shape(dataset, about),
        "",
        *([f"![Returns and contexts]({picture})", ""] if picture else []),
        *_loading(dataset, remote),
        *contexts(dataset),
        *returns(dataset),
        *arrays(dataset),
        *making(dataset, about),
        *_files(files),
        "## Cite it",
        "",
        "```bibtex",
        bibtex(dataset, about),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _header(dataset: ContextualDataset, about: About) -> dict[str, str | bool | Sequence[str]]:
    """The hub's keys; `DatasetCardData` of huggingface_hub has them all."""
    tags = ["offline-rl", "contextual-mdp", "zero-shot-generalization", "minari", "offctx"]
    if dataset.has_derivatives:
        tags.append("context-derivatives")
    return {
        "pretty_name": pretty_name(dataset.dataset_id),
        **hub_license(about),
        "task_categories": ["reinforcement-learning"],
        "tags": tags,
        "size_categories": [_size_category(len(dataset))],
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "viewer": False,  # the hub's viewer does not read HDF5
    }


def _size_category(transitions: int) -> str:
    return next((name for limit, name in (*_SIZES, *_LARGER) if transitions < limit), "n>1T")


def _loading(dataset: ContextualDataset, remote: str | None) -> list[str]:
    shown = repr(dataset.dataset_id).replace("'", '"')
    pull = [f"offctx.pull({_literal(remote)}, {shown})"] if remote else []
    return [
        "## Load it",
        "",
        "```python",
        "import offctx  # pip install offctx",
        "",
        *pull,
        f"dataset = offctx.load_dataset({shown})",
        "buffer = dataset.replay_buffer()  # for any d3rlpy algorithm; contexts are appended to observations",
        "```",
        "",
        f'Minari reads it too: `minari.load_dataset({shown})`; the context of an episode is `episode.infos["context"][0]`.',
        "",
    ]


def _literal(text: str) -> str:
    """A Python string in a code block that no content can end."""
    return '"' + "".join(c for c in text if c.isprintable() and c not in '"\\`') + '"'


def _files(files: Sequence[CardFile]) -> list[str]:
    if not files:
        return []
    rows = ([code(file.path), bytes_text(file.size), code(file.sha256)] for file in files)
    return ["## Files", "", *table(["file", "size", "SHA-256"], rows), ""]
