"""The writer of Markdown tables, and escaped text."""

import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.markdown import escape_markdown, markdown_table


def test_a_table_is_head_rule_and_rows() -> None:
    assert markdown_table(["policy", "return"], [["CQL", "12.3"], ["TD3", "-4"]], right=[1]) == [
        "| policy | return |",
        "| --- | ---: |",
        "| CQL | 12.3 |",
        "| TD3 | -4 |",
    ]
    assert markdown_table(["a", "b"], [], compact=True) == ["| a | b |", "|---|---|"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [("|x|", r"\|x\|"), (r"\|", r"\|"), ("two\nlines", "two lines"), ("**bold**", "**bold**"), ("", "")],
)
def test_pipes_and_line_breaks_do_not_break_a_row(cell: str, written: str) -> None:
    assert markdown_table(["head"], [[cell]])[2] == f"| {written} |"
    assert markdown_table([cell], [])[0] == f"| {written} |"


@pytest.mark.parametrize("row", [["1"], ["1", "2", "3"]])
def test_a_row_of_another_length_is_refused(row: list[str]) -> None:
    with pytest.raises(EvaluationError, match=r"expected 2 cells in each row of the table, as in \['a', 'b'\]; found"):
        markdown_table(["a", "b"], [row])


def test_escaped_text_keeps_its_characters_and_loses_its_markup() -> None:
    assert escape_markdown("a_b *c* `d` <i> [x](y) \\ |\n e") == r"a\_b \*c\* \`d\` &lt;i&gt; [x]\(y) \\ \| e"
    assert markdown_table(["h"], [[escape_markdown("a|b")]])[2] == r"| a\|b |"
