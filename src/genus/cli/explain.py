"""``genus explain``."""

from pathlib import Path
from typing import Annotated

import typer

from genus.cli.console import Screen, say, shown
from genus.cli.predict import SOME_FAILED, stdin_lines


def explain(
    run: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.")],
    paths: Annotated[list[str], typer.Argument(help="Pictures, folders, patterns; - reads paths from stdin.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the PNGs. Default: RUN/explanations.", show_default=False)
    ] = None,
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
    from genus.predictor import load
    from genus.workflows.explain import EXPLANATIONS, explain_paths
    from genus.workflows.predict import find_pictures

    pictures = find_pictures([line for path in paths for line in (stdin_lines() if path == "-" else [path])])
    chosen = {"attention": attention, "patches": patches, "windows": windows, "hierarchy": hierarchy}
    predictor, folder = load(run, device=device), out or run / EXPLANATIONS
    failed = 0
    with Screen() as screen:
        figures = [name for name, wanted in chosen.items() if wanted]
        for one in explain_paths(predictor, pictures, folder, label=label, figures=figures, on_event=screen):
            found = one.row.prediction
            failed += found is None
            if found is None:
                say(f"{shown(one.row.path)}  error: {shown(one.row.error)}")
            else:
                say(f"{shown(one.row.path)}  {shown(found.label)} {found.probability:.1%}  {shown(one.files[0].name)}")
    say(f"Written to {folder}.")
    if failed:
        typer.echo(f"{failed} of {len(pictures)} pictures could not be read.", err=True)
        raise typer.Exit(SOME_FAILED)
