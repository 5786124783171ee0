"""Known names on the command line: `collect NAME`, and `show NAME` before it is built."""

import json
import shutil

import gymnasium
import minari
import pytest

from offctx.data.known.record import card_file

NAME = "cli/PendulumGoal/random-v0"


@pytest.fixture
def known(run, recipe, tmp_path, monkeypatch):
    """The recipe of the tests below the current folder's `datasets/`, so that it is known by its name."""
    monkeypatch.chdir(tmp_path)
    return recipe.rename(tmp_path / "datasets" / "mine.toml")


def card_of(path, tmp_path):
    """Writes the card of a recipe, from its dataset."""
    from offctx.data.known.record import make_recipe_card
    from offctx.data.load import load_dataset

    card_file(path).parent.mkdir()
    card_file(path).write_text(make_recipe_card(load_dataset(NAME), 0).model_dump_json())


def test_collect_by_name_with_its_card_and_without(run, known, tmp_path):
    code, out, _ = run("collect", NAME, "-q")
    assert (code, out) == (0, f"{NAME}: 800 transitions in 4 episodes\n")
    card_of(known, tmp_path)
    code, out, _ = run("collect", NAME, "-q", "--id", "cli/second-v0")
    assert code == 0 and "\ncard: identical, SHA-256 " in out
    card = json.loads(card_file(known).read_text())
    card_file(known).write_text(json.dumps(card | {"sha256": "f" * 64, "packages": card["packages"] | {"torch": "1.0"}}))
    code, out, _ = run("collect", NAME, "-q", "--id", "cli/third-v0", "--json")
    comparison = json.loads(out)["recipe_card"]
    assert code == 0 and comparison["verdict"] == "rounding" and comparison["versions"]["torch"][0] == "1.0"
    assert max(comparison["arrays"].values()) == 0.0 and comparison["mean_return"] == 0.0


def test_other_data_than_the_cards_need_an_id_of_their_own(run, known, tmp_path):
    assert run("collect", NAME, "-q", "--seed", "1")[0] == 0  # no card says what the name holds
    card_of(known, tmp_path)
    assert "\ncard: not compared: other data than the card's, because of its seed, 1 " in run("validate", NAME)[1]
    shutil.rmtree(tmp_path / "datasets" / NAME)
    code, _, err = run("collect", NAME, "-q", "--seed", "1")
    assert code == 2 and "give these an id of their own with --id" in " ".join(err.split())
    assert not (tmp_path / "datasets" / NAME).exists()
    given = ["collect", NAME, "-q", "--seed", "1", "--id"]
    code, out, _ = run(*given, "cli/second-v0")
    assert code == 0 and out.endswith(
        "\ncard: not compared: other data than the card's, because of seed 1 (the recipe's is 0)\n"
    )
    compared = json.loads(run(*given, "cli/third-v0", "--json")[1])["recipe_card"]
    assert compared == {"verdict": "not compared", "because": "seed 1 (the recipe's is 0)"}


def test_collect_takes_what_the_metadata_say_of_authors_and_license(run, known):
    options = ["--author", "Ada Lovelace", "--author", "Alan Turing", "--author-email", "ada@example.org"]
    options += ["--license", "CC-BY-4.0", "--code-permalink", "https://example.org/code", "--description", "Random torque."]
    assert run("collect", NAME, "-q", *options)[0] == 0
    out = run("show", NAME)[1]
    for line in ("description   Random torque.", "license       CC-BY-4.0", "code          https://example.org/code"):
        assert line in out
    assert "author        Ada Lovelace, Alan Turing" in out
    code, _, err = run("collect", NAME, "-q", "--id", "cli/second-v0", "--author", "")
    assert code == 2 and "author must be a text" in err and not (known.parent / "cli" / "second-v0").exists()


def test_validate_compares_with_the_card_too(run, known, tmp_path):
    run("collect", NAME, "-q")
    assert "card:" not in run("validate", NAME)[1] and json.loads(run("validate", NAME, "--json")[1])["recipe_card"] is None
    card_of(known, tmp_path)
    code, out, _ = run("validate", NAME)
    assert code == 0 and out.startswith("valid (") and "\ncard: identical, SHA-256 " in out
    run("collect", NAME, "-q", "--id", "cli/other-v0", "--seed", "1")
    assert "card:" not in run("validate", "cli/other-v0")[1]


def test_collect_of_an_unknown_name(run, known):
    code, _, err = run("collect", "cli/PendulumGoal/randm-v0", "-q")
    assert code == 2 and "`offctx list recipes` shows those that there are; did you mean cli/PendulumGoal/random-v0" in err


def test_show_before_and_after_it_is_built(run, known):
    code, out, _ = run("show", NAME)
    assert code == 0 and out.startswith(f"{NAME}: not built yet. `offctx collect {NAME}` builds it\n")
    assert "at most 800 transitions in 4 episodes" in out and "    g=1, m=1, l=1, tau=0\n" in out
    assert json.loads(run("show", NAME, "--json")[1])["built"] is False
    run("collect", NAME, "-q")
    assert run("show", NAME)[1].startswith(f"{NAME}\n  environment   offctx/PendulumGoal-v0\n")
    assert run("show", str(known))[1].startswith(f"{NAME}: built already. `offctx show {NAME}` shows its card\n")


def test_show_of_a_recipe_that_ships_with_offctx(run, known):
    code, out, _ = run("show", "offctx/SimpleDirection/random-v0")
    assert code == 0 and "10000 transitions in 1000 episodes" in out
    assert "sha256        c9d44e24f80ad2cb976844c1489b22d715b0348b937e7b862eb0c14a982108ad" in out
    assert "card made by  python 3." in out


def test_show_as_a_card_for_hubs(run, known):
    code, _, err = run("show", NAME, "--format", "hub")
    assert code == 2 and f"--format hub needs the dataset: build it first with `offctx collect {NAME}`" in err
    run("collect", NAME, "-q")
    code, out, _ = run("show", NAME, "--format", "hub")
    assert code == 0 and out.startswith("---\npretty_name: ") and "\n# PendulumGoal random-v0\n" in out
    described = json.loads(run("show", NAME, "--format", "croissant")[1])
    assert described["identifier"] == NAME and len(described["distribution"]) == 2
    assert run("show", NAME, "--format", "pdf")[0] == 2


def test_show_of_what_is_not_known(run, known):
    code, _, err = run("show", "cli/nowhere-v0")
    assert code == 2 and "no dataset 'cli/nowhere-v0'" in err
    code, _, err = run("show", "nowhere.toml")
    assert code == 2 and "cannot read recipe nowhere.toml" in err


def test_the_page_of_all_kinds_is_short_and_has_every_name(run, known, tmp_path):
    run("collect", NAME, "-q")
    code, out, _ = run("list")
    assert code == 0 and len(out.splitlines()) < 80 and max(map(len, out.splitlines()[1:])) <= 120
    listed = json.loads(run("list", "--json")[1])
    for kind, key in {
        "datasets": "dataset_id",
        "recipes": "dataset_id",
        "environments": "env",
        "algorithms": "algorithm",
    }.items():
        assert f"{kind}: {len(listed[kind])}  (" in out
        assert all(row[key] in out for row in listed[kind])
    assert f"(in {tmp_path / 'datasets'}; " in out
    assert f"  {NAME}\n" in out.partition("recipes:")[2]


def test_many_datasets_are_cut_on_the_page_and_it_says_so(run, known, tmp_path):
    for k in range(15):
        (tmp_path / "datasets" / f"cli/many-v{k}" / "data").mkdir(parents=True)
        (tmp_path / "datasets" / f"cli/many-v{k}" / "data" / "metadata.json").write_text("{}")
    assert "... and 3 more: offctx list datasets" in run("list")[1]
    assert "cli/many-v9" in run("list", "datasets")[1]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_show_of_plain_data_without_contexts(run, known, tmp_path):
    collector = minari.DataCollector(gymnasium.make("CartPole-v1", max_episode_steps=5))
    collector.reset(seed=0)
    while not any(collector.step(0)[2:4]):
        pass
    collector.create_dataset("plain/cartpole-v0")
    code, out, _ = run("show", "plain/cartpole-v0")
    assert code == 0 and "  environment   CartPole-v1\n" in out and "in 1 episode, " in out
    assert "none: plain Minari data have no checksum" in out and "context_space=ContextSpace(...)" in out
    assert json.loads(run("show", "plain/cartpole-v0", "--json")[1])["contexts"] == []
    assert run("show", "plain/cartpole-v0", "--format", "hub")[0] == 2
