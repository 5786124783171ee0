"""Names, license and citation of a dataset."""

import re

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.words import one_line

_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
# Identifiers of the hub for the licenses that data have most often; it knows others by "other" and a name.
_HUB_LICENSES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "odc-by", "pddl", "odbl", "unlicense", "isc", "mpl-2.0"),
    *("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "cdla-permissive-1.0", "cdla-permissive-2.0"),
    *(f"cc-by{terms}-{k}.0" for terms in ("", "-sa", "-nc", "-nc-sa", "-nd", "-nc-nd") for k in (3, 4)),
}


def pretty_name(dataset_id: str) -> str:
    """Returns a title: "PendulumGoal random-v0" for "offctx/PendulumGoal/random-v0"."""
    return " ".join(dataset_id.split("/")[-2:])


def hub_license(about: About) -> dict[str, str]:
    """Returns the license in the hub's keys; "unknown" where the dataset does not name one."""
    if about.license is None:
        return {"license": "unknown"}
    license_id = about.license.lower()
    if license_id in _HUB_LICENSES:
        return {"license": license_id}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.-]+", "-", license_id)[:64].strip("-") or "other"}


def license_url(about: About) -> str | None:
    """Returns the page of an SPDX license; the text itself where it is no identifier; None where there is no license."""
    if about.license is None:
        return None
    if _SPDX.fullmatch(about.license):
        return f"https://spdx.org/licenses/{about.license}.html"
    return one_line(about.license, 200)


def bibtex(dataset: ContextualDataset, about: About) -> str:
    """Returns a BibTeX entry of the dataset."""
    metadata = dataset.metadata
    authors = " and ".join(_in_bibtex(author) for author in about.author)
    fields = {
        "title": f"{{{_in_bibtex(pretty_name(dataset.dataset_id))}}}: an offline dataset with contexts",
        "author": authors or None,
        "howpublished": f"Minari dataset {_in_bibtex(dataset.dataset_id)}",
        "url": _in_bibtex(about.code_permalink) if about.code_permalink else None,
        "note": _in_bibtex(f"{metadata.env[:300]}, SHA-256 {metadata.sha256[:16]}") if metadata else None,
    }
    key = re.sub(r"[^A-Za-z0-9]+", "-", dataset.dataset_id).strip("-").lower()
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def _in_bibtex(text: str) -> str:
    """Text without what would end a field, a code block or a command."""
    return re.sub(r"[{}\\`%]", "", one_line(text, 300))
