"""The experiments whose results docs/results/ shows: one frame, and one folder for each experiment.

- `frame`: cells (the unit of work and of storage), how cells run side by side, the command line, and parts of reports.
- `registry`: the experiments by name. To add an experiment, write its folder, its test and a row there.
"""
