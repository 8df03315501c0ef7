"""`descent runs export`, `import`, `script`, `weights`: what the routes do, on a store, without a server."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from descent.cli.runs import DatabaseUrl, Home, opened

if TYPE_CHECKING:
    from descent.registry import Registry
    from descent.settings import Settings
    from descent.store.store import Store

RunId = Annotated[str, typer.Argument(metavar="ID", help="A run's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command("export")(export)
    app.command("import")(import_run)
    app.command("script")(script)
    app.command("weights")(weights)


def export(
    run: RunId,
    file: Annotated[Path | None, typer.Argument(help="Where to. Default: a name of its own, here.")] = None,
    format: Annotated[
        Literal["bundle", "tensorboard"],
        typer.Option(
            help="Everything, to be imported elsewhere, or the scalars as a TensorBoard event file."
        ),
    ] = "bundle",
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Add the files of your own that it was trained on. Whoever gets the zip can read them.",
        ),
    ] = False,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write a recorded run to a zip file."""
    from descent.archive import tensorboard
    from descent.archive.bundle import write as bundle
    from descent.archive.bundle.own import Library

    if data and format != "bundle":
        raise typer.BadParameter("data goes along in a bundle only", param_hint="--data")

    def write(store: Store, settings: Settings) -> BinaryIO:
        if format == "tensorboard":
            return tensorboard.write(store, run, settings.home, _registry(settings))
        library = Library(settings) if data else None
        return bundle.write(store, run, settings.home, _registry(settings), library)

    ending = "" if format == "bundle" else "-tensorboard"
    with (
        _told(),
        opened(home, database_url, read_only=True) as (store, settings),
        write(store, settings) as archive,
    ):
        file = _free(file, f"{_experiment(store, run)}-{run}{ending}.zip")
        with file.open("xb") as out:
            shutil.copyfileobj(archive, out)
    typer.echo(file)


def import_run(
    file: Annotated[
        Path, typer.Argument(help="A zip file that `export` wrote.", exists=True, dir_okay=False)
    ],
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Add a run from a zip file to the store, and the data in it to `descent data`; prints its new id."""
    from descent.archive.bundle.import_ import Intake
    from descent.archive.bundle.own import Library

    otherwise = "; or import the file on its page"
    with (
        _told(),
        opened(home, database_url, otherwise=otherwise) as (store, settings),
        file.open("rb") as archive,
        Intake(
            archive,
            settings.import_mb << 20,
            _registry(settings),
            settings.home,
            library=Library(settings),
        ) as intake,
    ):
        already = store.same(intake.origin)
        intake.write(store)
    typer.echo(intake.run_id)
    if already is not None:
        typer.echo(f"descent: the same run was in the store already, as {already}", err=True)


def script(
    run: RunId,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; - for the terminal. Default: a name of its own, here.")
    ] = None,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write a recorded run as one PyTorch file that needs no Descent and trains the same numbers."""
    from descent.archive import script as scripts

    with _told(), opened(home, database_url, read_only=True) as (store, settings):
        text = scripts.write(store, run, _registry(settings))
        if file == Path("-"):
            typer.echo(text, nl=False)
            return
        file = _free(file, f"{_experiment(store, run).replace('-', '_')}_{run}.py")
    file.write_text(text, encoding="utf-8")
    typer.echo(file)


def weights(
    run: RunId,
    file: Annotated[Path | None, typer.Argument(help="Where to. Default: a name of its own, here.")] = None,
    step: Annotated[
        int | None, typer.Option(min=0, help="After so many steps. Default: the end of the record.")
    ] = None,
    format: Annotated[
        Literal["safetensors", "pt", "onnx"],
        typer.Option(help="safetensors, a state_dict for torch.load, or the model as ONNX."),
    ] = "safetensors",
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write a recorded run's weights at a step: tensors by names such as model.0.weight."""
    from descent.archive import weights as files

    with _told(), opened(home, database_url, read_only=True) as (store, settings):
        at, content = files.write(store, run, _registry(settings), settings, step, format)
        file = _free(file, files.file_name(_experiment(store, run), run, at, format))
    file.write_bytes(content)
    typer.echo(file)


def _registry(settings: Settings) -> Registry:
    from descent.own.here import all_experiments

    return all_experiments(settings.experiments)


def _experiment(store: Store, run: str) -> str:
    row = store.run(run)
    assert row is not None, run
    return row.experiment


def _free(file: Path | None, name: str) -> Path:
    """The file to write; an existing one is not overwritten."""
    if file is None:
        file = Path(name)
    elif file.is_dir():
        file = file / name
    if file.exists():
        raise typer.BadParameter(f"{file} exists already", param_hint="FILE")
    return file


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Print the error, and exit."""
    from descent.errors import DescentError

    try:
        yield
    except (DescentError, OSError) as error:
        typer.echo(f"descent: {error}", err=True)
        raise typer.Exit(1) from error
