"""What a push tells of a dataset from its summary is what it tells from the data."""

import shutil

import numpy as np
import pytest

import offctx
from offctx.data.sharing import push as push_module
from offctx.data.sharing.manifest import parse_manifest
from offctx.data.storage.sealed_file import read_sealed, write_sealed
from offctx.data.storage.summary import SUMMARY, _seal, read_summary
from offctx.errors import DatasetError

ID, OTHER = "test/x-v0", "test/other-v0"
CONTEXTS = [[1.0, 0.5], [0.5, -0.5], [1.0, 0.5]]


def collect(dataset_id=ID, **options):
    arguments = {"contexts": CONTEXTS, "episodes_per_context": 2, "seed": 0, "progress": False} | options
    return offctx.collect("offctx/SimpleDirection-v0", dataset_id, **arguments)


def selected():
    collect(OTHER).select(contexts=[1]).save(ID)


def combined():
    collect("test/first-v0")
    collect(OTHER, seed=1)
    offctx.combine(["test/first-v0", OTHER], ID)


def pulled(tmp_path):
    collect(OTHER)
    offctx.push(OTHER, tmp_path / "remote", progress=False)
    offctx.pull(tmp_path / "remote", OTHER, contexts=[0], new_id=ID, progress=False)


MAKERS = {
    "with derivatives": lambda _: collect(),
    "without": lambda _: collect(gradients=False),
    "compressed": lambda _: collect(compression="gzip", episodes_per_context=50),
    "without noise": lambda _: offctx.collect("offctx/PendulumGoal-v0", ID, seed=0, episodes_per_context=3, progress=False),
    "selected": lambda _: selected(),
    "combined": lambda _: combined(),
    "part": pulled,
}


def pushed(remote):
    """The files that a push puts on a remote, and its manifest."""
    offctx.push(ID, remote, progress=False)
    folder = remote / ID
    manifest = parse_manifest((folder / "manifest.json").read_bytes(), "remote")
    return {name: (folder / name).read_bytes() for name in ("README.md", "croissant.json", "returns.png")}, manifest


@pytest.mark.parametrize("maker", MAKERS)
def test_the_same_cards_and_contexts_as_from_the_data(maker, datasets_path, tmp_path, monkeypatch):
    MAKERS[maker](tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("offctx.data.sharing.beside.load_dataset", None)
        patch.setattr(push_module, "context_parts", None)
        cards, manifest = pushed(tmp_path / "with")
    (datasets_path / ID / SUMMARY).unlink()
    cards_of_data, manifest_of_data = pushed(tmp_path / "without")
    assert cards == cards_of_data
    assert manifest.sha256 == manifest_of_data.sha256 and manifest.contexts and manifest_of_data.contexts
    for part, expected in zip(manifest.contexts, manifest_of_data.contexts, strict=True):
        assert (part.values, part.episodes, part.places) == (expected.values, expected.episodes, expected.places)
        covered = np.zeros(manifest.size, dtype=bool)
        for begin, end in part.bytes:
            covered[begin:end] = True
        assert all(covered[begin : end - 1024].all() for begin, end in expected.bytes)
        assert covered.sum() <= 1.2 * sum(end - begin for begin, end in expected.bytes) + 4096


def change_metadata(folder):
    path = folder / "data" / "metadata.json"
    path.write_bytes(path.read_bytes() + b" ")


def change_data(folder):
    path = folder / "data" / "main_data.hdf5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def flip(folder):
    path = folder / SUMMARY
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def take_that_of_another(folder):
    collect(OTHER, seed=1)
    shutil.copyfile(folder.parent / "other-v0" / SUMMARY, folder / SUMMARY)


def leave_something_out(name):
    def change(folder):
        seal = _seal(hashes_of(folder))
        arrays = read_sealed(folder / SUMMARY, seal)
        del arrays[name]
        write_sealed(folder / SUMMARY, seal, arrays)

    return change


def add_something(folder):
    seal = _seal(hashes_of(folder))
    write_sealed(folder / SUMMARY, seal, read_sealed(folder / SUMMARY, seal) | {"more": np.zeros(3)})


def cut_the_returns(folder):
    seal = _seal(hashes_of(folder))
    arrays = read_sealed(folder / SUMMARY, seal)
    write_sealed(folder / SUMMARY, seal, arrays | {"returns": arrays["returns"][1:]})


@pytest.mark.parametrize(
    "change",
    [
        change_metadata,
        change_data,
        flip,
        take_that_of_another,
        add_something,
        cut_the_returns,
        *map(leave_something_out, ["contexts", "rows/rewards"]),
    ],
)
def test_a_summary_of_other_bytes_is_not_read(change, datasets_path, monkeypatch):
    collect()
    folder = datasets_path / ID
    hashes = hashes_of(folder)
    assert read_summary(folder / "data", hashes) is not None
    change(folder)
    assert read_summary(folder / "data", hashes_of(folder)) is None


def hashes_of(folder):
    from offctx.data.sharing.folders import dataset_stamps, hash_files

    return {file.path.rpartition("/")[2]: file.sha256 for file in hash_files(folder, dataset_stamps(folder, ID), ID)}


def test_attached_derivatives_are_told(datasets_path, tmp_path):
    collect(gradients=False)
    offctx.attach_derivatives(ID, progress=False)
    cards, _ = pushed(tmp_path / "remote")
    assert b"infos/dnext_observation_dcontext" in cards["README.md"]
    offctx.pull(tmp_path / "remote", ID, contexts=[0], new_id=OTHER, progress=False)
    assert offctx.load_dataset(OTHER).has_derivatives


def test_a_damaged_dataset_is_still_refused(datasets_path, tmp_path):
    collect()
    change_data(datasets_path / ID)
    with pytest.raises(DatasetError):
        offctx.push(ID, tmp_path / "remote", progress=False)
