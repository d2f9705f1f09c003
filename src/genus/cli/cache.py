"""``genus cache``."""

from typing import Annotated, Any

import typer

from genus.cli.console import show_table
from genus.cli.terminal import say


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove everything; it is computed again when needed.")
    ] = False,
) -> None:
    """Show the features of pictures that earlier trainings have computed, and how much disk they take.

    Beside them stands what is known of files and pictures: one that has not changed since is not read again.

    They lie in the user's cache folder, or where the environment variable GENUS_CACHE says.

    Example: genus cache --clear
    """
    from genus.features.cache import cache_root, tables
    from genus.features.cache import clear as clear_cache
    from genus.features.memory import FILES_READ

    root = cache_root()
    places = (root, root / FILES_READ)
    if clear:
        say(f"{root}: {_megabytes(sum(map(clear_cache, places)))} freed.")
        return
    found = [table for place in places for table in tables(place)]
    rows = [
        (
            str(table.about.get("model", "")),
            str(table.about.get("part", "features")),
            _input(table.about),
            str(table.about.get("engine", "")),
            str(table.about.get("precision", "")),
            str(table.rows),
            _megabytes(table.size),
        )
        for table in found
    ]
    if rows:
        show_table(("model", "what", "input", "engine", "precision", "rows", "size"), rows, right=(5, 6))
    say(f"{root}: {_megabytes(sum(table.size for table in found))} in all.")


def _input(about: Any) -> str:
    return f"{about['preprocess'].get('size')} px" if "preprocess" in about else ""


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
