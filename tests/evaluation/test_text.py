"""Tables of plain text."""

from offctx.evaluation.text import text_table


def test_columns_are_aligned_and_a_rule_stands_below_the_head() -> None:
    assert text_table(["a", "long"], [["x1", "y"], ["x", "y2"]], rule=True) == ["a   long", "--  ----", "x1  y", "x   y2"]
    assert text_table(["a", "long"], [["x1", "y"]], right=True) == [" a  long", "x1     y"]
    assert text_table(["a"], []) == ["a"]
