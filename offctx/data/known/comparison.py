"""How far a collected dataset is from the card of its recipe.

The same recipe makes the same bytes with the same packages on the same kind of processor. Others may round the last bits
otherwise, and after some steps such a difference can be as large as the data themselves: then only statistics are alike.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.data.dataset import ContextualDataset
from offctx.data.known.names import find_recipe
from offctx.data.known.record import RecipeCard, read_recipe_card, this_machine
from offctx.data.known.summary import ArraySummary, ContextReturns, summarize_arrays, summarize_returns
from offctx.errors import DatasetError

ROUNDING = 1e-4  # largest difference of statistics, in standard deviations, that rounding alone leaves
STANDARD_ERRORS = 5.0  # largest difference of mean returns that chance leaves

_MEANING = {
    "rounding": "the same up to rounding",
    "alike": "other trajectories, with the same returns up to chance: differences of rounding grow with the steps",
    "different": "OTHER DATA than the card's",
}


@dataclass(frozen=True)
class CardComparison:
    """A dataset beside the card of its recipe.

    Attributes:
        verdict: "identical": the same bytes; "rounding": the same but for last bits; "alike": other trajectories with the
            same returns, up to chance; "different": other data.
        sha256: of the dataset.
        card_sha256: of the card.
        fault: what cannot be compared, such as another number of episodes; None where all can.
        arrays: from names to the largest difference of a column's mean, standard deviation, minimum or maximum, in the
            column's standard deviation by the card; empty where identical.
        mean_return: largest difference of a context's mean return; None where identical.
        standard_errors: the same in standard errors; None where identical.
        versions: from packages to the card's and those that made the dataset, where these differ; where not identical, from
            "machine" to the card's and this one, too.
    """

    verdict: str
    sha256: str
    card_sha256: str
    fault: str | None
    arrays: dict[str, float]
    mean_return: float | None
    standard_errors: float | None
    versions: dict[str, tuple[str, str]]

    @property
    def identical(self) -> bool:
        """Whether the data have the card's checksum."""
        return self.verdict == "identical"

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as plain JSON data."""
        return {**vars(self), "versions": {name: list(both) for name, both in self.versions.items()}}

    def render(self) -> str:
        """Returns the comparison as text."""
        if self.identical:
            return f"card: identical, SHA-256 {self.sha256}"
        lines = [f"card: {_MEANING[self.verdict]}", f"  SHA-256 here  {self.sha256}", f"  SHA-256 card  {self.card_sha256}"]
        lines += [f"  {self.fault}"] if self.fault else []
        worst = sorted(self.arrays.items(), key=lambda item: -item[1])[:3]
        if worst:
            text = ", ".join(f"{name} {value:.2g}" for name, value in worst)
            lines.append(f"  largest differences of statistics, in standard deviations: {text}")
        if self.mean_return is not None and self.standard_errors is not None:
            text = f"{self.mean_return:.2g} ({self.standard_errors:.2g} standard errors)"
            lines.append(f"  mean return of a context: differs by at most {text}")
        made_with = ", ".join(f"{name} {card} (here {here})" for name, (card, here) in self.versions.items())
        lines.append(f"  the card was made with {made_with or 'the same packages, on the same kind of machine'}")
        return "\n".join(lines)


@dataclass(frozen=True)
class NotCompared:
    """In place of a comparison, where the data are not meant to be those of the card.

    Attributes:
        because: such as "seed 5 (the recipe's is 0)".
    """

    because: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the verdict, "not compared", and the reason as plain JSON data."""
        return {"verdict": "not compared", "because": self.because}

    def render(self) -> str:
        """Returns the reason as text."""
        return f"card: not compared: other data than the card's, because of {self.because}"


def compare_with_card(dataset: ContextualDataset, card: RecipeCard) -> CardComparison:
    """Compares a collected dataset with the card of its recipe.

    Args:
        dataset: with offctx metadata; its id need not be the card's.
        card: of the recipe.

    Returns:
        The comparison; statistics are computed only where the checksums differ.

    Raises:
        DatasetError: the dataset has no offctx metadata.
    """
    if dataset.metadata is None:
        raise DatasetError(f"{dataset.dataset_id} has no offctx metadata, and with them no checksum to compare")
    versions = _differences(dataset.metadata.packages, card.packages)
    sha256 = dataset.metadata.sha256
    if sha256 == card.sha256:
        return CardComparison("identical", sha256, card.sha256, None, {}, None, None, versions)
    versions |= _differences({"machine": this_machine()}, {"machine": card.machine})
    arrays, returns = summarize_arrays(dataset), summarize_returns(dataset)
    fault = _fault(arrays, returns, dataset, card)
    same_rows = {name for name in card.arrays if name in arrays and arrays[name].shape[1:] == card.arrays[name].shape[1:]}
    differences = {name: _difference(arrays[name], card.arrays[name]) for name in card.arrays if name in same_rows}
    by_return = None if _other_contexts(returns, card) else _return_difference(returns, card.returns)
    mean_return, errors = by_return or (None, None)
    verdict = _verdict(fault, len(dataset) == card.transitions, differences, errors)
    return CardComparison(verdict, sha256, card.sha256, fault, differences, mean_return, errors, versions)


def compare_with_known(dataset: ContextualDataset) -> CardComparison | NotCompared | None:
    """Compares a dataset with the card of the recipe that has its name.

    Args:
        dataset: any.

    Returns:
        The comparison; `NotCompared` where the dataset was collected with another seed; None where it was not made by offctx,
        its name is not known, or its recipe has no card.

    Raises:
        DatasetError: the card is malformed.
    """
    card = known_card(dataset.dataset_id) if dataset.metadata else None
    if card is None or dataset.metadata is None:
        return None
    seed = dataset.metadata.recipe.get("seed")
    if seed != card.seed:
        text = "its metadata, which name no seed" if seed is None else f"its seed, {seed}"
        return NotCompared(f"{text} (the card's is {card.seed})")
    return compare_with_card(dataset, card)


def known_card(dataset_id: str) -> RecipeCard | None:
    """Returns the card of the known recipe whose dataset has this id; None where there is no recipe, or no card.

    Raises:
        DatasetError: the card is malformed.
    """
    recipe = find_recipe(dataset_id)
    return None if recipe is None else read_recipe_card(recipe)


def _differences(here: dict[str, str], card: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What the card says, and what is here, where that differs."""
    return {name: (card[name], here.get(name, "none")) for name in card if card[name] != here.get(name)}


def _verdict(fault: str | None, same_length: bool, differences: dict[str, float], errors: float | None) -> str:
    if fault is not None or errors is None:
        return "different"
    if same_length and max(differences.values(), default=np.inf) <= ROUNDING:
        return "rounding"
    return "alike" if errors <= STANDARD_ERRORS else "different"


def _fault(
    arrays: dict[str, ArraySummary], returns: list[ContextReturns], dataset: ContextualDataset, card: RecipeCard
) -> str | None:
    """What no rounding explains; None where there is nothing of that kind."""
    if dataset.num_episodes != card.episodes:
        return f"{dataset.num_episodes} episodes here, {card.episodes} in the card"
    if _other_contexts(returns, card):
        return "the episodes are in other contexts than the card's"
    for name in sorted({*arrays, *card.arrays}):
        kinds = [(each[name].dtype, each[name].shape[1:]) if name in each else None for each in (arrays, card.arrays)]
        if kinds[0] != kinds[1]:
            texts = ["absent" if kind is None else f"{kind[0]} with rows of shape {tuple(kind[1])}" for kind in kinds]
            return f"{name}: {texts[0]} here, {texts[1]} in the card"
    return None


def _other_contexts(returns: list[ContextReturns], card: RecipeCard) -> bool:
    if [(len(row.context), row.episodes) for row in returns] != [(len(row.context), row.episodes) for row in card.returns]:
        return True
    ours, theirs = (np.array([row.context for row in rows]) for rows in (returns, card.returns))
    return not np.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def _difference(ours: ArraySummary, theirs: ArraySummary) -> float:
    """The largest difference of any statistic of any column, in the card's standard deviations of the columns."""
    scale = np.array(theirs.std)
    constant = np.maximum(np.abs(theirs.mean), 1.0)  # the scale of a column that does not vary
    scale = np.where(scale > 1e-9 * constant, scale, constant)
    statistics = ((getattr(ours, name), getattr(theirs, name)) for name in ("mean", "std", "min", "max"))
    return max(float((np.abs(np.subtract(*both)) / scale).max(initial=0.0)) for both in statistics)


def _return_difference(ours: list[ContextReturns], theirs: list[ContextReturns]) -> tuple[float, float]:
    """The largest difference of a mean return, and the largest in standard errors.

    In a context with one episode the spread is not known: that of all contexts is taken.
    """
    mean, std = (np.array([[getattr(row, name) for row in rows] for rows in (ours, theirs)]) for name in ("mean", "std"))
    episodes = np.array([row.episodes for row in theirs])
    between = np.sqrt(np.mean(std[1] ** 2) + mean[1].var())
    spread = np.where(episodes > 1, np.maximum(std[0], std[1]), between)
    difference = np.abs(mean[0] - mean[1])
    errors = spread * np.sqrt(2 / episodes)
    floor = 1e-6 * np.maximum(np.abs(mean[1]), 1.0)  # where returns do not vary, rounding alone
    return float(difference.max()), float((difference / np.maximum(errors, floor)).max())
