"""Many MuJoCo states stepped at once, each with the model of its own context.

There are two ways, and both take the same time per row on few cores:

- `step` gives the whole next state, solver warm start and derived quantities included, so that an episode goes on from it
  bit for bit as Gymnasium's does. `mujoco.rollout` returns neither, therefore threads step rows one by one (MuJoCo
  releases the interpreter's lock while it works).
- `outcomes` gives positions and velocities only, by `mujoco.rollout`: all that a one-step question needs, such as a
  context derivative.

Dimensions: N rows, V variants of one context, s state, u controls, p context.
"""

import copy
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import mujoco
import mujoco.rollout
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array

Apply = Callable[[mujoco.MjModel, mujoco.MjData, Contexts], None]

_PHYSICS = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
SPEC = _PHYSICS | int(mujoco.mjtState.mjSTATE_WARMSTART)
_MODELS = 32  # kept by each thread, so that contexts that take turns are not made anew at every step
_ROLLOUT_ROWS = 4096  # in one native call, to bound memory: it returns every substep


@dataclass(frozen=True)
class StateLayout:
    """Where the parts of a state lie: what MuJoCo calls the full physics, the warm start, then derived quantities.

    Attributes:
        size: numbers in a state, s.
        end: of the part that MuJoCo's own functions read and write.
        qpos: slice of the positions.
        qvel: slice of the velocities.
        physics: indices of the full physics state.
        warmstart: slice of the solver's warm start.
        derived: slice of each quantity of `MjData` that is carried along.
    """

    size: int
    end: int
    qpos: slice
    qvel: slice
    physics: Array
    warmstart: slice
    derived: dict[str, slice]

    @classmethod
    def of(cls, model: mujoco.MjModel, derived: Sequence[str]) -> "StateLayout":
        """The layout for a model and the names of derived quantities."""
        parts, end = {}, 0
        for part in sorted(part for part in _single_parts() if part & SPEC):
            size = mujoco.mj_stateSize(model, part)
            parts[part], end = slice(end, end + size), end + size
        indices = [np.arange(parts[part].start, parts[part].stop) for part in parts if part & _PHYSICS]
        data, carried, own = mujoco.MjData(model), {}, end
        for name in derived:
            size = getattr(data, name).size
            carried[name], end = slice(end, end + size), end + size
        state = mujoco.mjtState
        return cls(
            size=end,
            end=own,
            qpos=parts[int(state.mjSTATE_QPOS)],
            qvel=parts[int(state.mjSTATE_QVEL)],
            physics=np.concatenate(indices),
            warmstart=parts[int(state.mjSTATE_WARMSTART)],
            derived=carried,
        )


def _single_parts() -> list[int]:
    """The bits of MuJoCo's state specification."""
    last = int(mujoco.mjtState.mjSTATE_INTEGRATION)
    return [1 << k for k in range(last.bit_length()) if last >> k & 1]


class Simulator:
    """Steps states of one model in many contexts.

    Args:
        model: the model, which is left as it is.
        frame_skip: MuJoCo's steps in one step of the environment.
        apply: turns a copy of the model into that of a context, whatever context it had before.
        derived: quantities of `MjData` that are part of a state, as observation or reward ask for them.
        threads: how many to use; as many as there are cores for this process where not given.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        frame_skip: int,
        apply: Apply,
        *,
        derived: Sequence[str] = (),
        threads: int | None = None,
    ) -> None:
        self.model, self.frame_skip = model, frame_skip
        self.layout = StateLayout.of(model, derived)
        self.threads = threads or available_cores()
        self._apply = apply
        self._benches: list[Bench] = []
        self._variants: list[mujoco.MjModel] = []

    def __deepcopy__(self, memo: dict[int, object]) -> "Simulator":
        return self  # it has no state of its own that outlives a call

    def bench(self, k: int = 0) -> "Bench":
        """The k-th scratch model and data."""
        while len(self._benches) <= k:
            self._benches.append(Bench(copy.copy(self.model), self._apply))
        return self._benches[k]

    def start(self, bench: "Bench", observation: Array) -> Array:
        """The state (s,) that a bench's data hold, which looks like `observation` (o,)."""
        state = np.empty(self.layout.size)
        self._read_into(state, bench)
        return state

    def _read_into(self, row: Array, bench: "Bench") -> None:
        mujoco.mj_getState(bench.model, bench.data, row[: self.layout.end], SPEC)
        for name, part in self.layout.derived.items():
            row[part] = getattr(bench.data, name).ravel()

    def step(self, states: Array, controls: Array, contexts: Contexts) -> Array:
        """Next states (N, s) of states (N, s) under controls (N, u) in contexts (N, p)."""
        states = np.ascontiguousarray(states, dtype=np.float64)
        following = np.empty_like(states)
        order = np.lexsort(contexts.T)  # rows of one context side by side: its model is made once
        workers = min(self.threads, len(states) // 4) or 1
        parts = np.array_split(order, workers)
        own, *others = [(self.bench(k), rows, states, controls, contexts, following) for k, rows in enumerate(parts)]
        waiting = [_pool(self.threads).submit(self._step_rows, *job) for job in others]
        self._step_rows(*own)
        for job in waiting:
            job.result()
        return following

    def _step_rows(
        self, bench: "Bench", rows: Array, states: Array, controls: Array, contexts: Contexts, following: Array
    ) -> None:
        """A Python loop, but one whose time is MuJoCo's: it adds some 3 % to the stepping of the lightest model."""
        data, end = bench.data, self.layout.end
        for i in rows.tolist():
            model = bench.model_of(contexts[i])
            mujoco.mj_setState(model, data, states[i, :end], SPEC)
            data.ctrl[:] = controls[i]
            mujoco.mj_step(model, data, self.frame_skip)
            if self.layout.derived:
                mujoco.mj_rnePostConstraint(model, data)
            self._read_into(following[i], bench)

    def outcomes(self, states: Array, controls: Array, variants: Contexts) -> Array:
        """What each of the states (N, s) becomes in each of the contexts (V, p): (V, N, s), only the physics of which is set.

        `controls` (N, u) are the same in all of them.
        """
        states, v = np.asarray(states, dtype=np.float64), len(variants)
        while len(self._variants) < v:
            self._variants.append(copy.copy(self.model))
        models = self._variants[:v]
        for model, variant in zip(models, variants, strict=True):
            self._apply(model, self.bench().data, variant)
        data = [self.bench(k).data for k in range(self.threads)]
        following = np.zeros((v, len(states), self.layout.size))
        most = max(_ROLLOUT_ROWS // v, 1)
        for begin in range(0, len(states), most):
            rows = slice(begin, begin + most)
            n = len(states[rows])
            found = np.empty((v * n, self.frame_skip, len(self.layout.physics)))
            mujoco.rollout.rollout(
                [model for model in models for _ in range(n)],
                data,
                np.tile(states[rows, self.layout.physics], (v, 1)),
                np.tile(controls[rows, None].astype(np.float64), (v, self.frame_skip, 1)),
                nstep=self.frame_skip,
                initial_warmstart=np.tile(states[rows, self.layout.warmstart], (v, 1)),
                state=found,
                sensordata=np.empty((v * n, self.frame_skip, self.model.nsensordata)),
                skip_checks=True,  # a Python loop that asks each row's model for its sizes
                persistent_pool=True,
            )
            following[:, rows, self.layout.physics] = found[:, -1].reshape(v, n, -1)
        return following


class Bench:
    """A scratch model and data of one thread, the context that the model is in, and models of contexts met lately."""

    def __init__(self, model: mujoco.MjModel, apply: Apply) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        self._apply = apply
        self._context: bytes | None = None
        self._models: dict[bytes, mujoco.MjModel] = {}  # the latest last

    def turn(self, context: Contexts) -> None:
        """Put a context in force."""
        key = context.tobytes()
        if key != self._context:
            self._apply(self.model, self.data, context)
            self._context = key

    def model_of(self, context: Contexts) -> mujoco.MjModel:
        """A model of a context: kept from before, or the one that was not needed for longest, made anew."""
        key = context.tobytes()
        model = self._models.pop(key, None)
        if model is None:
            full = len(self._models) == _MODELS
            model = self._models.pop(next(iter(self._models))) if full else copy.copy(self.model)
            self._apply(model, self.data, context)
        self._models[key] = model
        return model


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="offctx-mujoco")
