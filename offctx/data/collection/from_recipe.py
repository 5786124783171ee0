"""Collecting the dataset that a recipe describes."""

from collections.abc import Callable
from pathlib import Path

from offctx.data.collection.collect import collect
from offctx.data.collection.recipe_options import BY_THE_RECIPE, RecipeOptions
from offctx.data.collection.recipe_policies import make_policies
from offctx.data.dataset import ContextualDataset
from offctx.data.recipes import read_recipe
from offctx.envs.policies import Mixture, Policy
from offctx.envs.resolve import ResolvedEnv, resolve
from offctx.errors import DatasetError, EnvError


def collect_recipe(
    path: Path, *, load_agent: Callable[[Path], Policy], options: RecipeOptions = BY_THE_RECIPE
) -> ContextualDataset:
    """Collects the dataset that a recipe describes.

    Args:
        path: the TOML file; `offctx.data.recipes` describes its keys.
        load_agent: reads a policy from the path of a saved agent or actor, as `offctx.training.agents.load_agent` does.
        options: what is said beside the recipe.

    Returns:
        The dataset, as `load_dataset` returns it.

    Raises:
        DatasetError: the recipe is malformed, or names a module and is not trusted. `collect` raises what else is wrong.
        PolicyError: a setting that no policy of the recipe takes, or a Decision Transformer without a target return.

    Example::

        dataset = collect_recipe(Path("datasets/pendulum-goal-random.toml"), load_agent=load_agent)
    """
    recipe = read_recipe(path)
    seed = recipe.seed if options.seed is None else options.seed
    resolved = _resolve(recipe.env, path, options.trust)
    policies = make_policies(recipe.policy, path.parent, load_agent, options.transformer)
    return collect(
        recipe.env,
        options.dataset_id or recipe.dataset_id,
        contexts=recipe.contexts.make(resolved.env.context_space, seed),
        policy=Mixture(policies, [policy.weight for policy in recipe.policy]),
        episodes_per_context=recipe.episodes_per_context,
        seed=seed,
        gradients=recipe.gradients,
        context=recipe.context,
        compression=recipe.compression,
        progress=options.progress,
        n_jobs=options.n_jobs,
        backend=options.backend,
        **vars(options.about.instead_of(recipe.about)),
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
