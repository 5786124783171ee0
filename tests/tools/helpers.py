"""What the tests of the tools share."""

import subprocess
from pathlib import Path


def git(folder: Path, *words: str) -> str:
    """What Git prints in a repository."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *author, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
