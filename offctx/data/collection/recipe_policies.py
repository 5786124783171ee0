"""The policies of a recipe, with the settings of those that keep a memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offctx.data.recipes import PolicyRecipe
from offctx.envs.policies import Policy
from offctx.errors import PolicyError


@dataclass(frozen=True)
class TransformerSettings:
    """What a Decision Transformer is asked, in place of what a recipe says.

    Attributes:
        target_return: that it is asked to reach in each episode, undiscounted; None for the recipe's.
        temperature: of a softmax from which Discrete actions are drawn; None for the recipe's.
    """

    target_return: float | None = None
    temperature: float | None = None

    @property
    def given(self) -> bool:
        """Whether anything is given."""
        return self.target_return is not None or self.temperature is not None


def make_policies(
    recipes: Sequence[PolicyRecipe], folder: Path, load_agent: Callable[[Path], Policy], settings: TransformerSettings
) -> list[Policy]:
    """The policies that a recipe names.

    Args:
        recipes: one for each policy.
        folder: that the paths of agents and actors are relative to.
        load_agent: reads a policy from the path of a saved agent or actor.
        settings: of all Decision Transformers among them.

    Raises:
        PolicyError: a file holds no policy, an agent does not take a setting, a Decision Transformer has no target return, or
            settings are given where there is no Decision Transformer.
    """
    agents = [None if recipe.agent is None else load_agent(folder / recipe.agent) for recipe in recipes]
    if settings.given and not any(map(_is_transformer, agents)):
        raise PolicyError(
            "target_return and temperature are for Decision Transformers, and none of the recipe's policies is one; found "
            + ", ".join(repr(recipe.name or recipe.agent or recipe.actor) for recipe in recipes)
        )
    return [
        recipe.make(folder, load_agent) if agent is None else _of_agent(agent, recipe, settings)
        for agent, recipe in zip(agents, recipes, strict=True)
    ]


def _is_transformer(agent: Any) -> bool:
    """Whether it is a sequence model of d3rlpy, which this room does not import."""
    return callable(getattr(agent, "as_stateful_wrapper", None))


def _of_agent(agent: Any, recipe: PolicyRecipe, settings: TransformerSettings) -> Policy:
    """The policy of an agent that was loaded, by the recipe and the settings in place of it."""
    name = f"agent = {recipe.agent!r}, a {type(agent).__name__},"
    if _is_transformer(agent):
        return _transformer(agent, recipe, settings, name)
    for key in ("target_return", "temperature"):
        if getattr(recipe, key) is not None:
            raise PolicyError(f"{name} takes no {key}: that is for a DecisionTransformer, DiscreteDecisionTransformer or TACR")
    if not recipe.stochastic:
        return agent
    if not callable(getattr(agent, "exploration_policy", None)):
        raise PolicyError(f"{name} takes no stochastic = true: it has no exploration_policy(), which would draw its actions")
    return agent.exploration_policy()


def _transformer(agent: Any, recipe: PolicyRecipe, settings: TransformerSettings, name: str) -> Policy:
    from offctx.algos.transformer_policy import TransformerPolicy

    target = recipe.target_return if settings.target_return is None else settings.target_return
    temperature = recipe.temperature if settings.temperature is None else settings.temperature
    if recipe.stochastic is not None:
        raise PolicyError(f"{name} takes no stochastic: give temperature, where its actions are Discrete, to draw them")
    if target is None:
        raise PolicyError(
            f"{name} needs the return that it is asked to reach in an episode, such as the highest of its data: "
            f"target_return = 150.0 beside agent in the recipe, or --target-return 150"
        )
    try:
        return TransformerPolicy(agent, target, temperature=temperature)
    except PolicyError as error:
        raise PolicyError(f"{name} {error}") from error
