"""Messages in the language of the shell: what is `overwrite=True` in Python is `--overwrite` there.

The library's messages name arguments as Python takes them. To say one as a verb of the command line takes it, add a row.
"""

import re

_SETTINGS = "groups|min_contexts|stationary|split|horizon"

# verb -> what the library says (a regular expression), and what the shell says
_ROWS: dict[str, tuple[tuple[str, str], ...]] = {
    "collect": (
        (r"^(cannot read recipe .*: No such file or directory)$", r"\1; `offctx list recipes` shows those that there are"),
        (r"collect with gradients=False", "write gradients = false in the recipe"),
        (r"is taken: choose another, such as", "is taken: choose another with --id, such as"),
        (r"an id of their own, dataset_id=$", "an id of their own with --id"),
        (r"\btrust=True\b", "--trust"),
    ),
    "derivatives": (
        (r"\boverwrite=True\b", "--overwrite"),
        (r"\bcheck=False\b", "--no-check"),
        (r"\bpass env=, .*$", "pass --env with its Gymnasium id, such as offctx/HalfCheetahPhysics-v0"),
        (r"Pass the environment and the contexts that were recorded", "Pass --env with the environment that was recorded"),
        (r"is taken: choose another, such as", "is taken: choose another with --new-id, such as"),
        (r"\bthe same call\b", "the same command"),
    ),
    "train": (
        (
            r"collect it with offctx\.collect\(\.\.\., gradients=True\)",
            "attach them with `offctx derivatives`, or collect with gradients = true in the recipe",
        ),
        (r"; use exact=, and give the radius", "; give the radius as numbers"),
        (r"(names no environment that ships with offctx): pass env=, .*$", r"\1: give the radius as numbers"),
        (rf"\b({_SETTINGS})=(True|False|\d+)", r"--set \1=\2"),
    ),
    "evaluate": ((r'\bcontext="(append|hidden)"', r"--context \1"),),
}


def in_shell(message: str, verb: str) -> str:
    """The message, with options of the verb in place of Python's arguments.

    Args:
        message: of an error of the library.
        verb: such as "derivatives"; messages of others stay as they are.
    """
    for python, shell in _ROWS.get(verb, ()):
        message = re.sub(python, shell, message)
    return re.sub(r"(--set \w+)=(True|False)", lambda match: f"{match[1]}={match[2].lower()}", message)
