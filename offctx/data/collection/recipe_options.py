"""What a caller says beside a recipe: of the dataset, of its policies, and of the work."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from offctx.data.about import About
from offctx.data.collection.recipe_policies import TransformerSettings
from offctx.data.recipes import Recipe
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

    @classmethod
    def check(
        cls,
        *,
        target_return: float | None = None,
        temperature: float | None = None,
        description: str | None = None,
        author: str | Sequence[str] | None = None,
        author_email: str | Sequence[str] | None = None,
        license: str | None = None,
        code_permalink: str | None = None,
        **others: Any,
    ) -> "RecipeOptions":
        """Makes the record from what a user gives, one value at a time.

        Args:
            target_return: of `transformer`, as is temperature.
            temperature: of `transformer`.
            description: of `about`, as are the next four.
            author: a name, or a list of names.
            author_email: an address, or a list of them.
            license: an SPDX identifier.
            code_permalink: an address.
            others: the other attributes.

        Raises:
            DatasetError: a part of `about` is not text.
        """
        about = About.check(
            description=description, author=author, author_email=author_email, license=license, code_permalink=code_permalink
        )
        return cls(about=about, transformer=TransformerSettings(target_return, temperature), **others)

    def changes_of_data(self, recipe: Recipe) -> list[str]:
        """Returns a text for each option that gives other data than the recipe, such as "seed 5 (the recipe's is 0)"."""
        changes = []
        if self.seed is not None and self.seed != recipe.seed:
            changes.append(f"seed {self.seed} (the recipe's is {recipe.seed})")
        for name, value in vars(self.transformer).items():
            if value is not None and any(getattr(each, name) != value for each in recipe.policy if each.agent is not None):
                changes.append(f"{name.replace('_', ' ')} {value:g}")
        return changes


BY_THE_RECIPE = RecipeOptions()  # nothing is said beside it
