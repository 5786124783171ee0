"""How often the 95 % intervals of `offctx.evaluation.statistics` contain the truth, by simulation.

- `populations`: distributions of seeds, and returns drawn from them.
- `rules`: the intervals under test: ours, and percentile bootstraps beside them.
- `experiment`: what a cell runs.
- `report`: what the report says.
"""
