"""Estimated errors that come with the derivatives."""

import json

import minari
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.data.validation import validate_dataset
from offctx.envs import SimpleDirection
from offctx.errors import DatasetError
from tests.data.derivatives.helpers import ID, attach, collect, edit_metadata, file_of
from tests.data.helpers import assert_equal


class Estimated(SimpleDirection):
    """As if its derivatives were estimates: far off where x is negative."""

    derivative_source = "central differences"
    derivative_tolerance = 0.5
    derivative_steps = np.array([1e-3, 1e-3])

    def derivatives_with_error(self, states, actions, contexts, noise=None):
        found = self.derivatives(states, actions, contexts, noise)
        return *found, np.where(states[:, 0] < 0, 0.75, 0.125)


@pytest.mark.parametrize("how", ["collected", "attached"])
def test_errors_are_stored_counted_and_validated(how, datasets_path):
    found = collect(env=lambda: TimeLimit(Estimated(), 10), gradients=how == "collected")
    assert (found.derivative_errors is None) == (how == "attached")
    if how == "attached":
        attach(ID, Estimated())
    found = offctx.load_dataset(ID)
    far = found.states[:, 0] < 0
    np.testing.assert_array_equal(found.derivative_errors, np.where(far, 0.75, 0.125))
    claim = found.metadata.derivatives
    assert (claim.flagged, claim.error, claim.tolerance, claim.steps) == (far.sum(), 0.125, 0.5, [1e-3, 1e-3])
    assert 0 < claim.flagged < len(found)
    for episode in minari.load_dataset(ID):
        assert episode.infos["derivative_error"].shape == (11,) and episode.infos["derivative_error"][0] == 0
    assert_equal(offctx.load_dataset(ID), found)  # from the flat copy
    validate_dataset(ID)

    raw = json.loads(file_of(datasets_path).with_name("metadata.json").read_text())
    raw["offctx"]["derivatives"]["flagged"] += 1
    edit_metadata(datasets_path, offctx=raw["offctx"])
    with pytest.raises(DatasetError, match=r"metadata say \d+ derivatives are flagged; \d+ are"):
        validate_dataset(ID)


def test_exact_derivatives_take_the_place_of_estimated_ones(datasets_path):
    collect(env=lambda: TimeLimit(Estimated(), 10), gradients=True)
    found = attach(ID, SimpleDirection(), overwrite=True)
    assert found.derivative_errors is None and found.metadata.derivatives.flagged is None
    assert "derivative_error" not in minari.load_dataset(ID)[0].infos
    assert_equal(found, collect("test/with-v0", gradients=True))
