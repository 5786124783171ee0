"""The methods that several studies share: a learner with the hyperparameter value that was chosen for each task.

The values in use come from a search in the unseen contexts and from the start states that are reported, with another seed of
training contexts, data and networks. The study "search" compares values in other unseen contexts and from other start states;
the report says which of its cells are finished (`selection`). The ways in which merged IQL uses labels have the value of
merged IQL.
"""

from typing import Any

from tools.reproduce.perm.learners import Labels, LearnerSettings

SEARCH: dict[str, tuple[str, tuple[float, ...]]] = {
    "perm": ("weight_temp", (1.0, 3.0, 10.0)),
    "perm-gradient": ("bc_weight", (0.03, 0.1, 0.4)),
    "iql": ("weight_temp", (0.3, 1.0, 3.0, 10.0, 30.0)),
    "td3plusbc": ("alpha", (0.3, 2.5, 10.0, 100.0)),
    "cql": ("conservative_weight", (0.3, 1.0, 10.0)),  # CQL takes the longest
}
"""Method -> its hyperparameter and the values that are compared."""

CHOSEN: dict[tuple[str, str], float] = {
    ("perm", "SimpleDirection"): 3.0,
    ("perm", "PendulumGoal"): 10.0,
    ("perm", "Dosing"): 10.0,
    ("perm-gradient", "SimpleDirection"): 0.03,
    ("perm-gradient", "PendulumGoal"): 0.03,
    ("perm-gradient", "Dosing"): 0.03,
    ("iql", "SimpleDirection"): 1.0,
    ("iql", "PendulumGoal"): 10.0,
    ("iql", "Dosing"): 1.0,
    ("td3plusbc", "SimpleDirection"): 10.0,
    ("td3plusbc", "PendulumGoal"): 100.0,
    ("td3plusbc", "Dosing"): 0.3,
    ("cql", "SimpleDirection"): 0.3,
    ("cql", "PendulumGoal"): 1.0,
    ("cql", "Dosing"): 10.0,
}
"""Method and task -> the value of the reported learners, chosen on what is reported (`selection`).

`choices` says whether the study "search" chooses it too.

Natural data of a task have it too: nothing was chosen on them.
"""

COST_BETA = 0.3
TITLES = {
    "perm": "PERM, expectile (IQL-nV)",
    "perm-gradient": "PERM, policy evaluation and gradient",
    "perm-one": "PERM with one critic set",
    "iql": "IQL, merged",
    "td3plusbc": "TD3+BC, merged",
    "cql": "CQL, merged",
    "iql-centred": "IQL, merged, rewards centred per context",
    "iql-critic": "IQL, merged, critic sees the context",
    "perm-policy": f"PERM, policy evaluation and gradient, beta {COST_BETA:g}",
    "pppo": f"PPPO, beta {COST_BETA:g}",
    "zero": "zero action",
    "random": "random action",
}
"""Methods as the report names them."""

MERGED = ("iql", "td3plusbc", "cql")  # trained on the data of all contexts together
LABELLED = ("iql-centred", "iql-critic")  # trained on them, and on the labels of contexts
PER_CONTEXT = ("perm", "perm-gradient")  # with critics of their own for each context

_FIXED: dict[str, dict[str, Any]] = {"perm-gradient": {"evaluation": "policy", "extraction": "gradient"}}
_LABELS: dict[str, Labels] = {"iql-centred": "centred", "iql-critic": "critic"}
_PPPO_ROUNDS = 3  # over the contexts
_SECONDS = {"cql": 34.0, "perm-gradient": 11.0, "perm": 10.5, "td3plusbc": 6.0, "iql": 8.0}


def method(name: str, task: str, beta: float | None = None, value: float | None = None, **config: Any) -> LearnerSettings:
    """The learner of a method.

    Args:
        name: a key of SEARCH, or among LABELLED.
        task: the name of the task.
        beta: the scale of the quantifier.
        value: of the searched hyperparameter; None for the value of the reported learners.
        config: further hyperparameters.
    """
    searched_as = "iql" if name in LABELLED else name
    hyperparameter, _ = SEARCH[searched_as]
    searched = {hyperparameter: CHOSEN[searched_as, task] if value is None else value}
    labels = _LABELS.get(name, "unused")
    return LearnerSettings(name.split("-", maxsplit=1)[0], {**_FIXED.get(name, {}), **searched, **config}, beta, labels=labels)


def pppo(n: int) -> LearnerSettings:
    """PPPO on n contexts with as many updates as the others; two of three updates are of the critics."""
    turn = LearnerSettings("pppo").steps // (_PPPO_ROUNDS * n)
    improvement = max(turn // 3, 1)
    config = {"evaluation_steps": turn - improvement, "improvement_steps": improvement, "step_size": 0.3, "output": "last"}
    return LearnerSettings("pppo", config, beta=COST_BETA)


def seconds(name: str) -> float:
    """The expected time of a cell, for the progress bar."""
    return _SECONDS.get(name, 9.0)
