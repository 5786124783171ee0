"""Where numbers come from: the commit, the command, the packages and the machine that produced them.

Every tool stores these facts beside its results.
"""

import os
import platform
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]  # of the repository
CODE = ("offctx", "tools")  # folders whose files decide about results
_UNKNOWN = "unknown"
_NAMED = 3  # changed files that `str` of a state names


@dataclass(frozen=True)
class CodeState:
    """The code that a process runs.

    Attributes:
        name: short name of the Git commit that is checked out; "unknown" outside of a Git repository.
        changed: the files of offctx/ and tools/ that differ from this commit.
    """

    name: str
    changed: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether the code is exactly that of a known commit."""
        return self.name != _UNKNOWN and not self.changed

    def __str__(self) -> str:
        more = f" and {len(self.changed) - _NAMED} more" if len(self.changed) > _NAMED else ""
        return self.name + (f"-dirty ({', '.join(self.changed[:_NAMED])}{more})" if self.changed else "")


def code_state() -> CodeState:
    """The commit that is checked out now, and the code files that differ from it."""
    name = _git("rev-parse", "--short", "HEAD").strip() or _UNKNOWN
    return CodeState(name, tuple(line[3:] for line in _git("status", "--porcelain", "--", *CODE).splitlines()))


@cache
def code_state_of_process() -> CodeState:
    """The state of the code at this process' first call.

    A process keeps the code that it has imported. So a process that runs several cells must not read the state again: the
    files can change while it runs.
    """
    return code_state()


def commit() -> str:
    """Name the Git commit that is checked out, and the code files that differ from it.

    Returns:
        For example `1a2b3c4`, or `1a2b3c4-dirty (offctx/checks.py, tools/provenance.py and 2 more)` where files of
        offctx/ or tools/ differ from the commit, or `unknown` outside of a Git repository.
    """
    return str(code_state())


def is_clean(commit: str) -> bool:
    """Whether `commit`, as `commit()` wrote it, names a commit without changed files."""
    return commit != _UNKNOWN and "-dirty" not in commit


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
