"""A dataset without its transitions, from its summary: enough for its cards.

Dimensions: E episodes, C contexts, p context.
"""

from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.contexts.distinct import distinct_rows
from offctx.contexts.space import Contexts
from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.layout import DERROR, DNEXT, DREWARD, NOISE, STATE
from offctx.data.storage.read import header_of
from offctx.data.storage.summary import Summary
from offctx.envs.base import Array


class Overview(ContextualDataset):
    """What a dataset says of its episodes and contexts. Its arrays have no rows, but the types and shapes of the dataset's.

    Args:
        raw: metadata.json, which has an offctx part.
        summary: of the dataset.

    Raises:
        DatasetError: metadata.json is malformed.
    """

    _summary: Summary
    _distinct: tuple[Contexts, Array]

    def __init__(self, dataset_id: str, raw: dict[str, Any], summary: Summary) -> None:
        header, rows = header_of(raw, dataset_id), summary.rows
        assert header.metadata is not None
        ends, discrete = np.cumsum(summary.lengths), isinstance(header.action_space, spaces.Discrete)
        super().__init__(
            dataset_id=dataset_id,
            context_space=header.metadata.space(),
            observation_space=header.observation_space,
            action_space=header.action_space,
            observations=rows["observations"],
            actions=rows["actions"].reshape(0) if discrete else rows["actions"],
            rewards=rows["rewards"],
            next_observations=rows["observations"],
            terminations=rows["terminations"],
            truncations=rows["truncations"],
            contexts=summary.contexts[:0],
            context_ids=np.empty(0, dtype=np.int64),
            episode_starts=ends - summary.lengths,
            episode_ends=ends,
            dnext_observation_dcontext=rows.get(f"infos/{DNEXT}"),
            dreward_dcontext=rows.get(f"infos/{DREWARD}"),
            derivative_errors=rows.get(f"infos/{DERROR}"),
            states=rows.get(f"infos/{STATE}"),
            noise=rows.get(f"infos/{NOISE}"),
            metadata=header.metadata,
            about=About.of(raw),
            env_spec=raw.get("env_spec"),
        )
        self.__dict__.update(_summary=summary, _distinct=distinct_rows(summary.contexts))

    def __len__(self) -> int:
        return int(self._summary.lengths.sum())

    @property
    def unique_contexts(self) -> Contexts:
        """The distinct contexts (C, p)."""
        contexts: Contexts = self._distinct[0]
        return contexts

    @property
    def episode_context_ids(self) -> Array:
        """The row number of each episode's context among the distinct ones (E,)."""
        ids: Array = self._distinct[1]
        return ids

    @property
    def episode_returns(self) -> Array:
        """Undiscounted return of each episode (E,)."""
        returns: Array = self._summary.returns
        return returns
