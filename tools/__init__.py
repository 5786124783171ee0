"""Tools that measure offctx: races, experiments, and the training of behaviours. They are run from the repository root."""
