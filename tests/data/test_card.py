"""The card: plain JSON data, and a text that has all of it."""

import dataclasses
import json

import numpy as np

from offctx.data.about import About
from offctx.data.card import card, render


def test_the_card_is_json_and_counts_what_is_there(runner):
    data = json.loads(json.dumps(card(runner), allow_nan=False))
    assert (data["dataset_id"], data["env"]) == ("test/runner-v0", "testing/Runner-v0")
    assert (data["episodes"], data["transitions"]) == (runner.num_episodes, len(runner))
    assert data["derivatives"]["source"] == "autodiff" and data["sha256"] == runner.metadata.sha256
    for c, row in enumerate(data["contexts"]):
        returns = runner.episode_returns[runner.episode_context_ids == c]
        assert list(row["context"].values()) == runner.unique_contexts[c].tolist()
        assert row["episodes"] == len(returns)
        assert row["return_quantiles"]["50%"] == np.median(returns)


def test_sensitivity_is_in_the_card_where_the_caller_gives_it(runner):
    ranked = {"name": "wind", "by": 1.0, "unit": "", "next_observation": 0.25, "reward": 0.5, "both": 0.75}
    sensitivity = {"ranking": [ranked], "discrete": ["gear"], "transitions": 3, "left_out": 1}
    assert card(runner)["sensitivity"] is None and "sensitivity" not in render(card(runner))
    text = render(card(runner, sensitivity))
    assert "left out: 1 of 4 transitions" in text and "gear         discrete" in text
    assert [line.split() for line in text.splitlines() if line.startswith("    wind")][-1] == [
        "wind",
        "1",
        "0.25",
        "0.5",
        "0.75",
    ]


def test_the_text_of_many_contexts_is_cut_and_says_so(runner):
    text = render(card(runner), most_contexts=1)
    assert "3 contexts" in text and "... and 2 more; --json has them all" in text


def test_what_is_not_known_is_said_so(runner):
    bare = dataclasses.replace(runner, metadata=None)
    data = card(bare)
    assert data["env"] is data["behaviour"] is data["derivatives"] is data["sha256"] is None
    text = render(data)
    assert "environment   not said" in text and "derivatives   none" in text and "behaviour" not in text


def test_plain_data_and_the_first_layout_say_what_their_checksums_do_not_cover(runner):
    plain = render(card(dataclasses.replace(runner, metadata=None)))
    assert "sha256        none: plain Minari data have no checksum" in plain
    first = runner.metadata.model_copy(update={"metadata_sha256": None})
    assert "the metadata have none" in render(card(dataclasses.replace(runner, metadata=first)))
    assert f"of the data, {runner.metadata.metadata_sha256} of all" in render(card(runner))


def test_what_people_want_to_know_is_there(runner):
    about = About.check(description="A\nb.", author=["Ada", "Alan"], license="CC-BY-4.0", code_permalink="https://x.org")
    text = render(card(dataclasses.replace(runner, about=about)))
    assert "  description   A b.\n  license       CC-BY-4.0\n  code          https://x.org\n  author        Ada, Alan\n" in text
    assert card(runner)["about"] == {}


def test_coordinates_are_shown_in_groups_by_what_they_change(runner):
    contents = card(runner)
    coordinate = contents["context"][-1]
    assert coordinate["kinds"] == [] and "\n  context\n" in render(contents)
    goal = {**coordinate, "name": "goal", "kinds": ["reward"]}
    both = {**coordinate, "name": "mass", "kinds": ["dynamics", "reward"]}
    lines = render({**contents, "context": [goal, coordinate, both, goal]}).splitlines()
    start = lines.index("  context, changes the reward")
    names = [line.split()[0] for line in lines[start : start + 7]]
    assert names == ["context,", "goal", "goal", "context,", "wind", "context,", "mass"]
    assert lines[start + 3] == "  context, what it changes is not declared"
    assert lines[start + 5] == "  context, changes the dynamics and the reward"
