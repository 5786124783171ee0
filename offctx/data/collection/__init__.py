"""Datasets made by playing policies in environments."""
