"""The augmentation protocol: what a buffer asks of an augmentation, in which order, and what it refuses."""

import dataclasses
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from d3rlpy.dataset import TransitionMiniBatch

import offctx
from offctx import CSE, Augmentation, Pessimism
from offctx.envs import LabelTransitions
from offctx.errors import ContextError, DatasetError, DerivativeError
from tests.buffers.helpers import LABELLED_FIELDS, assert_labelled_equal


def assert_batches_equal(one: Any, other: Any) -> None:
    assert_labelled_equal(one, other, (*LABELLED_FIELDS, "context_ids"))


def online(**options: Any) -> Any:
    """An online buffer of eight steps."""
    env = LabelTransitions(gymnasium.make("testing/Runner-v0"))
    buffer = offctx.online_buffer(env, 100, **options)
    for _ in range(2):
        observation, _ = env.reset(seed=0)
        for _ in range(4):
            action = np.full(1, 0.5, np.float32)
            next_observation, reward, *_ = env.step(action)
            buffer.append(observation, action, float(reward))
            observation = next_observation
        buffer.clip_episode(False)
    return buffer


class Shift(Augmentation):
    """Adds a number to all rewards, and records what a buffer calls."""

    def __init__(self, by: float, *, requires: tuple[str, ...] = (), calls: list[str] | None = None) -> None:
        self.by, self._requires, self.calls = by, requires, [] if calls is None else calls

    @property
    def requires(self) -> tuple[str, ...]:
        return self._requires

    def prepare(self, dataset: Any) -> None:
        self.calls.append(f"prepare {self.by:g} {dataset.dataset_id}")

    def check(self, space: Any) -> None:
        self.calls.append(f"check {self.by:g} {space.names[0]}")

    def __call__(self, batch: Any, rng: np.random.Generator) -> Any:
        self.calls.append(f"call {self.by:g}")
        return dataclasses.replace(batch, rewards=batch.rewards + np.float32(self.by))


def double(batch: Any, rng: np.random.Generator) -> Any:
    return dataclasses.replace(batch, rewards=2 * batch.rewards)


# --- one, several, functions ---------------------------------------------------------------------------------------------


def test_a_buffer_prepares_checks_and_calls_in_order(runner: Any) -> None:
    calls: list[str] = []
    buffer = runner.replay_buffer(augmentation=[Shift(1, calls=calls), Shift(2, calls=calls)])
    expected = ["prepare 1 test/runner-v0", "check 1 speed", "prepare 2 test/runner-v0", "check 2 speed"]
    assert calls == expected
    buffer.sample_transition_batch(4)
    buffer.sample_transition_batch(4)
    assert calls[4:] == ["call 1", "call 2"] * 2


def test_an_online_buffer_checks_and_prepares_nothing() -> None:
    shift = Shift(1)
    online(augmentation=[shift]).sample_transition_batch(3)
    assert shift.calls == ["check 1 speed", "call 1"]


def test_a_list_applies_in_order(runner: Any) -> None:
    plain = runner.replay_buffer(seed=3).sample_transition_batch(16)
    for order, expected in (([Shift(1), double], 2 * (plain.rewards + 1)), ([double, Shift(1)], 2 * plain.rewards + 1)):
        found = runner.replay_buffer(seed=3, augmentation=order).sample_transition_batch(16)
        np.testing.assert_array_equal(found.rewards, expected)
        tupled = runner.replay_buffer(seed=3, augmentation=tuple(order)).sample_transition_batch(16)
        assert_batches_equal(found, tupled)


@pytest.mark.parametrize("of", [lambda: CSE(0.1), lambda: Pessimism(1.0, size=16), lambda: Shift(1), lambda: double])
def test_a_list_of_one_draws_what_the_one_draws(of: Any, runner: Any) -> None:
    alone, listed = (runner.replay_buffer(seed=4, augmentation=given) for given in (of(), [of()]))
    for _ in range(3):
        assert_batches_equal(alone.sample_transition_batch(16), listed.sample_transition_batch(16))
    assert type(alone.augmentation) is type(listed.augmentation)


def test_all_members_draw_from_the_buffers_generator_one_after_the_other(runner: Any) -> None:
    def noisy(batch: Any, rng: np.random.Generator) -> Any:
        return dataclasses.replace(batch, rewards=batch.rewards + rng.normal(size=batch.rewards.shape).astype(np.float32))

    buffer = runner.replay_buffer(seed=5, augmentation=[noisy, noisy])
    rng = np.random.default_rng(5)
    plain = runner.replay_buffer().batch(rng.integers(60, size=8))
    assert_batches_equal(buffer.sample_transition_batch(8), noisy(noisy(plain, rng), rng))


def test_the_augmentation_of_a_buffer_is_readable(runner: Any) -> None:
    shift, pessimism = Shift(1), Pessimism(1.0, size=16)
    assert runner.replay_buffer().augmentation is runner.replay_buffer(augmentation=[]).augmentation is None
    assert runner.replay_buffer(augmentation=shift).augmentation is shift
    assert runner.replay_buffer(augmentation=[shift]).augmentation is shift
    both = runner.replay_buffer(augmentation=[shift, [pessimism, double]]).augmentation
    assert both.members[:2] == (shift, pessimism) and both.name == "[Shift, Pessimism, double]"
    assert repr(both).startswith("[<") and "Pessimism(beta=1" in repr(both)
    assert runner.replay_buffer(augmentation=both).augmentation.members == both.members


def test_a_list_requires_what_its_members_require(runner: Any) -> None:
    buffer = runner.replay_buffer(augmentation=[CSE(0.1), Shift(1, requires=("states",)), CSE(0.2)])
    assert buffer.augmentation.requires == ("dnext_observation_dcontext", "dreward_dcontext", "states")
    assert buffer.sample_transition_batch(4).states.shape == (4, 2)


def test_an_object_with_some_members_of_the_protocol_is_an_augmentation(runner: Any) -> None:
    class Partial:
        requires = ("states",)
        prepared = None

        def prepare(self, dataset: Any) -> None:
            self.prepared = dataset

        def __call__(self, batch: Any, rng: np.random.Generator) -> Any:
            return batch

    partial = Partial()
    buffer = runner.replay_buffer(augmentation=[partial, double])
    assert partial.prepared is runner and buffer.sample_transition_batch(4).states is not None
    assert buffer.augmentation.name == "[Partial, double]"


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "expected an augmentation.*found 5"),
        ("CSE", "expected an augmentation.*found 'CSE'"),
        (CSE, r"found the class CSE: give an instance, CSE\(...\)"),
        ([CSE(0.1), None], "found None in .*leave the None out"),
        ([double, [3]], "expected an augmentation.*found 3"),
        (Shift(1, requires=("state",)), "Shift requires 'state'; expected some of .*'states', 'noise'"),
    ],
)
def test_what_is_no_augmentation_is_refused_when_the_buffer_is_made(given: Any, message: str, runner: Any) -> None:
    with pytest.raises(DatasetError, match=message):
        runner.replay_buffer(augmentation=given)


def test_the_member_that_lacks_something_is_named(runner: Any) -> None:
    bare = dataclasses.replace(runner, dreward_dcontext=None, dnext_observation_dcontext=None)
    with pytest.raises(DerivativeError, match=r"^CSE needs dnext_observation_dcontext.*gradients=True"):
        bare.replay_buffer(augmentation=[double, CSE(0.1)])
    with pytest.raises(ContextError, match="CSE radius has 3 numbers"):
        runner.replay_buffer(augmentation=[double, CSE([1, 2, 3])])
    with pytest.raises(DerivativeError, match=r"^Shift needs noise; Runner is deterministic"):
        online(augmentation=[double, Shift(1, requires=("noise",))])
    buffer = runner.replay_buffer(augmentation=[double, CSE(0.1)])
    with pytest.raises(DerivativeError, match=r"^CSE needs .*steps appended online"):
        buffer.append(np.zeros(5), np.zeros(1), 0.0)
    with pytest.raises(DerivativeError, match=r"^\[double, CSE\] augments single transitions, not trajectories"):
        buffer.sample_trajectory_batch(4, 3)


# --- the first batch -----------------------------------------------------------------------------------------------------


def of_d3rlpy(batch: Any, rng: Any) -> TransitionMiniBatch:
    return TransitionMiniBatch(*(getattr(batch, field.name) for field in dataclasses.fields(TransitionMiniBatch)))


def changed(**changes: Any) -> Any:
    """An augmentation that replaces arrays of the batch by functions of them."""

    def wrong(batch: Any, rng: Any) -> Any:
        return dataclasses.replace(batch, **{name: change(getattr(batch, name)) for name, change in changes.items()})

    return wrong


def with_nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[2, 0] = np.nan
    return array


def nan_in_place(batch: Any, rng: Any) -> Any:
    batch.rewards[1] = np.nan
    return batch


def half(batch: Any, rng: Any) -> Any:
    names = [field.name for field in dataclasses.fields(batch)]
    halves = {n: getattr(batch, n)[:3] for n in names if isinstance(getattr(batch, n), np.ndarray)}
    return dataclasses.replace(batch, **halves)


WRONG = [
    (lambda batch, rng: None, "a ContextualMiniBatch, as dataclasses.replace.* makes; it returned None"),
    (lambda batch, rng: [batch], "it returned a list"),
    (of_d3rlpy, "it returned a TransitionMiniBatch of d3rlpy, which carries no contexts"),
    (
        changed(rewards=lambda r: r.astype(np.float64)),
        "rewards as a float32 NumPy array .*; it returned float64",
    ),
    (changed(rewards=lambda r: r[:, 0]), r"rewards as a float32 NumPy array .*; it returned float32 of shape \(6,\)"),
    (changed(rewards=torch.as_tensor), "rewards as a float32 NumPy array .*; it returned a Tensor"),
    (changed(observations=lambda o: o[:, :3]), r"observations .* shape \(6, 5\); it returned float32 of shape \(6, 3\)"),
    (changed(actions=lambda a: np.concatenate([a, a])), r"actions .* \(6, 1\); .* \(12, 1\), 12 transitions for 6"),
    (half, r"observations .* shape \(6, 5\); it returned .* shape \(3, 5\), 3 transitions for 6"),
    (changed(contexts=lambda c: None), "contexts as a NumPy array, float32 of shape .*; it returned None"),
    (changed(contexts=lambda c: c.astype(np.float64)), "contexts as a NumPy array, float32 .*; it returned float64"),
    (changed(context_ids=lambda i: i.astype(np.float32)), "context_ids as a NumPy array, int64 .*; it returned float32"),
    (changed(next_observations=with_nan), "finite next_observations; it returned nan or inf in 1 places, first in row 2"),
    (nan_in_place, "finite rewards; it returned nan or inf in 1 places, first in row 1"),
]


@pytest.mark.parametrize(("augmentation", "message"), WRONG, ids=[message for _, message in WRONG])
@pytest.mark.parametrize("make", ["offline", "online", "listed"])
def test_a_wrong_first_batch_is_refused(augmentation: Any, message: str, make: str, runner: Any) -> None:
    buffer = {
        "offline": lambda: runner.replay_buffer(augmentation=augmentation),
        "online": lambda: online(augmentation=augmentation),
        "listed": lambda: runner.replay_buffer(augmentation=[CSE(0.1), augmentation, Shift(1)]),
    }[make]()
    for _ in range(2):  # a batch that failed does not count as the first
        with pytest.raises(DatasetError, match=rf"^expected {augmentation.__name__} to return .*{message}"):
            buffer.sample_transition_batch(6)


def test_only_the_first_batch_is_checked_once_for_all_views(runner: Any) -> None:
    returned: list[Any] = []

    def late(batch: Any, rng: Any) -> Any:
        returned.append(None)
        return batch if len(returned) == 1 else None

    buffer = runner.replay_buffer(augmentation=late)
    view = buffer.stratified(buffer.table["context_ids"])
    assert buffer.sample_transition_batch(6) is not None
    assert buffer.sample_transition_batch(6) is None and view.sample_transition_batch(6) is None


def test_what_is_unknown_already_may_stay_unknown(runner: Any) -> None:
    """Contexts and derivatives of unlabelled online steps are NaN; an augmentation may also drop derivatives."""
    buffer = runner.replay_buffer(context="hidden", augmentation=double)
    buffer.append(np.ones(3), np.zeros(1), 1.0)
    buffer.clip_episode(True)
    found = buffer.sample_transition_batch(500)
    assert np.isnan(found.contexts).any() and np.isnan(found.dreward_dcontext).any()
    dropping = changed(dreward_dcontext=lambda d: None)
    assert runner.replay_buffer(augmentation=dropping).sample_transition_batch(3).dreward_dcontext is None


def test_d3rlpys_fit_meets_the_sentence(runner: Any) -> None:
    learner = d3rlpy.algos.TD3PlusBCConfig(batch_size=8).create()
    buffer = runner.replay_buffer(augmentation=lambda batch, rng: None)
    with pytest.raises(DatasetError, match="it returned None"):
        learner.fit(
            buffer,
            n_steps=2,
            n_steps_per_epoch=2,
            show_progress=False,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        )


# --- CSE and Pessimism in one list -----------------------------------------------------------------------------------------


def test_pessimism_after_cse_uses_the_transitions_own_context(runner: Any) -> None:
    """Per context, Gamma is of the observation, the action and the context id, which CSE leaves alone: both orders agree."""
    plain = runner.replay_buffer(seed=6).sample_transition_batch(32)
    moved = runner.replay_buffer(seed=6, augmentation=CSE(0.1)).sample_transition_batch(32)
    pessimism = Pessimism(1.0, size=16)
    both = runner.replay_buffer(seed=6, augmentation=[CSE(0.1), pessimism]).sample_transition_batch(32)
    assert not np.array_equal(both.contexts, plain.contexts)
    np.testing.assert_array_equal(both.rewards, moved.rewards - pessimism.gamma(plain)[:, None])
    assert_batches_equal(dataclasses.replace(both, rewards=moved.rewards), moved)


def test_the_order_of_cse_and_pessimism_matters_where_features_see_the_context(runner: Any) -> None:
    def pessimism() -> Pessimism:
        return Pessimism(1.0, size=16, per_context=False)

    after, before = (
        runner.replay_buffer(seed=6, augmentation=order).sample_transition_batch(32)
        for order in ([CSE(0.1), pessimism()], [pessimism(), CSE(0.1)])
    )
    moved = runner.replay_buffer(seed=6, augmentation=CSE(0.1)).sample_transition_batch(32)
    plain = runner.replay_buffer(seed=6).sample_transition_batch(32)
    fitted = pessimism()
    fitted.prepare(runner)
    np.testing.assert_array_equal(after.rewards, moved.rewards - fitted.gamma(moved)[:, None])
    gain = moved.rewards - plain.rewards
    np.testing.assert_allclose(before.rewards, plain.rewards - fitted.gamma(plain)[:, None] + gain, atol=1e-5)
    assert np.abs(after.rewards - before.rewards).max() > 1e-4
    np.testing.assert_array_equal(after.contexts, before.contexts)


def test_a_list_trains_a_stock_algorithm_online() -> None:
    env = LabelTransitions(gymnasium.make("offctx/SimpleDirection-v0"))
    buffer = offctx.online_buffer(env, 100, augmentation=[CSE(0.3), Shift(1)])
    agent = d3rlpy.algos.SACConfig(batch_size=8).create()
    agent.fit_online(
        env, buffer, n_steps=20, n_steps_per_epoch=20, show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )  # fmt: skip
    plain = buffer.batch(np.arange(20))
    moved = CSE(0.3)(plain, np.random.default_rng(0))
    assert_batches_equal(
        buffer.augmentation(plain, np.random.default_rng(0)), dataclasses.replace(moved, rewards=moved.rewards + 1)
    )
