"""Datasets: the Minari layout, collection, flat arrays, and the d3rlpy replay buffer."""

from offctx.data.collection import collect
from offctx.data.dataset import ContextualDataset, load_dataset

__all__ = ["ContextualDataset", "collect", "load_dataset"]
