"""A large collection in chunks, against one pass that holds everything in memory; and by two workers, against one.

Each side is a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from offctx.envs.resolve import resolve
from tools.benchmark.bench import ENV, HORIZON, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.races.cheetah import CHEETAH
from tools.benchmark.timing import alternate
from tools.datasets import temporary_datasets
from tools.provenance import ROOT

EPISODES = Size(full=10_000, quick=2_500)
CONTEXTS, CHEETAH_EPISODES = Size(full=16, quick=2), Size(full=8, quick=1)
_Unit = Literal["s", "MB"]
_ONE_PASS = "offctx.collect in one pass: all episodes as one chunk, read back whole, as it was before there were chunks"
_TWO = "by two worker processes, the seconds in which they start included"
_SCRIPT = """
import json, re, sys, time
from pathlib import Path
import offctx
from offctx.data.collection import parts

env, options, n_jobs = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
if n_jobs == 0:  # one pass
    parts.PART_TRANSITIONS = parts.PART_BYTES = 1 << 60
begin = time.perf_counter()
offctx.collect(env, "benchmark/large-v0", seed=0, progress=False, n_jobs=max(n_jobs, 1), **options)
seconds = time.perf_counter() - begin
status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with the memory of the process that started this one
print(json.dumps({"s": seconds, "MB": int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) / 1000}))
"""


def in_chunks(bench: Bench) -> Measurement:
    """One worker, in time."""
    return _against_one_pass(bench, 1, "s", "by one worker")


def by_two_workers(bench: Bench) -> Measurement:
    """Two workers, in time."""
    return _against_one_pass(bench, 2, "s", _TWO)


def memory(bench: Bench) -> Measurement:
    """One worker, in memory."""
    return _against_one_pass(bench, 1, "MB", "by one worker: the largest resident memory of the process")


def two_against_one(bench: Bench) -> Measurement:
    """Two workers against one, in time."""
    episodes = bench.size(EPISODES)
    what = f"{episodes * HORIZON:,} random transitions of {ENV} with their context derivatives"
    return _two_against_one(bench, ENV, {"episodes_per_context": episodes}, what, "by one")


def mujoco_workers(bench: Bench) -> Measurement:
    """Two workers against the threads of one, in time, in MuJoCo's simulator."""
    k, episodes = bench.size(CONTEXTS), bench.size(CHEETAH_EPISODES)
    contexts = resolve(CHEETAH).env.context_space.sample(np.random.default_rng(0), k).tolist()
    options = {"contexts": contexts, "episodes_per_context": episodes, "gradients": False}
    what = f"{k} contexts x {episodes} episodes of 1,000 random steps of {CHEETAH}"
    return _two_against_one(
        bench, CHEETAH, options, what, "by one worker, whose simulator steps contexts on all cores by threads"
    )


def _against_one_pass(bench: Bench, ours: int, unit: _Unit, what: str) -> Measurement:
    episodes = bench.size(EPISODES)
    options = {"episodes_per_context": episodes}
    numbers = alternate(lambda: _run(ENV, options, ours)[unit], lambda: _run(ENV, options, 0)[unit], bench.repeats)
    return Measurement(
        f"{episodes * HORIZON:,} random transitions of {ENV} with their context derivatives, written in a fresh "
        f"process: offctx.collect in chunks, {what}, against {_ONE_PASS}",
        *numbers,
    )


def _two_against_one(bench: Bench, env: str, options: Mapping[str, Any], what: str, one: str) -> Measurement:
    numbers = alternate(lambda: _run(env, options, 2)["s"], lambda: _run(env, options, 1)["s"], bench.repeats)
    return Measurement(f"{what}, written in a fresh process: offctx.collect {_TWO}, against the same {one}", *numbers)


def _run(env: str, options: Mapping[str, Any], n_jobs: int) -> Any:
    """Collects in a process of its own; 0 jobs for one pass."""
    with temporary_datasets() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, env, json.dumps(options), str(n_jobs)],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"MINARI_DATASETS_PATH": str(folder), "PYTHONPATH": str(ROOT)},
        )
    return json.loads(done.stdout)


RACES = (
    Race("collect-chunks", in_chunks, target=1),
    Race("collect-chunks-two-workers", by_two_workers, target=1.7),
    Race("collect-chunks-memory", memory, target=2.04, unit="MB"),  # at most 500 MB, where one pass takes 1,020 MB
    Race("collect-two-against-one", two_against_one, target=1),
    Race("collect-mujoco-workers", mujoco_workers, target=1),
)
