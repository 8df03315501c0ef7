"""`descent access`: the keys by which others come in, and who came."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from descent.access import Book

access = typer.Typer(
    name="access",
    help="List, make and revoke the keys by which others come in; see HOST.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Home = Annotated[Path | None, typer.Option(help="Folder with the book of keys. Default: DESCENT_HOME.")]
Role = Literal["viewer", "learner", "teacher"]
FAR = ("192.0.2.1", 9)  # an address that nobody has; nothing is sent there


@access.command("list")
def list_access(home: Home = None) -> None:
    """List the keys that are valid, and everybody who came by them."""
    from rich.console import Console
    from rich.table import Table

    with closing(_book(home)) as book:
        keys, people = book.all_keys(), book.people()
    table = Table("id", "key or name", "role", "valid until", "people", box=None, header_style="bold")
    for key in keys:
        table.add_row(key.id, key.label or "key", key.role, _day(key.expires), str(key.people))
        for person in people:
            if person.key == key.id:
                table.add_row(f"  {person.id}", f"  {person.name or 'nameless'}", person.role, "", "")
    for person in people:
        if person.key not in {key.id for key in keys}:
            table.add_row(person.id, person.name or "nameless", person.role, _day(person.expires), "")
    Console().print(table)


@access.command("new")
def new_key(
    role: Annotated[
        Role, typer.Option(help="viewer: watches what is shared; learner: also trains; teacher: everything.")
    ] = "learner",
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    days: Annotated[
        float | None, typer.Option(min=0.001, max=3650, help="Days it is valid; by default ACCESS_DAYS.")
    ] = None,
    address: Annotated[
        str,
        typer.Option(
            help="The server's address as others open it; by default its proxy's, or this machine's."
        ),
    ] = "",
    home: Home = None,
) -> None:
    """Make a key, and print the link to hand out. It is printed this once: the key itself is not kept."""
    from descent.errors import DescentError
    from descent.settings import Settings

    settings = Settings(**{})
    try:
        with closing(_book(home)) as book:
            _, token = book.new_key(role, label, days or settings.access_days)
    except DescentError as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(1) from error
    place = (
        address or settings.public_address or f"http://{own_address()}:{settings.port}{settings.root_path}"
    )
    typer.echo(f"{place.rstrip('/')}/enter#{token}")


@access.command("revoke")
def revoke(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Of keys or people.")], home: Home = None
) -> None:
    """Revoke keys with everybody who came by them, or let single people in no longer."""
    from descent.errors import UnknownKey

    failed = False
    with closing(_book(home)) as book:
        for id in ids:
            try:
                typer.echo(f"{id}: revoked, {book.revoke(id)} people with it")
            except UnknownKey as error:
                typer.echo(f"descent: {error}", err=True)
                failed = True
    if failed:
        raise typer.Exit(1)


def own_address() -> str:
    """This machine's address in its network, as well as it can be known; else `localhost`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(FAR)  # only asks which way it would go
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"


def _book(home: Path | None) -> Book:
    from descent.access import Book
    from descent.settings import Settings

    return Book(home or Settings(**{}).home)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
