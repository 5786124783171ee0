"""How far contexts may be moved before the first-order expansion of transitions is too far from exact simulation.

`radius_report` in `measure` draws transitions (`sample`), moves their contexts (`moves`), compares the expansion with the
simulation (`errors`), reads off slope and suggested radius (`slopes`) and returns a `RadiusReport` (`report`).
"""

from offctx.analysis.radius.measure import radius_report
from offctx.analysis.radius.report import RadiusReport

__all__ = ["RadiusReport", "radius_report"]
