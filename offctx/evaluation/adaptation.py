"""Cold and warm: how one policy scores after it has seen numbers of transitions in the context.

Dimensions: S numbers of transitions seen, K contexts of a split, M episodes per context, B bins of time steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from offctx.checks import whole_number
from offctx.errors import EvaluationError
from offctx.evaluation.fields import checked_lengths, checked_returns, lookup
from offctx.evaluation.statistics import Array

MemoryKind = Literal["context", "episode", "none"]
COLD = 0  # transitions seen
NO_WARM_UP = "warmup_policy plays the warm-up, but there is none: give warmup=, a number of steps"


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The scored episodes of one policy after several warm-ups. Checked and read-only.

    Episode m of a context starts alike after every warm-up, with the same noise: cold and warm are paired.

    Attributes:
        seen: the numbers of transitions that the policy had seen in the context before the scored episode (S,); 0, the cold
            start, comes first.
        memory: "context" where the policy remembers as long as the context stays; "episode" where it forgets at the end of each
            episode; "none" where it has no memory. In the last two cases warm-ups make no difference, and none was played.
        warmup_policy: the name of the policy that played the warm-up; None where it was the policy itself.
        returns: transitions seen -> split -> (K, M), undiscounted.
        lengths: transitions seen -> split -> (K, M), in steps.
        rewards: transitions seen -> split -> mean reward per step over the contexts (B, M); after the end of an episode a step
            counts as reward 0.
        edges: of the B bins of time steps of the scored episode (B + 1,): bin b holds steps edges[b] to edges[b + 1] - 1.

    Raises:
        EvaluationError: fields do not fit each other, or numbers are not finite.
    """

    seen: tuple[int, ...]
    memory: MemoryKind
    warmup_policy: str | None
    returns: Mapping[int, Mapping[str, Array]]
    lengths: Mapping[int, Mapping[str, npt.NDArray[np.int64]]]
    rewards: Mapping[int, Mapping[str, Array]]
    edges: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        seen = tuple(int(number) for number in self.seen)
        if len(seen) < 2 or seen[0] != COLD or list(seen) != sorted(set(seen)):
            raise EvaluationError(f"expected numbers of transitions seen that grow from 0, at least two; found {self.seen}")
        if self.memory not in get_args(MemoryKind):
            raise EvaluationError(f"expected memory as one of {get_args(MemoryKind)}, found {self.memory!r}")
        edges = np.array(self.edges, dtype=np.int64)
        if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or (np.diff(edges) < 1).any():
            raise EvaluationError(f"expected edges of bins that grow from 0, found {self.edges}")
        if not set(seen) == set(self.returns) == set(self.lengths) == set(self.rewards):
            raise EvaluationError(f"expected returns, lengths and rewards for each of {seen}")
        cold = self.returns[COLD]
        returns: dict[int, dict[str, Array]] = {}
        lengths: dict[int, dict[str, npt.NDArray[np.int64]]] = {}
        rewards: dict[int, dict[str, Array]] = {}
        for number in seen:
            if not set(cold) == set(self.returns[number]) == set(self.lengths[number]) == set(self.rewards[number]):
                raise EvaluationError(
                    f"expected the same splits after every warm-up; those after {number} differ from {list(cold)}"
                )
            label = f"after {number} transitions"
            returns[number] = {k: checked_returns(v, len(cold[k]), f"returns {label}") for k, v in self.returns[number].items()}
            lengths[number] = {
                k: checked_lengths(v, np.shape(cold[k]), f"lengths {label}") for k, v in self.lengths[number].items()
            }
            rewards[number] = {
                k: checked_returns(v, len(edges) - 1, f"rewards {label}") for k, v in self.rewards[number].items()
            }
        for name, value in {"seen": seen, "edges": edges, "returns": returns, "lengths": lengths, "rewards": rewards}.items():
            object.__setattr__(self, name, value)

    @property
    def adapts(self) -> bool:
        """Whether warm-ups were played."""
        return self.memory == "context"

    def check_seen(self, number: int) -> None:
        """Raises EvaluationError where the policy was not scored after this number of transitions."""
        lookup(dict(zip(map(str, self.seen), self.seen, strict=True)), str(number), "number of transitions seen")

    def to_dict(self) -> dict[str, Any]:
        """Returns everything but the cold returns and lengths, for strict JSON. `from_dict` reads it."""
        warm = [number for number in self.seen if self.adapts and number != COLD]
        return {
            "seen": list(self.seen),
            "memory": self.memory,
            "warmup_policy": self.warmup_policy,
            "edges": self.edges.tolist(),
            "splits": {
                split: {
                    "returns": {str(number): self.returns[number][split].tolist() for number in warm},
                    "lengths": {str(number): self.lengths[number][split].tolist() for number in warm},
                    "rewards": {str(number): self.rewards[number][split].tolist() for number in (COLD, *warm)},
                }
                for split in self.returns[COLD]
            },
        }

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], returns: Mapping[str, Array], lengths: Mapping[str, npt.NDArray[np.int64]]
    ) -> Adaptation:
        """Returns what `to_dict` wrote, with the cold returns and lengths.

        Raises:
            EvaluationError: keys are missing, or their values do not fit each other.
        """
        seen, splits, memory = tuple(map(int, data["seen"])), data["splits"], cast(MemoryKind, data["memory"])
        source = {number: number if memory == "context" else COLD for number in seen}  # whose scores these are

        def stored(field: str, number: int) -> dict[str, Any]:
            return {split: values[field][str(number)] for split, values in splits.items()}

        return cls(
            seen=seen,
            memory=memory,
            warmup_policy=data["warmup_policy"],
            returns={k: returns if source[k] == COLD else stored("returns", k) for k in seen},
            lengths={k: lengths if source[k] == COLD else stored("lengths", k) for k in seen},
            rewards={k: stored("rewards", source[k]) for k in seen},
            edges=np.asarray(data["edges"], dtype=np.int64),
        )


def checked_warmup(warmup: int | Sequence[int]) -> tuple[int, ...]:
    """The numbers of transitions to score after, growing, 0 first; () where no warm-up is asked.

    Args:
        warmup: one number of steps, or several.

    Raises:
        EvaluationError: not whole numbers of at least 0.
    """
    if isinstance(warmup, (str, bytes)) or (not isinstance(warmup, Sequence) and np.ndim(warmup) != 1):
        numbers = [warmup]
    else:
        numbers = list(warmup)  # type: ignore[arg-type]  # a sequence, or an array
    steps = {int(whole_number(number, "warmup", 0, EvaluationError, most=1_000_000_000)) for number in numbers}
    return tuple(sorted({COLD, *steps})) if steps - {COLD} else ()
