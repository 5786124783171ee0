"""Zero-shot evaluation: returns on unseen contexts, honest intervals, reports one can look at."""

from offctx.evaluation.evaluator import ZeroShotEvaluator, evaluate
from offctx.evaluation.report import Comparison, ZeroShotReport, compare

__all__ = ["Comparison", "ZeroShotEvaluator", "ZeroShotReport", "compare", "evaluate"]
