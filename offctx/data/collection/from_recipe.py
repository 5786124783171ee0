"""Collecting the dataset that a recipe describes."""

from collections.abc import Callable
from pathlib import Path

from offctx.data.collection.collect import collect
from offctx.data.collection.recipe_policies import TransformerSettings, make_policies
from offctx.data.dataset import ContextualDataset
from offctx.data.recipes import read_recipe
from offctx.envs.policies import Mixture, Policy
from offctx.envs.resolve import ResolvedEnv, resolve
from offctx.errors import DatasetError, EnvError
from offctx.workers.engine import Backend


def collect_recipe(
    path: Path,
    *,
    load_agent: Callable[[Path], Policy],
    dataset_id: str | None = None,
    seed: int | None = None,
    progress: bool = True,
    trust: bool = False,
    target_return: float | None = None,
    temperature: float | None = None,
    n_jobs: int = 1,
    backend: Backend = "loky",
) -> ContextualDataset:
    """Collects the dataset that a recipe describes.

    Args:
        path: the TOML file; `offctx.data.recipes` describes its keys.
        load_agent: reads a policy from the path of a saved agent or actor, as `offctx.training.agents.load_agent` does.
        dataset_id: in place of the recipe's.
        seed: in place of the recipe's.
        progress: show progress bars.
        trust: let the recipe name a module that is imported, as in env = "module:Env-v0". This runs the module's code.
        target_return: that its Decision Transformers are asked to reach, in place of the recipe's.
        temperature: of the Discrete actions that they draw, in place of the recipe's.
        n_jobs: chunks that are played at a time, as `collect` has it.
        backend: "loky" or "ray", as `collect` has it.

    Returns:
        The dataset, as `load_dataset` returns it.

    Raises:
        DatasetError: the recipe is malformed, or names a module and is not trusted. `collect` raises what else is wrong.
        PolicyError: a setting that no policy of the recipe takes, or a Decision Transformer without a target return.

    Example::

        dataset = collect_recipe(Path("datasets/pendulum-goal-random.toml"), load_agent=load_agent)
    """
    recipe = read_recipe(path)
    seed = recipe.seed if seed is None else seed
    resolved = _resolve(recipe.env, path, trust)
    policies = make_policies(recipe.policy, path.parent, load_agent, TransformerSettings(target_return, temperature))
    return collect(
        recipe.env,
        dataset_id or recipe.dataset_id,
        contexts=recipe.contexts.make(resolved.env.context_space, seed),
        policy=Mixture(policies, [policy.weight for policy in recipe.policy]),
        episodes_per_context=recipe.episodes_per_context,
        seed=seed,
        gradients=recipe.gradients,
        context=recipe.context,
        description=recipe.description,
        author=recipe.author,
        author_email=recipe.author_email,
        license=recipe.license,
        code_permalink=recipe.code_permalink,
        compression=recipe.compression,
        progress=progress,
        n_jobs=n_jobs,
        backend=backend,
    )


def _resolve(env: str, path: Path, trust: bool) -> ResolvedEnv:
    """The environment that a recipe names. A module in its name is imported only where the recipe is trusted."""
    module = env.rpartition(":")[0]
    if module and not trust:
        raise DatasetError(
            f"recipe {path}: env = {env!r} imports the module {module!r}, which runs its code: allow it with trust=True"
        )
    try:
        return resolve(env)
    except (ImportError, SyntaxError) as error:
        raise EnvError(f"recipe {path}: env = {env!r} cannot be imported: {error}") from error
