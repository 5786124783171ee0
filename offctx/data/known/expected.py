"""What a recipe would make: known before its dataset is built, from the recipe, its environment and its card."""

import math
from pathlib import Path
from typing import Any

from offctx.data.known.names import find_recipe, recipe_file
from offctx.data.known.record import RecipeCard, read_recipe_card
from offctx.data.recipes import ContextsRecipe, read_recipe
from offctx.data.shipped_envs import if_shipped
from offctx.data.storage.ids import dataset_folder
from offctx.envs.summaries import EnvSummary
from offctx.errors import EnvError
from offctx.words import bytes_text, count

_MOST_CONTEXTS = 20  # in the text
_MOST_LISTED = 100_000  # of more contexts only the number is told


def expected_dataset(name_or_path: str | Path) -> dict[str, Any]:
    """Returns what the dataset of a recipe will hold, as plain JSON data.

    No environment is made, but for those of offctx that are in no table (`offctx.envs.summaries`), such as inverted ones.

    Args:
        name_or_path: the dataset id of a known recipe, or a TOML file.

    Raises:
        DatasetError: no recipe has this name, or the recipe or its card is malformed.
        ContextError: the recipe's contexts do not fit its environment.

    Example::

        print(render_expected(expected_dataset("offctx/PendulumGoal/random-v0")))
    """
    path = recipe_file(str(name_or_path))
    recipe, card = read_recipe(path), read_recipe_card(path)
    env = _shipped(recipe.env)
    number = _number_of_contexts(recipe.contexts)
    episodes = number * recipe.episodes_per_context
    listed = number <= _MOST_LISTED
    weights = sum(policy.weight for policy in recipe.policy)
    return {
        "dataset_id": recipe.dataset_id,
        "built": dataset_folder(recipe.dataset_id).exists(),
        "recipe": str(path),
        "collect": recipe.dataset_id if find_recipe(recipe.dataset_id) == path else str(path),
        "description": recipe.description,
        "license": recipe.license,
        "env": recipe.env,
        "context": None if env is None else list(env.space.names),
        "contexts": recipe.contexts.make(env.space, recipe.seed).tolist() if env and listed else None,
        "number_of_contexts": number,
        "policies": [
            {"policy": policy.name or policy.agent or policy.actor, "probability": policy.weight / weights if weights else None}
            for policy in recipe.policy
        ],
        "episodes": episodes,
        "most_transitions": None if env is None else episodes * env.horizon,
        "derivatives": recipe.gradients,
        "seed": recipe.seed,
        "card": None if card is None else _of_card(card),
    }


def render_expected(expected: dict[str, Any]) -> str:
    """Returns what `expected_dataset` returned as text."""
    card, name = expected["card"], expected["dataset_id"]
    to_build = f"not built yet. `offctx collect {expected['collect']}` builds it"
    state = f"built already. `offctx show {name}` shows its card" if expected["built"] else to_build
    policies = ", ".join(
        f"{row['policy']} ({row['probability']:.0%})" if row["probability"] is not None else str(row["policy"])
        for row in expected["policies"]
    )
    lines = [
        f"{name}: {state}",
        f"  recipe        {expected['recipe']}",
        *([f"  description   {expected['description']}"] if expected["description"] else []),
        *([f"  license       {expected['license']}"] if expected["license"] else []),
        f"  environment   {expected['env']}",
        f"  size          {_size_text(expected)}",
        f"  behaviour     {policies}",
        f"  derivatives   {'yes' if expected['derivatives'] else 'none'}",
        f"  seed          {expected['seed']}",
    ]
    if card:
        packages = ", ".join(f"{name} {version}" for name, version in card["packages"].items())
        lines += [f"  sha256        {card['sha256']}", f"  card made by  {packages}; {card['machine']}"]
    else:
        lines.append("  sha256        not known: the recipe has no card")
    return "\n".join(lines + _context_lines(expected))


def _size_text(expected: dict[str, Any]) -> str:
    episodes, card, most = count(expected["episodes"], "episode"), expected["card"], expected["most_transitions"]
    if card:
        return f"{count(card['transitions'], 'transition')} in {episodes}, {bytes_text(card['size_bytes'])} on disk"
    return episodes if most is None else f"at most {count(most, 'transition')} in {episodes}"


def _context_lines(expected: dict[str, Any]) -> list[str]:
    """A line for each context, with the returns that the card tells."""
    contexts, card = expected["contexts"], expected["card"]
    heading = f"  {count(expected['number_of_contexts'], 'context')}"
    if contexts is None:
        return [heading]
    returns = card["returns"] if card and len(card["returns"]) == len(contexts) else None
    lines = [f"{heading}: episodes, mean return +/- standard deviation by the card" if returns else heading]
    for k, context in enumerate(contexts[:_MOST_CONTEXTS]):
        text = ", ".join(f"{name}={value:.4g}" for name, value in zip(expected["context"], context, strict=True))
        row = returns[k] if returns else None
        lines.append(f"    {text:<40} {row['episodes']:>5}   {row['mean']:.1f} +/- {row['std']:.1f}" if row else f"    {text}")
    if len(contexts) > _MOST_CONTEXTS:
        lines.append(f"    ... and {len(contexts) - _MOST_CONTEXTS} more; --json has them all")
    return lines


def _of_card(card: RecipeCard) -> dict[str, Any]:
    return card.model_dump(include={"sha256", "transitions", "size_bytes", "packages", "machine", "returns"})


def _number_of_contexts(contexts: ContextsRecipe) -> int:
    if contexts.values is not None:
        return len(contexts.values)
    if contexts.mesh is not None:
        return math.prod(len(values) for values in contexts.mesh.values())
    return contexts.local.n if contexts.local is not None else 1


def _shipped(env: str) -> EnvSummary | None:
    """The environment of the recipe in short, where it comes with offctx; others are not imported."""
    if if_shipped(env) is None:
        return None
    try:
        return EnvSummary.of(env)
    except EnvError:
        return None
