"""The verb `clean`: it shows what can be made again, deletes it when asked to, and never what is in use."""

import errno
import json
import os

import offctx
from offctx.data.storage import ids
from offctx.data.storage.leftovers import about_work
from offctx.data.storage.locks import locked

ID = "cli/PendulumGoal/random-v0"


def _work(root):
    """Unfinished work on the dataset."""
    folder = ids.work_folder(ID) / "fingerprint"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(about_work(root / ID, None))
    (folder / "0.batch").write_bytes(bytes(1_000_000))
    return folder


def test_show_then_delete(run, recipe, tmp_path):
    root = tmp_path / "datasets"
    assert run("clean")[:2] == (0, "nothing stands beside the datasets\n")
    run("collect", str(recipe), "-q")
    before = offctx.load_dataset(ID)
    work = _work(root)
    code, out, _ = run("clean", "--dry-run")
    assert code == 0 and f"1.0 MB  unfinished derivatives  {ID}\n" in out and f"flat copy               {ID}\n" in out
    assert run("clean")[1].endswith("--yes deletes them\n") and work.exists()
    code, out, _ = run("clean", "--yes")
    assert code == 0 and "deleted 2 folders, " in out
    assert {path.name for path in root.iterdir()} == {"cli"}
    assert (offctx.load_dataset(ID).rewards == before.rewards).all()


def test_json_and_what_is_in_use(run, recipe, tmp_path):
    root = tmp_path / "datasets"
    run("collect", str(recipe), "-q")
    work = _work(root)
    with locked(ids.lock_file(root / ID), "testing"):
        rows = json.loads(run("clean", "--yes", "--json")[1])
    assert {(row["kind"], row["dataset_id"], row["in_use"], row["deleted"]) for row in rows} == {
        ("flat copy", ID, True, False),
        ("unfinished derivatives", ID, True, False),
    }
    assert work.exists()
    rows = json.loads(run("clean", "--yes", "--json")[1])
    assert [row["deleted"] for row in rows] == [True, True] and not work.exists()


def test_what_a_read_only_disk_keeps_is_not_called_in_use(run, recipe, tmp_path, monkeypatch):
    run("collect", str(recipe), "-q")
    work = _work(tmp_path / "datasets")
    before = os.open

    def read_only(path, flags, *rest, **more):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return before(path, flags, *rest, **more)

    monkeypatch.setattr("offctx.data.storage.locks.os.open", read_only)
    code, out, _ = run("clean", "--yes")
    assert code == 0 and f"{ID}  (cannot be deleted: Read-only file system)\n" in out and "in use" not in out
    assert "deleted" not in out.splitlines()[-1] and work.exists()
    rows = json.loads(run("clean", "--yes", "--json")[1])
    assert {(row["in_use"], row["deleted"], row["obstacle"]) for row in rows} == {(False, False, "Read-only file system")}


def test_what_may_not_be_deleted_is_said(run, recipe, tmp_path, monkeypatch):
    run("collect", str(recipe), "-q")
    work = _work(tmp_path / "datasets")
    with monkeypatch.context() as patch:
        patch.setattr("offctx.data.storage.cleaning.os.access", lambda path, mode: path != work.parent.parent)
        rows = {row["kind"]: row for row in json.loads(run("clean", "--yes", "--json")[1])}
    assert rows["flat copy"]["deleted"] and not rows["flat copy"]["obstacle"]
    row = rows["unfinished derivatives"]
    assert not row["deleted"] and not row["in_use"] and row["obstacle"] == "Permission denied" and work.exists()
