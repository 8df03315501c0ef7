"""`descent data`: the data sets that can be fetched, and files of one's own."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from descent.errors import BadFile, DescentError, UnknownFile

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from descent.datasets.own import OwnFile, OwnFiles
    from descent.datasets.shelf import Shelf
    from descent.settings import Settings

data = typer.Typer(
    name="data",
    help="List, fetch and delete the larger data sets, and bring files of your own; none is needed.",
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
Removed = Annotated[
    list[str], typer.Argument(metavar="NAME…", help="Data sets, and ids or names of files of your own.")
]
OneFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="Its id, the beginning of that, or its name."),
]
FileKind = Literal["text", "table", "images"]  # as in `kit.data.own`, which loads torch
KINDS: dict[str, FileKind] = {".csv": "table", ".tsv": "table", ".zip": "images"}
PICTURES = (".png", ".jpg", ".jpeg")
SHORT, FEWEST_SIGNS = 12, 6  # letters of an id that are shown, and that tell it
MEGABYTE = 10**6
STATES = {"absent": "not here", "fetched": "fetched", "own": "in DESCENT_DATA"}


@data.command("list")
def list_sets(home: Home = None) -> None:
    """List the data sets: size, whether they are on this machine, licence and citation."""
    from rich.console import Console
    from rich.markup import escape
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
    files = _own(home).all()
    if files:
        own = Table("your files", "MB", "kind", "name", box=None, header_style="bold")
        own.columns[1].justify = "right"
        for file in files:
            own.add_row(file.id[:SHORT], f"{file.size / MEGABYTE:.1f}", file.kind, escape(file.name))
        Console().print()
        Console().print(own)


@data.command()
def show(file: OneFile, home: Home = None) -> None:
    """Show what is in a file of your own: first rows with the types of columns, first lines, or classes."""
    import json

    from descent.workers.own_file import ask

    with _told():
        files = _own(home)
        one = _file(files, file)
        preview = files.preview(one.id)
        if preview is None:
            problem, (_, preview) = ask(files.content(one.id), one.kind, one.types)
            if problem:
                raise BadFile(problem["detail"], "file")
            files.note(one.id, preview)
    typer.echo(f"{one.name} · {one.kind} · {one.size} bytes · {one.id}")
    if one.kind == "text":
        typer.echo(f"{preview['letters']} characters, {preview['lines']} lines\n\n{preview['text']}")
    elif one.kind == "images":
        for name in preview["classes"]:
            typer.echo(f"{name['count']:6} {name['name']}")
    else:
        typer.echo(f"{preview['rows']} rows")
        for at, column in enumerate(preview["columns"]):
            first = [row[at] for row in preview["cells"][:4]]
            typer.echo(f"  {column['name']} ({column['type']}): {json.dumps(first, ensure_ascii=False)}, …")


@data.command()
def bring(
    file: Annotated[
        Path,
        typer.Argument(help="A text, a table, a zip of pictures or a folder with them.", exists=True),
    ],
    kind: Annotated[FileKind | None, typer.Option(help="What it is. Default: by the file's ending.")] = None,
    name: Annotated[str, typer.Option(help="What to call it. Default: the file's name.")] = "",
    home: Home = None,
) -> None:
    """Bring a file of your own, checked as one brought on the page is; prints its id."""
    from descent.workers.own_file import ask

    kind = kind or ("images" if file.is_dir() else KINDS.get(file.suffix.lower(), "text"))
    with _told():
        content = _zipped(file) if file.is_dir() else file.read_bytes()
        settings = _settings(home)
        most = settings.own_pictures_mb if kind == "images" else settings.own_file_mb
        if len(content) > most << 20:
            raise BadFile(f"{file} has {len(content)} bytes; {most} MiB are allowed at most", "file")
        problem, (kept, preview) = ask(content, kind)
        if problem:
            raise BadFile(problem["detail"], "file")
        typer.echo(_own(home).add(name or file.name, kind, kept, preview).id)


@data.command()
def rename(
    file: OneFile, name: Annotated[str, typer.Argument(help="The new one.")], home: Home = None
) -> None:
    """Give a file of your own another name."""
    with _told():
        files = _own(home)
        files.rename(_file(files, file).id, name)


@data.command()
def fetch(names: Names, home: Home = None, mirror: Mirror = None) -> None:
    """Fetch data sets. Interrupted, it goes on from there the next time."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from descent.errors import FetchFailed

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


@data.command("remove")
@data.command("rm")
def remove(names: Removed, home: Home = None) -> None:
    """Delete fetched data sets, what interrupted fetches have left, and files of your own."""
    shelf, files = _shelf(home), _own(home)
    with _told():
        own = [_file(files, name).id for name in names if name not in shelf.catalogue]
        for one in [shelf.find(name) for name in names if name in shelf.catalogue]:
            shelf.remove(one)
            if shelf.place(one) == "own":
                typer.echo(f"{one.title} lies in DESCENT_DATA, too, where Descent deletes nothing")
        for id in own:
            files.remove(id)


def _own(home: Path | None) -> OwnFiles:
    from descent.datasets.own import OwnFiles

    settings = _settings(home)
    return OwnFiles(settings.home / "data", settings.own_files)


def _file(files: OwnFiles, wanted: str) -> OwnFile:
    """The file of an id, its beginning, or a name. Raises `UnknownFile`."""
    every = files.all()
    found = [one for one in every if len(wanted) >= FEWEST_SIGNS and one.id.startswith(wanted)]
    found = found or [one for one in every if one.name == wanted]
    if len(found) != 1:
        what = "several files are called" if found else "there is no data set, and no file, called"
        raise UnknownFile(f"{what} {wanted!r}; see `descent data list`", "file")
    return found[0]


def _zipped(folder: Path) -> bytes:
    """The pictures in a folder, and in the folders in it, as a zip file; links are left out."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.suffix.lower() in PICTURES:
                archive.write(file, file.relative_to(folder.parent))
    return content.getvalue()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Print what is refused, and exit."""
    try:
        yield
    except (DescentError, OSError) as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(2) from error


def _show(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


def _shelf(home: Path | None, mirror: str | None = None) -> Shelf:
    from descent.datasets.shelf import Shelf

    return Shelf(_settings(home, mirror))


def _settings(home: Path | None, mirror: str | None = None) -> Settings:
    from pydantic import ValidationError

    from descent.settings import Settings

    given: dict[str, Any] = {"home": home, "data_mirror": mirror}
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        typer.echo(f"descent: setting {first['loc'][0]}: {first['msg']} (given: {first['input']})", err=True)
        raise typer.Exit(2) from error
