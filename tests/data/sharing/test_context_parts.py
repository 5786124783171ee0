"""Contexts have the same numbers in a pull as in `offctx show` and `load_dataset`."""

import numpy as np
import pytest

import offctx
from offctx.data.sharing.context_parts import chosen_parts
from offctx.data.sharing.manifest import ContextPart
from offctx.errors import DatasetError

ID, PART = "test/x-v0", "test/part-v0"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_pull_numbers_contexts_by_their_values(number, datasets_path, tmp_path):
    contexts = [[1.0, -0.0], [0.0, 0.5], [1.0, 0.0], [-0.0, 0.5], [0.5, 0.5]]
    whole = offctx.collect("offctx/SimpleDirection-v0", ID, contexts=contexts, episodes_per_context=2, seed=0, progress=False)
    assert len(whole.unique_contexts) == 3
    manifest = offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    offctx.pull(tmp_path / "remote", ID, contexts=[number], new_id=PART, sha256=manifest.sha256, progress=False)
    pulled, loaded = offctx.load_dataset(PART), offctx.load_dataset(ID, contexts=[number])
    np.testing.assert_array_equal(pulled.contexts, loaded.contexts)
    np.testing.assert_array_equal(pulled.actions, loaded.actions)
    np.testing.assert_array_equal(pulled.unique_contexts, whole.unique_contexts[[number]])
    assert pulled.num_episodes == (2 if number == 2 else 4)


def test_equal_contexts_of_an_older_manifest_are_one_context():
    parts = [ContextPart(values=[value], episodes=[], places=[], bytes=[]) for value in (0.0, 2.0, -0.0, 1.0)]
    assert chosen_parts(parts, ["g"], [0], ID) == [parts[0], parts[2]]
    assert chosen_parts(parts, ["g"], [2], ID) == [parts[3]]
    with pytest.raises(DatasetError, match="has contexts 0 to 2; found 3"):
        chosen_parts(parts, ["g"], [3], ID)
    with pytest.raises(DatasetError, match="contexts of another size"):
        chosen_parts(parts, ["g", "m"], [0], ID)
