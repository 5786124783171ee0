"""Messages that name options in the shell, and arguments in Python."""

import pytest

import offctx
from offctx.cli.language import in_shell
from offctx.errors import DatasetError
from tests.cli.helpers import RECIPE

ID = "cli/PendulumGoal/random-v0"


@pytest.mark.parametrize(
    ("verb", "message", "expected"),
    [
        (
            "derivatives",
            "a has derivatives already: overwrite=True replaces them",
            "a has derivatives already: --overwrite replaces",
        ),
        ("derivatives", "none of offctx: pass env=, which was", "none of offctx: pass --env with its Gymnasium id"),
        ("derivatives", "or check=False to go on all the same", "or --no-check to go on"),
        ("collect", "A has no context derivatives: collect with gradients=False", "write gradients = false in the recipe"),
        ("train", "unless stationary=True lets all steps", "unless --set stationary=true lets"),
        ("train", "groups=1 says that", "--set groups=1 says that"),
        (
            "train",
            "a-v0 names no environment that ships with offctx: pass env=, which was X when it was recorded",
            "a-v0 names no environment that ships with offctx: give the radius as numbers",
        ),
        ("evaluate", 'hidden (context="hidden"); was it', "hidden (--context hidden); was it"),
        ("show", "overwrite=True", "overwrite=True"),
    ],
)
def test_rows(verb, message, expected):
    assert expected in in_shell(message, verb)


def test_overwriting_derivatives(run, recipe):
    run("collect", str(recipe), "-q")
    _, _, err = run("derivatives", ID, "-q")
    assert err == f"error: {ID} has derivatives already: --overwrite replaces them\n"
    with pytest.raises(DatasetError, match="overwrite=True replaces them"):
        offctx.attach_derivatives(ID)


def test_an_id_that_is_taken(run, recipe):
    run("collect", str(recipe), "-q")
    _, _, err = run("collect", str(recipe), "-q")
    assert "is taken: choose another with --id, such as" in err


def test_a_recipe_that_is_not_there(run, tmp_path):
    code, _, err = run("collect", str(tmp_path / "none.toml"))
    assert code == 2 and err.endswith(
        "none.toml: No such file or directory; `offctx list recipes` shows those that there are\n"
    )


def test_one_context_where_perm_needs_several(run, recipe, tmp_path):
    recipe.write_text(RECIPE.replace("[1.0, 2.0]", "[1.0]"))
    run("collect", str(recipe), "-q")
    code, _, err = run("train", ID, "--algorithm", "perm", "--steps", "1", "--out", str(tmp_path / "a.d3"), "-q")
    assert code == 2 and "--set groups=1" in err
    options = ["--algorithm", "perm", "--steps", "1", "--out", str(tmp_path / "a.d3"), "-q"]
    assert run("train", ID, *options, "--set", "groups=1")[0] == 0


def test_data_without_derivatives(run, recipe, tmp_path):
    recipe.write_text(RECIPE.replace("seed = 0", "seed = 0\ngradients = false"))
    run("collect", str(recipe), "-q")
    _, _, err = run("train", ID, "--cse-radius", "0.1", "--out", str(tmp_path / "a.d3"), "-q")
    assert "attach them with `offctx derivatives`" in err and "offctx.collect" not in err
