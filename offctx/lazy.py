"""Public names that are imported on first use, so that `import offctx` stays light and leaves PyTorch and d3rlpy alone."""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False  # as in typing, which takes longer to import than all else here
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_exports(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: its name, `__name__`.
        modules: from each public name to the module that defines it. A name whose module ends in `.name` and defines no such
            attribute is that module itself.
    """

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(modules[name])
        return module if modules[name] == f"{package}.{name}" else getattr(module, name)

    return load, lambda: sorted({*vars(sys.modules[package]), *modules})
