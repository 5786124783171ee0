"""Numbers with their nouns."""

import pytest

from offctx.words import bytes_text, count, printable


@pytest.mark.parametrize(("number", "expected"), [(0, "0 contexts"), (1, "1 context"), (2, "2 contexts")])
def test_count(number, expected):
    assert count(number, "context") == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, "1 byte"), (999, "999 bytes"), (28_524_361, "28.5 MB"), (2 * 10**9, "2.0 GB"), (10**16, "10000.0 TB")],
)
def test_bytes_text(size, expected):
    assert bytes_text(size) == expected


def test_printable():
    assert printable("a\x1b[31mb\r\x07\x9b\u202e\x7fc\n\td") == "a\\x1b[31mb\\r\\x07\\x9b\\u202e\\x7fc\n\td"
