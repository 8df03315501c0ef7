"""The command line: `descent new` begins an experiment of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def new(
    name: Annotated[str, typer.Argument(help="What it is called, as spiral: the file's name and its id.")],
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write it.")] = Path(),
) -> None:
    """Write an experiment and its lessons, to begin from: they run as they are."""
    from descent.own.new import NotBegun, begin
    from descent.registry import experiments

    try:
        written = begin(name, folder, set(experiments()))
    except (NotBegun, OSError) as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(2) from error
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(f"Now run: descent serve --experiments {shlex.quote(str(folder))} --reload --open")
