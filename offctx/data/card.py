"""The card of a dataset: what is in it, for people and for programs."""

from typing import Any

import numpy as np

from offctx.data.dataset import ContextualDataset


def card(dataset: ContextualDataset) -> dict[str, Any]:
    """What `offctx show` shows, as plain JSON data; infinite bounds are None."""
    space, returns = dataset.context_space, dataset.episode_returns
    ids = dataset.episode_context_ids
    metadata = dataset.metadata
    quantiles = [np.quantile(returns[ids == c], (0.05, 0.25, 0.5, 0.75, 0.95)) for c in range(ids.max() + 1)]
    return {
        "dataset_id": dataset.dataset_id,
        "env": metadata.env if metadata else None,
        "episodes": dataset.num_episodes,
        "transitions": len(dataset),
        "observation_space": str(dataset.observation_space),
        "action_space": str(dataset.action_space),
        "context": [
            {"name": n, "unit": u, "low": float(lo), "high": float(hi), "default": float(d)}
            for n, u, lo, hi, d in zip(space.names, space.units, space.low, space.high, space.default, strict=True)
        ],
        "constraints": list(space.constraints),
        "contexts": [
            {
                "context": dict(zip(space.names, map(float, context), strict=True)),
                "episodes": int((ids == c).sum()),
                "return_quantiles": {"5%": q[0], "25%": q[1], "50%": q[2], "75%": q[3], "95%": q[4]},
            }
            for c, (context, q) in enumerate(
                zip(dataset.unique_contexts, np.asarray(quantiles).tolist(), strict=True)
            )
        ],
        "behaviour": metadata.behaviour.model_dump() if metadata else None,
        "derivatives": metadata.derivatives.model_dump() if metadata and metadata.derivatives else None,
        "sha256": metadata.sha256 if metadata else None,
    }
