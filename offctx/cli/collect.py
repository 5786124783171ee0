"""The verb `collect`."""

from typing import Annotated

import typer

from offctx.cli.completion import recipe_names_and_files
from offctx.cli.options import Backend, Json, NumberOfJobs, Quiet, workers
from offctx.cli.output import long_work, print_result
from offctx.words import count


def collect(
    recipe: Annotated[
        str,
        typer.Argument(help="A known name, or the path of a TOML recipe.", autocompletion=recipe_names_and_files),
    ],
    dataset_id: Annotated[str | None, typer.Option("--id", help="Dataset id instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed instead of the recipe's.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help='Import the module that a recipe names, as in env = "module:Env-v0": runs its code.')
    ] = False,
    target_return: Annotated[
        float | None, typer.Option(help="Return that Decision Transformers are asked to reach, instead of the recipe's.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of the Discrete actions that Decision Transformers draw, instead of the recipe's.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="A sentence for the metadata, instead of the recipe's.")] = None,
    author: Annotated[list[str] | None, typer.Option(help="Who makes the dataset; again for each name.")] = None,
    author_email: Annotated[list[str] | None, typer.Option(help="How to reach them; again for each address.")] = None,
    license: Annotated[str | None, typer.Option(help='An SPDX identifier, such as CC-BY-4.0; "" for none.')] = None,
    code_permalink: Annotated[str | None, typer.Option(help="Address of the code that makes the dataset.")] = None,
    n_jobs: NumberOfJobs = None,
    backend: Backend = "loky",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Collect a dataset by its name or by a recipe, with contexts and context derivatives, as plain Minari.

    The dataset appears below MINARI_DATASETS_PATH (~/.minari/datasets where it is not set), and only when it is complete.
    Where the recipe has a card, the data are compared with it: the same bytes, or by how much they differ, and which versions
    made the card. Other data, as by --seed, then need an --id of their own.

    `offctx list recipes` has the known names, and `offctx show NAME` says what one would hold. A recipe of yours is a few lines
    of TOML:

        dataset_id = "offctx/PendulumGoal/random-v0"
        env = "offctx/PendulumGoal-v0"
        episodes_per_context = 250
        seed = 0
        [contexts]           # mesh, values = [[...]],
                             # or local = {n = 250, radius = 0.5}
        mesh = { g = [1.0, 2.0, 4.0] }
        [[policy]]           # several policies are a mixture
        name = "random"      # or agent = "expert.d3"; a Decision Transformer
                             # needs target_return = 150.0 beside it

    The guide (docs/guide.md) has a table of all keys.

    A large collection is cut into chunks, which --n-jobs processes play side by side; the data do not depend on how many. After
    Ctrl-C, or kill -9, the same command goes on: finished chunks are kept until then (`offctx clean` shows and frees them).
    docs/cluster.md says how to use a cluster.

    Examples: offctx collect offctx/PendulumGoal/random-v0
              offctx collect mine.toml --id mine/Pendulum-v1
              offctx collect transformer.toml --target-return 150
              offctx collect large.toml --n-jobs 8
              offctx collect mine.toml --author "Ada Lovelace" --license CC-BY-4.0
    """
    from offctx.analysis.context_sensitivity import sensitivity_summary
    from offctx.data.card import card
    from offctx.data.collection.recipe_options import RecipeOptions
    from offctx.data.known.collect import collect_and_compare
    from offctx.training.agents import load_agent

    options = RecipeOptions.check(
        dataset_id=dataset_id,
        seed=seed,
        target_return=target_return,
        temperature=temperature,
        description=description,
        author=author,
        author_email=author_email,
        license=license,
        code_permalink=code_permalink,
        trust=trust,
        progress=not quiet,
        **workers(n_jobs, backend),
    )
    with long_work(as_json):
        dataset, comparison = collect_and_compare(recipe, load_agent=load_agent, options=options)
    if as_json:
        contents = card(dataset, sensitivity_summary(dataset))
        print_result(contents | {"recipe_card": comparison.to_dict() if comparison else None})
        return
    text = f"{dataset.dataset_id}: {count(len(dataset), 'transition')} in {count(dataset.num_episodes, 'episode')}"
    print_result(f"{text}\n{comparison.render()}" if comparison else text)
