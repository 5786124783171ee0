"""The hash of an object: the same in every process, another where something differs."""

import functools
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from offctx.workers.identity import Unidentified, identity, settings_identity

_SCRIPT = """
import numpy as np, torch, functools
from offctx.workers.identity import identity

WORDS = {"a", "bb", "ccc", "dd", "e"}

class Policy:
    names = frozenset(WORDS)
    def __init__(self):
        torch.manual_seed(0)
        self.network, self.words, self.itself = torch.nn.Linear(3, 2), set(WORDS), self
    def predict(self, observations):
        return self.network(observations) * (len(self.words) + ("a" in {"a", "b", "c"}))

def helper(x):
    return x * FACTOR

FACTOR = 2
print(identity([
    Policy(), Policy().predict, lambda o, c, r: helper(o) + ("a" in WORDS), functools.partial(helper, x=np.arange(3)),
    {"k": np.float32(1), "g": np.random.default_rng(3)}, np.tanh, len, [].append, torch.nn.functional.relu,
]))
"""


def run(script, seed):
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
    )
    return done.stdout.strip()


def test_the_same_in_every_process_and_another_where_a_helper_changes():
    first, again, changed = run(_SCRIPT + _SCRIPT + _SCRIPT.replace("FACTOR = 2", "FACTOR = 3"), "1").split()
    assert len(first) == 64 and again == first != changed
    assert run(_SCRIPT, "2") == first


_MODULE = """
import helpers_of_policy
from helpers_of_policy import helper

GAIN = 2

class Scaled:
    factor = 5
    def act(self, x):
        return GAIN * x

def policy(observations):
    return [helper(x) * GAIN for x in observations]

def by_module(observations):
    return helpers_of_policy.helper(observations)
"""
_HELPERS = """
OFFSET = 3

def helper(x):
    return x + OFFSET
"""


@pytest.mark.parametrize("name", ["policy", "by_module", "Scaled"])
def test_what_an_imported_function_or_class_uses_counts(name, tmp_path):
    def imported(module, helpers):
        (tmp_path / "module_of_policy.py").write_text(module)
        (tmp_path / "helpers_of_policy.py").write_text(helpers)
        return run(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.dont_write_bytecode = True\n"
            f"import module_of_policy\nfrom offctx.workers.identity import identity\nprint(identity(module_of_policy.{name}))",
            "1",
        )

    first = imported(_MODULE, _HELPERS)
    assert imported(_MODULE, _HELPERS) == first
    assert imported(_MODULE.replace("GAIN = 2", "GAIN = 7"), _HELPERS) != first
    assert imported(_MODULE, _HELPERS.replace("OFFSET = 3", "OFFSET = 4")) != first


_CLASS = """
import functools
from offctx.workers.identity import identity

@functools.lru_cache
def cached(x):
    return x * 2

class Policy:
    table, limits = [1, 2], {"low": 3}
    @staticmethod
    def scaled(x):
        return x * 4
    @classmethod
    def shifted(cls, x):
        return x + 5
    @property
    def gain(self):
        return 6
    @functools.cached_property
    def offset(self):
        return 7
    def predict(self, x):
        return cached(x)

print(identity(Policy()))
"""


@pytest.mark.parametrize("number", ["2]", "3}", "* 2", "* 4", "+ 5", "6", "7"])
def test_all_that_the_body_of_a_class_in_a_script_holds_counts(number):
    first = run(_CLASS, "1")
    assert run(_CLASS, "2") == first
    digit = next(character for character in number if character.isdigit())
    assert run(_CLASS.replace(number, number.replace(digit, "9")), "1") != first


class Simulated:
    """Holds something without content, as an environment holds its simulator."""

    def __init__(self, wall):
        self.wall, self.simulator = wall, threading.Lock()
        self.config = {"log": threading.Lock(), "walls": [wall, object()]}


def test_settings_are_told_apart_beside_what_has_no_content():
    assert settings_identity(Simulated(3)) == settings_identity(Simulated(3))
    assert settings_identity(Simulated(3)) != settings_identity(Simulated(5))
    assert settings_identity(Simulated(3), without=["wall"]) != settings_identity(Simulated(5), without=["wall"])
    none_told = ["wall", "config"]
    assert settings_identity(Simulated(3), without=none_told) == settings_identity(Simulated(5), without=none_told)


class Constant:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        ("1", b"1"),
        ([1, 2], (1, 2)),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        (np.zeros(3), np.zeros(3, np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (torch.zeros(2), torch.tensor([0, 1e-30])),
        (Constant(1), Constant(2)),
        (lambda x: x + 1, lambda x: x + 2),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (Constant(np.array([0, "a"], dtype=object)), Constant(np.array([0, "b"], dtype=object))),
    ],
)
def test_what_differs_has_another_hash(one, other):
    assert identity(one) != identity(other)
    assert identity(one) == identity(one)


def test_equal_content_has_the_same_hash():
    assert identity({"x", "y", "z"}) == identity({"z", "y", "x"})
    assert identity(Constant(np.arange(4)[::2])) == identity(Constant(np.array([0, 2])))


def test_what_has_no_content_is_not_identified():
    with pytest.raises(Unidentified):
        identity(Constant(threading.Lock()))
