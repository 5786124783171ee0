"""Tables of plain text."""

from offctx.evaluation.text import return_text, text_table


def test_columns_are_aligned_and_a_rule_stands_below_the_head() -> None:
    assert text_table(["a", "long"], [["x1", "y"], ["x", "y2"]], rule=True) == ["a   long", "--  ----", "x1  y", "x   y2"]
    assert text_table(["a", "long"], [["x1", "y"]], right=True) == [" a  long", "x1     y"]
    assert text_table(["a"], []) == ["a"]


def test_returns_have_four_digits_and_no_exponent() -> None:
    assert [return_text(value) for value in (-59.914, -1455.2, -9999.96, -21913.7, 0.00941)] == [
        "-59.91", "-1455", "-10000", "-21914", "0.00941",
    ]  # fmt: skip
