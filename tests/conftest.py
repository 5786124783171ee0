"""What the tests share: small environments under the ids `testing/...`, small datasets, and a datasets folder of their own."""

import gc
import logging
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

import offctx
from offctx.envs import DifferentiableEnv, SimpleDirection

torch.set_num_threads(1)

# Minari and d3rlpy make the environment of a dataset again from its entry point, so the module needs a name that lasts:
# pytest calls every conftest.py "conftest".
_MODULE = "offctx_testing_envs"
sys.modules[_MODULE] = sys.modules[__name__]


class Runner(DifferentiableEnv):
    """Runs along x and drifts along y; the episode ends beyond x = 5.

    With its six steps, speed 0.5 is truncated, speed 2 terminates (at step 3) and speed 0.9 does both at once.
    """

    context_space = offctx.ContextSpace(["speed", "wind"], (0.25, -1.0), (3.0, 1.0), (0.5, 0.0), ["m/s", ""])
    observation_space = Box(-np.inf, np.inf, (3,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def initial_state(self, rng, context):
        return rng.uniform((0.0, -1.0), (0.01, 1.0), (*context.shape[:-1], 2))

    def transition(self, state, action, context):
        x, y = state.unbind(-1)
        speed, wind = context.unbind(-1)
        return torch.stack([x + speed, y + 0.3 * action[..., 0] + 0.1 * torch.sin(wind * speed)], dim=-1)

    def reward(self, state, action, next_state, context):
        x, y = next_state.unbind(-1)
        return context[..., 0] * x - y**2 - 0.1 * action[..., 0] ** 2

    def observe(self, state):
        x, y = state.unbind(-1)
        return torch.stack([x, y, x * y], dim=-1)

    def terminated(self, state, context):
        return state[..., 0] >= 5


class Precise(Runner):
    """Runner with float64 observations."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float64)


class Underived(SimpleDirection):
    """Without context derivatives."""

    has_derivatives = False


class Chooser(DifferentiableEnv):
    """Three Discrete actions push x; the wind, which is the context, pushes y."""

    context_space = offctx.ContextSpace(["wind"], -1.0, 1.0, [0.0])
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space: ClassVar[Discrete] = Discrete(3)

    def initial_state(self, rng, context):
        return rng.uniform(-1.0, 1.0, (*context.shape[:-1], 2))

    def transition(self, state, action, context):
        return state + torch.stack([action - 1.0, context[..., 0]], dim=-1)

    def reward(self, state, action, next_state, context):
        return -(next_state**2).sum(-1)


class ChooserFromOne(Chooser):
    """Its actions are 1, 2 and 3."""

    action_space: ClassVar[Discrete] = Discrete(3, start=1)


for _class in (Runner, Precise, Underived, Chooser, ChooserFromOne):
    gymnasium.register(f"testing/{_class.__name__}-v0", entry_point=f"{_MODULE}:{_class.__name__}", max_episode_steps=6)

RUNNER_CONTEXTS = ((0.5, 0.2), (2.0, -0.4), (0.9, 0.7))  # truncated, terminated, both


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leaves what is imported and collected out of garbage collections: walking through it took seconds, many times."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def quiet_d3rlpy() -> None:
    """d3rlpy logs every fit; only errors are of interest here."""
    if "d3rlpy" in sys.modules:
        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture
def datasets_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that MINARI_DATASETS_PATH points to."""
    root = tmp_path / "datasets"
    root.mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    return root


@dataclass(frozen=True)
class Library:
    """Datasets collected once for the whole session: runner, pendulum and chooser."""

    root: Path
    datasets: dict[str, offctx.ContextualDataset]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    root = tmp_path_factory.mktemp("library")
    pendulum = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=20)
    wanted = {
        "runner": ("testing/Runner-v0", RUNNER_CONTEXTS, 4),
        "pendulum": (pendulum, pendulum.unwrapped.context_space.mesh(g=[1.0, 3.0], tau=[-0.3, 0.3]), 3),
        "chooser": ("testing/Chooser-v0", [[-0.5], [0.5]], 8),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(root))
        datasets = {
            name: offctx.collect(env, f"test/{name}-v0", contexts=c, episodes_per_context=m, seed=7, progress=False)
            for name, (env, c, m) in wanted.items()
        }
    return Library(root, datasets)


@pytest.fixture
def library_path(library: Library, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MINARI_DATASETS_PATH set to the library; for reading only."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(library.root))
    return library.root


@pytest.fixture
def runner(library: Library) -> offctx.ContextualDataset:
    """Twelve episodes: four truncated, four terminated, four both; float32, derivatives."""
    return library.datasets["runner"]


@pytest.fixture
def pendulum(library: Library) -> offctx.ContextualDataset:
    """PendulumGoal, four contexts, three episodes of 20 steps each."""
    return library.datasets["pendulum"]


@pytest.fixture
def chooser(library: Library) -> offctx.ContextualDataset:
    """Discrete actions, two contexts."""
    return library.datasets["chooser"]


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes | None]]:
    """A folder's whole content, hidden files included: from relative path to bytes (None for a folder)."""

    def look(root: Path) -> dict[str, bytes | None]:
        return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}

    return look


@pytest.fixture
def no_new_files(datasets_path: Path, tree: Callable[[Path], dict[str, bytes | None]]) -> Iterator[None]:
    """Fails the test where the datasets folder is not, in the end, what it was in the beginning."""
    before = tree(datasets_path)
    yield
    assert tree(datasets_path) == before
