"""Whether an environment reproduces a dataset: a sample of its transitions is simulated again and compared."""

import numpy as np

from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.sources import StateSource
from offctx.data.storage.stored import StoredTransitions
from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.resolve import ResolvedEnv
from offctx.errors import DatasetError

_SAMPLE = 1024  # transitions
_EXACT = (1e-5, 1e-5, 1.0)  # tolerance of next observations and of rewards, relative; share of the sample that must agree
_FROM_PHYSICS = (1e-3, 5e-2, 0.9)


def check_replay(stored: StoredTransitions, inputs: SimulationInputs, source: StateSource, resolved: ResolvedEnv) -> None:
    """Simulates a sample of the transitions again.

    From states that were recorded whole, every transition must come out again up to rounding. States that were made from
    MuJoCo's positions and velocities lack the solver's last solution, and the positions one substep ago that some rewards use
    (Ant's); there nine in ten transitions must come out, to fewer digits.

    Raises:
        DatasetError: too few transitions come out as recorded: the environment or the contexts are others.
    """
    exact = source.exact or isinstance(resolved.env, DifferentiableEnv)
    observation_tolerance, reward_tolerance, required = _EXACT if exact else _FROM_PHYSICS
    sample = inputs.sample(_SAMPLE)
    next_states, rewards, _ = resolved.env.simulate(*inputs.batch(sample))
    next_observations = stored.transitions.by_step["next_observations"][sample]
    stored_rewards = stored.transitions.by_step["rewards"][sample]
    stored.transitions.release()
    observation_errors = _relative_errors(resolved.env.observations(next_states), next_observations).max(axis=1)
    reward_errors = _relative_errors(rewards, stored_rewards)
    agree = float(((observation_errors <= observation_tolerance) & (reward_errors <= reward_tolerance)).mean())
    if not agree >= required:
        raise DatasetError(
            f"{stored.dataset_id} is not what {resolved.name} does in these contexts: of {len(sample)} transitions simulated "
            f"again from {source.name}, {agree:.0%} give the recorded next observation to {observation_tolerance:g} and reward "
            f"to {reward_tolerance:g} (relative; the medians are off by {np.median(observation_errors):.2g} and "
            f"{np.median(reward_errors):.2g}, the worst by {np.max(observation_errors):.2g} and {np.max(reward_errors):.2g}). "
            f"Pass the environment and the contexts that were recorded, or check=False to go on all the same"
        )


def _relative_errors(simulated: Array, recorded: Array) -> Array:
    """|simulated - recorded| / max(1, |recorded|)."""
    expected = recorded.astype(np.float64)
    return np.asarray(np.abs(simulated - expected) / np.maximum(1, np.abs(expected)))
