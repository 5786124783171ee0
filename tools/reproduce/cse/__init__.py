"""Context sample enhancement in every environment: baseline, CSE and LDR, scored in contexts that are not in the data.

- `settings`, `environments`: what is run.
- `behaviours`, `data`, `learners`, `radius`: how a cell runs.
- `results`, `competence`, `verdicts`, `matters`, `configurations`: what the cells say.
- `head`, `tables`, `pictures`, `records`, `report`: how the report says it.
- `experiment`: joins them on the frame.
"""
