"""From a buffer to the data that regressions use: checked, scaled, and within the horizon.

Dimensions: N transitions.
"""

from typing import Any

import torch
from d3rlpy.constants import ActionSpace
from d3rlpy.torch_utility import convert_to_torch
from torch import Tensor

from offctx.algos.closed_form.config import LinearConfig
from offctx.algos.closed_form.data import EpisodeData
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.errors import LinearError


def read_episodes(dataset: Any, algorithm: str, *, merged: bool, min_contexts: int) -> EpisodeData:
    """All transitions of a buffer.

    Args:
        dataset: the buffer.
        algorithm: its name, for messages.
        merged: as if all data came from one environment.
        min_contexts: the fewest contexts that the data may have.

    Raises:
        LinearError: another kind of buffer or of actions, fewer contexts, or data that `EpisodeData.of` refuses.
    """
    if not isinstance(dataset, ContextualReplayBuffer):
        raise LinearError(
            f"expected a buffer of offctx, such as dataset.replay_buffer(context='hidden'); found {type(dataset).__name__}"
        )
    if dataset.dataset_info.action_space != ActionSpace.DISCRETE:
        raise LinearError(
            f"{algorithm} is for discrete actions; the data have continuous ones: PERM and PPPO of offctx.algos take those"
        )
    data = EpisodeData.of(dataset, merged=merged)
    if data.n < min_contexts:
        raise LinearError(
            f"expected data of at least {min_contexts} contexts; found {data.n}. {algorithm} keeps contexts apart; set "
            f"min_contexts={data.n} if that is meant"
        )
    return data


def choose_horizon(config: LinearConfig, longest: int) -> int:
    """H, given the length of the data's longest episode."""
    horizon = config.horizon or longest
    if horizon > longest and not config.stationary:
        raise LinearError(
            f"expected a horizon up to {longest}, the longest episode of the data; found {horizon}: nothing is known of later "
            f"steps, unless stationary=True lets all steps share their data"
        )
    return horizon


def scale(config: LinearConfig, data: EpisodeData, device: str) -> tuple[EpisodeData, tuple[float, float]]:
    """The data on a device as the config's scalers leave them, observations float64; and the bounds of rewards."""
    rewards, bounds = _scale_rewards(config, data.rewards)
    scaler = config.observation_scaler
    columns = [convert_to_torch(rows.numpy(), device) for rows in (data.observations, data.next_observations)]
    observations, next_observations = (rows.double() if scaler is None else scaler.transform(rows).double() for rows in columns)
    on_device = EpisodeData(*(column.to(device) for column in data))
    scaled = on_device._replace(observations=observations, next_observations=next_observations, rewards=rewards.to(device))
    return scaled, bounds


def _scale_rewards(config: LinearConfig, rewards: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Scaled rewards (N,) and their scaled bounds."""
    least, most = float(rewards.min()), float(rewards.max())
    low, high = config.reward_bounds or (least, most)
    rounding = 1e-6 * max(abs(low), abs(high))  # the buffer's rewards are float32
    if least < low - rounding or most > high + rounding:
        raise LinearError(f"expected rewards within reward_bounds, {low:g} to {high:g}; the data have {least:g} to {most:g}")
    if config.reward_scaler is None:
        return rewards, (low, high)
    low, high = sorted(config.reward_scaler.transform(torch.tensor([low, high], dtype=torch.float64)).tolist())
    return config.reward_scaler.transform(rewards), (low, high)
