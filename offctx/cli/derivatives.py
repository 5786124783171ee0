"""The verb `derivatives`."""

from typing import Annotated

import typer

from offctx.cli.completion import environment_ids
from offctx.cli.options import Backend, DatasetId, Json, NumberOfJobs, Quiet, workers
from offctx.cli.output import long_work, print_result
from offctx.words import count


def derivatives(
    dataset_id: DatasetId,
    env: Annotated[
        str | None,
        typer.Option(
            help="Gymnasium id of the environment recorded; not needed where offctx ships it.", autocompletion=environment_ids
        ),
    ] = None,
    new_id: Annotated[str | None, typer.Option(help="Id of a new dataset; in place where not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the derivatives that the dataset has.")] = False,
    check: Annotated[bool, typer.Option(help="Refuse data that the environment does not reproduce.")] = True,
    batch_size: Annotated[int | None, typer.Option(help="Transitions differentiated at once.")] = None,
    n_jobs: NumberOfJobs = None,
    backend: Backend = "loky",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Attach context derivatives to a dataset that exists: one of offctx, or anyone's Minari data from MuJoCo.

    The simulator's state comes from infos/state, infos/qpos and infos/qvel, or the observations where they determine it.
    The dataset is never half-written. After an interrupt, the same command continues where it stopped. --n-jobs processes
    differentiate side by side; the derivatives do not depend on how many.

    Examples: offctx derivatives offctx/PendulumGoal/random-v0
              offctx derivatives mujoco/halfcheetah/expert-v0
                  --env offctx/HalfCheetahPhysics-v0
                  --new-id offctx/HalfCheetahPhysics/expert-v0
    """
    from offctx.data.derivatives.attach import attach_derivatives

    with long_work(as_json):
        dataset = attach_derivatives(
            dataset_id,
            env,
            new_id=new_id,
            batch_size=batch_size,
            progress=not quiet,
            overwrite=overwrite,
            check=check,
            **workers(n_jobs, backend),
        )
    assert dataset.metadata and dataset.metadata.derivatives
    about = dataset.metadata.derivatives
    text = f"{dataset.dataset_id}: derivatives of {count(len(dataset), 'transition')} by {about.source}"
    if about.error is not None:
        text += f", relative error below {about.error:.1e} in 99 % of those not flagged"
    if about.flagged is not None:
        text += f"; {about.flagged} flagged (above {about.tolerance:g})"
    result = {"dataset_id": dataset.dataset_id, "transitions": len(dataset), "derivatives": about.model_dump()}
    print_result(result if as_json else text)
