"""What all experiments share.

- `cells`: a cell, its result file, and which results exist.
- `experiment`: what an experiment must provide.
- `command`: the command line of every experiment.
- `parallel`: runs cells side by side, with a progress bar.
- `verdicts`, `markdown`, `figures`: parts of reports.
"""
