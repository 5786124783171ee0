"""Playing the episodes of a dataset, or of a part of one, as one batch, and laying them end to end.

Dimensions: E episodes, T steps, o observation, p context, s state.
"""

import numpy as np
from tqdm.auto import tqdm

from offctx.contexts.space import Contexts
from offctx.data.collection.parts import Part
from offctx.data.episodes import Episodes
from offctx.data.layout import CONTEXT, NOISE, STATE
from offctx.envs.base import Array
from offctx.envs.players import make_player
from offctx.envs.policies import ContextMode, Mixture
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import TimeStep, play
from offctx.envs.row_draws import EpisodeStreams
from offctx.words import count

_ACTIONS = 2  # the stream of random numbers that policies draw from


def play_part(
    resolved: ResolvedEnv,
    part: Part,
    mixture: Mixture,
    seed: int,
    context: ContextMode,
    *,
    batch_size: int | None,
    progress: bool,
) -> Episodes:
    """Plays a part of the episodes of a dataset as one batch.

    What policies without memory draw depends on the seed and the number of the part, as all rows draw from one generator.

    Args:
        resolved: the environment and its time limit.
        part: the episodes: their contexts, seeds and policies.
        mixture: the policies.
        seed: determines, with the part, everything that is random.
        context: whether policies with `predict` get observations with the context appended or hidden.
        batch_size: rows per call of the simulator; all at once where None.
        progress: show a progress bar.

    Returns:
        The episodes, with contexts, states and noise (where there is some) among their infos.
    """
    e, horizon = len(part.contexts), resolved.horizon
    action_rng = np.random.default_rng([seed, _ACTIONS, *([part.number] if part.number else [])])
    actors = [make_player(policy, resolved.env, context) for policy in mixture.policies]
    padded: dict[str, Array] = {}
    lengths = np.zeros(e, dtype=np.int64)
    streams = EpisodeStreams.of_seeds(seed, part.seeds)
    batch = (part.contexts, part.seeds, actors, part.assignment)
    steps = play(resolved, *batch, action_rng, batch_size=batch_size, memory_streams=streams)
    for step in tqdm(steps, total=horizon, desc=f"playing {count(e, 'episode')}", unit="step", disable=not progress):
        _record(step, padded, e, horizon)
        lengths[step.rows] = step.t + 1
    return _end_to_end(padded, lengths, part.contexts, part.seeds, has_noise=bool(resolved.env.noise_size))


def _record(step: TimeStep, padded: dict[str, Array], e: int, horizon: int) -> None:
    """Writes one time step into arrays (E, horizon + 1, ...): slot 0 is the start, slot t + 1 what step t led to."""
    starts = {"observations": step.observations, "states": step.states}
    outcomes = {
        "observations": step.next_observations,
        "states": step.next_states,
        "actions": step.actions,
        "rewards": step.rewards,
        "terminations": step.terminations,
        "truncations": step.truncations,
        "noise": step.noise,
    }
    for name, values in outcomes.items():
        if step.t == 0:
            padded[name] = np.zeros((e, horizon + 1, *values.shape[1:]), dtype=values.dtype)
            padded[name][:, 0] = starts.get(name, 0)
        padded[name][step.rows, step.t + 1] = values


def _end_to_end(padded: dict[str, Array], lengths: Array, contexts: Contexts, seeds: Array, *, has_noise: bool) -> Episodes:
    """Takes the slots that were played out of the padded arrays, episode after episode."""
    slots = np.arange(padded["rewards"].shape[1])
    in_rows = slots <= lengths[:, None]
    in_steps = in_rows & (slots > 0)
    infos = {CONTEXT: np.repeat(contexts, lengths + 1, axis=0), STATE: padded["states"][in_rows]}
    if has_noise:
        infos[NOISE] = padded["noise"][in_rows]
    return Episodes(
        lengths=lengths,
        observations=padded["observations"][in_rows],
        actions=padded["actions"][in_steps],
        rewards=padded["rewards"][in_steps],
        terminations=padded["terminations"][in_steps],
        truncations=padded["truncations"][in_steps],
        infos=infos,
        seeds=seeds.astype(np.uint64),
        options_context=contexts,
    )
