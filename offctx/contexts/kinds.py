"""What a context coordinate changes: the dynamics, the reward, the observation, or several of these.

With the same latent state and the same action, another value of a coordinate of kind

    "dynamics"      gives another next latent state or another termination;
    "reward"        gives another reward for the same next latent state;
    "observation"   gives another observation of the same next latent state.

The latent state is what dynamics and reward depend on (`ContextualEnv.latent_states`): the whole state of a simulator, without
what its sensors remember. A coordinate that moves rewards and observations through the next latent state alone is of kind
"dynamics" and no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace

ContextKind = Literal["dynamics", "reward", "observation"]
Kinds = tuple[ContextKind, ...]
DeclaredKinds = str | Mapping[str, str | Sequence[str]] | Sequence[str | Sequence[str] | None]  # what `ContextSpace` takes

CONTEXT_KINDS: Kinds = get_args(ContextKind)
NOT_DECLARED = "not declared"


def checked_kinds(kinds: DeclaredKinds, names: Sequence[str]) -> dict[str, Kinds]:
    """The kinds of every coordinate, in the order of `CONTEXT_KINDS`, from what was declared.

    Args:
        kinds: one kind for all coordinates; a mapping from some names to a kind or several; or p of these in the order of
            names, None where nothing is declared.
        names: the p coordinates.

    Returns:
        From each name to its kinds; () where none is declared.

    Raises:
        ContextError: an unknown kind or name, or not p entries.
    """
    if isinstance(kinds, str):
        kinds = [kinds] * len(names)
    if isinstance(kinds, Mapping):
        unknown = [name for name in kinds if name not in names]
        if unknown:
            raise ContextError(f"kinds name the unknown coordinate {unknown[0]!r}; this space has {list(names)}")
        return {name: _kinds_of(name, kinds.get(name)) for name in names}
    if not isinstance(kinds, Sequence) or len(kinds) not in (0, len(names)):
        raise ContextError(
            f"expected kinds as one text, a mapping from names, or {len(names)} entries, one for each of {list(names)}; "
            f"found {kinds!r}"
        )
    return {name: _kinds_of(name, kinds[k] if kinds else None) for k, name in enumerate(names)}


def _kinds_of(name: str, declared: str | Sequence[str] | None) -> Kinds:
    """The kinds of one coordinate, each once."""
    kinds = (declared,) if isinstance(declared, str) else () if declared is None else declared
    if not isinstance(kinds, Sequence) or not all(isinstance(kind, str) and kind in CONTEXT_KINDS for kind in kinds):
        raise ContextError(f"the kind of context coordinate {name!r} must be among {list(CONTEXT_KINDS)}; found {declared!r}")
    return in_order(kinds)


def in_order(kinds: Iterable[str]) -> Kinds:
    """The kinds in the order of `CONTEXT_KINDS`, each once."""
    unique_kinds = set(kinds)
    return tuple(kind for kind in CONTEXT_KINDS if kind in unique_kinds)


def kinds_text(kinds: Sequence[str], none: str = NOT_DECLARED) -> str:
    """Kinds as text: "dynamics", "dynamics, reward"; `none` where there are none."""
    return ", ".join(kinds) or none


def movable(space: "ContextSpace") -> NDArray[np.bool_]:
    """Which coordinates (p,) of a stored transition can be moved a little: those that are neither discrete nor of observation.

    The observation of a stored transition was made in the context of the data. In a context with another gain, bias or noise it
    would have been another one, so that the transition moved to there would begin in one context and end in the other.
    """
    observed = np.array(["observation" in kinds for kinds in space.kinds.values()])
    return np.asarray(space.continuous & ~observed)


def kinds_from_dict(data: Mapping[str, object]) -> dict[str, Sequence[str]]:
    """The declared kinds in JSON data of a space; none in data that were written before spaces knew kinds."""
    stored = data.get("kinds", {})
    if not isinstance(stored, Mapping):
        raise TypeError(f"kinds must map names to lists of kinds; found {stored!r}")
    return {str(name): cast(Sequence[str], kinds) for name, kinds in stored.items()}
