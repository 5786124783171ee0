"""A large collection in chunks, against one pass that holds everything in memory. Each side is a process of its own."""

import json
import os
import subprocess
import sys
from typing import Any, Literal

from tools.benchmark.bench import ENV, HORIZON, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate
from tools.datasets import temporary_datasets
from tools.provenance import ROOT

EPISODES = Size(full=10_000, quick=2_500)
_ONE_PASS = "offctx.collect in one pass: all episodes as one chunk, read back whole, as it was before there were chunks"
_SCRIPT = """
import json, re, sys, time
from pathlib import Path
import offctx
from offctx.data.collection import parts

episodes, n_jobs = int(sys.argv[1]), int(sys.argv[2])
if n_jobs == 0:  # one pass
    parts.PART_TRANSITIONS = parts.PART_BYTES = 1 << 60
begin = time.perf_counter()
offctx.collect(
    sys.argv[3], "benchmark/large-v0", episodes_per_context=episodes, seed=0, progress=False, n_jobs=max(n_jobs, 1)
)
seconds = time.perf_counter() - begin
status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with the memory of the process that started this one
print(json.dumps({"s": seconds, "MB": int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) / 1000}))
"""


def in_chunks(bench: Bench) -> Measurement:
    """One worker, in time."""
    return _race(bench, 1, 0, "s", f"by one worker, against {_ONE_PASS}")


def by_two_workers(bench: Bench) -> Measurement:
    """Two workers, in time."""
    return _race(bench, 2, 0, "s", f"by two worker processes, the seconds in which they start included, against {_ONE_PASS}")


def memory(bench: Bench) -> Measurement:
    """One worker, in memory."""
    return _race(bench, 1, 0, "MB", f"by one worker, against {_ONE_PASS}: the largest resident memory of the process")


def _race(bench: Bench, ours: int, peer: int, unit: Literal["s", "MB"], what: str) -> Measurement:
    episodes = bench.size(EPISODES)
    numbers = alternate(lambda: _run(episodes, ours)[unit], lambda: _run(episodes, peer)[unit], bench.repeats)
    return Measurement(
        f"{episodes * HORIZON:,} random transitions of {ENV} with their context derivatives, written in a fresh "
        f"process: offctx.collect in chunks, {what}",
        *numbers,
    )


def _run(episodes: int, n_jobs: int) -> Any:
    """Collects in a process of its own; 0 jobs for one pass."""
    with temporary_datasets() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(episodes), str(n_jobs), ENV],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"MINARI_DATASETS_PATH": str(folder), "PYTHONPATH": str(ROOT)},
        )
    return json.loads(done.stdout)


RACES = (
    Race("collect-chunks", in_chunks, target=1),
    Race("collect-chunks-two-workers", by_two_workers, target=1.7),
    Race("collect-chunks-memory", memory, target=2.38, unit="MB"),  # at most 500 MB, where one pass takes 1,190 MB
)
