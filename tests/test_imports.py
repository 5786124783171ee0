"""The directions of import that the design promises, and what importing offctx leaves alone."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import offctx

ROOT = Path(offctx.__file__).parent

# One module may import those of its own rank and below. Longest prefix decides.
RANKS = {
    "offctx.errors": 0,
    "offctx.constraints": 1,
    "offctx.contexts": 2,
    "offctx.envs": 3,
    "offctx.data": 4,
    "offctx.cse": 5,
    "offctx.radius": 5,
    "offctx.linear": 5,
    "offctx.pessimism": 5,
    "offctx.algos": 6,
    "offctx.evaluation": 7,
    "offctx.demo": 8,
    "offctx.cli": 9,
    "offctx.__main__": 9,
    "offctx": 8,  # the public names: everything but the command line
}
MAY_IMPORT_D3RLPY = ("offctx.data.replay_buffer", "offctx.algos")
NEEDS_D3RLPY = (*MAY_IMPORT_D3RLPY, "offctx.demo", "offctx.cli")


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _name(path: Path) -> str:
    parts = ("offctx", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def _group(module: str) -> str:
    known = [prefix for prefix in RANKS if prefix != "offctx" and _within(module, (prefix,))]
    return max(known, key=len) if known else "offctx"


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
    group, said = _group(module), []
    for target, line in _imports(source, module):
        where = f"{module}:{line} imports {target}"
        if _within(target, ("offctx",)):
            other = _group(target)
            if RANKS[other] > RANKS[group]:
                said.append(f"{where}, which is not below it")
            elif other == "offctx" and group not in ("offctx", "offctx.cli", "offctx.__main__"):
                said.append(f"{where}, the public names, from inside")
            if _within(target, MAY_IMPORT_D3RLPY) and not _within(module, (*NEEDS_D3RLPY, "offctx.data")):
                said.append(f"{where}, which needs d3rlpy")
        elif _within(target, ("d3rlpy",)) and not _within(module, MAY_IMPORT_D3RLPY):
            said.append(f"{where}: only {MAY_IMPORT_D3RLPY} may")
    return said


@pytest.mark.parametrize("module", MODULES)
def test_no_import_points_back_up_the_line(module: str) -> None:
    assert _breaches(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("offctx.envs.base", "import offctx.data"),
        ("offctx.envs.base", "def f():\n    from offctx.evaluation import evaluate"),
        ("offctx.contexts", "from offctx.envs.base import Array"),
        ("offctx.data.layout", "from offctx.cse import CSE"),
        ("offctx.data.layout", "import d3rlpy"),
        ("offctx.cse", "def f():\n    import d3rlpy.dataset"),
        ("offctx.evaluation.evaluator", "from offctx.algos import train"),
        ("offctx.evaluation.evaluator", "from offctx.data.replay_buffer import ContextualMiniBatch"),
        ("offctx.cse", "from offctx.data import replay_buffer"),
        ("offctx.linear.pevi", "from offctx.algos import train"),
        ("offctx.evaluation.report", "import offctx"),
        ("offctx.demo", "from offctx.cli import main"),
        ("offctx.data.layout", "if TYPE_CHECKING:\n    pass\nelse:\n    import d3rlpy"),
    ],
)
def test_a_breach_would_be_seen(module: str, source: str) -> None:
    assert _breaches(module, source)


def test_type_checking_imports_are_exempt() -> None:
    assert _breaches("offctx.cse", "if TYPE_CHECKING:\n    from offctx.data.replay_buffer import ContextualMiniBatch") == []


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_every_public_name_resolves(module: str) -> None:
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert [name for name in names if not hasattr(loaded, name)] == []
    assert len(set(names)) == len(names)


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
import offctx, offctx.envs.testing, offctx.data.card, offctx.data.recipes
after = state()
assert before[0] == after[0], 'a global random generator was touched'
assert before[1] == after[1], f'global settings were changed: {before[1]} to {after[1]}'
loggers = logging.Logger.manager.loggerDict.items()
ours = [name for name, log in loggers if name.startswith('offctx') and getattr(log, 'handlers', [])]
assert ours == [], ours
print([name for name in ('d3rlpy', 'matplotlib') if name in sys.modules])
"""
    assert _python(code) == "[]"
