"""`descent runs`: the recorded runs from the terminal. Looking works while a server runs, deleting does not.

Heavy imports wait until a command needs them, as in `main.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from descent.settings import Settings
    from descent.store.schema import RunRow
    from descent.store.store import Store

runs = typer.Typer(help="Look at recorded runs, and delete them.", no_args_is_help=True)

Home = Annotated[Path | None, typer.Option(help="Folder for what is recorded. Default: DESCENT_HOME.")]
DatabaseUrl = Annotated[
    str | None, typer.Option(help="Where runs are recorded. Default: DESCENT_DATABASE_URL.")
]


@runs.command("list")
def list_runs(
    experiment: Annotated[str, typer.Option(help="Only those of an experiment.")] = "",
    search: Annotated[str, typer.Option(help="Part of a name, an id, an experiment or a tag.")] = "",
    starred: Annotated[bool, typer.Option("--starred", help="Only starred ones.")] = False,
    tag: Annotated[str, typer.Option(help="Only those with a tag.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="No more than these.")] = 50,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List recorded runs, the newest first."""
    with opened(home, database_url, read_only=True) as (store, _):
        found = store.runs(experiment=experiment, search=search, starred=starred, tag=tag, limit=limit)
        _print_table(found)


@runs.command()
def show(id: str, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Show what is recorded of one run."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    with opened(home, database_url, read_only=True) as (store, _):
        (row,) = _rows(store, [id])
        kept = store.kept(id)
        family = [other.id for other in store.family(id) if other.parent == id]
    steps: dict[str, list[int]] = {}
    for one in kept:
        steps.setdefault(one.panel, []).append(one.step)
    checkpoints = steps.pop("", [])
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    facts = {
        "run": f"{row.id}{' ★' if row.starred else ''} {row.name}",
        "tags": ", ".join(row.tags),
        "experiment": row.experiment,
        "status": row.status + (f": {row.reason}" if row.reason else ""),
        "steps": f"{row.step:,}",
        "created": _when(row.created_at),
        "updated": _when(row.updated_at),
        "seed, device": f"{row.seed}, {row.device}",
        "branched from": f"{row.parent or 'a deleted run'} at step {row.branched_at:,}"
        if row.branched_at is not None
        else "",
        "branches": ", ".join(family),
        "knobs": _assignments(row.knobs),
        "latest": _assignments({name: f"{value:.4g}" for name, value in row.latest.items()}),
        "pictures": "\n".join(f"{panel}: {_span(at)}" for panel, at in sorted(steps.items())),
        "checkpoints": _span(checkpoints) if checkpoints else "",
        "made room": f"{row.frames_thinned:,} pictures and {row.checkpoints_thinned:,} checkpoints",
        "size": _size(row),
        "trained with": _assignments(row.environment),
    }
    for name, value in facts.items():
        if value:
            table.add_row(name, Text(value))
    Console().print(table)


@runs.command()
def rm(
    ids: Annotated[list[str], typer.Argument(metavar="ID…")],
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete runs; their branches stay."""
    with opened(home, database_url) as (store, _):
        store.delete([row.id for row in _rows(store, ids)])
    typer.echo(f"{_number(len(set(ids)))} deleted")


@runs.command()
def prune(
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Those that said nothing for so many days.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, metavar="N", help="All but the newest so many.")] = None,
    keep_starred: Annotated[bool, typer.Option(help="Whether starred ones stay in any case.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete old runs, and give the space back; with both options, the runs that match both."""
    if older_than is None and keep is None:
        raise typer.BadParameter("say which runs: --older-than, --keep, or both")
    with opened(home, database_url) as (store, _):
        old = [row for row in store.runs() if not (keep_starred and row.starred)][keep or 0 :]
        if older_than is not None:
            since = datetime.now(UTC) - timedelta(days=older_than)
            old = [row for row in old if datetime.fromisoformat(row.updated_at) < since]
        if not old:
            typer.echo("there is nothing to delete")
            return
        if not yes:
            _print_table(old)
            typer.confirm(f"Delete {_number(len(old))}?", abort=True)
        before = store.size()
        store.delete([row.id for row in old])
        typer.echo(f"{_number(len(old))} deleted")
        store.shrink()
        typer.echo(f"{_bytes(max(0, before - store.size()))} given back")


@contextlib.contextmanager
def opened(
    home: Path | None, database_url: str | None, *, read_only: bool = False, otherwise: str = ""
) -> Iterator[tuple[Store, Settings]]:
    """The store that the options or settings name; an error ends the command.

    `otherwise`: what else can be done where another process uses it.
    """
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from descent.settings import Settings
    from descent.store.database import StoreError, StoreInUse, cause
    from descent.store.store import Store

    options: dict[str, Any] = {"home": home, "database_url": database_url}
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
        with contextlib.closing(Store(settings.database_url, settings.home, read_only=read_only)) as store:
            yield store, settings
    except ValidationError as error:
        first = error.errors()[0]
        typer.echo(f"descent: setting {first['loc'][0]}: {first['msg']} (given: {first['input']})", err=True)
        raise typer.Exit(2) from error
    except StoreError as error:
        hint = otherwise if isinstance(error, StoreInUse) else ""
        typer.echo(f"descent: {error}{hint}", err=True)
        raise typer.Exit(1) from error
    except SQLAlchemyError as error:
        said = getattr(error, "orig", error)
        typer.echo(f"descent: the store cannot be used now ({cause(error)}): {said}", err=True)
        raise typer.Exit(1) from error


def _rows(store: Store, ids: Sequence[str]) -> list[RunRow]:
    """The runs with these ids; an unknown id ends the command."""
    rows = {id: store.run(id) for id in ids}
    if unknown := [id for id, row in rows.items() if row is None]:
        typer.echo(f"descent: there is no run {', '.join(unknown)}", err=True)
        raise typer.Exit(1)
    return [row for row in rows.values() if row is not None]


def _print_table(rows: Sequence[RunRow]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    table.add_column("id", no_wrap=True)
    for name in ("experiment", "", "name", "status"):
        table.add_column(name)
    for numeric in ("steps", "size"):
        table.add_column(numeric, justify="right")
    table.add_column("created")
    table.add_column("branched from")
    table.add_column("tags")
    for row in rows:
        cells = [row.id, row.experiment, "★" if row.starred else "", row.name, row.status]
        branched = "" if row.branched_at is None else f"{row.parent or '(deleted)'} @ {row.branched_at:,}"
        cells += [f"{row.step:,}", _size(row), _when(row.created_at), branched, ", ".join(row.tags)]
        table.add_row(*map(Text, cells))
    Console().print(table)


def _when(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def _size(row: RunRow) -> str:
    return _bytes(row.frame_bytes + row.checkpoint_bytes)


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _number(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _span(steps: Sequence[int]) -> str:
    return f"{len(steps):,}, steps {steps[0]:,} to {steps[-1]:,}"


def _assignments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
