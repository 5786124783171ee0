"""Context sample enhancement in every environment: baseline, CSE and LDR over contexts nobody but LDR has seen.

- `settings`, `environments`: what is run.
- `behaviours`, `data`, `learners`, `radius`: how a cell runs.
- `results`, `verdicts`, `pictures`, `report`: what the report says.
- `experiment`: joins them on the frame.
"""
