"""SimulatedOutcomes: what the transitions of windows lead to in other contexts, and what CORRO makes of it."""

import dataclasses

import numpy as np
import pytest

import offctx
from offctx.algos.context_inference.losses.infonce import simulated_outcomes
from offctx.algos.dmash.presets import dmash_preset
from offctx.errors import ContextError, DatasetError, DerivativeError

ENV = "offctx/DoubleIntegrator-v0"
CONTEXTS = np.array([[0.55, 1.0], [1.3, 1.0], [0.7, -1.0]])
HISTORY = offctx.History(6, "context", "random", shortest=0, rows_per_window=3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("data")))
        return offctx.collect(
            ENV, "simulated/test/random-v0", contexts=CONTEXTS, policy="random", episodes_per_context=2, seed=0, gradients=False
        )


def batch_of(dataset, number=4, **options):
    augmentation = offctx.SimulatedOutcomes(ENV, number)
    options = {"context": "hidden", "history": HISTORY, "seed": 3, **options}
    return dataset.replay_buffer(augmentation=augmentation, **options).sample_transition_batch(60)


def test_outcomes_are_those_of_one_other_context_of_the_data(dataset):
    batch = batch_of(dataset)
    windows, env = batch.history, offctx.envs.DoubleIntegrator()
    number = {row.tobytes(): i for i, row in enumerate(dataset.observations.astype(np.float32))}
    own = batch.contexts[windows.first_rows()]
    assert not windows.simulated_next_observations[~windows.mask].any()
    for g in np.flatnonzero(windows.lengths):
        rows = [number[row.tobytes()] for row in windows.observations[g][windows.mask[g]]]
        others = [context for context in CONTEXTS if not np.allclose(context, own[g])]
        expected = []
        for context in others:
            states, actions = dataset.states[rows].astype(np.float64), dataset.actions[rows]
            states, rewards, _ = env.simulate(states, actions, np.repeat(context[None], len(rows), axis=0), None)
            expected.append((env.observations(states), rewards[:, None]))
        for j in range(4):
            found = windows.simulated_next_observations[g][windows.mask[g], j], windows.simulated_rewards[g][windows.mask[g], j]
            assert any(all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, pair, strict=True)) for pair in expected)


def test_both_other_contexts_are_drawn_and_the_seed_fixes_them(dataset):
    first, again, other = batch_of(dataset), batch_of(dataset), batch_of(dataset, seed=4)
    outcomes = first.history.simulated_next_observations
    np.testing.assert_array_equal(outcomes, again.history.simulated_next_observations)
    assert not np.array_equal(outcomes, other.history.simulated_next_observations)
    assert (outcomes[:, :, 0] != outcomes[:, :, 1]).any() and (outcomes[:, :, 0] == outcomes[:, :, 1]).any()


def test_negatives_have_the_states_and_actions_of_their_window(dataset):
    windows = batch_of(dataset, number=2).history.to_torch()
    negatives = simulated_outcomes(windows)
    assert len(negatives.mask) == 2 * len(windows)
    for j in range(2):
        assert (negatives.observations[j::2] == windows.observations).all()
        assert (negatives.actions[j::2] == windows.actions).all()
        assert (negatives.mask[j::2] == windows.mask).all()
        assert (negatives.next_observations[j::2] == windows.simulated_next_observations[:, :, j]).all()
        assert (negatives.rewards[j::2] == windows.simulated_rewards[:, :, j]).all()


def test_corro_learns_from_them_where_contexts_are_anonymous(dataset):
    small = {"batch_size": 24, "window": 8, "width": 16}
    encoders = [
        offctx.train_encoder(
            dataset.replay_buffer(context="anonymous", augmentation=augmentation, seed=0),
            steps=3, seed=0, config=dmash_preset("corro", **small), progress=False,
        )
        for augmentation in (None, offctx.SimulatedOutcomes(ENV))
    ]  # fmt: skip
    weights = [next(encoder.module.parameters()).detach().numpy() for encoder in encoders]
    assert np.isfinite(weights[1]).all() and (weights[0] != weights[1]).any()


def test_bad_input(dataset):
    with pytest.raises(DatasetError, match="number must be a whole number"):
        offctx.SimulatedOutcomes(ENV, 0)
    with pytest.raises(ContextError, match=r"SimulatedOutcomes's environment has the context \['"):
        dataset.replay_buffer(augmentation=offctx.SimulatedOutcomes("offctx/PendulumGoal-v0"), context="hidden")
    with pytest.raises(DatasetError, match="buffers that hide the context"):
        batch_of(dataset, context="append")
    with pytest.raises(DatasetError, match="the batch has none"):
        batch_of(dataset, history=None)
    with pytest.raises(ContextError, match="filled online has none"):
        offctx.SimulatedOutcomes(ENV)(batch_of(dataset), np.random.default_rng(0))
    with pytest.raises(ContextError, match="at least 2 contexts"):
        dataset.select(contexts=[0]).replay_buffer(augmentation=offctx.SimulatedOutcomes(ENV), context="hidden")
    with pytest.raises(DerivativeError, match="needs states"):
        without = dataclasses.replace(dataset, states=None)
        without.replay_buffer(augmentation=offctx.SimulatedOutcomes(ENV), context="hidden", history=HISTORY)
