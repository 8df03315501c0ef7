"""What `descent serve` says when it starts: where it is, who may come in, and what is not safe about it."""

from __future__ import annotations

import os
from contextlib import closing

import typer

from descent.access import Book
from descent.cli.access import own_address
from descent.settings import Settings, is_loopback

BY_KEY = """\
Others reach it, so it asks for a key. As the teacher, open
  {address}enter#{token}
and hand out links from its page "People and links", or by `descent access new`. The link is valid until the
server starts again; whoever came by it stays."""
AS_ROOT = "descent: this runs as root, and so does every run of everybody: start it as another user."
NAMED = """\
It answers to {names}, and asks nobody for a key. If a proxy hands on what others ask, name its address in
--trusted-proxies: then they need a key."""
START = "printed at the start"  # the label of the key
OPEN_TO_ALL = """\
Descent listens on {host}, beyond this machine, and asks for no key: whoever reaches it can see, change and
delete every run, and fill the disk. To limit it, listen on 127.0.0.1 (--host) and come by an SSH tunnel, or
keep others out by a firewall, or by a reverse proxy that asks for a password and speaks HTTPS. Browsers get
in by names in DESCENT_ALLOWED_HOSTS only, but that stops no other program."""


def greet(settings: Settings, port: int) -> str:
    """Say it; the address to open, with a key where one is asked for."""
    shown = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.host
    if settings.guarded and settings.host in ("0.0.0.0", "::"):
        shown = own_address()
    address = f"http://{shown}:{port}/"
    typer.echo(f"Descent is at {address}  (Ctrl+C stops it)")
    if runs_as_root():
        typer.echo(AS_ROOT, err=True)
    if settings.guarded:
        address = settings.public_address or address
        with closing(Book(settings.home)) as book:
            token = book.replace(START, "teacher", settings.access_days)
        typer.echo(BY_KEY.format(address=address, token=token))
        address += f"enter#{token}"
    elif not is_loopback(settings.host):
        typer.echo(OPEN_TO_ALL.format(host=settings.host))
    elif settings.allowed_hosts and not settings.no_auth:
        typer.echo(NAMED.format(names=settings.allowed_hosts))
    return address


def runs_as_root() -> bool:
    """Whether this process may do everything on its machine."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
