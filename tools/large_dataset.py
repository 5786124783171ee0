"""Collects a large dataset, loads it lazily and trains on it, each in a process whose memory is limited.

    python tools/large_dataset.py --transitions 20000000 --limit 2GB --page docs/results/large.md
    python tools/large_dataset.py --transitions 2000000 --attach

The dataset is collected below MINARI_DATASETS_PATH, where it is not there: random actions in 8 contexts of PendulumGoal, with
derivatives, in chunks (disk: 140 bytes a transition, twice that while it is collected, and twice that for its flat copy and the
table of the buffer). A killed run goes on with the chunks that are missing. With `--attach`, the dataset is collected without
derivatives, and another process attaches them. The last process loads it with `lazy=True`, makes a buffer with CSE and takes
gradient steps of TD3+BC. The dataset stays.

The limit is RLIMIT_DATA, which counts private writable memory and not pages of mapped files, as these can be given back at any
time. Measured are the largest private memory (RssAnon of /proc/self/status, every 20 ms) and the largest with mapped pages
(VmHWM).
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout, installed or not

import gymnasium

import offctx
from offctx.data.memory_limit import parse_bytes
from offctx.data.storage.ids import dataset_folder
from offctx.evaluation.markdown import markdown_table
from offctx.files import write_file
from tools.provenance import code_state_of_process, command_line, machine

HORIZON = 1000
_HEAD = ("process", "what it does", "time", "private memory at most", "with mapped pages at most")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transitions", type=int, default=20_000_000)
    parser.add_argument("--limit", default="2GB")
    parser.add_argument("--steps", type=int, default=1000, help="gradient steps")
    parser.add_argument("--attach", action="store_true", help="collect without derivatives, and attach them")
    parser.add_argument("--page", type=Path, help="write the numbers into this file, as Markdown")
    parser.add_argument("--process", choices=sorted(_PROCESSES), help="be one of the processes with the limit")
    options = parser.parse_args()
    if options.process:
        limit = parse_bytes(options.limit, "--limit")
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        print(json.dumps(list(_PROCESSES[options.process](options))))
        return
    code = str(code_state_of_process())
    rows = [row for process in _needed(options) for row in _rows(process)]
    text = _page(options, code, rows)
    print(text)
    if options.page:
        write_file(options.page, text)


def _needed(options: argparse.Namespace) -> list[str]:
    made = dataset_folder(_id(options)).exists()
    return ["train"] if made else ["collect", *(["attach"] if options.attach else []), "train"]


def _id(options: argparse.Namespace) -> str:
    return f"large/PendulumGoal/random{options.transitions}{'-attached' if options.attach else ''}-v0"


def _bare_id(options: argparse.Namespace) -> str:
    """Of the dataset that is collected: without derivatives, where they are attached."""
    return _id(options).replace("-attached", "-bare")


def _rows(process: str) -> list[tuple[str, ...]]:
    """What a process with the limit has measured."""
    command = [sys.executable, __file__, *sys.argv[1:], "--process", process]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [(process, *row) for row in json.loads(done.stdout.splitlines()[-1])]


def _page(options: argparse.Namespace, code: str, rows: list[tuple[str, ...]]) -> str:
    facts = machine()
    lines = [
        f"# {options.transitions:,} transitions under a limit of {options.limit}",
        "",
        f"`{command_line('tools/large_dataset.py', sys.argv[1:])}`",
        "",
        f"PendulumGoal, random actions in 8 contexts, episodes of {HORIZON} steps, with context derivatives. Each process runs",
        f"with RLIMIT_DATA = {options.limit}, which counts private writable memory: pages of mapped files can be given back at",
        "any time. Private memory is RssAnon, every 20 ms; with mapped pages it is VmHWM.",
        "",
        *markdown_table(_HEAD, rows),
        "",
        f"Commit {code}; Python {facts['python']}, {facts['cpus']} CPUs, load {facts['load_average']}.",
        "",
    ]
    return "\n".join(lines)


def collect(options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Collects the dataset; it has at least so many transitions."""
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=HORIZON)
    space = env.unwrapped.context_space  # type: ignore[attr-defined]  # a contextual environment
    contexts = space.mesh(g=[1.0, 2.0, 3.0, 4.0], tau=[-0.2, 0.2])
    each = -(-options.transitions // (HORIZON * len(contexts)))
    dataset_id = _bare_id(options)
    if dataset_folder(dataset_id).exists():
        return
    measure = Measure()
    offctx.collect(env, dataset_id, contexts=contexts, episodes_per_context=each, seed=0, gradients=not options.attach)
    files = sum(path.stat().st_size for path in dataset_folder(dataset_id).rglob("*"))
    yield measure.row(f"`offctx.collect`, {files / 1e9:.1f} GB on disk")


def attach(options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Attaches the derivatives, in a new dataset."""
    measure = Measure()
    offctx.attach_derivatives(_bare_id(options), new_id=_id(options))
    yield measure.row("`offctx.attach_derivatives`")


def train(options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Loads lazily and trains."""
    import d3rlpy

    measure = Measure()
    dataset = offctx.load_dataset(_id(options), lazy=True)
    yield measure.row(f"`load_dataset(lazy=True)`: {len(dataset):,} transitions; the flat copy is made")
    buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.1))
    yield measure.row("`replay_buffer(augmentation=CSE(...))`")
    agent = d3rlpy.algos.TD3PlusBCConfig().create()
    quiet: dict[str, Any] = {"logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "show_progress": False}
    agent.fit(buffer, n_steps=options.steps, n_steps_per_epoch=options.steps, **quiet)
    yield measure.row(f"{options.steps:,} gradient steps of TD3+BC")


class Measure:
    """The time since the last row, and the largest memory so far."""

    def __init__(self) -> None:
        self._begin, self._largest = time.monotonic(), 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def row(self, what: str) -> tuple[str, ...]:
        """What was done, its time, and the largest memory of the process so far."""
        begin, self._begin = self._begin, time.monotonic()
        return what, f"{self._begin - begin:.0f} s", f"{self._largest:.0f} MB", f"{memory('VmHWM'):.0f} MB"

    def _watch(self) -> None:
        while True:
            self._largest = max(self._largest, memory("RssAnon"))
            time.sleep(0.02)


def memory(what: str) -> float:
    """A line of /proc/self/status, in MB."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
    return 0.0 if found is None else int(found[1]) * 1024 / 1e6


_PROCESSES: dict[str, Callable[[argparse.Namespace], Iterator[tuple[str, ...]]]] = {
    "collect": collect,
    "attach": attach,
    "train": train,
}


if __name__ == "__main__":
    main()
