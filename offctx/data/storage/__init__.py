"""Datasets on disk: their ids and folders, writing, copying, publishing, reading, verifying, and the flat copy."""
