"""`offctx select` and `offctx combine`."""

import json
import shutil

import pytest

import offctx

RUNNER = "test/runner-v0"


@pytest.fixture
def here(library, datasets_path):
    shutil.copytree(library.root / RUNNER, datasets_path / RUNNER)
    return datasets_path


@pytest.mark.parametrize(
    ("options", "episodes"),
    [
        (("--contexts", "0,2"), [0, 1, 2, 3, 8, 9, 10, 11]),
        (("--contexts", "1:"), list(range(4, 12))),
        (("--where", "speed > 0.6", "--where", "wind=0.7,3", "--episodes-per-context", "2"), [8, 9]),
        (("--where", "speed >= 0.9", "--episodes", "0:9"), [4, 5, 6, 7, 8]),
        (("--episodes", "-1,0"), [0, 11]),
    ],
)
def test_select(options, episodes, here, run):
    code, out, _ = run("select", RUNNER, "--new-id", "test/part-v0", *options, "-q")
    assert code == 0 and f"test/part-v0: {out.split(': ')[1]}" in out
    (begin, *_), about = episodes, offctx.load_dataset("test/part-v0").metadata.recipe["part_of"]
    assert begin == about["episodes"][0][0]
    assert [e for first, end in about["episodes"] for e in range(first, end)] == episodes


def test_select_as_json(here, run):
    code, out, err = run("select", RUNNER, "--new-id", "test/part-v0", "--contexts", "1", "--json")
    found = json.loads(out)
    assert code == 0 and found["part_of"] == RUNNER and found["episodes"] == 4 and found["contexts"] == 1
    assert found["sha256"] == offctx.load_dataset("test/part-v0").metadata.sha256 and "saving" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected --contexts, --where, --split"),
        (("--contexts", "a"), "--contexts takes numbers such as 0,3 or a range"),
        (("--episodes", "1:2:3:4"), "--episodes takes numbers"),
        (("--where", "speed=fast"), "--where takes an inequality"),
        (("--where", "mass > 1"), "mass"),
        (("--split", "test"), "no split 'test'"),
        (("--contexts", "7"), "has contexts 0 to 2; found 7"),
    ],
)
def test_select_refuses(options, message, here, run):
    code, _, err = run("select", RUNNER, "--new-id", "test/part-v0", *options)
    assert code == 2 and message in err
    assert not (here / "test" / "part-v0").exists()


def test_combine(here, run):
    run("select", RUNNER, "--new-id", "test/one-v0", "--contexts", "0", "-q")
    run("select", RUNNER, "--new-id", "test/two-v0", "--contexts", "1:", "-q")
    code, out, _ = run("combine", "test/one-v0", "test/two-v0", "--new-id", "test/both-v0", "--compress", "-q")
    sha256 = offctx.load_dataset(RUNNER).metadata.sha256
    assert code == 0 and out.split() == ["test/both-v0:", "12", "episodes", "of", "2", "datasets", "sha256", sha256]
    code, out, _ = run("combine", "test/both-v0", "test/one-v0", "--new-id", "test/more-v0", "--json", "-q")
    found = json.loads(out)
    assert (
        code == 0 and found["episodes"] == 16 and found["combined"][0]["recipe"]["combined"][0]["dataset_id"] == "test/one-v0"
    )
    code, _, err = run("combine", "test/one-v0", "test/one-v0", "--new-id", "test/x-v0")
    assert code == 2 and "named twice" in err
