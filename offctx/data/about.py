"""What people want to know of a dataset beside its content: a description, its authors, its license, the code that made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from offctx.errors import DatasetError

_TEXTS = ("description", "license", "code_permalink")
_LISTS = ("author", "author_email")


@dataclass(frozen=True)
class About:
    """What people want to know of a dataset; it stands under Minari's own keys in metadata.json.

    Attributes:
        description: a sentence or more.
        author: names.
        author_email: addresses.
        license: an SPDX identifier, such as "CC-BY-4.0"; Minari has no such key, and ignores it.
        code_permalink: the address of the code that made the dataset.
    """

    description: str | None = None
    author: tuple[str, ...] = ()
    author_email: tuple[str, ...] = ()
    license: str | None = None
    code_permalink: str | None = None

    @classmethod
    def check(
        cls,
        *,
        description: str | None = None,
        author: str | Sequence[str] | None = None,
        author_email: str | Sequence[str] | None = None,
        license: str | None = None,  # the name of the key
        code_permalink: str | None = None,
    ) -> "About":
        """Makes the record from what a user gives; one author is a text, several are a list.

        Raises:
            DatasetError: something is not text.
        """
        texts = {"description": description, "license": license, "code_permalink": code_permalink}
        for key, text in texts.items():
            if text is not None and not isinstance(text, str):
                raise DatasetError(f"{key} must be a text; found {text!r}")
        return cls(author=_several(author, "author"), author_email=_several(author_email, "author_email"), **texts)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "About":
        """What metadata.json says; anybody may have written it, so that what is no text is left out."""
        known: dict[str, Any] = {key: raw[key] for key in _TEXTS if isinstance(raw.get(key), str) and raw[key]}
        for key in _LISTS:
            values = raw[key] if isinstance(raw.get(key), list) else [raw.get(key)]
            known[key] = tuple(text for text in values if isinstance(text, str) and text)
        return cls(**known)

    def instead_of(self, other: "About") -> "About":
        """What is given here, and what is not, as `other` has it. An empty text is given: it removes the other's."""
        return replace(other, **{key: value for key, value in vars(self).items() if value not in (None, ())})

    def to_minari(self) -> dict[str, Any]:
        """The keys of metadata.json; without those that say nothing."""
        keys: dict[str, Any] = {key: getattr(self, key) for key in _TEXTS}
        keys |= {key: list(getattr(self, key)) for key in _LISTS}
        return {key: value for key, value in keys.items() if value}


def _several(texts: Any, key: str) -> tuple[str, ...]:
    several = () if texts is None else (texts,) if isinstance(texts, str) else texts
    if not isinstance(several, Sequence) or not all(isinstance(text, str) and text for text in several):
        raise DatasetError(f"{key} must be a text, or a list of texts; found {texts!r}")
    return tuple(several)
