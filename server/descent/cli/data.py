"""`descent data`: the data sets that can be fetched, fetching and deleting them."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from descent.datasets.shelf import Shelf

data = typer.Typer(
    name="data",
    help="List, fetch and delete the larger data sets; no experiment needs one by default.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Home = Annotated[
    Path | None, typer.Option(help="Folder below which data sets are kept. Default: DESCENT_HOME.")
]
Mirror = Annotated[
    str | None, typer.Option(help="Address of a mirror to fetch from. Default: DESCENT_DATA_MIRROR.")
]
Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Data sets; see `descent data list`.")]
MEGABYTE = 10**6
STATES = {"absent": "not here", "fetched": "fetched", "own": "in DESCENT_DATA"}


@data.command("list")
def list_sets(home: Home = None) -> None:
    """List the data sets: size, whether they are on this machine, licence and citation."""
    from rich.console import Console
    from rich.table import Table

    shelf = _shelf(home)
    table = Table("name", "MB", "here?", "licence", "citation", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for column in table.columns[:4]:
        column.no_wrap = True
    for one in shelf.catalogue.values():
        state, begun = STATES[shelf.place(one)], shelf.begun(one)
        if begun and state == STATES["absent"]:
            state = f"{100 * begun // one.size}% fetched"
        size, licence = f"{one.size / MEGABYTE:.1f}", one.licence or "none stated"
        table.add_row(one.name, size, state, licence, f"{one.citation} {one.home}")
    Console().print(table)


@data.command()
def fetch(names: Names, home: Home = None, mirror: Mirror = None) -> None:
    """Fetch data sets. Interrupted, it goes on from there the next time."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from descent.errors import DescentError, FetchFailed

    shelf = _shelf(home, mirror)
    failed = False
    try:
        wanted = [shelf.find(name) for name in names]
    except DescentError as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(2) from error
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    for one in wanted:
        if shelf.place(one) != "absent":
            typer.echo(f"{one.title} is there already: {STATES[shelf.place(one)]}")
            continue
        licence = one.licence or "none stated, see the page"
        typer.echo(f"{one.title}: {one.home}\n  licence: {licence}\n  cite: {one.citation}")
        try:
            with Progress(*columns) as progress:
                task = progress.add_task(one.title, total=one.size)
                shelf.fetch(one, functools.partial(_show, progress, task), threading.Event())
        except FetchFailed as error:
            typer.echo(f"descent: {error}", err=True)
            failed = True
        except KeyboardInterrupt:
            typer.echo(
                f"descent: stopped; fetch {one.name} again to go on from here, or delete what has come with "
                f"`descent data rm {one.name}`",
                err=True,
            )
            raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


@data.command("rm")
def remove(names: Names, home: Home = None) -> None:
    """Delete fetched data sets, and what interrupted fetches have left."""
    from descent.errors import DescentError

    shelf = _shelf(home)
    try:
        for one in [shelf.find(name) for name in names]:
            shelf.remove(one)
            if shelf.place(one) == "own":
                typer.echo(f"{one.title} lies in DESCENT_DATA, too, where Descent deletes nothing")
    except DescentError as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(2) from error


def _show(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


def _shelf(home: Path | None, mirror: str | None = None) -> Shelf:
    from pydantic import ValidationError

    from descent.datasets.shelf import Shelf
    from descent.settings import Settings

    given: dict[str, Any] = {"home": home, "data_mirror": mirror}
    try:
        return Shelf(Settings(**{name: value for name, value in given.items() if value is not None}))
    except ValidationError as error:
        first = error.errors()[0]
        typer.echo(f"descent: setting {first['loc'][0]}: {first['msg']} (given: {first['input']})", err=True)
        raise typer.Exit(2) from error
