"""The command line: `descent serve`, `list` and `train`; `runs.py` and `data.py` have the others.

Heavy imports wait until a command needs them: the fork server imports this module for every worker.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import sys
import threading
import time
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from descent.cli.access import access
from descent.cli.archive import register
from descent.cli.data import data
from descent.cli.new import new
from descent.cli.runs import runs

if TYPE_CHECKING:
    from descent.contract.entry import Entry
    from descent.engine.messages import RunSpec
    from descent.registry import Registry
    from descent.settings import Settings

Own = Annotated[
    list[Path] | None,
    typer.Option(
        "--experiments",
        help="A folder with experiments of one's own, or a file; else DESCENT_EXPERIMENTS. May be repeated.",
    ),
]
cli = typer.Typer(
    name="descent",
    help="A visual deep-learning playground on real PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
register(runs)
cli.add_typer(runs, name="runs")
cli.add_typer(data, name="data")
cli.add_typer(access, name="access")
cli.command("new")(new)
FLAGS = ("reload", "no_auth", "log_requests")
TURN = 0.001  # seconds a busy thread keeps the event loop waiting; 5 ms by default, several times a response
UPDATES = 10  # of the terminal's progress display, per second


def main() -> None:
    """The console script."""
    cli()


def _serve(open: bool = False, **options: Any) -> None:
    """Start the server."""
    import socket

    from pydantic import ValidationError

    from descent.cli.greeting import greet
    from descent.own.places import absent
    from descent.settings import Settings
    from descent.workers import forks

    try:
        settings = Settings(**{name: value for name, value in options.items() if value not in (None, [])})
    except ValidationError as error:
        first = error.errors()[0]
        typer.echo(f"descent: setting {first['loc'][0]}: {first['msg']} (given: {first['input']})", err=True)
        raise typer.Exit(2) from error
    for path in absent(settings.experiments):
        typer.echo(f"descent: experiments: {path} is neither a folder nor a file of Python", err=True)
        raise typer.Exit(2)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        typer.echo(
            f"descent: cannot listen on {settings.host}:{settings.port}: {error.strerror}; try --port",
            err=True,
        )
        raise typer.Exit(1) from error
    # asyncio does this only for sockets made by itself; without it small answers wait 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    forks.warm_up()  # it loads torch while this process does
    with listening:
        from descent.store.database import StoreError
        from descent.web.app import create_server, open_store  # loads torch, which takes a while
        from descent.web.requests import log_requests

        try:
            server = create_server(settings, open_store(settings))
        except StoreError as error:
            typer.echo(f"descent: {error}", err=True)
            raise typer.Exit(1) from error
        address = greet(settings, listening.getsockname()[1])
        if settings.log_requests:
            log_requests()
        if open:  # what comes before the server is up waits in the socket's queue
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        sys.setswitchinterval(TURN)
        gc.freeze()  # what is loaded by now stays: to look through it for garbage took 0.1 s every time
        with contextlib.suppress(KeyboardInterrupt):  # raised again after an orderly shutdown
            server.run(sockets=[listening])


def _with_settings_as_options() -> None:
    """Give `serve` an option for every setting, with the setting's own help."""
    from descent.settings import Settings

    # given again and again; flags
    kinds: dict[str, Any] = {"experiments": list[str], **dict.fromkeys(FLAGS, bool)}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(
                None,
                *([f"--{name.replace('_', '-')}"] if kinds.get(name) is bool else []),
                help=field.description,
                show_default=False,
            ),
            annotation=field.annotation if field.annotation in (int, float) else kinds.get(name, str),
        )
        for name, field in Settings.model_fields.items()
    ]
    opening = inspect.Parameter(
        "open",
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(False, "--open/--no-open", help="Open the browser."),
        annotation=bool,
    )
    _serve.__signature__ = inspect.Signature([opening, *parameters])  # type: ignore[attr-defined]
    _serve.__annotations__ = {p.name: p.annotation for p in [opening, *parameters]}
    cli.command("serve")(_serve)


_with_settings_as_options()


@cli.command("list")
def list_experiments(
    lang: Annotated[str, typer.Option(help="Language of the titles: en or ko.")] = "en",
    own: Own = None,
) -> None:
    """List the experiments, by chapter."""
    from rich.console import Console
    from rich.table import Table

    from descent.lessons import LANGUAGES
    from descent.web.experiments import describe

    if lang not in LANGUAGES:
        raise typer.BadParameter(f"there is {' and '.join(LANGUAGES)}", param_hint="--lang")
    table = Table("chapter", "id", "title", box=None, header_style="bold")
    registry = _registry(own)
    for entry in registry.values():
        table.add_row(entry.chapter, entry.id, describe(entry, lang)["title"])
    Console().print(table)
    for broken in registry.broken:
        typer.echo(f"descent: {broken}", err=True)


def _registry(own: list[Path] | None) -> Registry:
    """All experiments, those in the setting EXPERIMENTS too, or in `own` instead."""
    from descent.own.here import all_experiments
    from descent.own.places import absent
    from descent.settings import Settings

    paths = own or Settings(**{}).experiments
    for path in absent(paths):
        raise typer.BadParameter(
            f"{path} is neither a folder nor a file of Python", param_hint="--experiments"
        )
    return all_experiments(paths)


def _device(text: str) -> str:
    """A device's name. Raises `BadParameter`."""
    from pydantic import TypeAdapter, ValidationError

    from descent.protocol import Device

    adapter: TypeAdapter[str] = TypeAdapter(Device)
    try:
        return adapter.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"]) from error


@cli.command()
def train(
    experiment: Annotated[str, typer.Argument(help="An experiment's id; see `descent list`.")],
    set: Annotated[
        list[str] | None, typer.Option("--set", help="A knob, as name=value. May be repeated.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps to take.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    device: Annotated[
        str,
        typer.Option(
            callback=_device, help="auto (the faster one), cpu, cuda, a GPU by its number (cuda:0), or mps."
        ),
    ] = "auto",
    own: Own = None,
) -> None:
    """Train an experiment in the terminal."""
    from descent.contract import KnobError
    from descent.errors import DescentError

    try:
        ended = _train(experiment, dict(_assignment(text) for text in set or []), steps, seed, device, own)
    except (DescentError, KnobError) as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    sys.exit(0 if ended == "finished" else 1)


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"expected name=value, got {text!r}", param_hint="--set")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _placed(entry: Entry, spec: RunSpec, asked: str, settings: Settings) -> str:
    """The device for a run; under `auto` the faster one, which takes a second or two to find out once.

    Raises `NoDevice`.
    """
    import asyncio

    from descent.runs.devices import Devices
    from descent.workers.process import LocalExecutor

    devices = Devices(settings.model_copy(update={"executor": "local"}), LocalExecutor(), {})
    among = devices.place(asked)
    if len(among) == 1:
        return among[0]
    choice = devices.known(entry, spec.knobs, among)
    return (choice or asyncio.run(devices.choose(entry, spec, among))).among(among)


def _train(
    id: str, values: dict[str, Any], steps: int, seed: int, device: str, own: list[Path] | None
) -> str:
    """Run the engine in this process; the last scalars and the rate are shown while it trains."""
    import torch
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Table

    from descent import wire
    from descent.engine.inbox import Inbox
    from descent.engine.loop import Loop
    from descent.engine.messages import Event, Output, RunSpec, ScalarsFrame
    from descent.runs.knobs import check
    from descent.settings import Settings

    entry = _registry(own).find(id)
    knobs = check(entry, values)
    settings = Settings(**{})
    folders = tuple(map(str, settings.data_folders))
    spec = RunSpec("terminal", id, knobs, seed, "cpu", entry.code, max_steps=steps, data=folders)
    spec = replace(spec, device=_placed(entry, spec, device, settings))
    torch.set_num_threads(entry.cls.cores)
    latest: dict[str, float] = {}
    reason = ""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    task = progress.add_task(entry.title, total=steps, rate="")
    begin = time.perf_counter()

    def display() -> Group:
        table = Table(box=None, show_header=False)
        for name, value in latest.items():
            table.add_row(name, f"{value:.4g}")
        return Group(progress, table)

    with Live(display(), console=Console(), refresh_per_second=UPDATES) as screen:

        def show(output: Output) -> None:
            nonlocal reason
            if isinstance(output, ScalarsFrame):
                arrays = wire.decode(output.payload).arrays
                latest.update({k: float(v[-1]) for k, v in arrays.items() if k != "step" and v[-1] == v[-1]})
                done = int(arrays["step"][-1]) + 1
                rate = done / (time.perf_counter() - begin)
                progress.update(task, completed=done, rate=f"{rate:,.0f} steps/s")
                screen.update(display())
            elif isinstance(output, Event) and output.event["type"] == "state":
                reason = output.event["reason"]

        ended = Loop(entry, spec, Inbox(), show).run()
    if ended != "finished":
        typer.echo(f"descent: {ended}: {reason}", err=True)
    return ended
