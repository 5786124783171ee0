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
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of each of the six learners.")] = 6000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of data, learners and batches.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the main job in a few minutes: collect RotatedThrusters data, train CSE and its controls, score on unseen contexts.

    Baseline and CSE learn from the same data, all of it at one context. Two controls say what CSE must beat: a learner that
    does not see the context, and one whose context input is moved without any change of the transition (the placebo).
    LDR and GDR learn from data of other contexts, which CSE does without. The learners run side by side.

    Example: offctx demo --seed 1 --out out/demo-1
    """
    from offctx import Provenance, compare
    from offctx.training import demo

    os.environ.setdefault("MINARI_DATASETS_PATH", str((out / "datasets").resolve()))
    setting = demo.Setting(algorithm=algorithm, steps=steps, seed=seed, device=read_device(device))
    with long_work(as_json):
        reports = demo.run(setting, out, progress=not quiet)
        title = f"{demo.ENV}, {algorithm}: zero-shot generalization from one context"
        provenance = Provenance.collect(
            command=command_line(),
            datasets=[demo.dataset(setting, kind, progress=False) for kind in ("base", "ldr", "gdr")],
            agents={name: demo.agent_file(out, name) for name in demo.ARMS},
        )
        comparison = compare(reports, baseline=demo.BASELINE, reference=demo.REFERENCE, title=title, provenance=provenance)
        folder = comparison.save(out / "report", overwrite=True)
    print_result(comparison.to_dict() if as_json else f"\n{comparison}\n\nreport: {(folder / 'report.html').resolve()}")
