"""A dataset beside the card of its recipe: identical, the same up to rounding, alike, or other data."""

import dataclasses

import numpy as np
import pytest

import offctx
from offctx.data.known.comparison import compare_with_card
from offctx.data.known.record import make_recipe_card
from offctx.errors import DatasetError


@pytest.fixture
def card(library_path, pendulum):
    return make_recipe_card(pendulum, 7)


def changed(dataset, **arrays):
    """The dataset with other arrays, and the checksum of other data."""
    metadata = dataset.metadata.model_copy(update={"sha256": "0" * 64})
    return dataclasses.replace(dataset, metadata=metadata, **arrays)


def test_the_same_bytes_are_identical(pendulum, card):
    comparison = compare_with_card(pendulum, card)
    assert comparison.identical and comparison.to_dict()["verdict"] == "identical"
    assert comparison.render() == f"card: identical, SHA-256 {pendulum.metadata.sha256}"
    elsewhere = card.model_copy(update={"packages": card.packages | {"numpy": "1.0"}, "machine": "Darwin arm64, NEON"})
    assert compare_with_card(pendulum, elsewhere).versions == {"numpy": ("1.0", np.__version__)}


def test_a_last_bit_is_rounding(pendulum, card):
    observations = np.nextafter(pendulum.observations, np.float32(9))
    comparison = compare_with_card(changed(pendulum, observations=observations), card)
    assert comparison.verdict == "rounding" and 0 < comparison.arrays["observations"] < 1e-5
    text = comparison.render()
    assert "the same up to rounding" in text and "SHA-256 here  000" in text and "with the same packages" in text


def test_other_trajectories_with_like_returns_are_alike(datasets_path, card):
    import gymnasium

    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=20)
    contexts = env.unwrapped.context_space.mesh(g=[1.0, 3.0], tau=[-0.3, 0.3])
    other = offctx.collect(env, "test/x-v0", contexts=contexts, episodes_per_context=3, seed=8, progress=False)
    comparison = compare_with_card(other, card)
    assert comparison.verdict == "alike" and comparison.arrays["observations"] > 0.01
    assert comparison.mean_return > 0 and comparison.standard_errors < 5
    assert "with the same returns up to chance" in comparison.render()


def test_versions_that_differ_are_named(pendulum, card):
    old = card.model_copy(update={"packages": card.packages | {"numpy": "1.0"}, "machine": "Darwin arm64, NEON"})
    comparison = compare_with_card(changed(pendulum), old)
    assert comparison.versions["numpy"] == ("1.0", np.__version__) and set(comparison.versions) == {"numpy", "machine"}
    assert f"the card was made with numpy 1.0 (here {np.__version__}), machine Darwin arm64, NEON (here" in comparison.render()


def test_swapped_columns_are_other_data(pendulum, card):
    """Statistics of whole arrays would be equal."""
    comparison = compare_with_card(changed(pendulum, observations=pendulum.observations[:, ::-1].copy()), card)
    assert comparison.arrays["observations"] > 0.1 and comparison.verdict != "rounding"


@pytest.mark.parametrize("fault", ["returns", "contexts", "episodes", "derivatives"])
def test_what_no_rounding_explains_is_other_data(pendulum, card, fault):
    dataset = changed(pendulum)
    if fault == "returns":
        dataset = changed(pendulum, rewards=pendulum.rewards - 100)
    elif fault == "contexts":
        card.returns[0].context[0] += 0.5
    elif fault == "episodes":
        card = card.model_copy(update={"episodes": 99})
    else:
        dataset = changed(pendulum, dreward_dcontext=None)
    comparison = compare_with_card(dataset, card)
    assert comparison.verdict == "different" and "OTHER DATA" in comparison.render()
    expected = {
        "contexts": "in other contexts",
        "episodes": "12 episodes here, 99 in the card",
        "derivatives": "dreward_dcontext: absent",
    }
    assert expected.get(fault, "") in (comparison.fault or "")


def test_where_a_context_has_one_episode_the_spread_is_that_of_all_contexts(datasets_path):
    contexts = [[c, 0.5] for c in np.linspace(-1, 1, 9)]
    names = [f"test/x-v{seed}" for seed in (1, 2)]
    sets = [
        offctx.collect("offctx/SimpleDirection-v0", name, contexts=contexts, seed=seed, progress=False)
        for seed, name in enumerate(names)
    ]
    comparison = compare_with_card(sets[1], make_recipe_card(sets[0], 0))
    assert comparison.verdict == "alike" and 0.01 < comparison.standard_errors < 5


def test_plain_minari_has_no_checksum_to_compare(pendulum, card):
    with pytest.raises(DatasetError, match="no offctx metadata"):
        compare_with_card(dataclasses.replace(pendulum, metadata=None), card)
