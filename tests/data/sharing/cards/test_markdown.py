"""Text from outside never becomes markup or another key."""

import pytest

from offctx.data.sharing.cards.markdown import code, escaped, yaml_header
from offctx.words import one_line

HOSTILE = [
    "<script>alert(1)</script>",
    "[click](javascript:x)",
    "a\n---\nlicense: mit\n# heading",
    "\x1b[2J\x1b]0;title\x07",
    "`code` **bold** | cell",
    "\u202egnp.exe",
    'quote " and \\ and ${x}',
    "- {a: b}\n? !!python/object/apply:os.system [ls]",
    "😀 ünï",
    "\ud800",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_one_line_without_markup(text):
    line = escaped(text)
    assert "\n" not in line and "\x1b" not in line and "<" not in line
    line.encode()  # a surrogate would raise
    for mark in "`*[]|$":
        assert line.count(mark) == line.count(f"\\{mark}")


def test_escaped_text_does_not_begin_a_list_or_a_heading():
    assert (
        escaped("- a") == "\\- a" and escaped("# a") == "\\# a" and escaped("1. a") == "1\\. a" and escaped("1.5 a") == "1.5 a"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_code_spans_end_where_they_should(text):
    span = code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert (
        fence and span.endswith(fence) and fence not in span[len(fence) : -len(fence)] and "|" not in span and "\n" not in span
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_yaml_reader_reads_what_was_written(text):
    yaml = pytest.importorskip("yaml")
    lines = yaml_header({"pretty_name": text, "tags": [text, "no", "1e3"], "viewer": False})
    assert lines[0] == lines[-1] == "---"
    assert yaml.safe_load("\n".join(lines[1:-1])) == {
        "pretty_name": one_line(text),
        "tags": [one_line(text), "no", "1e3"],
        "viewer": False,
    }


def test_a_long_text_is_cut_and_says_so():
    assert len(one_line("x" * 10**6, 50)) == 50 and one_line("x" * 10**6, 50).endswith(" ...")
