"""What a caller says beside a recipe: of the dataset, of its policies, and of the work."""

from dataclasses import dataclass, field

from offctx.data.about import About
from offctx.data.collection.recipe_policies import TransformerSettings
from offctx.workers.engine import Backend


@dataclass(frozen=True)
class RecipeOptions:
    """How the dataset of a recipe is collected. What is not given is as the recipe says.

    Attributes:
        dataset_id: in place of the recipe's.
        seed: in place of the recipe's; there is no card of another seed.
        about: description, authors, license and link; each that is given stands in place of the recipe's.
        transformer: what Decision Transformers are asked, in place of the recipe's; there is no card of it.
        trust: let the recipe name a module that is imported, as in env = "module:Env-v0". This runs the module's code.
        progress: show progress bars.
        n_jobs: chunks that are played at a time, as `collect` has it.
        backend: "loky" or "ray", as `collect` has it.

    Example::

        RecipeOptions(dataset_id="mine/Pendulum-v1", about=About.check(author="Ada Lovelace", license="CC-BY-4.0"), n_jobs=8)
    """

    dataset_id: str | None = None
    seed: int | None = None
    about: About = field(default_factory=About)
    transformer: TransformerSettings = field(default_factory=TransformerSettings)
    trust: bool = False
    progress: bool = True
    n_jobs: int = 1
    backend: Backend = "loky"


BY_THE_RECIPE = RecipeOptions()  # nothing is said beside it
