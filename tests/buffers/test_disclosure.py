"""What a learner can reach at each of the four levels: it looks at every public attribute of a batch, a buffer and its rows."""

import numpy as np
import pytest
from d3rlpy.algos import TD3PlusBCConfig

import offctx
from offctx.errors import AlgorithmError, DatasetError, EnvError
from tests.buffers.helpers import assert_batches_equal, make, replay

COLUMNS = (
    "observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "contexts", "context_ids",
    "episode", "dnext_observation_dcontext", "dreward_dcontext", "states", "noise",
)  # fmt: skip


def reachable(thing, path="", seen=None):
    """(path, value) of every array and number that public attributes, items and columns lead to."""
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # kept, so that no other object gets its id
    if isinstance(thing, (np.ndarray, float, int, np.generic)):
        yield path, np.asarray(thing)
    elif isinstance(thing, dict):
        for key, value in thing.items():
            yield from reachable(value, f"{path}[{key!r}]", seen)
    elif isinstance(thing, (list, tuple)):
        for i, value in enumerate(thing[:40]):
            yield from reachable(value, f"{path}[{i}]", seen)
    elif type(thing).__module__.startswith(("offctx", "d3rlpy")):
        yield from attributes_of(thing, path, seen)


def attributes_of(thing, path, seen):
    for name in dir(thing):
        if not name.startswith("_"):
            try:
                value = getattr(thing, name)
            except Exception:
                continue
            if not callable(value) or hasattr(value, "__getitem__"):
                yield from reachable(value, f"{path}.{name}", seen)
    if hasattr(thing, "take") and hasattr(thing, "span"):  # a table
        yield from columns_of(thing, path, seen)


def columns_of(table, path, seen):
    for name in COLUMNS:
        for how, get in (
            ("[]", lambda name=name: table[name]),
            ("take", lambda name=name: table.take(name, np.arange(table.size))),
            ("span", lambda name=name: table.span(name, 0, table.size)),
        ):
            try:
                column = get()
            except (KeyError, DatasetError):
                continue
            yield from reachable(column, f"{path}.{how}({name})", seen)


def tells_values(value, contexts):
    return value.dtype.kind == "f" and np.isin(contexts.astype(np.float32), value.astype(np.float32)).any()


def tells_ids(value, ids):
    """Whether an array has one entry for each row, the same for one context and another for another."""
    if value.ndim == 0 or len(value) != len(ids) or len(np.unique(ids)) < 2:
        return False
    value = value.reshape(len(value), -1).astype(np.float64)
    pairs = len(np.unique(np.column_stack([value, ids]), axis=0))
    return pairs == len(np.unique(ids)) == len(np.unique(value, axis=0))


def tells_derivatives(value, dataset):
    one = np.unique(dataset.dnext_observation_dcontext.astype(np.float32))
    one = one[(one != 0) & (np.abs(one) != 1)]
    return value.dtype.kind == "f" and np.isin(one[:20], value.astype(np.float32)).any()


def told(dataset, level, augmentation=None):
    """What a learner reaches: paths that tell values, ids and derivatives."""
    history = offctx.History(3)
    buffer = dataset.replay_buffer(context=level, history=history, augmentation=augmentation)
    batch = buffer.sample_transition_batch(64)
    everything = buffer.batch(np.arange(len(dataset)))
    contexts = np.unique(dataset.unique_contexts[:, 1])  # the wind; speeds are in the observations
    found = {"values": set(), "ids": set(), "derivatives": set()}
    things = {"batch": batch, "buffer": buffer, "all": everything, "row": buffer.transition(3), "t": batch.transitions[0]}
    for name, thing in things.items():
        for path, value in reachable(thing, name):
            if tells_values(value, contexts):
                found["values"].add(path)
            if name in ("all", "buffer") and tells_ids(value, dataset.context_ids):
                found["ids"].add(path)
            if tells_derivatives(value, dataset):
                found["derivatives"].add(path)
    return found


def test_the_search_finds_what_is_there(runner):
    found = told(runner, "append")
    assert {"batch.contexts", "batch.observations", "batch.history.observations", "buffer.table.[](contexts)"} <= found[
        "values"
    ]
    assert {"all.context_ids", "buffer.table.take(context_ids)"} <= found["ids"]
    found = told(runner, "hidden")
    assert {"batch.contexts", "buffer.table.span(contexts)"} <= found["values"] and "batch.observations" not in found["values"]
    assert {"all.context_ids", "buffer.table.[](context_ids)"} <= found["ids"]
    assert {"batch.dnext_observation_dcontext", "buffer.table.[](dnext_observation_dcontext)"} <= found["derivatives"]


@pytest.mark.parametrize("augmentation", [None, offctx.CSE(0.01), offctx.CSE(0.01, exact="testing/Runner-v0")])
def test_withheld_tells_nothing_and_anonymous_ids_alone(augmentation, runner):
    assert told(runner, "withheld", augmentation) == {"values": set(), "ids": set(), "derivatives": set()}
    found = told(runner, "anonymous", augmentation)
    assert found["values"] == found["derivatives"] == set()
    assert found["ids"] == {"all.context_ids", *(f"buffer.table.{how}(context_ids)" for how in ("[]", "take", "span"))}


def test_anonymous_ids_are_those_of_the_data_in_another_order():
    from tests.buffers.histories import numbered_dataset

    dataset = numbered_dataset(np.random.default_rng(0), contexts=9, episodes=40)
    n = len(dataset)
    orders = set()
    for seed in range(5):
        buffer = dataset.replay_buffer(context="anonymous", seed=seed)
        ids = buffer.batch(np.arange(n)).context_ids
        np.testing.assert_array_equal(ids, buffer.table["context_ids"])
        pairs = np.unique(np.column_stack([ids, dataset.context_ids]), axis=0)
        assert len(pairs) == 9 and set(pairs[:, 0]) == set(range(9))
        orders.add(tuple(pairs[np.argsort(pairs[:, 1]), 0]))
    assert len(orders) > 1


def test_all_levels_draw_the_same_transitions_and_augment_them_alike(runner):
    buffers = [
        runner.replay_buffer(context=level, augmentation=offctx.CSE(0.05), history=offctx.History(3), seed=2)
        for level in ("hidden", "anonymous", "withheld")
    ]
    first, *others = (buffer.sample_transition_batch(32) for buffer in buffers)
    for other in others:
        assert_batches_equal(first, other)
        np.testing.assert_array_equal(first.history.next_observations, other.history.next_observations)
        assert np.isnan(other.contexts).all() and other.context == "hidden"
    assert (others[1].context_ids == -1).all() and (first.context_ids >= 0).all()
    assert not np.array_equal(first.next_observations, runner.replay_buffer("hidden", seed=2).sample_transition_batch(32))


def test_augmentations_by_context_work_inside(pendulum):
    lowered = [
        pendulum.replay_buffer(context=level, augmentation=offctx.Pessimism(1.0, size=8)).sample_transition_batch(8).rewards
        for level in ("hidden", "withheld")
    ]
    np.testing.assert_array_equal(*lowered)


def test_cards_and_attributes_say_the_level(runner):
    levels = {level: runner.replay_buffer(context=level) for level in ("append", "hidden", "anonymous", "withheld")}
    assert {level: buffer.context_level for level, buffer in levels.items()} == {level: level for level in levels}
    assert [buffer.context for buffer in levels.values()] == ["append", "hidden", "hidden", "hidden"]
    assert "contexts      3, anonymous" in repr(levels["anonymous"]) and "contexts      withheld" in repr(levels["withheld"])
    assert levels["anonymous"].context_space.names == ("hidden_0", "hidden_1")


def test_what_needs_more_than_is_told_says_so(runner):
    from offctx.algos import PERMConfig

    buffer = runner.replay_buffer(context="withheld")
    with pytest.raises(DatasetError, match='does not show dreward_dcontext: it was made with context="withheld"'):
        buffer.table["dreward_dcontext"]
    with pytest.raises(AlgorithmError):
        PERMConfig().create().fit(buffer, n_steps=1, n_steps_per_epoch=1, show_progress=False)
    agent = TD3PlusBCConfig(batch_size=8).create()
    agent.fit(buffer, n_steps=2, n_steps_per_epoch=1, show_progress=False, save_interval=9)


@pytest.mark.parametrize("level", ["anonymous", "withheld"])
def test_levels_online(level, runner):
    env = make(context="hidden")
    buffer = offctx.online_buffer(env, context=level, augmentation=offctx.CSE(0.01), history=offctx.History(3))
    replay(runner, env, buffer)
    batch = buffer.sample_transition_batch(32)
    assert np.isnan(batch.contexts).all() and batch.dreward_dcontext is None
    assert set(batch.context_ids) == ({0, 1, 2} if level == "anonymous" else {-1})
    with pytest.raises(EnvError, match='the buffer has the context "hidden", the environment "append"'):
        offctx.online_buffer(make(context="append"), context=level)
