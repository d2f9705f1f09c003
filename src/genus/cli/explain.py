"""``genus explain``."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from genus.cli.console import Screen, answer_line
from genus.cli.predict import finish, kind_of
from genus.cli.terminal import say, stdin_lines


def explain(
    run: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.", metavar="RUN")],
    paths: Annotated[
        list[str], typer.Argument(help="Pictures, folders, patterns; - reads paths from stdin.", metavar="PATH...")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the PNGs. Default: RUN/explanations.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier explanations in that folder.")] = False,
    label: Annotated[
        str | None, typer.Option(help="Explain this class instead of the model's answer.", show_default=False)
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Also, for a ViT: what each head looks at.")] = False,
    patches: Annotated[bool, typer.Option("--patches", help="Also, for a ViT: which patches are alike.")] = False,
    windows: Annotated[
        bool,
        typer.Option("--windows", help="Also, for a Swin: its windows, shifted and not, and the attention inside."),
    ] = False,
    hierarchy: Annotated[bool, typer.Option("--hierarchy", help="Also: what the stages make of the picture.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Show where the model looked: a heat map over each picture, glowing where it speaks for the answer.

    Grey says nothing for it, or speaks against it; the dark border was cut off before the model saw the picture.

    Example: genus explain runs/photos-swin_tiny-1 holiday/*.jpg --windows
    """
    from genus.data.find import find_pictures
    from genus.predictor import load
    from genus.workflows.explain import EXPLANATIONS, explain_paths

    found = find_pictures([line for path in paths for line in (stdin_lines() if path == "-" else [path])])
    chosen = {"attention": attention, "patches": patches, "windows": windows, "hierarchy": hierarchy}
    figures = [name for name, wanted in chosen.items() if wanted]
    predictor, folder = load(run, device=device), out or run / EXPLANATIONS
    counts: Counter[str] = Counter()
    with Screen() as screen:
        for one in explain_paths(
            predictor,
            found.pictures,
            folder,
            unread=found.unread,
            label=label,
            figures=figures,
            force=force,
            on_event=screen,
        ):
            counts[kind_of(one.row)] += 1
            line = answer_line(one.row.path, one.row.prediction, one.row.error, top=1)
            say(f"{line}  {one.files[0].name}" if one.files else line)
    finish(counts, found, f" Written to {folder}.")
