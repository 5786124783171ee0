"""What a buffer says of itself when it is printed."""

from typing import TYPE_CHECKING

from offctx.buffers.context_ids import distinct
from offctx.cards import contexts_text

if TYPE_CHECKING:
    from offctx.buffers.replay_buffer import ContextualReplayBuffer


def facts_of(buffer: "ContextualReplayBuffer") -> dict[str, str]:
    """The facts of a buffer, by name."""
    ids, first = distinct(buffer.table["context_ids"])
    contexts = contexts_text(buffer.context_space.names, buffer.table.take("contexts", first[ids >= 0]))
    if buffer.context_level in ("anonymous", "withheld"):
        contexts = "withheld" if buffer.context_level == "withheld" else f"{(ids >= 0).sum()}, anonymous"
    return {
        "transitions": str(buffer.transition_count),
        "episodes": str(buffer.size()),
        "contexts": contexts,
        "observations": f"{buffer.dataset_info.observation_signature.shape[0][0]} numbers, context {buffer.context}",
        "actions": str(buffer.action_space).replace("\n", " "),
        "augmentation": "none" if buffer.augmentation is None else repr(buffer.augmentation).replace("\n", " "),
        **({} if buffer.history is None else {"history": repr(buffer.history)}),
        **({"truncations": "are terminals"} if buffer.truncations_are_terminal else {}),
    }
