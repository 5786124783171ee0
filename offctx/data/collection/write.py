"""Writing the dataset of a collection, part after part, and its metadata."""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from gymnasium.envs.registration import EnvSpec

from offctx.data.about import About
from offctx.data.checksums import Again
from offctx.data.collection.task import Task
from offctx.data.derivatives.compute import describe_errors
from offctx.data.episodes import Episodes
from offctx.data.layout import DERROR
from offctx.data.metadata import LAYOUT_VERSION, Behaviour, Metadata, installed_packages
from offctx.data.storage.changes import staging
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.publish import publish_dataset
from offctx.data.storage.writer import DatasetWriter
from offctx.envs.base import Array
from offctx.envs.policies import policy_name
from offctx.errors import DatasetError


@dataclass(frozen=True)
class Labels:
    """What is written beside the data, and how; it does not change them.

    Attributes:
        about: description, authors, license and link.
        compression: "gzip", or None.
        extrapolate: whether contexts outside the bounds were allowed.
    """

    about: About
    compression: Compression | None
    extrapolate: bool


def write_collection(
    task: Task, parts: Iterable[Episodes], labels: Labels, *, again: Again | None = None, progress: bool
) -> Metadata:
    """Writes the dataset of a task. It appears under its id only when it is complete.

    Args:
        task: what was asked.
        parts: its episodes, in order; one part is in memory at a time.
        labels: what is written beside them.
        again: gives an array of all parts by its name, once more after the last part; None where nobody has it.
        progress: show a progress bar for each part.

    Returns:
        The metadata as they are stored.

    Raises:
        DatasetError: the disk is full or refuses to write. Nothing is left then.
    """
    env, errors = task.resolved.env, list[Array]()
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(staging())
        except OSError as error:
            raise DatasetError(f"{task.dataset_id} cannot be written: {error}") from error
        new = folder / "dataset"
        with DatasetWriter(new, env.context_space, compression=labels.compression, again=again) as writer:
            for episodes in parts:
                if DERROR in episodes.infos:
                    errors.append(episodes.infos[DERROR][episodes.first_rows + 1])
                writer.append(episodes, progress=progress)
            written = writer.finish(
                task.dataset_id,
                _metadata(task, labels, np.concatenate(errors) if errors else None),
                env.observation_space,
                env.action_space,
                spec=_serializable(task.resolved.spec),
                about=labels.about,
            )
        publish_dataset(task.dataset_id, new)
    return written


def _metadata(task: Task, labels: Labels, errors: Array | None) -> Metadata:
    """The offctx part of the dataset's metadata; `errors` of the derivatives of all transitions (N,), or None."""
    env = task.resolved.env
    return Metadata(
        layout_version=LAYOUT_VERSION,
        env=task.resolved.name,
        horizon=task.resolved.horizon,
        context_space=env.context_space.to_dict(),
        behaviour=Behaviour(
            policies=[policy_name(policy) for policy in task.mixture.policies],
            weights=task.mixture.probabilities.tolist(),
            context=task.context,
        ),
        derivatives=describe_errors(env, errors) if task.gradients else None,
        recipe={
            "episodes_per_context": task.episodes_per_context,
            "contexts": len(task.contexts),
            "seed": task.seed,
            "gradients": task.gradients,
            "extrapolate": labels.extrapolate,
        },
        packages=installed_packages(),
    )


def _serializable(spec: EnvSpec | None) -> EnvSpec | None:
    """The environment's spec where Minari can store it as JSON; a spec whose entry point is a function is not stored."""
    if spec is None:
        return None
    try:
        json.loads(spec.to_json())
    except (TypeError, ValueError):
        return None
    return spec
