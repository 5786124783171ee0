"""Datasets: the Minari layout, collection, flat arrays, and the d3rlpy replay buffer."""

from offctx.data.collection import collect
from offctx.data.dataset import ContextualDataset, load_dataset
from offctx.data.derivatives import attach_derivatives
from offctx.data.online import online_buffer
from offctx.data.sensitivity import Sensitivity, context_distance, context_sensitivity

__all__ = [
    "ContextualDataset",
    "Sensitivity",
    "attach_derivatives",
    "collect",
    "context_distance",
    "context_sensitivity",
    "load_dataset",
    "online_buffer",
]
