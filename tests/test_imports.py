"""The directions of import that the design promises, and what importing offctx leaves alone."""

import ast
import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

import offctx

ROOT = Path(offctx.__file__).parent

# The two lines of docs/architecture.md. A module may import from its own room and from the rooms below it on its line.
_GROUND = (
    *("offctx.cards", "offctx.errors", "offctx.checks", "offctx.files", "offctx.lazy", "offctx.notices", "offctx.words"),
    *("offctx.module_modes", "offctx.workers"),
)
_WORKS_WITHOUT_D3RLPY = ("offctx.contexts", "offctx.envs", "offctx.data", "offctx.analysis", "offctx.evaluation")
_LEARNING = ("offctx.uncertainty", "offctx.linear", "offctx.buffers", "offctx.augmentations", "offctx.algos", "offctx.training")
_JOINTS = {  # where the second line stands on the first
    "offctx.uncertainty": "offctx.contexts",
    "offctx.buffers": "offctx.data",
    "offctx.augmentations": "offctx.analysis",
    "offctx.training": "offctx.evaluation",
}
ROOMS = (*_GROUND, *_WORKS_WITHOUT_D3RLPY, *_LEARNING, "offctx.cli")


def _allowed() -> dict[str, set[str]]:
    """From each room to the rooms that it may import."""
    allowed: dict[str, set[str]] = {room: set(_GROUND) for room in _GROUND}
    below = set(_GROUND)
    for room in _WORKS_WITHOUT_D3RLPY:
        below = below | {room}
        allowed[room] = below
    below = set(_GROUND)
    for room in _LEARNING:
        below = below | {room} | allowed.get(_JOINTS.get(room, ""), set())
        allowed[room] = below
    allowed["offctx.cli"] = set(ROOMS)
    return allowed


ALLOWED = _allowed()
MAY_IMPORT_D3RLPY = ("offctx.buffers", "offctx.augmentations", "offctx.algos", "offctx.training", "offctx.cli")

# The few imports that point up, each made when a user's call needs it and never before.
DOORS = {
    ("offctx.analysis.radius.report", "offctx.evaluation"),  # RadiusReport.render, to_markdown, plot and save
    ("offctx.analysis.leakage.report", "offctx.evaluation"),  # LeakageReport.render, to_markdown, plot and save
    ("offctx.data.sharing.cards.place", "offctx.evaluation"),  # card_files draws the picture of a dataset
    ("offctx.algos.inferred_context", "offctx.training"),  # InferredContext("agent.d3") reads the file of a learner
    ("offctx.data.collection.recipe_policies", "offctx.algos"),  # a recipe's Decision Transformer becomes a policy
    ("offctx.data.dataset", "offctx.buffers"),  # ContextualDataset.replay_buffer
    ("offctx.augmentations.action_changes", "offctx.algos"),  # CSE(action="transported") reads a d3rlpy policy's Gaussian
}


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _name(path: Path) -> str:
    parts = ("offctx", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def _room(module: str) -> str:
    """The room of a module; the package itself and its lazy public names are no room."""
    return next((room for room in ROOMS if _within(module, (room,))), "offctx")


def _imports(source: str, module: str) -> list[tuple[str, int]]:
    """Every module that the source imports, lazily too, with its line; not what `if TYPE_CHECKING` imports."""
    found: list[tuple[str, int]] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively, which this test does not follow"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append((whole if whole in MODULES else str(node.module), node.lineno))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def _breaches(module: str, source: str) -> list[str]:
    room, said = _room(module), []
    for target, line in _imports(source, module):
        where = f"{module}:{line} imports {target}"
        if _within(target, ("offctx",)):
            other = _room(target)
            if (module, other) in DOORS or room == "offctx":
                continue
            if other == "offctx" and room != "offctx.cli":
                said.append(f"{where}, the public names, from inside")
            elif other not in ALLOWED[room] and other != "offctx":
                said.append(f"{where}, which is not below it")
        elif _within(target, ("d3rlpy",)) and not _within(module, MAY_IMPORT_D3RLPY):
            said.append(f"{where}: only {MAY_IMPORT_D3RLPY} may")
    return said


FOLDERS = itertools.groupby(sorted(MODULES), key=lambda name: name.partition(".")[2].partition(".")[0])
by_folder = pytest.mark.parametrize("modules", [pytest.param(list(names), id=f"offctx.{room}") for room, names in FOLDERS])


@by_folder
def test_no_import_points_back_up_the_line(modules: list[str]) -> None:
    assert [breach for name in modules for breach in _breaches(name, MODULES[name].read_text())] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("offctx.envs.base", "import offctx.data"),
        ("offctx.envs.base", "def f():\n    from offctx.evaluation.evaluator import evaluate"),
        ("offctx.contexts.space", "from offctx.envs.base import Array"),
        ("offctx.data.layout", "from offctx.augmentations.cse import CSE"),
        ("offctx.data.layout", "import d3rlpy"),
        ("offctx.data.layout", "from offctx.buffers import replay_buffer"),
        ("offctx.analysis.sensitivity", "from offctx.evaluation import plots"),
        ("offctx.evaluation.evaluator", "def f():\n    import d3rlpy.dataset"),
        ("offctx.evaluation.evaluator", "from offctx.training.fit import train"),
        ("offctx.evaluation.evaluator", "from offctx.buffers.batch import ContextualMiniBatch"),
        ("offctx.uncertainty.elliptical", "from offctx.envs.base import Array"),
        ("offctx.linear.pevi", "from offctx.algos.perm import PERM"),
        ("offctx.linear.pevi", "from offctx.data.dataset import ContextualDataset"),
        ("offctx.buffers.batch", "from offctx.augmentations.cse import CSE"),
        ("offctx.buffers.batch", "from offctx.analysis.radius import radius_report"),
        ("offctx.augmentations.cse", "from offctx.evaluation.statistics import iqm"),
        ("offctx.algos.perm", "from offctx.training.fit import train"),
        ("offctx.evaluation.report", "import offctx"),
        ("offctx.training.demo", "from offctx.cli import main"),
        ("offctx.data.layout", "if TYPE_CHECKING:\n    pass\nelse:\n    import d3rlpy"),
    ],
)
def test_a_breach_would_be_seen(module: str, source: str) -> None:
    assert _breaches(module, source)


def test_type_checking_imports_are_exempt() -> None:
    assert _breaches("offctx.data.layout", "if TYPE_CHECKING:\n    from offctx.buffers.batch import ContextualMiniBatch") == []


def _circles() -> list[list[str]]:
    """Sets of files that import one another, by imports at any depth but those of doors; TYPE_CHECKING ones are exempt."""
    edges = {
        module: {
            target
            for target, _ in _imports(path.read_text(), module)
            if target in MODULES and target != module and (module, _room(target)) not in DOORS
        }
        for module, path in MODULES.items()
        if module not in ("offctx", "offctx.algos")  # their lazy names are imported by nobody inside
    }

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for target in edges.get(todo.pop(), set()) - seen:
                seen.add(target)
                todo.append(target)
        return seen

    reached = {module: reachable(module) for module in edges}
    return [
        sorted(other for other in reached[module] if module in reached[other]) for module in edges if module in reached[module]
    ]


def test_no_files_import_one_another_in_a_circle() -> None:
    assert _circles() == []


@by_folder
def test_every_public_name_resolves(modules: list[str]) -> None:
    for module in (name for name in modules if not name.endswith("__main__")):
        loaded = importlib.import_module(module)
        names = getattr(loaded, "__all__", [])
        assert [name for name in names if not hasattr(loaded, name)] == [], module
        assert len(set(names)) == len(names), module


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_offctx_only_defines_things() -> None:
    code = """
import logging, random, sys
import gymnasium, numpy, torch
def state():
    _, keys, position, *rest = numpy.random.get_state()
    generators = keys.tobytes(), position, rest, torch.get_rng_state().numpy().tobytes(), random.getstate()
    return generators, (logging.root.level, list(logging.root.handlers), torch.get_num_threads(), torch.get_default_dtype())
before = state()
import offctx, offctx.envs.testing, offctx.data.card, offctx.data.recipes, offctx.evaluation.evaluator
after = state()
assert before[0] == after[0], 'a global random generator was touched'
assert before[1] == after[1], f'global settings were changed: {before[1]} to {after[1]}'
loggers = logging.Logger.manager.loggerDict.items()
ours = [name for name, log in loggers if name.startswith('offctx') and getattr(log, 'handlers', [])]
assert ours == [], ours
print([name for name in ('d3rlpy', 'matplotlib') if name in sys.modules])
"""
    assert _python(code) == "[]"


# One process imports these in this order, so that a module is also charged with what those before it import.
LIGHT = {
    "offctx": ("torch", "d3rlpy", "mujoco", "minari", "matplotlib"),
    "offctx.envs": ("torch", "d3rlpy", "mujoco", "minari", "matplotlib"),
    "offctx.analysis.radius": ("d3rlpy", "mujoco", "matplotlib", "offctx.evaluation"),
    "offctx.evaluation": ("d3rlpy", "mujoco", "matplotlib"),
    "offctx.evaluation.training_evaluator": ("d3rlpy", "mujoco", "matplotlib"),
}


def test_importing_a_room_imports_no_large_library_that_it_does_not_need() -> None:
    code = f"""
import importlib, sys
for module, heavy in {LIGHT}.items():
    importlib.import_module(module)
    print(module, *(name for name in heavy if name in sys.modules))
"""
    assert _python(code).splitlines() == list(LIGHT)


def test_the_registered_ids_are_there_without_another_import() -> None:
    code = "import offctx, gymnasium; print(gymnasium.spec('offctx/PendulumGoal-v0').max_episode_steps)"
    assert _python(code) == "200"


def test_lazy_names_are_the_public_names() -> None:
    assert set(dir(offctx)) >= {*offctx.__all__, "__all__", "__file__"}
    assert set(dir(offctx.algos)) >= set(offctx.algos.__all__)
    tree = ast.parse(MODULES["offctx"].read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    typed = {alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(offctx.__all__)
