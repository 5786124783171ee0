"""Folders that reports are written into."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from offctx.errors import EvaluationError, OffctxError
from offctx.files import read_file, write_files


def write_report(folder: str | os.PathLike[str], contents: Callable[[], Mapping[str, bytes]], error: type[OffctxError]) -> Path:
    """Writes the files of a report into a folder, whole or not at all, in their order. Other files there are kept.

    Args:
        folder: made where it does not exist.
        contents: makes file name -> content; called after `folder` was checked, as pictures take time.
        error: what to raise where `folder` is a file.

    Returns:
        the folder.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise error(f"expected a folder to write the report into, found a file: {target}")
    write_files(target, contents())
    return target


def check_overwrite(folder: str | os.PathLike[str], env_id: str, methods: Iterable[str], overwrite: bool | None) -> None:
    """Refuses to replace a report that should stay.

    Args:
        folder: of the new report.
        env_id: of the new report.
        methods: of the new report.
        overwrite: True: any report may be replaced; False: none; None: one of the same methods in the same environment, as a
            script that runs again makes it.

    Raises:
        EvaluationError: the folder has a report that may not be replaced.
    """
    file = Path(folder) / "report.json"
    if overwrite or not file.exists():
        return
    try:
        stored = json.loads(read_file(file))
        previous = stored["env_id"], set(stored["methods"])
    except (OSError, ValueError, KeyError, TypeError):
        previous = None
    if overwrite is None and previous == (env_id, set(methods)):
        return
    content = (
        "something else than a report" if previous is None else f"a report of {', '.join(sorted(previous[1]))} in {previous[0]}"
    )
    raise EvaluationError(
        f"{file} holds {content}; the new report is of {', '.join(methods)} in {env_id}. overwrite=True replaces it; another "
        "folder keeps both"
    )
