"""The files that a class or function is made of: its module, and all that this module imports.

Only modules that are not installed count: the version of an installed package tells its code, and so it does for offctx.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_PACKAGES = {"site-packages", "dist-packages"}


def is_installed(module: str) -> bool:
    """Whether a module is part of Python or of an installed package, or of offctx."""
    if module == "__main__":
        return False
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or module.partition(".")[0] == "offctx":
        return True
    return path.startswith(_STANDARD) or not _PACKAGES.isdisjoint(Path(path).parts)


def class_sources(kind: type) -> str:
    """A hash of the files that define a class and those that it inherits from, and of what these import."""
    files = {file for each in kind.__mro__ for file in _files(each.__module__)}
    for own in (_file(each.__module__) for each in kind.__mro__):
        files |= {own} if own is not None and own.suffix == ".py" else set()
    return _hash(files)


def module_sources(module: str) -> str:
    """A hash of the file of a module, and of the files of modules that it imports, itself or through others.

    A script has no file here: it changes for many reasons. What it imports within functions counts only where it is loaded.
    """
    return _hash(_files(module))


def _hash(files: set[Path]) -> str:
    digest = hashlib.sha256()
    for content in sorted(file.read_bytes() for file in files):
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _files(module: str) -> set[Path]:
    """The files of a module and of the modules that it imports, as far as these are loaded and not installed."""
    files: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = None if name in files or name == "__main__" or is_installed(name) else _file(name)
        if file is not None:
            files[name] = file
            waiting += _imports(file, file.stat().st_mtime_ns, name, is_package=hasattr(sys.modules[name], "__path__"))
    return set(files.values())


def _file(module: str) -> Path | None:
    path = getattr(sys.modules.get(module), "__file__", None)
    return None if module == "__main__" or path is None or not Path(path).is_file() else Path(path)


@functools.lru_cache(maxsize=1000)
def _imports(file: Path, changed: int, module: str, *, is_package: bool) -> tuple[str, ...]:
    """The names of modules in the import statements of a file that changed at a time; of "a.b" also "a"."""
    if file.suffix != ".py":
        return ()
    package = module if is_package else module.rpartition(".")[0]
    names: set[str] = {package}
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            names.update(_named(node, package))
    return tuple(sorted({".".join(name.split(".")[:k]) for name in names for k in range(1, name.count(".") + 2)} - {""}))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    """The modules that a statement may import; `from a import b` may mean a module a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        with contextlib.suppress(ImportError):  # more dots than packages
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
