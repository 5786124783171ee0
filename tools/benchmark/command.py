"""Race offctx against its peers: d3rlpy 2.8.1's buffer, loader and evaluator, Minari's DataCollector, plain NumPy loops,
Gymnasium and MuJoCo stepped by hand.

    python tools/benchmark.py                          # every race; writes docs/results/benchmark.json and .md
    python tools/benchmark.py --only sample fit-bc     # two races; prints the table and writes nothing
    python tools/benchmark.py --quick --out /tmp/race  # small sizes: does every race work? The ratios mean nothing
    python tools/benchmark.py --report-only            # no race: writes benchmark.md again from benchmark.json

In each race ours and the peer take turns (A B A B ...) in one process on the same data, so that a machine that grows slower
slows both. A ratio is the peer's median time over ours; above 1 offctx is faster. The exit status is 0 whatever the ratios
are: the column "met" compares them with their targets.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from offctx.files import write_file
from offctx.notices import quiet
from tools.benchmark.report import markdown, text_table
from tools.benchmark.result import RaceResult
from tools.datasets import temporary_datasets
from tools.provenance import ROOT, command_line, commit, machine, versions

PACKAGES = ("offctx", "d3rlpy", "minari", "gymnasium", "mujoco", "numpy", "torch", "h5py", "jax")
RESULTS = ROOT / "docs" / "results"


def main(argv: Sequence[str]) -> None:
    """Run the races that the arguments name, print their table, and write the report."""
    quiet()
    args = parse(argv)
    if args.report_only:
        write_markdown(args.out)
        return
    facts, races = run(args, argv)
    text = json.dumps({**facts, "races": [race.to_dict() for race in races]}, indent=1, allow_nan=False) + "\n"
    print(text_table(races), file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(text, end="")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        write_file(args.out / "benchmark.json", text)
        write_markdown(args.out)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; `out` is None where nothing is to be written."""
    from tools.benchmark.races import RACES

    parser = argparse.ArgumentParser(
        prog="python tools/benchmark.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(RACES)
    parser.add_argument("--only", nargs="+", choices=RACES, metavar="NAME", default=list(RACES), help=f"of: {names}")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="turns of each side; default 5")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that every race works")
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="where benchmark.json and benchmark.md go; default docs/results for every race at full size, else nowhere",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="torch threads; default 1")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, the table on stderr")
    parser.add_argument(
        "--report-only", action="store_true",
        help="run no race; write DIR/benchmark.md again from DIR/benchmark.json (DIR is --out, default docs/results)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if args.repeats < 1 or args.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    if args.out is None and (args.report_only or (not args.quick and set(args.only) == set(RACES))):
        args.out = RESULTS
    if args.report_only and not (args.out / "benchmark.json").is_file():
        parser.error(f"--report-only: there is no {args.out / 'benchmark.json'}; run the races first")
    return args


def run(args: argparse.Namespace, argv: Sequence[str]) -> tuple[dict[str, Any], list[RaceResult]]:
    """Run the races; returns where their numbers come from, and the results."""
    import torch

    from tools.benchmark.bench import Bench
    from tools.benchmark.races import RACES

    torch.set_num_threads(args.threads)
    facts = provenance(args, argv)
    bench = Bench(args.quick, args.repeats)
    results = []
    with temporary_datasets():
        for name in args.only:
            begin = time.perf_counter()
            print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
            results.append(RACES[name].run(bench))
            print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return facts, results


def provenance(args: argparse.Namespace, argv: Sequence[str]) -> dict[str, Any]:
    """What the numbers depend on."""
    facts = machine()
    return {
        "command": command_line("tools/benchmark.py", argv),
        "commit": commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": facts["python"],
        "packages": versions(PACKAGES),
        "platform": facts["platform"],
        "cpus": facts["cpus"],
        "torch_threads": args.threads,
        "load_average_at_start": facts["load_average"],
        "quick": args.quick,
        "repeats": args.repeats,
    }


def write_markdown(folder: Path) -> None:
    """Write `benchmark.md` from the `benchmark.json` beside it."""
    facts = json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))
    write_file(folder / "benchmark.md", markdown([RaceResult.from_dict(race) for race in facts["races"]], facts))
