"""The arrays that a dataset holds, as cards describe them.

Dimensions: T steps of an episode, o observation, a action, p context, s state, z noise.
"""

from dataclasses import dataclass

from offctx.data.dataset import ContextualDataset
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD, NOISE, STATE


@dataclass(frozen=True)
class ArrayFacts:
    """An array that every episode has.

    Attributes:
        path: in the episode's HDF5 group, such as "infos/context".
        dtype: NumPy's name of the type.
        row: the shape of one row.
        with_start: whether there are T + 1 rows, the first for the start, and not T.
        meaning: in words.
    """

    path: str
    dtype: str
    row: tuple[int, ...]
    with_start: bool
    meaning: str

    @property
    def shape_text(self) -> str:
        """The shape in one episode, such as "(T+1, 3)"."""
        return f"({', '.join(['T+1' if self.with_start else 'T', *map(str, self.row)])})"


_MEANINGS = {  # attribute of the dataset -> path, whether there is a row for the start, meaning
    "observations": ("observations", True, "observations; row t+1 is what transition t led to"),
    "actions": ("actions", False, "actions"),
    "rewards": ("rewards", False, "rewards"),
    "terminations": ("terminations", False, "whether the environment ended the episode"),
    "truncations": ("truncations", False, "whether the time limit ended the episode"),
    "contexts": (f"infos/{CONTEXT}", True, "the context, the same in every row of an episode"),
    "states": (f"infos/{STATE}", True, "state of the simulator"),
    "noise": (f"infos/{NOISE}", True, "standard normal numbers that each transition consumed; row t+1 belongs to transition t"),
    "dnext_observation_dcontext": (
        f"infos/{DNEXT}",
        True,
        "derivative of the next observation by the context; row t+1 belongs to transition t, row 0 is zero",
    ),
    "dreward_dcontext": (f"infos/{DREWARD}", True, "total derivative of the reward by the context, in the same rows"),
    "derivative_errors": (f"infos/{DERROR}", True, "estimated relative error of the derivatives, in the same rows"),
}


def array_facts(dataset: ContextualDataset) -> list[ArrayFacts]:
    """Returns what there is to say of each array that the dataset has."""
    facts = []
    for name, (path, with_start, meaning) in _MEANINGS.items():
        array = getattr(dataset, name)
        if array is not None:
            facts.append(ArrayFacts(path, str(array.dtype), array.shape[1:], with_start, meaning))
    return facts
