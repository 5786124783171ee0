"""Learners: d3rlpy's own by name. One algorithm of ours a file, as they come."""

from offctx.algos.actor import GaussianActor, Sampler, actor_of, load_actor, save_actor
from offctx.algos.stock import algorithms, load_agent, make_algorithm, train

__all__ = [
    "GaussianActor",
    "Sampler",
    "actor_of",
    "algorithms",
    "load_actor",
    "load_agent",
    "make_algorithm",
    "save_actor",
    "train",
]
