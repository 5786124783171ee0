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
