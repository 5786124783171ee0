"""How an object shows itself in a shell and in a notebook: a small card, a title and rows of text."""

import html
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from offctx.words import printable

_LONGEST = 110  # characters of a value; with at most 11 rows, a card stays below 2 kB
_CONTEXTS = 3  # how many contexts a card shows


class HasCard:
    """A class whose objects are shown as a card: as text by `print`, as a table in a notebook."""

    def _card(self) -> Mapping[str, str]:
        """The rows of the card: label -> text."""
        raise NotImplementedError

    def _short_card(self) -> dict[str, str]:
        rows = {label: printable(text) for label, text in self._card().items()}
        return {label: text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..." for label, text in rows.items()}

    def __repr__(self) -> str:
        rows = self._short_card()
        width = max(map(len, rows), default=0)
        return "\n".join([type(self).__name__, *(f"  {label:<{width}}  {text}" for label, text in rows.items())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(label)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for label, text in self._short_card().items()
        )
        return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"


def contexts_text(names: tuple[str, ...], contexts: npt.NDArray[np.float64]) -> str:
    """Contexts (C, p) as text: how many there are, and the first few, as many as fit on a line."""
    if not len(contexts):
        return "0"
    each = [
        ", ".join(f"{name}={value:.4g}" for name, value in zip(names, context, strict=True)) for context in contexts[:_CONTEXTS]
    ]
    while len(each) > 1 and len("; ".join(each)) > _LONGEST - 20:
        each.pop()
    return f"{len(contexts)}: {'; '.join(each)}{'; ...' if len(contexts) > len(each) else ''}"


def coordinates_text(names: tuple[str, ...], units: tuple[str, ...], values: npt.NDArray[np.float64]) -> str:
    """One value (p,) for each coordinate, with its unit."""
    return ", ".join(f"{name} {value:.3g} {unit}".strip() for name, value, unit in zip(names, values, units, strict=True))
