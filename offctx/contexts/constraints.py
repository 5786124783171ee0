"""Inequalities between context coordinates, written as text, read without `eval`.

A constraint such as ``"abs(tau) < m * g * l"`` is stored in the metadata of a dataset, so it must be data and never code.
The text is parsed into a small tree of arithmetic and comparisons, which NumPy evaluates for many contexts at once.
Everything else is refused.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offctx.errors import ContextError

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": np.abs, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos}
_MAX_LENGTH = 200  # characters; a hostile text must not keep the parser busy


class Constraint:
    """One inequality, or a chain such as ``0 < m < l``, over named context coordinates.

    Args:
        text: the inequality; it may contain ``+ - * / **``, numbers, coordinate names and ``abs sqrt sin cos``.
        names: the coordinate names that may occur, in the order of the context vector.

    Raises:
        ContextError: the text is not an inequality of that form.

    Example::

        Constraint("abs(tau) < m * g * l", ["g", "m", "l", "tau"]).holds(np.array([[2.0, 1.0, 1.0, 0.5]]))  # [True]
    """

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text = text
        self._names = tuple(names)
        try:
            if len(text) > _MAX_LENGTH:
                raise ValueError(f"longer than {_MAX_LENGTH} characters")
            body = ast.parse(text, mode="eval").body
            if not isinstance(body, ast.Compare):
                raise ValueError("it has no comparison")
            self._tree = body
            self.holds(np.ones((1, len(self._names))))  # visits every node, so that an invalid one is refused now
        except (SyntaxError, ValueError, RecursionError) as error:
            raise ContextError(
                f"constraint {text!r} is not an inequality over {list(self._names)}: {error}. "
                f"A valid one reads like 'abs(tau) < m * g * l'."
            ) from error

    def holds(self, contexts: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which contexts satisfy the inequality.

        Args:
            contexts: (N, p).

        Returns:
            booleans (N,); False where a side is NaN.
        """
        values = {name: contexts[:, k] for k, name in enumerate(self._names)}
        with np.errstate(all="ignore"):
            terms = [_evaluate(node, values) for node in (self._tree.left, *self._tree.comparators)]
            result = np.ones(len(contexts), dtype=bool)
            for left, op, right in zip(terms, self._tree.ops, terms[1:], strict=False):
                if type(op) not in _COMPARE:
                    raise ValueError(f"{type(op).__name__} is not one of < <= > >=")
                result &= _COMPARE[type(op)](left, right)
        return result


def _evaluate(node: ast.expr, values: Mapping[str, NDArray[np.floating]]) -> Any:
    """The value of one node, (N,) or one number. ValueError for a node that is not arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)  # float: an integer power tower would otherwise grow without bound
    if isinstance(node, ast.Name) and node.id in values:
        return values[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = np.asarray(_evaluate(node.left, values)), np.asarray(_evaluate(node.right, values))
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand, values)
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](_evaluate(node.args[0], values))
    raise ValueError(f"{ast.unparse(node)!r} is not understood")
