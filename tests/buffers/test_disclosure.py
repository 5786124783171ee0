"""What a learner can reach at each of the four levels: it looks at every public attribute of a batch, a buffer and its rows."""

import dataclasses

import numpy as np
import pytest
from d3rlpy.algos import TD3PlusBCConfig
from scipy.stats import spearmanr

import offctx
from offctx.errors import AlgorithmError, DatasetError, EnvError
from tests.buffers.helpers import FIELDS, make, replay
from tests.buffers.histories import numbered_dataset

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
    ids = buffer._episodes.table["context_ids"]
    found = {"values": set(), "ids": set(), "derivatives": set()}
    things = {"batch": batch, "buffer": buffer, "all": everything, "row": buffer.transition(3), "t": batch.transitions[0]}
    for name, thing in things.items():
        for path, value in reachable(thing, name):
            if tells_values(value, contexts):
                found["values"].add(path)
            if name in ("all", "buffer") and tells_ids(value, ids):
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


def places_of_rows(buffer, dataset):
    """The row of the dataset that each row of a buffer holds; numbered datasets have their number in all columns."""
    return buffer.table["observations"][:, 0].astype(int) - 1


def test_anonymous_ids_are_those_of_the_data_in_another_order():
    dataset = numbered_dataset(np.random.default_rng(0), contexts=9, episodes=40)
    n = len(dataset)
    orders = set()
    for seed in range(5):
        buffer = dataset.replay_buffer(context="anonymous", seed=seed)
        ids = buffer.batch(np.arange(n)).context_ids
        np.testing.assert_array_equal(ids, buffer.table["context_ids"])
        pairs = np.unique(np.column_stack([ids, dataset.context_ids[places_of_rows(buffer, dataset)]]), axis=0)
        assert len(pairs) == 9 and set(pairs[:, 0]) == set(range(9))
        orders.add(tuple(pairs[np.argsort(pairs[:, 1]), 0]))
    assert len(orders) > 1


def in_blocks(contexts=6, episodes=10):
    """A dataset as `collect` writes it: the episodes of a context one after another."""
    dataset = numbered_dataset(np.random.default_rng(1), contexts=1, episodes=contexts * episodes)
    ids = np.repeat(np.repeat(np.arange(contexts), episodes), dataset.episode_ends - dataset.episode_starts)
    return dataclasses.replace(dataset, context_ids=ids, contexts=0.1 + 0.1 * ids[:, None])


@pytest.mark.parametrize("level", ["anonymous", "withheld"])
def test_the_order_of_episodes_tells_nothing(level):
    dataset = in_blocks()
    neighbours, firsts, orders = [], set(), set()
    for seed in range(40):
        buffer = dataset.replay_buffer(context=level, seed=seed)
        rows = places_of_rows(buffer, dataset)
        starts = np.flatnonzero(np.diff(buffer.table["episode"], prepend=-1))
        episodes = np.searchsorted(dataset.episode_starts, rows[starts])  # of the dataset, in the order of the buffer
        assert sorted(episodes) == list(range(60)) and buffer.size() == 60
        ids = dataset.episode_context_ids[episodes]
        neighbours.append((ids[1:] == ids[:-1]).mean())
        firsts.add(int(ids[0]))
        orders.add(tuple(episodes))
        for k in (0, 17, 59):  # d3rlpy's episodes are those of the table
            episode, view = episodes[k], buffer.episodes[k]
            expected = dataset.rewards[dataset.episode_starts[episode] : dataset.episode_ends[episode]]
            np.testing.assert_array_equal(view.rewards[:, 0], expected)
    # Of the 59 other episodes, 9 share the context of an episode. In blocks, 54 of 59 neighbours do.
    assert np.mean(neighbours) == pytest.approx(9 / 59, abs=0.02)
    assert firsts == set(range(6)) and len(orders) == 40


def test_the_order_is_that_of_the_data_where_contexts_are_told():
    dataset = in_blocks()
    for level in ("append", "hidden"):
        buffer = dataset.replay_buffer(context=level, seed=1)
        np.testing.assert_array_equal(places_of_rows(buffer, dataset), np.arange(len(dataset)))


def test_episodes_of_a_context_keep_their_order_where_ids_tell_them():
    dataset = in_blocks()
    buffer = dataset.replay_buffer(context="anonymous", seed=3)
    rows, ids = places_of_rows(buffer, dataset), buffer.table["context_ids"]
    assert not (np.diff(rows) > 0).all()
    for id_ in range(6):
        assert (np.diff(rows[ids == id_]) > 0).all()


def test_all_levels_have_the_same_transitions_and_augment_them_alike(runner):
    def sorted_batch(level):
        buffer = runner.replay_buffer(context=level, augmentation=offctx.CSE(0.05), history=offctx.History(3), seed=2)
        batch = buffer.batch(np.arange(len(runner)))
        order = np.lexsort(batch.observations.T)
        return [getattr(batch, name)[order] for name in FIELDS] + [batch.history.next_observations[order]]

    first, *others = (sorted_batch(level) for level in ("hidden", "anonymous", "withheld"))
    for other in others:
        for one, same in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, same)
    for level in ("anonymous", "withheld"):
        buffer = runner.replay_buffer(context=level, augmentation=offctx.CSE(0.05), history=offctx.History(3), seed=2)
        batch = buffer.sample_transition_batch(32)
        assert np.isnan(batch.contexts).all() and batch.context == "hidden"
        assert (batch.context_ids == -1).all() == (level == "withheld")
        known = {row.tobytes() for row in runner.next_observations}
        assert any(row.tobytes() not in known for row in batch.next_observations)  # CSE had what it needs


def test_augmentations_by_context_work_inside(pendulum):
    shifts = []
    for level in ("hidden", "withheld"):
        buffer = pendulum.replay_buffer(context=level, augmentation=offctx.Pessimism(1.0, size=8))
        batch = buffer.sample_transition_batch(200)
        stored = dict(zip(map(bytes, pendulum.observations), pendulum.rewards, strict=True))
        shifts.append(
            {o.tobytes(): stored[o.tobytes()] - r for o, r in zip(batch.observations, batch.rewards[:, 0], strict=True)}
        )
    common = shifts[0].keys() & shifts[1].keys()
    assert len(common) > 20 and all(shifts[0][o] == shifts[1][o] > 0 for o in common)


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
    ids = set(batch.context_ids)
    assert len(ids) == 3 and min(ids) >= 0 if level == "anonymous" else ids == {-1}
    with pytest.raises(EnvError, match='the buffer has the context "hidden", the environment "append"'):
        offctx.online_buffer(make(context="append"), context=level)


def test_anonymous_ids_of_environments_side_by_side_are_numbered_at_random():
    contexts, orders, buffers = [[0.3 + k / 8, 0.0] for k in range(8)], set(), []
    look = {"look": lambda _, buffer: buffers.append(buffer) or 0.0}
    options = {"steps": 16, "random_steps": 16, "epochs": 1, "context": "anonymous", "progress": False}
    for seed in range(4):
        offctx.train_online("sac", "testing/Runner-v0", contexts=contexts, seed=seed, evaluators=look, **options)
        ids = buffers[-1].table["context_ids"]
        assert sorted(ids[:8]) == list(range(8)) and ids[8:].tolist() == ids[:8].tolist()
        orders.add(tuple(ids[:8]))
    assert len(orders) == 4


@pytest.mark.parametrize("given", [True, False])
def test_anonymous_ids_do_not_tell_the_place_of_a_context_where_rows_play_one_after_another(given):
    contexts, buffers = np.stack([np.linspace(0.3, 1.9, 40), np.zeros(40)], axis=1), []
    options = {"steps": 40 * 20, "random_steps": 40 * 20, "update_start_step": 10**6, "epochs": 1, "context": "anonymous"}
    options |= {"evaluators": {"look": lambda _, buffer: buffers.append(buffer) or 0.0}, "progress": False, "rows": 4}
    counter = iter(contexts)
    chosen = contexts if given else lambda _: next(counter, contexts[0])  # a curriculum
    for seed in (0, 0, 1):
        offctx.train_online("sac", "testing/Runner-v0", contexts=chosen, seed=seed, **options)
        counter = iter(contexts)
    places, orders = [], []
    for buffer in buffers:
        ids, values = buffer.table["context_ids"], buffer._episodes.table["contexts"][:, 0]
        pairs = np.unique(np.column_stack([ids, np.searchsorted(contexts[:, 0].astype(np.float32), values)]), axis=0)
        assert len(pairs) == len(set(pairs[:, 0])) == len(set(pairs[:, 1])) > 20
        places.append(abs(spearmanr(*pairs.T).statistic))
        orders.append(pairs.tolist())
    assert max(places) < 0.6 and orders[0] == orders[1] != orders[2]
