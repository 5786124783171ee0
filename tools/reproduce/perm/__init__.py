"""PERM and PPPO against merged offline learners (arXiv 2503.07988), on tasks whose context the policy does not see.

- `dosing`, `tasks`, `data`: the environments, the behaviour policies and the datasets.
- `learners`, `methods`: the learners, and the hyperparameters that were chosen for them.
- `choices`: the rule by which a search chooses, and whether the reported learners follow it.
- `cell`: how a cell runs. A cell trains one learner with one seed, scores it and measures what the training cost.
- `study`, `studies`: the comparisons. Each has one file, which says what is run, what the report says, and its picture.
- `results`, `pictures`, `report`: parts of the report that all studies share.
- `experiment`: joins them on the frame.

To add a study, write its file in `studies`, its test and a row in `studies.STUDIES`.
"""
