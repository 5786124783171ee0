"""Pictures: the style of all of them, returns over the contexts of a split and against distance, and radius reports."""

from offctx.evaluation.plots.style import PALETTE as PALETTE
