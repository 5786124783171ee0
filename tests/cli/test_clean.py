"""The verb `clean`: it shows what can be made again, deletes it when asked to, and never what is in use."""

import json

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
    (folder / "0.npy").write_bytes(bytes(1_000_000))
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
