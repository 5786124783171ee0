"""Collecting a dataset: policies are played in many contexts, derivatives are computed, and one dataset is written.

Dimensions: K contexts, M episodes of each, E = K M episodes, p context.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.data.about import About
from offctx.data.collection.play import play_episodes
from offctx.data.dataset import ContextualDataset
from offctx.data.derivatives.compute import compute_derivatives, describe_derivatives
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.episodes import Episodes, check_episodes
from offctx.data.layout import CONTEXT, DNEXT, STATE, check_spaces
from offctx.data.load import to_contextual_dataset
from offctx.data.metadata import LAYOUT_VERSION, Behaviour, Metadata, installed_packages
from offctx.data.storage.changes import changing
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.ids import dataset_folder, unused_dataset_folder
from offctx.data.storage.read import read_dataset
from offctx.data.storage.write import write_dataset
from offctx.envs.policies import ContextMode, Mixture, Policy, policy_name
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
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
    author: str | Sequence[str] | None = None,
    author_email: str | Sequence[str] | None = None,
    license: str | None = None,
    code_permalink: str | None = None,
    compression: Compression | None = None,
) -> ContextualDataset:
    """Plays a policy in many contexts and writes a Minari dataset labelled with them.

    The dataset appears under its id only when it is complete; after an error or an interruption nothing is written. The same
    arguments and seed give the same bytes, whatever the batch size.

    Args:
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        dataset_id: Minari id, ``<namespace>/<name>-v<number>``, that no dataset has.
        contexts: (K, p), one context (p,), or a mapping from names to coordinates; the default context where not given.
            `ContextSpace` makes contexts by `mesh`, `sweep`, `sample` and `local`.
        policy: "random", "zero", an object with `predict`, a callable (observations, contexts, rng) -> actions, a policy
            with memory, which begins each episode without one, or a `Mixture` of such policies, from which each episode draws
            one. What a policy with memory does in an episode depends on the episode's seed alone, not on those beside it.
        episodes_per_context: M.
        seed: determines everything that is random.
        gradients: compute and store the context derivatives.
        context: whether `predict`, or a policy with memory, gets observations with the context appended or hidden.
        extrapolate: allow contexts outside the bounds of the context space.
        batch_size: rows per call of the simulator, to bound memory; all at once where not given.
        progress: show progress bars.
        description: a sentence for the dataset's metadata.
        author: a name, or a list of names.
        author_email: an address, or a list of them.
        license: an SPDX identifier, such as "CC-BY-4.0".
        code_permalink: the address of the code that made the dataset.
        compression: "gzip" makes the files smaller and slower to read; None does not.

    Returns:
        The dataset, as `load_dataset` returns it.

    Raises:
        ContextError: the contexts do not fit the environment's context space.
        PolicyError: the policy does not fit the environment.
        EnvError: the environment is not contextual, has no time limit, or gives numbers that are not finite.
        DerivativeError: `gradients` and the environment has no derivatives, or one is not finite.
        DatasetError: the id is malformed, taken, or being collected by another process; a number of episodes or rows is not
            positive; or the layout cannot hold the environment's data.

    Example::

        space = offctx.envs.PendulumGoal.context_space
        dataset = offctx.collect(
            "offctx/PendulumGoal-v0",
            "offctx/PendulumGoal/random-v0",
            contexts=space.mesh(g=[1.0, 2.0, 4.0]),
            episodes_per_context=10,
            seed=0,
        )
    """
    unused_dataset_folder(dataset_id)
    about = About.check(
        description=description, author=author, author_email=author_email, license=license, code_permalink=code_permalink
    )
    resolved = resolve(env)
    space = resolved.env.context_space
    check_spaces(resolved.env.observation_space, resolved.env.action_space, dataset_id)
    unique = space.check_many(space.default if contexts is None else contexts, extrapolate=extrapolate)
    whole_number(episodes_per_context, "episodes_per_context", 1, DatasetError)
    whole_number(1 if batch_size is None else batch_size, "batch_size", 1, DatasetError)
    if gradients and not resolved.env.has_derivatives:
        raise DerivativeError(f"{resolved.env.without_derivatives}: collect with gradients=False")
    mixture = policy if isinstance(policy, Mixture) else Mixture([policy])
    recipe = {
        "episodes_per_context": episodes_per_context,
        "contexts": len(unique),
        "seed": seed,
        "gradients": gradients,
        "extrapolate": extrapolate,
    }
    with changing(dataset_id, "collecting"):
        unused_dataset_folder(dataset_id)  # another process may have written it meanwhile
        try:
            rows = np.repeat(unique, episodes_per_context, axis=0)
            episodes = play_episodes(resolved, rows, mixture, seed, context, batch_size=batch_size, progress=progress)
            if gradients:
                _add_derivatives(episodes, resolved, batch_size, progress)
            check_episodes(episodes, dataset_id)
            metadata = _metadata(resolved, episodes, mixture, context, recipe)
            write_dataset(
                dataset_id,
                episodes,
                metadata,
                resolved.env.observation_space,
                resolved.env.action_space,
                spec=_serializable(resolved.spec),
                about=about,
                compression=compression,
                progress=progress,
            )
        except KeyboardInterrupt:
            if dataset_folder(dataset_id).exists():
                raise
            raise KeyboardInterrupt(f"collecting {dataset_id} was interrupted: nothing was written") from None
    return to_contextual_dataset(read_dataset(dataset_id))


def _add_derivatives(episodes: Episodes, resolved: ResolvedEnv, batch_size: int | None, progress: bool) -> None:
    contexts = episodes.infos[CONTEXT][episodes.first_rows]
    inputs = SimulationInputs.of(episodes, episodes.infos[STATE].__getitem__, contexts)
    episodes.infos.update(compute_derivatives(resolved.env, inputs, batch_size, progress=progress))


def _metadata(
    resolved: ResolvedEnv, episodes: Episodes, mixture: Mixture, context: ContextMode, recipe: dict[str, Any]
) -> Metadata:
    """The offctx part of the dataset's metadata; `recipe` holds the arguments of `collect`."""
    return Metadata(
        layout_version=LAYOUT_VERSION,
        env=resolved.name,
        horizon=resolved.horizon,
        context_space=resolved.env.context_space.to_dict(),
        behaviour=Behaviour(
            policies=[policy_name(policy) for policy in mixture.policies],
            weights=mixture.probabilities.tolist(),
            context=context,
        ),
        derivatives=describe_derivatives(resolved.env, episodes) if DNEXT in episodes.infos else None,
        recipe=recipe,
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
