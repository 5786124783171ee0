"""ContextualDataset: flat, aligned, read-only arrays."""

import dataclasses

import numpy as np
import pytest

import offctx
from offctx.errors import DatasetError


def test_context_ids_in_order_of_first_appearance(datasets_path):
    contexts = [[1, 0], [-1, 0], [0.5, 0], [-1, 0], [1, 0]]
    found = offctx.collect(
        "offctx/SimpleDirection-v0", "test/x-v0", contexts=contexts, episodes_per_context=2, seed=0, progress=False
    )
    assert found.episode_context_ids.tolist() == [0, 0, 1, 1, 2, 2, 1, 1, 0, 0]
    assert found.unique_contexts.tolist() == [[1, 0], [-1, 0], [0.5, 0]]
    np.testing.assert_array_equal(found.unique_contexts[found.context_ids], found.contexts)


@pytest.mark.parametrize("cache", [True, False])
def test_every_array_is_read_only(cache, library_path):
    found = offctx.load_dataset("test/runner-v0", cache=cache)
    arrays = {name: value for name, value in vars(found).items() if isinstance(value, np.ndarray)}
    assert len(arrays) == 15
    for name, array in arrays.items():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
        assert not array.flags.writeable, name


def test_it_is_frozen(runner):
    with pytest.raises(dataclasses.FrozenInstanceError):
        runner.rewards = runner.rewards * 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del runner.rewards


@pytest.mark.parametrize("name", ["contexts", "next_observations", "dreward_dcontext", "states", "context_ids"])
def test_arrays_that_are_not_aligned_are_refused(name, runner):
    with pytest.raises(DatasetError, match=f"test/runner-v0: {name} has 59 rows, rewards have 60"):
        dataclasses.replace(runner, **{name: getattr(runner, name)[:-1]})


def test_derived_quantities(runner):
    assert len(runner) == 60 and runner.num_episodes == 12
    expected = [runner.rewards[a:b].sum() for a, b in zip(runner.episode_starts, runner.episode_ends, strict=True)]
    np.testing.assert_allclose(runner.episode_returns, expected)
    assert runner.has_derivatives
    assert not dataclasses.replace(runner, dreward_dcontext=None).has_derivatives


def test_observations_link_up_within_an_episode(runner):
    inside = np.ones(len(runner), dtype=bool)
    inside[runner.episode_ends - 1] = False
    following = np.flatnonzero(inside) + 1
    np.testing.assert_array_equal(runner.next_observations[inside], runner.observations[following])
