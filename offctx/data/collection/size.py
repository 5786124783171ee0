"""Whether the episodes that are asked for can be there at all: found out before anything is played.

How long the episodes are is known only afterwards, so this is the least that they take. The disk is asked again before each
chunk is written.
"""

from offctx.data.storage.ids import datasets_root
from offctx.data.storage.limits import machine_memory
from offctx.data.storage.room import check_room
from offctx.envs.base import ContextualEnv
from offctx.errors import DatasetError
from offctx.words import bytes_text, count

_ON_DISK = 1000  # bytes of an episode in its file, at least: one of a single step takes 1.4 kB
_IN_MEMORY = 40  # bytes of an episode beside its context: its seed, its policy, and copies on the way


def check_size(dataset_id: str, env: ContextualEnv, contexts: int, episodes_per_context: int) -> None:
    """Checks that a dataset of so many episodes finds room.

    Args:
        dataset_id: for messages.
        env: the environment.
        contexts: how many, K.
        episodes_per_context: M.

    Raises:
        DatasetError: the disk has no room for them, or the memory none for their seeds and contexts.
    """
    episodes = contexts * episodes_per_context
    asked = f"{dataset_id} would have {episodes:,} episodes, {episodes_per_context:,} in each of {count(contexts, 'context')}"
    root, least = datasets_root(), episodes * _ON_DISK

    def too_full(free: int) -> str:
        return (
            f"{asked}. They take {bytes_text(least)} on the disk even if each has a single step: "
            f"the disk is too full, {bytes_text(free)} are free at {root}"
        )

    check_room(root, least, too_full)
    plan, memory = episodes * (_IN_MEMORY + 8 * env.context_space.size), machine_memory()
    if plan > memory:
        raise DatasetError(
            f"{asked}. Their seeds and contexts take {bytes_text(plan)} of memory: this machine has {bytes_text(memory)}. "
            f"Collect several datasets, which offctx.combine joins"
        )
