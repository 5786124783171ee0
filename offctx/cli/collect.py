"""The verb `collect`."""

from pathlib import Path
from typing import Annotated

import typer

from offctx.cli.completion import recipe_files
from offctx.cli.options import Json, Quiet
from offctx.cli.output import long_work, print_result
from offctx.words import count


def collect(
    recipe: Annotated[
        Path, typer.Argument(help="A TOML recipe; `offctx list recipes` shows examples.", autocompletion=recipe_files)
    ],
    dataset_id: Annotated[str | None, typer.Option("--id", help="Dataset id instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed instead of the recipe's.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Collect a dataset by a recipe, with contexts and context derivatives, as plain Minari.

    The dataset appears below MINARI_DATASETS_PATH only when it is complete. A recipe is a few lines of TOML:

        dataset_id = "offctx/PendulumGoal/random-v0"
        env = "offctx/PendulumGoal-v0"
        episodes_per_context = 250
        seed = 0
        [contexts]           # mesh, values = [[...]],
                             # or local = {n = 250, radius = 0.5}
        mesh = { g = [1.0, 2.0, 4.0] }
        [[policy]]           # several policies are a mixture
        name = "random"      # or agent = "expert.d3"

    The guide (docs/guide.md) has a table of all keys.

    Example: offctx collect datasets/pendulum-goal-random.toml
    """
    from offctx.analysis.context_sensitivity import sensitivity_summary
    from offctx.data.card import card
    from offctx.data.collection.from_recipe import collect_recipe
    from offctx.training.agents import load_agent

    with long_work(as_json):
        dataset = collect_recipe(recipe, load_agent=load_agent, dataset_id=dataset_id, seed=seed, progress=not quiet)
    text = f"{dataset.dataset_id}: {count(len(dataset), 'transition')} in {count(dataset.num_episodes, 'episode')}"
    print_result(card(dataset, sensitivity_summary(dataset)) if as_json else text)
