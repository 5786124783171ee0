"""Algorithms by name, the fit loop, agents on disk."""
