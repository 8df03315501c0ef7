"""Runs that leave and enter: bundles, TensorBoard files, scripts, weights."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from descent import errors
from descent.archive import script, tensorboard
from descent.archive import weights as weight_files
from descent.archive.bundle import write as bundle
from descent.archive.bundle.import_ import Intake
from descent.archive.bundle.own import Library
from descent.protocol import LAST_STEP, ImportedRun
from descent.runs.history import History
from descent.runs.manager import RunManager
from descent.store.database import StoreError, cause
from descent.web.door import LEARNER, VIEWER, Asking
from descent.web.runs import Manager, TheRun, seen

IMPORT = "/api/runs/import"
CHUNK = 1 << 20  # bytes sent or written at a time
ZIP = "application/zip"
BINARY = "application/octet-stream"
UPLOAD_WITHIN = 600  # seconds; a slower upload would keep others waiting

router = APIRouter(prefix="/api/runs", tags=["archive"], dependencies=[VIEWER])


@router.post(
    "/import",
    status_code=201,
    dependencies=[LEARNER],
    openapi_extra={"requestBody": {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def import_run(request: Request, manager: Manager, person: Asking) -> ImportedRun:
    """Import a bundle, as `export` writes it, under a new id. The run is at rest; it can be gone back to.

    Data that comes along is checked as a file that is brought, and kept as one of one's own.
    """
    history = _history(manager)
    folder = manager.settings.home
    with _written("the run"):
        async with request.app.state.imports.passed():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                await _receive(request, file)
                await _need_room(history, manager.settings.imports_mb << 20, file.tell())
                limit = manager.settings.import_mb << 20
                intake = await asyncio.to_thread(
                    Intake,
                    file,
                    limit,
                    manager.registry,
                    folder,
                    owner=person.id,
                    library=Library(manager.settings, person),
                )
                with intake:
                    already = await asyncio.to_thread(history.store.same, intake.origin)
                    await _write(history, intake)
    run = (await manager.get(intake.run_id)).info()
    if already is not None:
        with contextlib.suppress(errors.UnknownRun):
            return ImportedRun(**run.model_dump(), already=(await seen(already, manager, person)).id)
    return ImportedRun(**run.model_dump())


async def _receive(request: Request, file: BinaryIO) -> None:
    """Write the body into `file`. Raises `BadArchive` where it ends early, or takes too long."""
    try:
        async with asyncio.timeout(UPLOAD_WITHIN):
            async for chunk in request.stream():
                await asyncio.to_thread(file.write, chunk)
    except ClientDisconnect:
        raise errors.BadArchive("the archive was not sent to its end", "archive") from None
    except TimeoutError:
        detail = f"the archive was not sent within {UPLOAD_WITHIN} s"
        raise errors.BadArchive(detail, "archive") from None


async def _need_room(history: History, most: int, size: int) -> None:
    """Raises `ImportsFull` if the imported runs, with `size` bytes more, would take over `most` bytes."""
    taken = await asyncio.to_thread(history.store.imported_bytes)
    if taken + size > most:
        raise errors.ImportsFull(
            f"imported runs may take {most} bytes together (setting IMPORTS_MB), and have {taken}; delete "
            "some of them",
            "archive",
            limit=most,
        )


async def _write(history: History, intake: Intake) -> None:
    """Write the import piece by piece, so that other runs are recorded in between; all of it, or nothing."""
    store, recorder = history.store, history.recorder
    steps = intake.steps(store)
    try:
        while (work := await asyncio.to_thread(next, steps, None)) is not None:
            await recorder.do(work)
    except BaseException:
        with contextlib.suppress(SQLAlchemyError, StoreError):
            await recorder.do(lambda: store.delete([intake.run_id]))
        raise


@router.get("/{run_id}/export", response_class=StreamingResponse)
async def export(
    run: TheRun,
    manager: Manager,
    person: Asking,
    format: Annotated[
        Literal["bundle", "tensorboard"], Query(description="Everything, or scalars for TensorBoard.")
    ] = "bundle",
    data: Annotated[
        bool,
        Query(description="Whether files of one's own that it was trained on go along, for all to read."),
    ] = False,
) -> Response:
    """The recorded run as a zip: all that `import` needs, or its scalars as a TensorBoard event file.

    Of `data` only files go along that whoever asks sees in the library.
    """
    history = _history(manager)
    write = tensorboard.write
    if format == "bundle":
        run.need_experiment()
        write = partial(bundle.write, library=Library(manager.settings, person) if data else None)
    elif data:
        raise errors.BadField("data: it goes along in a bundle only", "data")
    await history.recorder.flush()
    with _written("the archive"):
        file = await asyncio.to_thread(write, history.store, run.id, manager.settings.home, manager.registry)
    ending = ".zip" if format == "bundle" else "-tensorboard.zip"
    headers = _named(f"{run.entry.id}-{run.id}{ending}")
    headers |= {"Content-Length": str(file.seek(0, 2)), "X-Accel-Buffering": "no"}
    return Download(file, headers)


@router.get("/{run_id}/script", response_class=Response)
async def standalone_script(run: TheRun, manager: Manager) -> Response:
    """The run as one Python file, which needs PyTorch, NumPy and no Descent to train the same numbers."""
    history = _history(manager)
    run.need_experiment()
    await history.recorder.flush()
    text = await asyncio.to_thread(script.write, history.store, run.id, manager.registry)
    name = f"{run.entry.id.replace('-', '_')}_{run.id}.py"
    return Response(text, media_type="text/x-python", headers=_named(name))


@router.get("/{run_id}/weights", response_class=Response)
async def weights(
    run: TheRun,
    manager: Manager,
    step: Annotated[
        int | None, Query(ge=0, le=LAST_STEP, description="Default: the end of what is recorded.")
    ] = None,
    format: Annotated[
        weight_files.Format,
        Query(description="safetensors, a state_dict for `torch.load`, or the model as ONNX."),
    ] = "safetensors",
) -> Response:
    """The weights after that many steps, bit for bit on one CPU thread: tensors by name, such as
    `model.0.weight`. Or the model, where the experiment says which and the extra `onnx` is installed.
    The state is built again from the checkpoint before.
    """
    taken = await manager.take(run, step, weight_files.what_of(format))
    content = await asyncio.to_thread(weight_files.as_file, taken.payload, format)
    headers = _named(weight_files.file_name(run.entry.id, run.id, taken.step, format))
    return Response(content, media_type=BINARY, headers=headers | {"X-Step": str(taken.step)})


def _history(manager: RunManager) -> History:
    if manager.history is None:
        raise errors.NotRecorded("this server does not record runs (setting RECORD)", "run")
    return manager.history


@contextlib.contextmanager
def _written(what: str) -> Iterator[None]:
    """Turns a failed write (a full disk, an error of the database) into `NotWritten`."""
    try:
        yield
    except (OSError, SQLAlchemyError, StoreError) as error:
        raise errors.NotWritten(f"{what} could not be written ({cause(error)})", "archive") from error


def _named(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file}"'}


class Download(StreamingResponse):
    """A zip that is sent from its file, and closed, also where whoever asked for it is gone by then."""

    def __init__(self, file: BinaryIO, headers: Mapping[str, str]) -> None:
        super().__init__(_chunks(file), media_type=ZIP, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file:
            await super().__call__(scope, receive, send)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield chunk
