"""The scalars of a run as a table: all, or a range of steps, or as many rows as can be drawn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import iterate_in_threadpool
from starlette.types import Receive, Scope, Send

from descent.errors import NotWritten, TooManyTables, UnknownRun
from descent.protocol import LAST_STEP
from descent.runs.manager import RunManager
from descent.runs.run import Run
from descent.runs.table import MEDIA_TYPES, Format, Range, Table
from descent.store.database import cause
from descent.web.door import VIEWER
from descent.web.runs import Manager, TheRun

MOST_POINTS = 100_000
AT_ONCE = 8192  # steps; a smaller table does not wait for others
WAITING = 16  # tables that wait until others are written

router = APIRouter(prefix="/api/runs", tags=["runs"], dependencies=[VIEWER])


@dataclass
class Turns:
    """Limits how much work is done at the same time, and counts what waits."""

    turn: asyncio.Semaphore
    waiting: int = 0


class TableResponse(StreamingResponse):
    """A table, made and sent when it is its turn, and deleted however that ends."""

    def __init__(self, tables: Turns, manager: RunManager, run: Run, asked: Range, format: Format) -> None:
        super().__init__(iter(()), media_type=MEDIA_TYPES[format])
        exact_from = run.recorded.scalars_exact_from if run.recorded else 0
        self.headers["X-Exact-From"] = str(exact_from)
        self._tables = tables
        self._manager, self._run, self._asked, self._format = manager, run, asked, format

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, read, send. Raises `TooManyTables`, `UnknownRun` and `NotWritten` before it is sent."""
        if self._asked.last - self._asked.first < AT_ONCE:
            await self._send(scope, receive, send)
            return
        tables = self._tables
        if tables.waiting >= WAITING:
            raise TooManyTables("other tables are written just now; try again later (setting EXPORTS)", "run")
        tables.waiting += 1
        try:
            await tables.turn.acquire()
        finally:
            tables.waiting -= 1
        try:
            await self._send(scope, receive, send)
        finally:
            tables.turn.release()

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        table = await asyncio.to_thread(self._read)
        try:
            self.body_iterator = iterate_in_threadpool(table.written(self._run.id, self._format))
            await super().__call__(scope, receive, send)
        finally:
            table.close()

    def _read(self) -> Table:
        run, settings = self._run, self._manager.settings
        try:
            asked = self._manager.begun_before(run, self._asked)
            return Table(run.channel.tape, settings.home, asked)
        except (OSError, SQLAlchemyError) as error:
            raise NotWritten(f"the table could not be written ({cause(error)})", "run") from error
        except ValueError:
            if not run.channel.tape.closed:
                raise
            raise UnknownRun(f"run {run.id} was deleted meanwhile", "run") from None


@router.get("/{run_id}/scalars", response_class=StreamingResponse)
async def read_scalars(
    request: Request,
    run: TheRun,
    manager: Manager,
    format: Format = "json",
    first: Annotated[int, Query(alias="from", ge=0, le=LAST_STEP)] = 0,
    last: Annotated[int, Query(alias="to", ge=0, le=LAST_STEP)] = LAST_STEP,
    points: Annotated[int | None, Query(ge=3, le=MOST_POINTS)] = None,
) -> Response:
    """Scalars in columns: `step`, then one per name. Not measured: null, an empty cell, NaN. All so far, or
    those of the steps `from` … `to`; with `points` in at most that many rows: of equally long stretches
    the least and the greatest value, in their order, and the mean between them. Steps before
    `X-Exact-From` are recorded in this form only.
    """
    return TableResponse(request.app.state.tables, manager, run, Range(first, last, points or 0), format)
