"""The guide's table of recipe keys: complete, with the true defaults, and with examples that are read."""

import re
from pathlib import Path

import pydantic
import pytest

from offctx.data.recipes import ContextsRecipe, LocalDraw, PolicyRecipe, Recipe, read_recipe

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
SECTION = GUIDE.partition("## Recipes\n")[2].partition("\n## ")[0]
ROWS = {
    cells[0]: cells[1:]
    for cells in ([cell.strip() for cell in line.strip("|").split(" | ")] for line in SECTION.splitlines() if line[:3] == "| `")
}
HEAD = {"dataset_id": 'dataset_id = "a/b-v0"\n', "env": 'env = "a/b-v0"\n', "seed": "seed = 0\n"}
TABLES: list[tuple[type[pydantic.BaseModel], str, str]] = [
    (Recipe, "", ""),
    (ContextsRecipe, "", "[contexts]\n"),
    (LocalDraw, "local.", "[contexts]\n"),
    (PolicyRecipe, "", "[[policy]]\n"),
]
KEYS = [(f"`{before}{key}`", model, key, table) for model, before, table in TABLES for key in model.model_fields]
AGENT = 'agent = "a.d3"\n'
OTHERS = {
    "weight": 'name = "random"\n',
    "stochastic": AGENT,
    "target_return": AGENT,
    "temperature": AGENT,
}  # needed beside a key
BRACKETED = {"`contexts`": "`[contexts]`", "`policy`": "`[[policy]]`"}


def test_the_table_has_every_key_and_no_other():
    assert sorted(ROWS) == sorted(BRACKETED.get(row, row) for row, *_ in KEYS)


@pytest.mark.parametrize(("row", "model", "key", "table"), [key for key in KEYS if key[0] not in BRACKETED])
def test_types_defaults_meanings_and_examples(row, model, key, table, tmp_path):
    kind, default, meaning, example = ROWS[row]
    assert kind and meaning
    field = model.model_fields[key]
    if field.is_required():
        assert default == "required"
    elif field.default is not None:
        assert default.strip('`"') == str(field.default).replace("True", "true")
    else:
        assert default not in ("", "required")
    lines = "".join(line for name, line in HEAD.items() if (model, name) != (Recipe, key))
    others = OTHERS.get(key, "")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(lines + table + others + example.strip("`") + "\n")
    read_recipe(recipe)
    assert re.search(rf"\b{key}\b", example)


def test_the_whole_recipe_is_read(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)[0])
    assert [policy.weight for policy in read_recipe(recipe).policy] == [0.7, 0.3]
