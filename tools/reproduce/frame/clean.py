"""Which results come from the code of a commit, and what a report says of those that do not."""

from collections.abc import Iterable, Mapping

from tools import provenance


def unclean(commits: Mapping[str, str]) -> dict[str, str]:
    """The cells that were not run from a clean commit.

    Args:
        commits: cell -> its commit as `provenance.commit` writes it.
    """
    return {cell: commit for cell, commit in commits.items() if not provenance.is_clean(commit)}


def unclean_lines(commits: Mapping[str, str]) -> list[str]:
    """For the top of a report, in Markdown: every cell that was not run from a clean commit; nothing if all were.

    Args:
        commits: as `unclean`. The last part of a cell's name is the seed.
    """
    unclean_cells = unclean(commits)
    if not unclean_cells:
        return []
    by_commit: dict[str, list[str]] = {}
    for cell, commit in unclean_cells.items():
        by_commit.setdefault(commit, []).append(cell)
    head = f"**{len(unclean_cells)} cell{'s were' if len(unclean_cells) > 1 else ' was'} not run from a clean commit:**"
    return [head, "", *(f"- {commit}: {'; '.join(_short(cells))}" for commit, cells in by_commit.items()), ""]


def _short(cells: Iterable[str]) -> list[str]:
    """The names of cells, those that differ in the seed alone in one text."""
    seeds: dict[str, list[str]] = {}
    for cell in cells:
        name, _, seed = cell.rpartition("/")
        seeds.setdefault(name, []).append(seed)
    return [f"{name}/{', '.join(of_name)}" for name, of_name in seeds.items()]
