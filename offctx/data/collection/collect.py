"""Collecting datasets: every context and episode played as one batch, derivatives afterwards, one atomic write.

Dimensions: K contexts, M episodes of each, E = K M episodes, T steps, o observation, p context, s state.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.data.derivatives.attach import Transitions, derivative_infos, describe
from offctx.data.layout import CONTEXT, DNEXT, NOISE, STATE, Episodes, check_episodes, check_spaces
from offctx.data.load import from_stored
from offctx.data.metadata import LAYOUT_VERSION, Behaviour, Metadata, installed_packages
from offctx.data.storage.storage import claim_id, dataset_folder, read_dataset, write_dataset
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode, Mixture, Policy, make_actor, policy_name
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.errors import DatasetError, DerivativeError


def collect(
    env: EnvLike,
    dataset_id: str,
    *,
    contexts: ArrayLike | Mapping[str, float] | None = None,
    policy: Policy | Mixture = "random",
    episodes_per_context: int = 1,
    seed: int,
    gradients: bool = True,
    context: ContextMode = "append",
    extrapolate: bool = False,
    batch_size: int | None = None,
    progress: bool = True,
    description: str | None = None,
) -> ContextualDataset:
    """Play a policy in many contexts and write a Minari dataset labelled with them.

    The dataset appears under its id only when it is complete; after an error or an interrupt nothing is there. The same
    arguments and seed give the same bytes, whatever the batch size.

    Args:
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        dataset_id: Minari id, ``<namespace>/<name>-v<number>``, not in use.
        contexts: (K, p), one (p,), or a mapping from names; the default context where not given. See the makers of
            contexts in `ContextSpace`: mesh, sweep, sample, local (LDR).
        policy: "random", anything with `predict`, a callable (observations, contexts, rng) -> actions, or a `Mixture`
            of such, from which each episode draws one.
        episodes_per_context: M.
        seed: determines everything that is random.
        gradients: store the context derivatives.
        context: whether `predict` gets observations with the context appended or hidden.
        extrapolate: allow contexts outside the bounds of the context space.
        batch_size: rows per call of the simulator, to bound memory.
        progress: show progress bars.
        description: a sentence for the dataset's metadata.

    Returns:
        The dataset, as `load_dataset` would.

    Raises:
        ContextError, PolicyError, EnvError, DerivativeError, DatasetError: bad input; nothing is written.
    """
    claim_id(dataset_id)
    task = resolve(env)
    space = task.env.context_space
    check_spaces(task.env.observation_space, task.env.action_space, dataset_id)
    unique = space.check_many(space.default if contexts is None else contexts, extrapolate=extrapolate)
    whole_number(episodes_per_context, "episodes_per_context", 1, DatasetError)
    whole_number(1 if batch_size is None else batch_size, "batch_size", 1, DatasetError)
    if gradients and not task.env.has_derivatives:
        raise DerivativeError(f"{task.name} has no context derivatives: collect with gradients=False")
    mixture = policy if isinstance(policy, Mixture) else Mixture([policy])
    try:
        rows = np.repeat(unique, episodes_per_context, axis=0)
        episodes = _play_all(task, rows, mixture, seed, context, batch_size, progress)
        if gradients:
            episodes.infos.update(_derivatives(task, episodes, batch_size, progress))
        check_episodes(episodes, dataset_id)
        recipe = {
            "episodes_per_context": episodes_per_context,
            "contexts": len(unique),
            "seed": seed,
            "gradients": gradients,
            "extrapolate": extrapolate,
        }
        metadata = _metadata(task, episodes, mixture, context, recipe)
        write_dataset(
            dataset_id, episodes, metadata, task.env.observation_space, task.env.action_space,
            spec=_serializable(task.spec), description=description, progress=progress,
        )  # fmt: skip
    except KeyboardInterrupt:
        if dataset_folder(dataset_id).exists():
            raise
        raise KeyboardInterrupt(f"collecting {dataset_id} was interrupted: nothing was written") from None
    return from_stored(read_dataset(dataset_id))


def _metadata(
    task: ResolvedEnv, episodes: Episodes, mixture: Mixture, context: ContextMode, recipe: dict[str, Any]
) -> Metadata:
    """What the dataset says of itself; the recipe is how `collect` was called."""
    return Metadata(
        layout_version=LAYOUT_VERSION,
        env=task.name,
        horizon=task.horizon,
        context_space=task.env.context_space.to_dict(),
        behaviour=Behaviour(
            policies=[policy_name(member) for member in mixture.policies],
            weights=mixture.probabilities.tolist(),
            context=context,
        ),
        derivatives=describe(task.env, episodes) if DNEXT in episodes.infos else None,
        recipe=recipe,
        packages=installed_packages(),
        sha256=episodes.checksum(),
    )


def _play_all(
    task: ResolvedEnv,
    contexts: Contexts,
    mixture: Mixture,
    seed: int,
    context: ContextMode,
    batch_size: int | None,
    progress: bool,
) -> Episodes:
    """Play E episodes and lay them end to end."""
    e, horizon, env = len(contexts), task.horizon, task.env
    seeds = episode_seeds(seed, e)
    choices, actions = (np.random.default_rng([seed, stream]) for stream in (1, 2))
    assignment = choices.choice(len(mixture.policies), size=e, p=mixture.probabilities)
    actors = [make_actor(member, env, context) for member in mixture.policies]
    record: dict[str, Array] = {}
    lengths = np.zeros(e, dtype=np.int64)
    steps = play(task, contexts, seeds, actors, assignment, actions, batch_size=batch_size)
    for step in tqdm(steps, total=horizon, desc=f"playing {e} episodes", unit="step", disable=not progress):
        rows, t = step.rows, step.t
        before = {"observations": step.observations, "states": step.states}
        after = {
            "observations": step.next_observations,
            "states": step.next_states,
            "actions": step.actions,
            "rewards": step.rewards,
            "terminations": step.terminations,
            "truncations": step.truncations,
            "noise": step.noise,
        }
        for name, values in after.items():
            if t == 0:
                record[name] = np.zeros((e, horizon + 1, *values.shape[1:]), dtype=values.dtype)
                record[name][:, 0] = before.get(name, 0)
            record[name][rows, t + 1] = values
        lengths[rows] = t + 1
    return _end_to_end(record, lengths, contexts, seeds, bool(env.noise_size))


def _end_to_end(record: dict[str, Array], lengths: Array, contexts: Contexts, seeds: Array, noisy: bool) -> Episodes:
    """From padded arrays (E, T + 1, ...), where slot t + 1 is what step t led to, to arrays end to end."""
    time = np.arange(record["rewards"].shape[1])
    in_rows = time <= lengths[:, None]
    in_steps = in_rows & (time > 0)
    infos = {CONTEXT: np.repeat(contexts, lengths + 1, axis=0), STATE: record["states"][in_rows]}
    if noisy:
        infos[NOISE] = record["noise"][in_rows]
    return Episodes(
        lengths=lengths,
        observations=record["observations"][in_rows],
        actions=record["actions"][in_steps],
        rewards=record["rewards"][in_steps],
        terminations=record["terminations"][in_steps],
        truncations=record["truncations"][in_steps],
        infos=infos,
        seeds=seeds.astype(np.uint64),
        options_context=contexts,
    )


def _derivatives(task: ResolvedEnv, episodes: Episodes, batch_size: int | None, progress: bool) -> dict[str, Array]:
    contexts = episodes.infos[CONTEXT][episodes.first_rows]
    transitions = Transitions.of(episodes, episodes.infos[STATE].__getitem__, contexts)
    return derivative_infos(task.env, transitions, batch_size, progress=progress)


def _serializable(spec: Any) -> Any:
    """The environment's spec where Minari can store it: a factory's entry point, say, is no text."""
    if spec is None:
        return None
    try:
        json.loads(spec.to_json())
    except (TypeError, ValueError):
        return None
    return spec
