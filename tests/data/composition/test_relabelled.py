"""Datasets loaded in other contexts, or in another context space, say so of themselves, saved and combined as well."""

import dataclasses
import warnings

import numpy as np
import pytest

import offctx
from offctx.data.validation import validate_dataset
from offctx.errors import OffctxWarning

SPACE = offctx.ContextSpace(["mass", "length"], [0, 0], [9, 9], [1, 1], units=["kg", "m"])
CONTEXTS = [[0.5, 0], [1, 1]]
OTHERS = np.array([[5.0, 7.0], [5.0, 7.0], [6.0, 1.0], [1.0, 1.0]])


@pytest.fixture
def whole(datasets_path):
    options = {"contexts": CONTEXTS, "episodes_per_context": 2, "seed": 0, "progress": False}
    return offctx.collect("offctx/SimpleDirection-v0", "test/whole-v0", **options)


def relabelled(**options):
    with pytest.warns(OffctxWarning, match="derivatives are left out"):
        return offctx.load_dataset("test/whole-v0", relabel=OTHERS, **options)


@pytest.mark.parametrize("options", [{}, {"cache": False}, {"lazy": True}, {"episodes": [0, 2]}, {"relabel": OTHERS}])
def test_another_context_space_is_saved_and_combined(whole, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OffctxWarning)
        dataset = offctx.load_dataset("test/whole-v0", context_space=SPACE, **options)
    assert dataset.metadata.space() == SPACE and dataset.metadata.metadata_sha256 is None
    dataset.save("test/saved-v0", progress=False)
    dataset.select(contexts=0).save("test/part-v0", progress=False)
    offctx.combine([dataset], "test/combined-v0", progress=False)
    for name in ("saved", "part", "combined"):
        loaded = validate_dataset(f"test/{name}-v0")
        assert loaded.context_space == SPACE and loaded.context_space.units == ("kg", "m")
    recipe = offctx.load_dataset("test/saved-v0").metadata.recipe["relabelled"]
    assert recipe["sha256"] == whole.checksum and recipe["recorded_context_space"]["names"] == ["c_x", "c_y"]


def test_given_contexts_have_a_checksum_of_their_own(whole):
    for options in ({}, {"lazy": True}):
        dataset = relabelled(**options)
        assert dataset.checksum != whole.checksum and dataset.metadata.metadata_sha256 is None
    saved = dataset.save("test/saved-v0", progress=False)
    combined = offctx.combine([dataset], "test/combined-v0", progress=False)
    loaded = validate_dataset("test/saved-v0")
    assert saved.checksum == loaded.checksum == combined.checksum == dataset.checksum
    assert loaded.contexts[loaded.episode_starts].tolist() == OTHERS.tolist()
    part = combined.metadata.recipe["combined"][0]
    assert (part["sha256"], part["metadata_sha256"]) == (dataset.checksum, None)
    assert part["recipe"] == loaded.metadata.recipe


def test_the_recipe_names_the_data_and_the_contexts_before_and_now(whole):
    recipe = relabelled().metadata.recipe["relabelled"]
    assert recipe == {
        "dataset_id": "test/whole-v0",
        "sha256": whole.checksum,
        "metadata_sha256": whole.metadata.metadata_sha256,
        "episodes": 3,
        "contexts": [{"recorded": [0.5, 0], "given": [5, 7]}, {"recorded": [1, 1], "given": [6, 1]}],
    }
    for part in (relabelled().select(episodes=[1, 2]), relabelled(episodes=[1, 2])):
        assert part.metadata.recipe["relabelled"]["sha256"] == part.metadata.recipe["part_of"]["sha256"] == whole.checksum
        assert part.metadata.recipe["part_of"]["episodes"] == [[1, 3]]


def test_derivatives_at_other_contexts_are_left_out(whole):
    dataset = relabelled()
    assert not dataset.has_derivatives and dataset.metadata.derivatives is None
    dataset.save("test/saved-v0", progress=False)
    assert not validate_dataset("test/saved-v0").has_derivatives
    one = offctx.ContextSpace(["mass"], 0, 9, 1)
    with pytest.warns(OffctxWarning, match="derivatives are left out"):
        assert offctx.load_dataset("test/whole-v0", relabel=[3.0], context_space=one).contexts.shape == (len(whole), 1)


def test_the_recorded_contexts_given_again_change_nothing(whole):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OffctxWarning)
        same = offctx.load_dataset("test/whole-v0", relabel=np.repeat(CONTEXTS, 2, axis=0))
    assert same.metadata == whole.metadata and same.has_derivatives and same.checksum == whole.checksum


def test_a_space_put_in_the_place_of_another_in_memory_is_saved(whole):
    dataclasses.replace(whole, context_space=SPACE).save("test/saved-v0", progress=False)
    assert offctx.load_dataset("test/saved-v0").context_space == SPACE
