"""Context sample enhancement in every environment: baseline, CSE and LDR, scored in contexts that are not in the data.

- `settings`, `environments`: what is run.
- `behaviours`, `data`, `learners`, `radius`: how a cell runs.
- `results`, `verdicts`, `pictures`, `report`: what the report says.
- `experiment`: joins them on the frame.
"""
