"""What a shell completes where a value is expected. Light: the shell waits for it."""


def dataset_ids(incomplete: str) -> list[str]:
    """The ids of the datasets that are there."""
    from offctx.cli.catalogue import datasets

    return [row["dataset_id"] for row in datasets() if row["dataset_id"].startswith(incomplete)]


def environment_ids(incomplete: str) -> list[str]:
    """The ids of the environments that offctx registers."""
    from offctx.envs.registry import ENVIRONMENTS

    return [row.id for row in ENVIRONMENTS if row.id.startswith(incomplete)]


def context_modes(incomplete: str) -> list[str]:
    """How an agent may observe the context."""
    return [mode for mode in ("append", "hidden") if mode.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """What `offctx list` lists."""
    from offctx.cli.catalogue import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]
