"""Datasets made of datasets: a part saved under an id of its own, and several combined."""
