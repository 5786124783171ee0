"""What a shell and a notebook show of an object is small, useful and safe."""

import dataclasses
import re

import numpy as np
import pytest

import offctx
from offctx.cards import HasCard
from offctx.evaluation.compare import compare


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """40 contexts, with derivatives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("datasets")))
        contexts = offctx.envs.PendulumGoal.context_space.sample(np.random.default_rng(0), 40)
        yield offctx.collect(
            "offctx/PendulumGoal-v0", "cards/PendulumGoal/random-v0", contexts=contexts, seed=0, progress=False
        )


@pytest.fixture(scope="module")
def shown(dataset):
    """One object of each kind that a user meets in a shell."""
    report = offctx.evaluate(
        lambda observations, contexts, rng: np.zeros((len(observations), 1)),
        "offctx/PendulumGoal-v0",
        dataset.unique_contexts,
        episodes=2,
        seed=0,
    )
    buffer = dataset.replay_buffer(augmentation=[offctx.CSE(radius=0.5), offctx.Pessimism(1.0)])
    return {
        "dataset": dataset,
        "buffer": buffer,
        "batch": buffer.sample_transition_batch(256),
        "empty buffer": offctx.online_buffer(offctx.envs.LabelTransitions(_gymnasium_env()), capacity=10),
        "radius report": offctx.radius_report(dataset, samples=20),
        "sensitivity": offctx.context_sensitivity(dataset),
        "report": report,
        "comparison": compare({"zero": report}),
        "space": dataset.context_space,
    }


def _gymnasium_env():
    import gymnasium

    return gymnasium.make("offctx/PendulumGoal-v0")


KINDS = ("dataset", "buffer", "batch", "empty buffer", "radius report", "sensitivity", "report", "comparison", "space")


@pytest.mark.parametrize("kind", KINDS)
def test_below_two_kilobytes(shown, kind):
    assert 0 < len(repr(shown[kind]).encode()) < 2000
    if isinstance(shown[kind], HasCard):
        assert len(shown[kind]._repr_html_().encode()) < 2000


def test_a_dataset_says_what_it_is(dataset):
    text = str(dataset)
    for part in (dataset.dataset_id, "offctx/PendulumGoal-v0", "8000", "episodes      40", "40: g=", "autodiff"):
        assert part in text
    assert all(len(line) < 130 for line in text.splitlines())


def test_a_buffer_says_what_it_has(shown):
    text = str(shown["buffer"])
    assert "8000" in text and "40: g=" in text and "CSE(radius=0.5" in text and "context append" in text
    assert "transitions   0" in str(shown["empty buffer"])


def test_html_is_escaped_and_well_formed(dataset):
    strange = dataclasses.replace(dataset, dataset_id="<script>alert('x')</script>&")
    page = strange._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "&amp;" in page
    opened, closed = re.findall(r"<(\w+)", page), re.findall(r"</(\w+)>", page)
    assert sorted(opened) == sorted(closed)


def test_a_long_value_is_cut():
    class Long(HasCard):
        def _card(self):
            return {"value": "x" * 5000}

    assert len(repr(Long())) < 200 and repr(Long()).endswith(" ...")
