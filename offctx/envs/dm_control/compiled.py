"""Models whose lengths are a context: compiled once for each length, and kept as what differs from the default's model.

A length changes inertias, and so it cannot be set in a compiled model. Compiling takes milliseconds; what it changes, some 20
arrays of a few numbers, is kept, and put into a thread's scratch model within microseconds.

Dimensions: p context, l coordinates that are lengths.
"""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.errors import EnvError

Edit = Callable[[mujoco.MjSpec, Contexts], None]

_KEPT = 16384  # lengths, of some 2 kB each
_STATISTIC, _STATISTICS = "stat.", ("center", "extent", "meaninertia", "meanmass", "meansize")


class CompiledModels:
    """The models of a specification at all lengths.

    Args:
        spec: the specification as its file has it; it is not changed.
        edit: sets the lengths (l,) in a copy of the specification.
        default: lengths (l,) at which nothing is edited.

    Attributes:
        model: at the default; not to be changed.
    """

    def __init__(self, spec: mujoco.MjSpec, edit: Edit, default: Contexts) -> None:
        self._spec, self._edit = spec, edit
        self.model = _compile(spec.copy())
        self._nominal = {name: np.array(_part(self.model, name)) for name in _part_names(self.model)}
        self._touched: set[str] = set()  # what differs from the default in any model that was compiled
        self._changes: OrderedDict[bytes, dict[str, Array]] = OrderedDict({default.tobytes(): {}})  # the most recent last
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, object]) -> "CompiledModels":
        return self  # what it keeps depends on nothing but the specification

    def apply(self, model: mujoco.MjModel, lengths: Contexts) -> None:
        """Changes a copy of `model` to that of some lengths.

        Args:
            model: changed in place, whatever its lengths were before.
            lengths: (l,).

        Raises:
            EnvError: MuJoCo refuses a model with these lengths.
        """
        with self._lock:
            changes = self._changes_of(lengths)
            touched = tuple(self._touched)
        for name in touched:
            _write(model, name, changes.get(name, self._nominal[name]))

    def _changes_of(self, lengths: Contexts) -> dict[str, Array]:
        key = lengths.tobytes()
        changes = self._changes.pop(key, None)
        if changes is None:
            changes = self._compiled_changes(lengths)
            self._touched.update(changes)
            if len(self._changes) >= _KEPT:
                self._changes.popitem(last=False)
        self._changes[key] = changes
        return changes

    def _compiled_changes(self, lengths: Contexts) -> dict[str, Array]:
        """The parts of the model with these lengths that differ from the default's."""
        spec = self._spec.copy()
        self._edit(spec, lengths)
        try:
            model = _compile(spec)
        except ValueError as error:
            raise EnvError(f"MuJoCo refuses the model with lengths {lengths.tolist()}: {error}") from error
        assert model.nbuffer == self.model.nbuffer, "a length changes numbers, not how many there are"
        parts = ((name, _part(model, name), nominal) for name, nominal in self._nominal.items())
        return {name: np.array(part) for name, part, nominal in parts if part.tobytes() != nominal.tobytes()}


def _compile(spec: mujoco.MjSpec) -> mujoco.MjModel:
    with warnings.catch_warnings():  # of attributes in the suite's own files
        warnings.filterwarnings("ignore", "compiler attribute .* is deprecated")
        return spec.compile()


def _part_names(model: mujoco.MjModel) -> list[str]:
    """The names of all arrays of a model that hold anything, and of its statistics."""
    fields = [name for name in dir(model) if not name.startswith("_")]
    arrays = [name for name in fields if isinstance(getattr(model, name), np.ndarray) and getattr(model, name).size]
    return [*arrays, *(_STATISTIC + name for name in _STATISTICS)]


def _part(model: mujoco.MjModel, name: str) -> Array:
    if name.startswith(_STATISTIC):
        return np.asarray(getattr(model.stat, name.removeprefix(_STATISTIC)))
    return np.asarray(getattr(model, name))


def _write(model: mujoco.MjModel, name: str, value: Array) -> None:
    if name.startswith(_STATISTIC):
        setattr(model.stat, name.removeprefix(_STATISTIC), value if value.ndim else float(value))
    else:
        getattr(model, name)[:] = value
