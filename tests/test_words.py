"""Numbers with their nouns."""

import pytest

from offctx.words import count


@pytest.mark.parametrize(("number", "expected"), [(0, "0 contexts"), (1, "1 context"), (2, "2 contexts")])
def test_count(number, expected):
    assert count(number, "context") == expected
