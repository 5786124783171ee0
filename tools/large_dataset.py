"""Loads a dataset lazily and trains on it under a limit of memory.

    python tools/large_dataset.py --transitions 20000000 --limit 2GB

The dataset is written below MINARI_DATASETS_PATH first, where it is not there: random actions in 8 contexts of PendulumGoal
with derivatives, again and again (disk: 140 bytes a transition, and twice that for its flat copy and the table of the buffer).

Another process then loads it with `lazy=True`, makes a buffer with CSE and takes gradient steps of TD3+BC. Its limit is
RLIMIT_DATA, which counts private writable memory and not pages of mapped files, as these can be given back at any time. It
prints its largest private memory (RssAnon of /proc/self/status, every 20 ms) and the largest with mapped pages (VmHWM).
"""

import argparse
import itertools
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium

import offctx
from offctx.data.composition.part import part_of_dataset
from offctx.data.composition.transitions_of import blocks_of
from offctx.data.composition.write import write_blocks
from offctx.data.memory_limit import parse_bytes
from offctx.data.storage.ids import dataset_folder

BASE = 160_000  # transitions that are simulated
HORIZON = 1000


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transitions", type=int, default=20_000_000)
    parser.add_argument("--limit", default="2GB")
    parser.add_argument("--steps", type=int, default=1000, help="gradient steps")
    parser.add_argument("--limited", action="store_true", help="be the process with the limit")
    options = parser.parse_args()
    dataset_id = f"large/PendulumGoal/random{options.transitions}-v0"
    if options.limited:
        limit = parse_bytes(options.limit, "--limit")
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        print("\n".join(f"{what:<28} {number}" for what, number in train(dataset_id, options.steps).items()), flush=True)
        return
    if not dataset_folder(dataset_id).exists():
        write(dataset_id, options.transitions)
    print(f"{dataset_id}: a process with RLIMIT_DATA = {options.limit}", flush=True)
    sys.exit(subprocess.run([sys.executable, __file__, *sys.argv[1:], "--limited"], check=False).returncode)


def write(dataset_id: str, transitions: int) -> None:
    """Writes the dataset; it has at least so many transitions."""
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=HORIZON)
    space = env.unwrapped.context_space  # type: ignore[attr-defined]  # a contextual environment
    contexts = space.mesh(g=[1.0, 2.0, 3.0, 4.0], tau=[-0.2, 0.2])
    base_id = f"{dataset_id[:-3]}-base-v0"
    each = min(BASE, transitions) // (HORIZON * len(contexts))
    options: dict[str, Any] = {"contexts": contexts, "episodes_per_context": each, "seed": 0, "progress": False}
    base = offctx.load_dataset(base_id) if dataset_folder(base_id).exists() else offctx.collect(env, base_id, **options)

    def blocks(_: Path) -> Iterator[Any]:
        for _ in range(-(-transitions // len(base))):
            yield from blocks_of(base)

    part = part_of_dataset(base)
    write_blocks(dataset_id, part, part.metadata, part.about, blocks, "writing")


def train(dataset_id: str, steps: int) -> dict[str, str]:
    """Loads lazily and trains; returns what was measured."""
    import d3rlpy

    largest, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            largest[0] = max(largest[0], memory("RssAnon"))

    threading.Thread(target=watch, daemon=True).start()
    times = [time.monotonic()]
    before = memory("RssAnon")
    dataset = offctx.load_dataset(dataset_id, lazy=True)
    times.append(time.monotonic())
    buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.1))
    times.append(time.monotonic())
    agent = d3rlpy.algos.TD3PlusBCConfig().create()
    quiet: dict[str, Any] = {"logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "show_progress": False}
    agent.fit(buffer, n_steps=steps, n_steps_per_epoch=steps, **quiet)
    times.append(time.monotonic())
    stop.set()
    seconds = [f"{later - earlier:.1f} s" for earlier, later in itertools.pairwise(times)]
    return {
        "transitions": f"{len(dataset):,}",
        "load": seconds[0],
        "make the buffer": seconds[1],
        f"{steps} gradient steps": seconds[2],
        "private memory before": f"{before:.0f} MB",
        "private memory at most": f"{largest[0]:.0f} MB",
        "with mapped pages at most": f"{memory('VmHWM'):.0f} MB",
    }


def memory(what: str) -> float:
    """A line of /proc/self/status, in MB."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
    return 0.0 if found is None else int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
