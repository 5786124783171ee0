"""The experiments whose results docs/results/ shows: one frame, and one folder for each experiment.

- `frame`: cells (the unit of work and of storage), how cells run side by side, the command line, and parts of reports.
- `registry`: the experiments by name.
- `command`: the command line, up to the name of the experiment.

To add an experiment, write a module with a subclass of `frame.experiment.Experiment` and its instance EXPERIMENT (a folder
if it needs several files: what is run, how a cell runs, what the report says), a test, and a row of the registry.
"""
