"""What all experiments share.

- `cells`: a cell, its result file, and which results exist.
- `clean`: which results come from the code of a commit.
- `experiment`: what an experiment must provide.
- `command`: the command line of every experiment.
- `parallel`: runs cells side by side, with a progress bar.
- `verdicts`, `markdown`, `figures`: parts of reports.
"""
