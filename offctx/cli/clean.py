"""The verb `clean`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from offctx.cli.options import Json
from offctx.cli.output import print_result
from offctx.words import bytes_text, count

if TYPE_CHECKING:
    from offctx.data.storage.cleaning import Extra


def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what there is, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Show what stands beside the datasets and can be made again, with its size; and delete it.

    These are flat copies, which make loading fast, and unfinished work. Datasets stay, and so does what a running process
    works on, and what this user may not delete. Without --yes it asks; where nobody can be asked, it only shows. What killed
    processes left goes by itself.

    Examples: offctx clean --dry-run
              offctx clean --yes
    """
    from offctx.data.storage.cleaning import clean as free

    extras = free(dry_run=True)
    if not as_json:
        print_result(_table(extras))
    idle = [extra for extra in extras if not extra.in_use and not extra.obstacle]
    if idle and not dry_run and (yes or (not as_json and _agreed(idle))):
        extras = free()
        gone = [extra for extra in extras if extra.deleted]
        if not as_json:
            print_result(f"deleted {count(len(gone), 'folder')}, {bytes_text(sum(extra.size for extra in gone))}")
    elif idle and not dry_run and not as_json and not sys.stdin.isatty():
        print_result("--yes deletes them")
    if as_json:
        print_result([extra.to_dict() for extra in extras])


def _table(extras: "list[Extra]") -> str:
    if not extras:
        return "nothing stands beside the datasets"
    rows = []
    for extra in extras:
        stays = "  (in use)" if extra.in_use else f"  (cannot be deleted: {extra.obstacle})" if extra.obstacle else ""
        rows.append(f"{bytes_text(extra.size):>10}  {extra.kind:<22}  {extra.dataset_id or extra.path.name}{stays}")
    return "\n".join([*rows, f"{bytes_text(sum(extra.size for extra in extras)):>10}  in all"])


def _agreed(idle: "list[Extra]") -> bool:
    """Whether the user, where there is one, agrees."""
    return sys.stdin.isatty() and typer.confirm(f"Delete {count(len(idle), 'folder')}?")
