"""Evaluation mode for a while: every part of a module comes back in the mode that it had."""

import pytest
from torch import nn

from offctx.analysis.leakage import windows
from offctx.module_modes import evaluation_mode


@pytest.fixture
def partly_frozen():
    """A module that is trained, with a part that its user keeps in evaluation mode."""
    module = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)))
    module.train()
    module[1].eval()
    return module


def _modes(module):
    return [part.training for part in module.modules()]


def test_parts_keep_their_modes(partly_frozen):
    before = _modes(partly_frozen)
    with evaluation_mode(partly_frozen, None):
        assert not any(_modes(partly_frozen))
    assert _modes(partly_frozen) == before == [True, True, False, False, False]


def test_parts_keep_their_modes_after_an_error(partly_frozen):
    before = _modes(partly_frozen)
    with pytest.raises(ZeroDivisionError), evaluation_mode(partly_frozen):
        raise ZeroDivisionError
    assert _modes(partly_frozen) == before


def test_an_encoder_that_raises_comes_back_from_the_leakage_report_as_it_was(partly_frozen):
    class Windows:
        def to_torch(self, device):
            raise ZeroDivisionError

    before = _modes(partly_frozen)
    with pytest.raises(ZeroDivisionError):
        windows._codes(partly_frozen, Windows())
    assert _modes(partly_frozen) == before
