"""Interrupted comparisons that go on: what agents and controls have played is kept, and no number differs."""

from types import SimpleNamespace

import numpy as np
import pytest

import offctx
from offctx.errors import EvaluationError
from offctx.evaluation import chunks, kept_chunks
from tests.evaluation.killed import run_killed

ENV = "offctx/SimpleDirectionStochastic-v0"
CONTEXTS = {"train": [0.0, 0.0], "test": [[x, 0.5] for x in np.linspace(-1, 1, 7)]}
CHUNKS = 4  # of two contexts each
AGENTS = {"along": lambda observations, contexts, rng: contexts, "against": lambda observations, contexts, rng: -contexts}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 100)


@pytest.fixture
def played(monkeypatch):
    """How many chunks were played; the next one after `most` of them is interrupted."""
    play, seen = chunks.Scorer.play_each, SimpleNamespace(count=0, most=np.inf)

    def counted(self, *rest):
        if seen.count >= seen.most:
            raise KeyboardInterrupt
        seen.count += 1
        return play(self, *rest)

    monkeypatch.setattr(chunks.Scorer, "play_each", counted)
    return seen


def reports(**options):
    return {
        name: offctx.evaluate(agent, ENV, CONTEXTS, episodes=5, seed=3, name=name, **options) for name, agent in AGENTS.items()
    }


def everything(kept=None, **options):
    """Two agents and two controls, compared."""
    return offctx.compare(reports(resume=kept), baseline="against", resume=kept, **options)


def same(one, other):
    assert one.to_dict() == other.to_dict()
    for method in one.methods:
        for split in CONTEXTS:
            np.testing.assert_array_equal(one.returns(method, split), other.returns(method, split))


@pytest.mark.parametrize("after", [0, 3, CHUNKS, 2 * CHUNKS + 1, 3 * CHUNKS + 2, 4 * CHUNKS])
def test_agents_and_controls_go_on_in_one_folder(after, played, tmp_path, monkeypatch):
    whole = everything()
    assert list(whole.methods) == ["along", "against", "zero action", "random action"] and played.count == 4 * CHUNKS
    played.count, played.most = 0, after
    with pytest.raises(KeyboardInterrupt), offctx.KeptChunks(tmp_path) as kept:
        everything(kept)
        raise KeyboardInterrupt  # while the report is written
    assert len(list(tmp_path.iterdir())) == after
    played.count, played.most = 0, np.inf
    with offctx.KeptChunks(tmp_path) as kept:
        same(everything(kept), whole)
        assert len(list(tmp_path.iterdir())) == 4 * CHUNKS
    assert played.count == 4 * CHUNKS - after and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_controls_of_a_comparison_go_on_in_a_folder(n_jobs, played, tmp_path):
    agents = reports()
    whole = offctx.compare(agents)
    played.count, played.most = 0, CHUNKS + 1
    with pytest.raises(KeyboardInterrupt):
        offctx.compare(agents, resume=tmp_path)
    assert len(list(tmp_path.iterdir())) == CHUNKS + 1
    played.count, played.most = 0, np.inf
    same(offctx.compare(agents, resume=str(tmp_path), n_jobs=n_jobs), whole)
    assert list(tmp_path.iterdir()) == []
    if n_jobs == 1:
        assert played.count == CHUNKS - 1
    else:
        assert 0 < played.count < CHUNKS - 1  # another process has played the rest


def test_each_constant_action_is_kept(played, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 1000)
    contexts = {"train": [[10, 0.1, 1, 0.5, 0]], "far": [[10, 0.1, 1, 0.5, x] for x in (1.0, 2.0, 3.0)]}

    def controls(**options):
        return offctx.evaluate_controls("offctx/CartGoal-v0", contexts, episodes=2, seed=0, **options)

    whole, in_all = controls(), played.count
    played.count, played.most = 0, 3
    with pytest.raises(KeyboardInterrupt):
        controls(resume=tmp_path)
    played.count, played.most = 0, np.inf
    again = controls(resume=tmp_path)
    assert played.count == in_all - 3 and in_all > 4 and list(tmp_path.iterdir()) == []
    assert {name: report.to_dict() for name, report in again.items()} == {n: report.to_dict() for n, report in whole.items()}


def test_a_chunk_of_a_control_that_cannot_be_kept_is_an_error_and_no_missing_control(tmp_path, monkeypatch):
    agents = reports()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_chunks, "write_sealed", full)
    with pytest.raises(EvaluationError, match="No space left on device"):
        offctx.compare(agents, resume=tmp_path)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"resume": 3}, "resume must be the path of a folder"),
        ({"resume": __file__}, "the folder of resume cannot be made"),
        ({"n_jobs": 0}, "n_jobs must be a whole number of at least 1"),
        ({"backend": "dask"}, "backend must be"),
    ],
    ids=["number", "file", "n_jobs", "backend"],
)
def test_bad_arguments_are_refused_before_a_control_is_played(options, match, played):
    agents = reports()
    played.most = 0
    with pytest.raises(EvaluationError, match=match):
        offctx.compare(agents, **options)


def test_a_process_that_is_killed_while_it_plays_a_control_and_the_next_one(played, tmp_path):
    folder, out, whole = (tmp_path / name for name in ("kept", "report", "whole"))
    code = f"""
import offctx
from tests.evaluation.test_resume_compare import everything
with offctx.KeptChunks({str(folder)!r}) as kept:
    everything(kept).save({str(out)!r})
"""
    run_killed(code, chunk=3 * CHUNKS + 2, transitions=100)
    assert len(list(folder.iterdir())) == 3 * CHUNKS + 1 and not out.exists()
    with offctx.KeptChunks(folder) as kept:
        everything(kept).save(out)
    assert played.count == CHUNKS - 1 and list(folder.iterdir()) == []
    everything().save(whole)
    assert (out / "report.json").read_bytes() == (whole / "report.json").read_bytes()
