"""Croissant metadata of a dataset: JSON-LD that search engines and data loaders read.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, with the responsible-AI extension
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html and PROV-O for provenance.
"""

import re
from collections.abc import Sequence
from typing import Any

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.sharing.cards.citation import bibtex, license_url, pretty_name
from offctx.data.sharing.cards.files import CardFile
from offctx.data.sharing.cards.records import record_sets
from offctx.data.sharing.cards.responsible import provenance, responsible_ai
from offctx.words import count, one_line

_CONTEXT: dict[str, Any] = {  # the official one of Croissant 1.1, with PROV-O
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]


def croissant(
    dataset: ContextualDataset,
    files: Sequence[CardFile],
    about: About | None = None,
    *,
    url: str | None = None,
    published: str | None = None,
) -> dict[str, Any]:
    """Returns the Croissant metadata of a dataset as JSON data; `json.dumps(..., allow_nan=False)` writes it.

    Args:
        dataset: the dataset.
        files: its files, of `hash_files`; `data/metadata.json` must be among them.
        about: its description, authors and license, `About.of(metadata.json)`.
        url: the page of the dataset, such as "https://huggingface.co/datasets/org/name"; left out where None.
        published: the date of its publication, such as "2026-11-22"; left out where None.

    Returns:
        Core fields, files with SHA-256, record sets, responsible-AI fields and provenance.

    Example::

        folder = offctx.data.storage.ids.dataset_folder(dataset.dataset_id)
        text = json.dumps(croissant(dataset, hash_files(folder)), indent=1, allow_nan=False)
    """
    about = about or About()
    title = pretty_name(dataset.dataset_id)
    optional = {
        "url": url,
        "datePublished": published,
        "license": license_url(about),
        "creator": [{"@type": "Person", "name": one_line(author, 200)} for author in about.author],
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": title,
        "description": one_line(about.description) if about.description else _description(dataset),
        "version": f"{_version(dataset.dataset_id)}.0.0",
        "identifier": dataset.dataset_id,
        "keywords": ["offline reinforcement learning", "contextual Markov decision process", "Minari", "offctx"],
        "citeAs": bibtex(dataset, about),
        **{key: value for key, value in optional.items() if value},
        "distribution": [_file_object(file) for file in files],
        "recordSet": record_sets(dataset, [file.path for file in files]),
        **responsible_ai(dataset),
        **provenance(dataset, about),
    }


def _description(dataset: ContextualDataset) -> str:
    env = one_line(dataset.metadata.env, 200) if dataset.metadata else "an environment"
    return (
        f"{count(len(dataset), 'transition')} in {count(dataset.num_episodes, 'episode')} of {env}, in "
        f"{count(len(dataset.unique_contexts), 'context')} of {', '.join(dataset.context_space.names)}."
    )


def _version(dataset_id: str) -> int:
    """The k of "...-vk"."""
    match = re.search(r"-v([0-9]+)$", dataset_id)
    return int(match[1]) if match else 0


def _file_object(file: CardFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path.rpartition("/")[2],
        "contentUrl": file.url or file.path,
        "contentSize": f"{file.size} B",
        "encodingFormat": file.media_type,
        "sha256": file.sha256,
    }
