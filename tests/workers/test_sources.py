"""The files that a class is made of: those that it imports, directly or through others, and no installed ones."""

import importlib
import sys

import numpy as np
import pytest

from offctx.envs import SimpleDirection
from offctx.workers.sources import class_sources, is_installed, module_sources

_FILES = {
    "sources_of_env/__init__.py": "",
    "sources_of_env/env.py": "import numpy\nfrom .physics import WIND\n\nclass Env:\n    wind = WIND\n",
    "sources_of_env/physics.py": "from sources_of_units import METRE\nWIND = 3 * METRE\n",
    "sources_of_env/other.py": "UNUSED = 1\n",
    "sources_of_units.py": "METRE = 1\n\ndef later():\n    import sources_of_env.env\n",
}


@pytest.fixture
def env(tmp_path, monkeypatch):
    """Writes the files, and gives a function that imports the class and what else is in the package."""
    for name, content in _FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    importlib.import_module("sources_of_env.other")
    yield importlib.import_module("sources_of_env.env").Env
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    "name", ["sources_of_env/__init__.py", "sources_of_env/env.py", "sources_of_env/physics.py", "sources_of_units.py"]
)
def test_a_file_that_is_imported_counts(name, env, tmp_path):
    first = class_sources(env), module_sources(env.__module__)
    (tmp_path / name).write_text(_FILES[name] + "# changed\n")
    assert class_sources(env) != first[0]
    assert module_sources(env.__module__) != first[1]


def test_a_file_that_is_not_imported_does_not_count(env, tmp_path):
    first = class_sources(env)
    (tmp_path / "sources_of_env/other.py").write_text("UNUSED = 2\n")
    assert class_sources(env) == first


def test_a_class_that_inherits_from_a_file_counts_it(env, tmp_path):
    class Slower(env):
        pass

    first = class_sources(Slower)
    (tmp_path / "sources_of_units.py").write_text("METRE = 2\n")
    assert class_sources(Slower) != first


def test_a_file_that_cannot_be_parsed_counts_as_it_is(env, tmp_path):
    first = class_sources(env)
    (tmp_path / "sources_of_env/physics.py").write_text("from ... import\n")
    assert class_sources(env) != first


def test_installed_packages_have_their_versions_instead():
    assert is_installed("numpy") and is_installed("offctx.envs") and is_installed("json")
    assert not is_installed(__name__) and not is_installed("__main__")
    assert module_sources("numpy") == module_sources("json")
    assert class_sources(int) == class_sources(float)
    assert class_sources(SimpleDirection) != class_sources(np.ndarray)
