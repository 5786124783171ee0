"""A process that evaluates in chunks, and is killed between playing one of them and keeping it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

_KILLED_WHILE_IT_PLAYS = """
import os, signal, sys
from offctx.evaluation import chunks

chunks.CHUNK_TRANSITIONS = int(sys.argv[2])
play, number = chunks.Scorer.play_each, 0

def counted(self, *rest):
    global number
    scores, number = play(self, *rest), number + 1
    if number == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return scores

chunks.Scorer.play_each = counted
"""


def run_killed(code: str, *, chunk: int, transitions: int) -> None:
    """Runs Python code in a process of its own, which is killed.

    Args:
        code: that evaluates.
        chunk: the number of the chunk, from 1, that is played and not kept.
        transitions: in a chunk.
    """
    command = [sys.executable, "-c", _KILLED_WHILE_IT_PLAYS + code, str(chunk), str(transitions)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
