"""Which results come from the code of a commit, and what a report says of those that do not."""

from collections.abc import Iterable, Mapping

from tools import provenance

NO_RECORD = "no record of the run that made it"  # instead of a commit, for a dataset without a result file


def unclean(commits: Mapping[str, str]) -> dict[str, str]:
    """The cells that are not known to have been run from a clean commit.

    Args:
        commits: cell -> its commit as `provenance.commit` writes it, or NO_RECORD.
    """
    return {cell: commit for cell, commit in commits.items() if commit == NO_RECORD or not provenance.is_clean(commit)}


def unclean_counts(commits: Mapping[str, str]) -> list[str]:
    """How many cells were not run from a clean commit, and how many datasets have no record; nothing for none.

    Args:
        commits: as `unclean`.
    """
    records = [*unclean(commits).values()]
    unrecorded = records.count(NO_RECORD)
    counts = []
    if dirty := len(records) - unrecorded:
        counts.append(f"{dirty} cell{'s were' if dirty > 1 else ' was'} not run from a clean commit")
    if unrecorded:
        counts.append(f"{unrecorded} dataset{'s are' if unrecorded > 1 else ' is'} of unknown origin")
    return counts


def unclean_lines(commits: Mapping[str, str]) -> list[str]:
    """For the top of a report, in Markdown: what `unclean_counts` counts, by name; nothing if all cells are clean.

    Args:
        commits: as `unclean`. The last part of a cell's name is the seed.
    """
    by_commit: dict[str, list[str]] = {}
    for cell, commit in unclean(commits).items():
        by_commit.setdefault(commit, []).append(cell)
    if not by_commit:
        return []
    items = [f"- {commit}: {'; '.join(_short(cells))}" for commit, cells in by_commit.items()]
    return [f"**{'; '.join(unclean_counts(commits))}:**", "", *items, ""]


def _short(cells: Iterable[str]) -> list[str]:
    """The names of cells, those that differ in the seed alone in one text."""
    seeds: dict[str, list[str]] = {}
    for cell in cells:
        name, _, seed = cell.rpartition("/")
        seeds.setdefault(name, []).append(seed)
    return [f"{name}/{', '.join(of_name)}" for name, of_name in seeds.items()]
