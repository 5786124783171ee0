"""The README for hubs: complete, with a header that the hub's own reader takes, and safe against hostile metadata."""

import dataclasses
import importlib.util
import json
import re
from typing import Any

import numpy as np
import pytest

from offctx.data.about import About
from offctx.data.card import card
from offctx.data.sharing.cards import about_and_files, card_files, hub_card
from offctx.data.sharing.cards.hub import _size_category

ABOUT = About(
    description="Runs and drifts.", author=("A. N. Other",), license="CC-BY-4.0", code_permalink="https://example.org/x"
)


def header(text: str) -> dict[str, Any]:
    """The header, read line by line; and by a reader of YAML, where there is one, with the same result."""
    values: dict[str, Any] = {}
    key = ""
    block = text.split("---\n")[1]
    for line in block.splitlines():
        if line.startswith("- "):
            values.setdefault(key, []).append(json.loads(line[2:]))
        else:
            key, _, value = line.partition(":")
            if value:
                values[key] = json.loads(value)
    if importlib.util.find_spec("yaml"):
        assert importlib.import_module("yaml").safe_load(block) == values
    return values


def test_it_says_everything(library_path, runner):
    text = hub_card(runner, ABOUT, about_and_files(runner.dataset_id)[1], remote="hf://datasets/x/y", picture="returns.png")
    for heading in ("Load it", "Contexts", "Returns", "Arrays of an episode", "How it was made", "Files", "Cite it"):
        assert f"\n## {heading}" in text
    assert "Runs and drifts." in text and "| authors | A. N. Other |" in text and "![Returns and contexts](returns.png)" in text
    assert 'offctx.pull("hf://datasets/x/y", "test/runner-v0")' in text and runner.metadata.sha256 in text
    for row in card(runner)["contexts"]:
        assert f"| {row['context']['speed']:.4g} | {row['context']['wind']:.4g} | {row['episodes']} |" in text
    assert "`infos/dnext_observation_dcontext` | `(T+1, 3, 2)` | `float32`" in text
    assert "numpy version | " + np.__version__ in text


def test_the_header_is_what_the_hub_reads(runner):
    values = header(hub_card(runner, ABOUT))
    assert (
        values["license"] == "cc-by-4.0" and values["pretty_name"] == "test runner-v0" and values["size_categories"] == ["n<1K"]
    )
    assert "context-derivatives" in values["tags"] and values["viewer"] is False
    repocard = pytest.importorskip("huggingface_hub").DatasetCardData(**values)
    assert repocard.license == "cc-by-4.0" and repocard.task_categories == ["reinforcement-learning"]


@pytest.mark.parametrize(
    ("license_text", "expected"),
    [
        (None, {"license": "unknown"}),
        ("MIT", {"license": "mit"}),
        ("My own: terms\nhere", {"license": "other", "license_name": "my-own-terms-here"}),
        ("🙂", {"license": "other", "license_name": "other"}),
    ],
)
def test_licenses(runner, license_text, expected):
    values = header(hub_card(runner, About(license=license_text)))
    assert {key: value for key, value in values.items() if key.startswith("license")} == expected


@pytest.mark.parametrize(
    ("n", "name"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**7, "10M<n<100M"), (10**13, "n>1T")]
)
def test_size_categories(n, name):
    assert _size_category(n) == name


HOSTILE = "x\n---\nlicense: evil\n---\n# Owned\n<img src=x onerror=alert(1)>\x1b[31m [a](javascript:b) ```\n|cell|"


def hostile(dataset):
    """The dataset with hostile text wherever the metadata hold text."""
    metadata = dataset.metadata.model_copy(deep=True)
    metadata.env = HOSTILE
    metadata.behaviour.policies = [HOSTILE]
    metadata.derivatives.source = HOSTILE
    metadata.recipe = {HOSTILE: HOSTILE, "nested": {"a": [HOSTILE]}}
    metadata.packages = {HOSTILE: HOSTILE}
    return dataclasses.replace(dataset, metadata=metadata)


def test_hostile_metadata_stay_text(runner):
    about = About(description=HOSTILE, author=(HOSTILE,), license=HOSTILE, code_permalink=HOSTILE)
    text = hub_card(hostile(runner), about)
    plain = hub_card(runner, ABOUT)
    prose = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text.partition("## Cite it")[0])  # without code spans
    assert "\x1b" not in text and "<img" not in prose and "Owned" in prose
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [line for line in plain.splitlines() if line.startswith("#")]
    assert text.splitlines().count("---") == 2 and text.count("\n```") == plain.count("\n```")
    values = header(text)
    assert values["license"] == "other" and set(values) == set(header(plain)) | {"license_name"}


def test_plain_minari_data_have_a_card(runner):
    text = hub_card(dataclasses.replace(runner, metadata=None))
    assert "plain Minari data without a checksum" in text and "| environment | not said |" in text


def test_discrete_actions_and_many_contexts(chooser, runner):
    assert "`actions` | `(T)`" in hub_card(chooser)
    many = dataclasses.replace(
        runner,
        contexts=np.linspace(0.25, 3, len(runner))[:, None] * [1, 0],
        context_ids=np.arange(len(runner)),
        episode_starts=np.arange(len(runner)),
        episode_ends=np.arange(len(runner)) + 1,
    )
    assert f"... and {len(runner) - 50} contexts more" in hub_card(many)


def test_the_files_beside_the_data(library_path, pendulum):
    about, files = about_and_files(pendulum.dataset_id)
    placed = card_files(pendulum, files, about, remote="https://example.org/data")
    assert set(placed) == {"README.md", "croissant.json", "returns.png"} and placed["returns.png"].startswith(b"\x89PNG")
    assert placed == card_files(pendulum, files, about, remote="https://example.org/data")
