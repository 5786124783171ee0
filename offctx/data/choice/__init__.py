"""Choosing episodes of a dataset: by their contexts, by a split, by their numbers."""
