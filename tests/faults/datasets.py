"""The small dataset on which faults are tried, and what must be true of it afterwards."""

import hashlib
from pathlib import Path

import offctx
from offctx.data.validation import validate_dataset

ID = "test/x-v0"
CONTEXTS = [(0.5, 0.2), (2.0, -0.4), (0.9, 0.7)]


def collect(*, gradients=True, seed=0):
    return offctx.collect(
        "testing/Runner-v0", ID, contexts=CONTEXTS, episodes_per_context=2, gradients=gradients, seed=seed, progress=False
    )


def attach(**options):
    return offctx.attach_derivatives(ID, "testing/Runner-v0", batch_size=10, progress=False, **options)


def contents(root: Path, dataset_id: str = ID) -> dict[str, str]:
    """The files of a dataset: from names to the hashes of their contents."""
    folder = root / dataset_id
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def travelling(root: Path, dataset_id: str = ID) -> dict[str, str]:
    """The files of a dataset that a push sends and a pull brings."""
    return {name: sha256 for name, sha256 in contents(root, dataset_id).items() if name.startswith("data/")}


def check_whole(root: Path, *allowed: dict[str, str]) -> None:
    """The dataset has one of the allowed contents, is valid, and nothing of a dead process is left after the load."""
    assert offctx.load_dataset(ID) is not None
    assert contents(root) in allowed
    validate_dataset(ID)
    left = {path.name for path in root.iterdir()}
    assert left <= {"test", ".offctx-cache", ".offctx-derivatives"}, left
    assert {path.name for path in (root / "test").iterdir()} <= {"x-v0", "one-v0", "two-v0", "namespace_metadata.json"}
