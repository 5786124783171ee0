"""Metadata and recipes that make parsers fail in other ways than they say: always an error of ours, and nothing imported."""

import json
import sys

import pytest

from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.collection.recipe_options import RecipeOptions
from offctx.data.recipes import read_recipe
from offctx.errors import DatasetError, EnvError, OffctxError
from tests.data.storage.conftest import data  # noqa: F401  # a fixture
from tests.data.storage.helpers import edit_metadata, edit_offctx, load

DEEP = "[" * 100_000 + "]" * 100_000
BOX = {"type": "Box", "dtype": "float32", "shape": [3], "low": [0, 0, 0], "high": [1, 1, 1]}
SPACES = {
    "deep": '{"type": "Tuple", "subspaces": ' * 5000 + "[]" + "}" * 5000,
    "huge shape": json.dumps(BOX | {"shape": [10**15], "low": 0, "high": 1}),
    "more than 64 bits": json.dumps({"type": "Discrete", "n": 10**400, "start": 0}),
    "a type that is code": json.dumps(BOX | {"dtype": "{'names':"}),
    "a type with a comma": json.dumps(BOX | {"dtype": "f4,(10000000000,)f8"}),
    "no text": 3,
    "infinite": json.dumps(BOX | {"shape": [float("inf")]}),
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("key", ["observation_space", "action_space"])
def test_spaces(key, space, data):  # noqa: F811
    edit_metadata(data, **{key: SPACES[space]})
    with pytest.raises(DatasetError, match=f"test/x-v0: the metadata describe no {key}"):
        load()


@pytest.mark.parametrize("count", [1e400, -1, "many", [], 10**400, float("nan")])
def test_counts(count, data):  # noqa: F811
    edit_metadata(data, total_episodes=count)
    with pytest.raises(DatasetError, match="test/x-v0"):
        load()


@pytest.mark.parametrize(
    "space",
    [
        {"names": ["x"], "low": [1e400], "high": [10**400], "default": [0]},
        {"names": ["x"], "low": [0], "high": [1], "default": [0], "constraints": ["(" * 150 + "x" + ")" * 150 + " < 1"]},
        {"names": ["x"], "low": [0], "high": [1], "default": [0], "constraints": ["x <"]},
        {"names": ["x"], "low": [[[]]], "high": {}, "default": None},
        {},
    ],
)
def test_context_spaces(space, data):  # noqa: F811
    edit_offctx(data, context_space=space)
    with pytest.raises(DatasetError, match="test/x-v0: metadata offctx"):
        load()


def test_deep_metadata(data):  # noqa: F811
    (data / "metadata.json").write_text('{"a": ' + DEEP + "}")
    with pytest.raises(DatasetError, match=r"cannot read metadata\.json"):
        load()


HEAD = 'dataset_id = "test/x-v0"\nenv = "testing/Runner-v0"\nseed = 0\n'


@pytest.mark.parametrize(
    "text",
    [
        f"a = {DEEP}",
        HEAD + f"[contexts]\nvalues = {DEEP}",
        HEAD + "episodes_per_context = 1000000000000000000000000000000",
        HEAD + "[contexts]\nlocal = {n = 100000000000000000000, radius = 0.1}",
        HEAD.replace("seed = 0", f"seed = {'9' * 5000}"),
        "\0",
    ],
)
def test_recipes(text, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(DatasetError, match="recipe"):
        read_recipe(path)


def _collect(path, **options):
    return collect_recipe(path, load_agent=lambda _: "random", options=RecipeOptions(progress=False, **options))


def test_a_mesh_beyond_memory(tmp_path, no_new_files):
    path = tmp_path / "recipe.toml"
    numbers = [1.0] * 4000
    path.write_text(HEAD + f"[contexts]\nmesh = {{speed = {numbers}, wind = {numbers}}}")
    with pytest.raises(OffctxError, match="more than 1,000,000 contexts"):
        _collect(path)


def test_a_module_in_a_recipe_is_imported_only_where_it_is_trusted(datasets_path, tmp_path, monkeypatch):
    (tmp_path / "recipes_module.py").write_text("import tests.conftest")
    (tmp_path / "broken_module.py").write_text("def")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "recipe.toml"
    path.write_text(HEAD.replace("testing/", "recipes_module:testing/"))
    with pytest.raises(DatasetError, match="imports the module 'recipes_module', which runs its code: allow it with trust"):
        _collect(path)
    assert "recipes_module" not in sys.modules
    assert len(_collect(path, trust=True)) > 0
    for module in ("broken_module", "no_such_module"):
        path.write_text(HEAD.replace("testing/", f"{module}:testing/"))
        with pytest.raises(EnvError, match=module):
            _collect(path, trust=True)
