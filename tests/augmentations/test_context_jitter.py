"""The placebo: the contexts of CSE, and every other array of the data."""

from typing import Any

import numpy as np
import pytest

import offctx
from offctx import CSE, ContextJitter
from offctx.errors import ContextError

KEPT = ("actions", "rewards", "next_actions", "terminals", "intervals", "context_ids")


@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("radius", [0.2, [0.3, 0.0]])
def test_its_contexts_are_those_of_cse_and_nothing_else_moves(radius: Any, context: Any, datasets: Any) -> None:
    plain, moved, jittered = (
        datasets[True].replay_buffer(context=context, augmentation=change, seed=3).sample_transition_batch(64)
        for change in (None, CSE(radius), ContextJitter(radius))
    )
    np.testing.assert_array_equal(jittered.contexts, moved.contexts)
    assert (jittered.contexts != plain.contexts).any()
    np.testing.assert_array_equal(jittered.observations[:, :2], plain.observations[:, :2])
    np.testing.assert_array_equal(jittered.next_observations[:, :2], plain.next_observations[:, :2])
    if context == "append":
        np.testing.assert_array_equal(jittered.observations[:, 2:], moved.contexts)
        np.testing.assert_array_equal(jittered.next_observations[:, 2:], moved.contexts)
    assert (moved.next_observations[:, :2] != plain.next_observations[:, :2]).any() or context == "hidden"
    for name in KEPT:
        np.testing.assert_array_equal(getattr(jittered, name), getattr(plain, name), err_msg=name)


def test_it_needs_no_derivatives(datasets: Any) -> None:
    batch = datasets[False].replay_buffer(augmentation=ContextJitter(0.1), seed=0).sample_transition_batch(8)
    assert np.isfinite(batch.observations).all()


def test_auto_is_the_radius_of_cse(datasets: Any) -> None:
    jitter, cse = ContextJitter("auto"), CSE("auto")
    for augmentation in (jitter, cse):
        datasets[True].replay_buffer(augmentation=augmentation)
    np.testing.assert_array_equal(jitter.radius, cse.radius)


def test_radius_zero_is_the_very_same_batch(datasets: Any) -> None:
    batch = datasets[True].replay_buffer().sample_transition_batch(8)
    assert ContextJitter(0)(batch, np.random.default_rng(0)) is batch


def test_bad_radii_are_refused(datasets: Any) -> None:
    with pytest.raises(ContextError, match=r"^ContextJitter radius must be"):
        ContextJitter(-1)
    with pytest.raises(ContextError, match="tolerance"):
        ContextJitter("auto", tolerance=0)
    with pytest.raises(ContextError, match="tolerance"):
        CSE(0.1, tolerance=np.nan)
    with pytest.raises(ContextError, match=r"^ContextJitter radius has 3 numbers; the context has 2"):
        datasets[True].replay_buffer(augmentation=ContextJitter([1, 2, 3]))
    with pytest.raises(ContextError, match=r'^ContextJitter perturbation must be "ball" or "sphere"'):
        ContextJitter(0.1, perturbation="cube")  # type: ignore[arg-type]
    with pytest.raises(ContextError, match=r'^ContextJitter\(radius="auto"\) does not know its radius yet'):
        ContextJitter("auto")(datasets[True].replay_buffer().sample_transition_batch(8))


def test_its_repr_says_the_radius() -> None:
    assert repr(offctx.ContextJitter(0.5)) == "ContextJitter(radius=0.5, perturbation='ball')"
