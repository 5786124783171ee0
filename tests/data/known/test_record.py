"""Cards of recipes: summaries are right, and files are read strictly."""

import numpy as np
import pytest

from offctx.data.known import summary
from offctx.data.known.record import card_file, make_recipe_card, read_recipe_card
from offctx.data.known.summary import summarize_arrays, summarize_returns
from offctx.errors import DatasetError


def test_summaries_of_arrays_in_blocks(runner, monkeypatch):
    monkeypatch.setattr(summary, "_ROWS_AT_ONCE", 7)
    rows = summarize_arrays(runner)
    assert set(rows) == set(summary.ARRAYS) - {"derivative_errors", "noise"}
    got, expected = rows["dnext_observation_dcontext"], runner.dnext_observation_dcontext.reshape(len(runner), -1)
    assert (got.dtype, got.shape) == ("float32", [len(runner), 3, 2])
    for name in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(
            getattr(got, name), getattr(expected.astype(np.float64), name)(axis=0), rtol=1e-7, atol=1e-12
        )


def test_summaries_of_returns(runner):
    for c, row in enumerate(summarize_returns(runner)):
        returns = runner.episode_returns[runner.episode_context_ids == c]
        assert row.context == runner.unique_contexts[c].tolist() and row.episodes == len(returns)
        assert (row.mean, row.std) == pytest.approx((returns.mean(), returns.std()))


def test_a_card_is_read_as_it_was_written(library_path, runner, tmp_path):
    card = make_recipe_card(runner, 7)
    assert card.size_bytes > 1000 and card.sha256 == runner.metadata.sha256
    recipe = tmp_path / "x.toml"
    assert read_recipe_card(recipe) is None
    card_file(recipe).parent.mkdir()
    card_file(recipe).write_text(card.model_dump_json())
    assert read_recipe_card(recipe) == card


@pytest.mark.parametrize("text", ["", "[]", "{", '{"dataset_id": 3}', "\0", "9" * 9999])
def test_a_malformed_card_is_refused(tmp_path, text):
    recipe = tmp_path / "x.toml"
    card_file(recipe).parent.mkdir()
    card_file(recipe).write_text(text)
    with pytest.raises(DatasetError, match=r"card .*x\.json is not valid"):
        read_recipe_card(recipe)
