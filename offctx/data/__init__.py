"""Datasets: the Minari layout, collection, storage, flat arrays, derivatives."""
