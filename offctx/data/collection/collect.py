"""Collecting a dataset: policies are played in many contexts, derivatives are computed, and one dataset is written.

Dimensions: K contexts, M episodes of each, E = K M episodes, p context.
"""

from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.data.about import About
from offctx.data.collection.chunks import collect_task
from offctx.data.collection.size import check_size
from offctx.data.collection.task import Task
from offctx.data.collection.write import Labels
from offctx.data.dataset import ContextualDataset
from offctx.data.layout import check_spaces
from offctx.data.load import to_contextual_dataset
from offctx.data.storage.changes import changing
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.place import unused_dataset_folder
from offctx.data.storage.read import read_dataset
from offctx.data.unread import UnreadDataset, read_as_written
from offctx.envs.policies import ContextMode, Mixture, Policy
from offctx.envs.resolve import EnvLike, resolve
from offctx.errors import DatasetError, DerivativeError
from offctx.workers.engine import Backend, Workers


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
    n_jobs: int = 1,
    backend: Backend = "loky",
) -> ContextualDataset:
    """Plays a policy in many contexts and writes a Minari dataset labelled with them.

    The dataset appears under its id only when it is complete. The same arguments and seed give the same bytes, whatever the
    batch size, the number of workers and their backend.

    A large collection is cut into chunks of about 260,000 transitions, which workers play side by side, and the memory that it
    takes does not grow with the dataset. Finished chunks are kept in a hidden folder beside the datasets: after an
    interruption, an error or kill -9, the same call goes on with the others. Success removes them. The arrays of a dataset of
    several chunks are read when they are first used.

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
        n_jobs: chunks that are played at a time, each by a process of its own; -1 for all cores. The policy and the
            environment must then be picklable.
        backend: "loky" for processes on this machine; "ray" for a Ray cluster, at RAY_ADDRESS where that is set, whose
            machines share the folder of datasets (`pip install offctx[ray]`).

    Returns:
        The dataset, as `load_dataset` returns it.

    Raises:
        ContextError: the contexts do not fit the environment's context space.
        PolicyError: the policy does not fit the environment, or cannot be sent to workers.
        EnvError: the environment is not contextual, has no time limit, or gives numbers that are not finite.
        DerivativeError: `gradients` and the environment has no derivatives, or one is not finite.
        DatasetError: the id is malformed, taken, or being collected by another process; a number of episodes, rows or jobs is
            not positive; so many episodes find no room; the layout cannot hold the environment's data; Ray is missing; or a
            worker process died.

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
    workers = Workers.check(n_jobs, backend, DatasetError)
    resolved = resolve(env)
    check_spaces(resolved.env.observation_space, resolved.env.action_space, dataset_id)
    whole_number(episodes_per_context, "episodes_per_context", 1, DatasetError)
    whole_number(1 if batch_size is None else batch_size, "batch_size", 1, DatasetError)
    if gradients and not resolved.env.has_derivatives:
        raise DerivativeError(f"{resolved.env.without_derivatives}: collect with gradients=False")
    space = resolved.env.context_space
    task = Task(
        dataset_id,
        resolved,
        space.check_many(space.default if contexts is None else contexts, extrapolate=extrapolate),
        policy if isinstance(policy, Mixture) else Mixture([policy]),
        episodes_per_context,
        seed,
        gradients,
        context,
        batch_size,
    )
    check_size(dataset_id, resolved.env, len(task.contexts), episodes_per_context)
    with changing(dataset_id, "collecting"):
        unused_dataset_folder(dataset_id)  # another process may have written it meanwhile
        written = collect_task(task, env, workers, Labels(about, compression, extrapolate), progress=progress)
    if len(task.parts) > 1:
        return UnreadDataset(dataset_id, written)
    return read_as_written(dataset_id, written, lambda name: to_contextual_dataset(read_dataset(name)))
