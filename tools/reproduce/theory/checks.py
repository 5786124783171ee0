"""All theory checks, in the order of the report. To add one, write its file and list it here."""

from tools.reproduce.theory import algorithms, average_mdp, cebe, environments, pessimism, trajectories

CHECKS = (
    average_mdp.CHECK, environments.CHECK, trajectories.CHECK, pessimism.CHECK, algorithms.CHECK, cebe.CHECK,
)  # fmt: skip
BY_NAME = {check.name: check for check in CHECKS}
