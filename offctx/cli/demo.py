"""The verb `demo`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from offctx.cli.completion import algorithm_names
from offctx.cli.options import Device, Json, Quiet, read_device
from offctx.cli.output import command_line, long_work, print_result


def demo(
    out: Annotated[Path, typer.Option(help="Folder for datasets, agents and the report.")] = Path("out/demo"),
    algorithm: Annotated[
        str, typer.Option(help="A d3rlpy algorithm for continuous actions.", autocompletion=algorithm_names)
    ] = "td3",
    steps: Annotated[int, typer.Option(help="Gradient steps of each of the three learners.")] = 8000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of data, learners and batches.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the main job in a few minutes: collect PendulumGoal data, train with and without CSE, score on unseen contexts.

    Baseline and CSE learn from the same data, all of it at one context. LDR learns from real data of contexts around
    that one, which CSE tries to do without.

    Example: offctx demo --seed 1 --out out/demo-1
    """
    from offctx import Provenance, compare
    from offctx.training import demo

    os.environ.setdefault("MINARI_DATASETS_PATH", str((out / "datasets").resolve()))
    setting = demo.Setting(algorithm=algorithm, steps=steps, seed=seed, device=read_device(device))
    with long_work(as_json):
        reports = demo.run(setting, out, lambda text: typer.echo(text, err=True), progress=not quiet)
        title = f"{demo.ENV}, {algorithm}: zero-shot generalization from one context"
        provenance = Provenance.collect(
            command=command_line(),
            datasets=[demo.dataset(setting, kind, progress=False) for kind in ("base", "ldr")],
            agents={method: out / f"{method.lower()}.d3" for method in demo.METHODS},
        )
        comparison = compare(reports, baseline=demo.BASELINE, reference=demo.REFERENCE, title=title, provenance=provenance)
        folder = comparison.save(out / "report")
    print_result(comparison.to_dict() if as_json else f"\n{comparison}\n\nreport: {(folder / 'report.html').resolve()}")
