"""Context derivatives of the transitions of a dataset: computed while collecting, or attached to an existing dataset."""
