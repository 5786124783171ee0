"""Writing a new dataset, through Minari's own storage, so that unmodified Minari reads it."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from minari import __version__ as minari_version
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from tqdm.auto import tqdm

from offctx.contexts.space import ContextSpace
from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.metadata import METADATA_KEY, Metadata
from offctx.data.storage.changes import staging
from offctx.data.storage.ids import unused_dataset_folder
from offctx.data.storage.interrupts import dropped_interrupts
from offctx.data.storage.publish import publish_dataset


def write_dataset(
    dataset_id: str,
    episodes: Episodes,
    metadata: Metadata,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    spec: EnvSpec | None = None,
    description: str | None = None,
    progress: bool = False,
) -> None:
    """Writes a Minari dataset in HDF5. It appears under its id only when it is complete.

    Args:
        dataset_id: an id that no dataset has.
        episodes: what is written.
        metadata: stored under the key "offctx".
        observation_space: of the environment.
        action_space: of the environment.
        spec: Gymnasium's description of the environment, for Minari's own metadata.
        description: a sentence for Minari's own metadata.
        progress: show a progress bar.

    Raises:
        DatasetError: the id is malformed or taken.
    """
    unused_dataset_folder(dataset_id)
    minari_metadata = {
        "dataset_id": dataset_id,
        "minari_version": minari_version,
        "algorithm_name": ", ".join(metadata.behaviour.policies),
        "requirements": [f"offctx=={metadata.packages['offctx']}"],
        METADATA_KEY: metadata.model_dump(mode="json"),
        **({"description": description} if description else {}),
    }
    with dropped_interrupts() as interrupted, staging() as folder:
        data = folder / "dataset" / "data"
        data.mkdir(parents=True)
        storage = MinariStorage.new(data, observation_space, action_space, spec)
        storage.update_metadata(minari_metadata)
        buffers = _episode_buffers(episodes, metadata.space())
        bar = tqdm(buffers, "writing", len(episodes.lengths), disable=not progress, unit="episode")
        storage.update_episodes(itertools.takewhile(lambda _: not interrupted, bar))
        if interrupted:
            raise KeyboardInterrupt
        publish_dataset(dataset_id, folder / "dataset")


def _episode_buffers(episodes: Episodes, space: ContextSpace) -> Iterator[EpisodeBuffer]:
    """Minari's form of each episode. Minari's type hints say lists; whole arrays work as well, and are far quicker."""
    steps, rows = (np.concatenate([[0], ends]) for ends in (episodes.step_ends, episodes.row_ends))
    for e in range(len(episodes.lengths)):
        step, row = slice(steps[e], steps[e + 1]), slice(rows[e], rows[e + 1])
        arrays: dict[str, Any] = {name: getattr(episodes, name)[step] for name in STEP_ARRAYS}
        yield EpisodeBuffer(
            id=e,
            seed=None if episodes.seeds is None else int(episodes.seeds[e]),
            options=_reset_options(episodes, e, space),
            observations=episodes.observations[row],
            infos={name: array[row] for name, array in episodes.infos.items()},
            **arrays,
        )


def _reset_options(episodes: Episodes, e: int, space: ContextSpace) -> dict[str, Any] | None:
    """The options with which `env.reset` starts episode e again."""
    if episodes.options_context is None:
        return None
    context = episodes.options_context[e]
    return {"context": context} | ({} if space.valid(context[None])[0] else {"extrapolate": True})
