"""What an encoder reads in a window: the dynamics, or the behaviour that collected the data.

`leakage_report` in `measure` draws windows (`windows`), plays them in other contexts, splits the variance of z (`variance`),
reads the context off by linear probes (`probes`) and returns a `LeakageReport` (`report`).
"""

from offctx.analysis.leakage.measure import leakage_report
from offctx.analysis.leakage.report import LeakageReport

__all__ = ["LeakageReport", "leakage_report"]
