"""Context derivatives of the transitions of a dataset."""
