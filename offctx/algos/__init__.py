"""Learners: d3rlpy's own by name. One algorithm of ours a file, as they come."""

from offctx.algos.stock import algorithms, load_agent, make_algorithm, train

__all__ = ["algorithms", "load_agent", "make_algorithm", "train"]
