"""Small words about numbers, for messages, cards and progress bars."""


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
