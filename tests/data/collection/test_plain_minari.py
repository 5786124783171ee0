"""Unmodified Minari lists, reads and replays what was collected."""

import minari
import pytest
from gymnasium.wrappers import TimeLimit

from offctx.envs import SimpleDirection
from tests.data.collection.helpers import CASES, collect, replay


@pytest.mark.parametrize("case", CASES)
def test_minari_lists_reads_and_replays_every_step(case, datasets_path):
    env_id, policy, contexts = CASES[case]
    collected = collect(env_id, contexts=contexts, policy=policy, episodes_per_context=3)
    assert list(minari.list_local_datasets()) == ["test/x-v0"]
    dataset = minari.load_dataset("test/x-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (3 * len(contexts), len(collected))
    env = dataset.recover_environment()
    assert env.spec.id == env_id
    assert replay(env, "test/x-v0") == len(collected)


def test_an_extrapolated_context_is_stored_and_replays_too(datasets_path):
    found = collect("offctx/SimpleDirection-v0", contexts=[3.0, 0.0], extrapolate=True)
    assert found.contexts[0].tolist() == [3.0, 0.0]
    assert replay(minari.load_dataset("test/x-v0").recover_environment(), "test/x-v0") == 10


def test_a_factory_without_an_id_is_collected_and_read_by_minari(datasets_path):
    collect(lambda: TimeLimit(SimpleDirection(), 4))
    assert len(minari.load_dataset("test/x-v0")[0]) == 4
