"""The stream of a run: commands in, events and frames out, over one WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from descent.errors import BadField, DescentError
from descent.protocol import (
    Ack,
    Hello,
    Pace,
    Pause,
    Resume,
    SetKnobs,
    Step,
    Stop,
    StreamError,
    Watch,
    command_adapter,
)
from descent.runs.hub import Viewer
from descent.runs.manager import RunManager
from descent.runs.run import Run

UNSUPPORTED_DATA = 1003  # close codes of RFC 6455
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
NO_SUCH_RUN = 4404  # of this application
MISTAKES = 20  # refused commands, after which a client is sent away

router = APIRouter()


@router.websocket("/api/runs/{run_id}/stream")
async def stream(socket: WebSocket, run_id: str, since: int = 0) -> None:
    """Say hello, then send everything after `since`, and do what the client asks."""
    manager: RunManager = socket.app.state.manager
    await socket.accept()
    try:
        run = manager.get(run_id)
    except DescentError as error:
        await socket.send_text(_refusal(error))
        await socket.close(NO_SUCH_RUN, error.detail)
        return
    viewer = Viewer(cursor=max(0, since))
    patience = manager.settings.send_timeout
    await socket.send_text(Hello(seq=run.channel.last_seq, run=run.info()).model_dump_json())
    manager.join(run, viewer)

    async def send_text(text: str) -> None:
        await asyncio.wait_for(socket.send_text(text), patience)

    async def send_bytes(data: bytes) -> None:
        await asyncio.wait_for(socket.send_bytes(data), patience)

    listening = asyncio.create_task(_listen(socket, manager, run, viewer))
    pumping = asyncio.create_task(run.channel.pump(viewer, send_text, send_bytes))
    try:
        done, _ = await asyncio.wait({listening, pumping}, return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            if pumping in done:
                if isinstance(pumping.exception(), TimeoutError):
                    await socket.close(TRY_AGAIN_LATER, "the viewer does not read")
                elif pumping.exception() is None:
                    await socket.close(NO_SUCH_RUN, "the run was deleted")
            elif (code := listening.result()) is not None:
                await socket.close(code[0], code[1])
    finally:
        for task in (listening, pumping):
            task.cancel()
        await asyncio.gather(listening, pumping, return_exceptions=True)
        manager.leave(run, viewer)


async def _listen(socket: WebSocket, manager: RunManager, run: Run, viewer: Viewer) -> tuple[int, str] | None:
    """Obey until the client leaves (None), or is to be sent away (code and reason)."""
    mistakes = 0
    while mistakes < MISTAKES:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        if message.get("text") is None:
            return UNSUPPORTED_DATA, "commands are JSON text, not binary"
        try:
            await _obey(manager, run, viewer, message["text"])
        except DescentError as error:
            mistakes += 1
            await socket.send_text(_refusal(error))
    return POLICY_VIOLATION, f"{MISTAKES} commands were refused"


async def _obey(manager: RunManager, run: Run, viewer: Viewer, text: str) -> None:
    try:
        command = command_adapter.validate_json(text)
    except ValidationError as error:
        raise bad_field(error.errors(include_url=False)[0]) from error
    match command:
        case Watch():
            manager.watch(run, viewer, command.panels, command.max_fps)
        case Ack():
            viewer.ack(command.seq)
        case SetKnobs():
            await manager.set_knobs(run, command.knobs)
        case Pause():
            await manager.pause(run)
        case Resume():
            await manager.resume(run)
        case Step():
            await manager.step(run, command.steps)
        case Pace():
            await manager.set_pace(run, command.steps_per_second)
        case Stop():
            await manager.stop(run)


def bad_field(first: Any) -> BadField:
    """The error for what pydantic found first: it names the field and says what is wrong with it."""
    field = ".".join(str(part) for part in first["loc"]) or "message"
    return BadField(f"{field}: {first['msg']}", field, reason=first["type"])


def _refusal(error: DescentError) -> str:
    return StreamError(
        code=error.code, detail=error.detail, field=error.field, params=error.params
    ).model_dump_json()
