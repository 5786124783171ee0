"""The null controls that a comparison lacks, played as its reports were played."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from offctx.envs.resolve import ResolvedEnv, resolve
from offctx.errors import ContextError, EnvError, PolicyError
from offctx.evaluation.arms import NULL_CONTROLS, names_of
from offctx.evaluation.controls import best_of, null_policies
from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.run import EvaluatedRun

LEFT_OUT = "Null controls (zero and random action) were left out, as asked."
_MOST_STEPS, _LEAST_EPISODES = 500_000, 8  # of a control in a physics simulator
_LONG = 200_000  # steps of a control from which on a progress bar is shown


def play_missing(
    methods: Mapping[str, tuple[ZeroShotReport, ...]], progress: bool | None, playing: Mapping[str, Any]
) -> tuple[dict[str, tuple[ZeroShotReport, ...]], str]:
    """Plays the null controls that are not among the methods, as the first run was played.

    Args:
        methods: name -> its runs.
        progress: show progress bars; of long controls where None.
        playing: options of `evaluate` that say who plays, and where finished chunks are kept.

    Returns:
        title -> its report; and a sentence on what is missing or has fewer episodes, "" where nothing is to say.

    Raises:
        EvaluationError: a worker process died, or a finished chunk cannot be kept.
    """
    first = next(iter(methods.values()))[0]
    if names_of(methods, ["zero", "constant"]) and names_of(methods, ["random"]):
        return {}, ""
    episodes = {returns.shape[1] for returns in first.returns.values()}
    is_registered = first.registered and ":" not in first.env_id and first.env_id in gymnasium.registry
    if not is_registered or len(episodes) > 1:
        return {}, _missing(f"{first.env_id} is not registered with Gymnasium as it was played")
    try:
        resolved = resolve(first.env_id)
        missing = {
            title: policies
            for title, policies in null_policies(resolved.env.action_space).items()
            if not names_of(methods, [key for key, value in NULL_CONTROLS.items() if value == title])
        }
        count = _episodes(resolved, first, max(episodes))
        steps = count * sum(map(len, first.contexts.values())) * resolved.horizon
        options: dict[str, Any] = {
            "episodes": count,
            "seed": first.seed,
            "train_contexts": first.train_contexts,
            "extrapolate": True,
            "progress": steps > _LONG if progress is None else progress,
            **playing,
        }
        played: dict[str, tuple[ZeroShotReport, ...]] = {
            title: (best_of(policies, title, first.env_id, first.contexts, options),) for title, policies in missing.items()
        }
    except (ContextError, EnvError, PolicyError) as error:
        return {}, _missing(str(error))
    fewer = f"{' and '.join(played)}: {count} of {max(episodes)} episodes per context." if count < max(episodes) else ""
    return played, fewer


def _episodes(resolved: ResolvedEnv, run: EvaluatedRun, episodes: int) -> int:
    """How many episodes per context a control plays: all in closed form, else those that fit into a number of steps."""
    from offctx.envs.differentiable import DifferentiableEnv  # imports PyTorch, as does making such an environment

    if isinstance(resolved.env, DifferentiableEnv):
        return episodes
    contexts = len(np.unique(np.concatenate(list(run.contexts.values())), axis=0))
    return min(episodes, max(_LEAST_EPISODES, _MOST_STEPS // (contexts * resolved.horizon)))


def _missing(reason: str) -> str:
    return (
        f"Null controls (zero and random action) were not played: {reason}. Give them among the reports: "
        "offctx.compare(reports | offctx.evaluate_controls(env, contexts, episodes=..., seed=...))."
    )
