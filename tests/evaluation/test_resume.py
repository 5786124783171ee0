"""Interrupted evaluations that go on: only missing chunks are played, and the returns are the same to the last bit."""

from types import SimpleNamespace

import numpy as np
import pytest

import offctx
from offctx.errors import EvaluationError
from offctx.evaluation import chunks, kept_chunks
from tests.evaluation.killed import run_killed

ENV = "offctx/SimpleDirectionStochastic-v0"
CONTEXTS = {"train": [0.0, 0.0], "test": [[x, 0.5] for x in np.linspace(-1, 1, 7)]}


class Scaled:
    """Draws, remembers its own actions, and scales them."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def begin(self, rows, same_context, size):
        if not hasattr(self, "sums") or len(self.sums) != size:
            self.sums = np.zeros(size)
        self.sums[rows[~same_context]] = 0

    def act(self, rows, observations, rng):
        return np.tanh(self.scale + self.sums[rows])[:, None] * np.tanh(rng.normal(size=(len(rows), 2)))

    def observe(self, transitions):
        self.sums[transitions.rows] += transitions.rewards


def evaluate(policy="random", env=ENV, **options):
    return offctx.evaluate(policy, env, CONTEXTS, **{"episodes": 5, "seed": 3} | options)


def same(one, other):
    assert one.to_dict() == other.to_dict()
    for split in CONTEXTS:
        np.testing.assert_array_equal(one.returns[split], other.returns[split])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 100)  # 4 chunks of 2 contexts


@pytest.fixture
def played(monkeypatch):
    """The chunks that are played; the chunk whose number is in `fails` raises."""
    play, contexts, fails = chunks.Scorer.play_each, [], set()

    def recorded(self, *rest):
        if len(contexts) in fails:
            raise KeyboardInterrupt
        contexts.append(self.contexts)
        return play(self, *rest)

    monkeypatch.setattr(chunks.Scorer, "play_each", recorded)
    return SimpleNamespace(contexts=contexts, fails=fails)


def interrupt(played, folder, policy="random", *, after=2, **options):
    """Leaves so many chunks in the folder, and gives their files."""
    played.contexts.clear()
    played.fails.add(after)
    with pytest.raises(KeyboardInterrupt):
        evaluate(policy, resume=folder, **options)
    played.fails.clear()
    played.contexts.clear()
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("policy", "warmup"),
    [("random", {}), (Scaled(), {}), (Scaled(), {"warmup": (3, 7), "warmup_policy": "random"})],
    ids=["without memory", "with memory", "with warm-up"],
)
def test_the_same_call_plays_only_the_missing_chunks(policy, warmup, played, tmp_path):
    whole = evaluate(policy, **warmup)
    for after in range(1, 4):
        assert len(interrupt(played, tmp_path, policy, after=after, **warmup)) == after
        same(evaluate(policy, resume=tmp_path, **warmup), whole)
        assert len(played.contexts) == 4 - after
        assert list(tmp_path.iterdir()) == []


def test_workers_go_on_where_one_process_was_and_the_other_way_round(played, tmp_path, monkeypatch):
    whole = evaluate(Scaled())
    interrupt(played, tmp_path, Scaled())
    same(evaluate(Scaled(), resume=tmp_path, n_jobs=2), whole)
    assert len(played.contexts) == 1  # of the two that were missing, as another process has played the other
    with monkeypatch.context() as patch:
        patch.setattr(kept_chunks.KeptChunks, "discard", lambda self: None)
        same(evaluate(Scaled(), resume=tmp_path, n_jobs=2), whole)
    played.contexts.clear()
    same(evaluate(Scaled(), resume=tmp_path), whole)
    assert played.contexts == [] and list(tmp_path.iterdir()) == []


def test_a_damaged_chunk_is_played_again(played, tmp_path):
    whole = evaluate()
    damages = {
        "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "checksum": lambda content: bytes([content[0] ^ 1]) + content[1:],
        "cut": lambda content: content[: len(content) // 2],
        "empty": lambda content: b"",
    }
    for damage in damages.values():
        first, _ = interrupt(played, tmp_path)
        first.write_bytes(damage(first.read_bytes()))
        same(evaluate(resume=tmp_path), whole)
        assert len(played.contexts) == 3
    first, second = interrupt(played, tmp_path)
    second.write_bytes(first.read_bytes())
    same(evaluate(resume=tmp_path), whole)
    assert len(played.contexts) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"policy": Scaled(2.0)},
        {"seed": 4},
        {"episodes": 4},
        {"context": "hidden"},
        {"warmup": 3},
        {"warmup": 3, "warmup_policy": "zero"},
        {"env": "offctx/SimpleDirection-v0"},
    ],
    ids="-".join,
)
def test_chunks_of_another_call_are_neither_used_nor_deleted(other, played, tmp_path):
    files = interrupt(played, tmp_path, Scaled())
    call = {"policy": Scaled()} | other
    found = evaluate(resume=tmp_path, **call)
    assert len(played.contexts) == 4 or "episodes" in other
    same(found, evaluate(**call))
    assert sorted(tmp_path.iterdir()) == files


def test_what_cannot_be_compared_is_refused_before_it_plays(played, tmp_path):
    stream = (x for x in ())

    def streaming(observations, contexts, rng):
        return np.zeros((len(observations), 2)) + len(list(stream))

    with pytest.raises(EvaluationError, match=r"policy 'streaming' holds something that cannot be compared.*leave resume out"):
        evaluate(streaming, resume=tmp_path)
    with pytest.raises(EvaluationError, match="policy 'streaming' holds"):
        evaluate(Scaled(), warmup=2, warmup_policy=streaming, resume=tmp_path)
    assert played.contexts == [] and list(tmp_path.iterdir()) == []


def test_bad_folders_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="the folder of resume cannot be made"):
        evaluate(resume=tmp_path / "file")
    for bad in (3, ""):
        with pytest.raises(EvaluationError, match="resume must be the path of a folder"):
            evaluate(resume=bad)


def test_several_calls_keep_their_chunks_until_all_have_succeeded(played, tmp_path):
    kept = kept_chunks.KeptChunks(tmp_path / "new")
    first, second = evaluate(resume=kept), evaluate("zero", resume=kept)
    assert len(list(kept.folder.iterdir())) == 8
    played.contexts.clear()
    again = kept_chunks.KeptChunks(str(kept.folder))
    same(evaluate(resume=again), first)
    same(evaluate("zero", resume=again), second)
    assert played.contexts == []
    again.discard()
    assert list(kept.folder.iterdir()) == []


def test_a_chunk_whose_folder_another_process_empties_is_written_again(played, tmp_path, monkeypatch):
    write, failures = kept_chunks.write_sealed, []

    def emptied(path, name, arrays):
        if not failures:
            failures.append(path)
            raise FileNotFoundError(path)
        write(path, name, arrays)

    monkeypatch.setattr(kept_chunks, "write_sealed", emptied)
    same(evaluate(resume=tmp_path), evaluate())
    assert len(failures) == 1


def test_a_process_that_is_killed_and_the_next_one(played, tmp_path):
    code = f"""
from tests.evaluation.test_resume import Scaled, evaluate
evaluate(Scaled(), resume={str(tmp_path)!r}, warmup=3)
"""
    run_killed(code, chunk=3, transitions=100)
    chunk, _ = sorted(tmp_path.iterdir())
    chunk.with_name(f".{chunk.name}.7.tmp").write_bytes(b"half")
    again = evaluate(Scaled(), resume=tmp_path, warmup=3)
    assert len(played.contexts) == 2 and list(tmp_path.iterdir()) == []
    whole = evaluate(Scaled(), warmup=3)
    same(again, whole)
    np.testing.assert_array_equal(again.after(3).returns["test"], whole.after(3).returns["test"])
