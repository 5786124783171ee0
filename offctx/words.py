"""Small words for messages, cards and progress bars, and text from outside made safe to print."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pydantic

# Control characters, but for tab and line break, and the marks that reverse the direction of text. In a terminal they colour,
# move, erase and rename what is shown.
_UNSAFE = [*range(9), *range(11, 32), *range(127, 160), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {code: chr(code).encode("unicode_escape").decode() for code in _UNSAFE}


def printable(text: str) -> str:
    r"""Returns text with control characters made visible, so that text from outside cannot command a terminal.

    Args:
        text: such as a card with a dataset's metadata; tabs and line breaks stay.

    Example::

        printable("a\x1b[31mb")  # "a\\x1b[31mb", in 9 visible characters
    """
    return text.translate(_VISIBLE)


def count(number: int, noun: str) -> str:
    """Returns the number with its noun, which takes an s unless the number is 1.

    Args:
        number: how many.
        noun: in the singular, with a plural in s.

    Example::

        count(1, "context"), count(2, "context")  # "1 context", "2 contexts"
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def bytes_text(size: int) -> str:
    """Returns a number of bytes in the unit that leaves at least one digit before the point.

    Example::

        bytes_text(28_524_361)  # "28.5 MB"
    """
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return count(size, "byte") if unit == "bytes" else f"{value:.1f} {unit}"


def one_line(text: str, most: int = 2000) -> str:
    r"""Returns text from outside as one line that a terminal and a page show as it is.

    Line breaks and tabs become spaces. Characters that show nothing or steer what is shown are left out: control characters
    (and with them terminal escapes), marks that turn the direction of writing, surrogates, and characters that are not
    assigned.

    Args:
        text: anything.
        most: characters that are kept; a longer text ends with " ...".

    Example::

        one_line("a\x1b[31m red\nthing")  # "a[31m red thing"
    """
    cut = text[: 4 * most]  # bounds the work
    kept = "".join(c for c in " ".join(cut.split()) if not unicodedata.category(c).startswith("C"))
    return kept if len(kept) <= most and len(cut) == len(text) else kept[: most - 4] + " ..."


def first_fault(error: pydantic.ValidationError) -> str:
    """Returns the first fault of a text that does not fit its model: where it is, and what was expected there.

    Example::

        first_fault(error)  # "files/0/size: Input should be a valid integer"
    """
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'/'.join(str(step) for step in fault['loc'])[:200]}: {fault['msg']}"
