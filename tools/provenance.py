"""Where numbers come from: the commit, the command, the packages and the machine that produced them.

Every tool stores these facts beside its results.
"""

import os
import platform
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]  # of the repository
CODE = ("offctx", "tools")  # folders whose files decide about results
_NAMED = 3  # changed files that `commit` names


def commit() -> str:
    """Name the Git commit that is checked out, and the code files that differ from it.

    Returns:
        For example `1a2b3c4`, or `1a2b3c4-dirty (offctx/checks.py, tools/provenance.py and 2 more)` where files of
        offctx/ or tools/ differ from the commit, or `unknown` outside of a Git repository.
    """
    name = _git("rev-parse", "--short", "HEAD").strip() or "unknown"
    changed = [line[3:] for line in _git("status", "--porcelain", "--", *CODE).splitlines()]
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return name + (f"-dirty ({', '.join(changed[:_NAMED])}{more})" if changed else "")


def command_line(tool: str, arguments: Sequence[str]) -> str:
    """The command that runs a tool again.

    Args:
        tool: its path below the repository root, for example `tools/benchmark.py`.
        arguments: everything after that path.

    Returns:
        One line that a shell understands, for example `python tools/benchmark.py --quick`.
    """
    return shlex.join(["python", tool, *arguments])


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed version of each package.

    Raises:
        importlib.metadata.PackageNotFoundError: a package is not installed.
    """
    return {name: version(name) for name in packages}


def machine() -> dict[str, Any]:
    """Python, operating system, number of CPUs and load average (1 minute) of this machine, ready for JSON."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _git(*words: str) -> str:
    """What Git prints in the repository; empty if it fails."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:  # no Git on this machine
        return ""
