"""The arms of a comparison that are no method of their own: null controls, and references. Their names stand here alone.

An arm is recognised by its key ("zero") or by its title ("zero action"); reports show the name that they were given.
"""

from collections.abc import Iterable

NULL_CONTROLS = {  # key -> title: what a method must be above before its gain says anything about contexts
    "hidden": "context hidden",
    "jitter": "jitter (placebo)",
    "zero": "zero action",
    "random": "random action",
    "constant": "constant action",  # the best single action, where actions are Discrete and none is zero
}
REFERENCES = {  # key -> title: learners that were given more than the method: other contexts' data, or their rewards
    "ldr": "LDR",
    "gdr": "GDR",
    "relabelled": "reward relabelled",
}
ALIASES = {"placebo": "jitter", "contextjitter": "jitter", "context jitter": "jitter"}  # names that users give, and their keys
_LOOKALIKES = (
    "placebo",
    "jitter",
    "hidden",
    "no context",
    "without context",
    "zero action",
    "random action",
    "constant action",
)
FIXED = ("zero", "random", "constant")  # controls that learn nothing; one run of each is a constant over training seeds
ZERO, RANDOM, CONSTANT = (NULL_CONTROLS[key] for key in FIXED)


def names_of(methods: Iterable[str], arms: Iterable[str]) -> tuple[str, ...]:
    """Returns those of the methods that are one of these arms, by key or by title.

    Args:
        methods: names, of any case.
        arms: keys of `NULL_CONTROLS` or `REFERENCES`.
    """
    titles = NULL_CONTROLS | REFERENCES
    wanted = set(arms)
    known = {name.lower() for arm in wanted for name in (arm, titles[arm])} | {k for k, key in ALIASES.items() if key in wanted}
    return tuple(method for method in methods if method.strip().lower() in known)


def looks_like_null_control(method: str) -> bool:
    """Whether a name holds the words of a null control, such as "TD3, no context": it may be one, or the opposite of one."""
    name = " ".join(method.lower().replace("-", " ").replace("_", " ").split())
    return any(words in name for words in _LOOKALIKES)


def is_fixed(method: str) -> bool:
    """Whether a method is a control that learns nothing."""
    return bool(names_of([method], FIXED))
