"""The stream of a run: commands in, events and frames out, over one WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any, get_args

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from pydantic.json_schema import models_json_schema

from descent.access import Person
from descent.errors import BadField, BadKnob, DescentError, TooManyViewers
from descent.protocol import (
    Ack,
    Command,
    Done,
    Event,
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
from descent.runs.channel import Viewer
from descent.runs.manager import RunManager
from descent.runs.run import Run
from descent.web.door import VIEWER, shut_out
from descent.web.runs import need_command, seen
from descent.web.sockets import sender, stream_of

UNSUPPORTED_DATA = 1003  # close codes of RFC 6455
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
TRY_AGAIN_LATER = 1013
NO_SUCH_RUN = 4404  # of this application
MISTAKES = 20  # refused commands, bad knob values apart, after which a client is disconnected
UNANSWERED = 16  # commands of one client that a run has not answered yet
LEAST_POINTS, MOST_POINTS = 3, 1 << 17  # rows of a long history
ACK = b'{"type":"ack"'
LAST_WORD = 1.0  # seconds for closing a socket in good order

Farewell = tuple[int, str]  # close code and reason

router = APIRouter(dependencies=[VIEWER])


@router.websocket("/api/runs/{run_id}/stream")
async def stream(socket: WebSocket, run_id: str, since: int = 0, points: int = 0) -> None:
    """Send `hello`, then everything after `since`, and apply the client's commands.

    A client that is far behind and gives `points` gets the scalars so far in that many rows at most.
    """
    manager: RunManager = socket.app.state.manager
    await socket.accept()
    try:
        run = await seen(run_id, manager, socket.state.person)
        viewer = Viewer(cursor=min(max(0, since), run.channel.last_seq))
        viewer.points = max(LEAST_POINTS, min(points, MOST_POINTS)) if points > 0 else 0
        if below := stream_of(socket):
            viewer.line = below
            below.hear = partial(_acknowledged, viewer)
        manager.join(run, viewer)
    except DescentError as error:
        code, reason = (
            (TRY_AGAIN_LATER, error.detail)
            if isinstance(error, TooManyViewers)
            else (NO_SUCH_RUN, "there is no such run")
        )
        with contextlib.suppress(WebSocketDisconnect):
            await socket.send_text(_refusal(error))
            await socket.close(code, reason)
        return

    send = sender(socket)

    async def pump() -> Farewell:
        await send([Hello(seq=run.channel.last_seq, run=run.info()).model_dump_json()])
        await run.channel.pump(viewer, send)
        return NO_SUCH_RUN, "the run was deleted"

    doing = (pump(), _listen(socket, manager, run, viewer), shut_out(socket))
    tasks = {asyncio.create_task(one) for one in doing}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code, reason = done.pop().result()
        async with asyncio.timeout(LAST_WORD):
            await socket.close(code, reason)
    except (WebSocketDisconnect, TimeoutError):
        pass  # it has left, or does not read
    finally:
        manager.leave(run, viewer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(socket: WebSocket, manager: RunManager, run: Run, viewer: Viewer) -> Farewell:
    """Apply commands until the client leaves, which raises `WebSocketDisconnect`, or is to be disconnected.

    Commands are sent on in the order they come. That a run has not answered one yet does not hold up
    the next: a slider is dragged faster than a long step ends.
    """
    mistakes = 0
    person: Person = socket.state.person
    order = asyncio.Lock()  # fair: what came while the worker started goes on in the order it came

    async def obey(command: Command | DescentError) -> None:
        nonlocal mistakes
        tag = ""
        try:
            if isinstance(command, DescentError):
                raise command
            tag = command.tag if isinstance(command, SetKnobs) else ""
            if not isinstance(command, Watch):
                need_command(run, person)
                async with order:
                    await manager.sessions.settle(run)
            await _obey(manager, run, viewer, command)
        except DescentError as error:
            mistakes += not isinstance(error, BadKnob)  # a text is one while it is typed
            if tag:
                run.channel.answer(viewer, _refusal(error, tag))
                return
            with contextlib.suppress(WebSocketDisconnect):
                await socket.send_text(_refusal(error))
        else:
            if tag:
                run.channel.answer(viewer, Done(tag=tag).model_dump_json())

    unanswered: set[asyncio.Task[None]] = set()
    try:
        while mistakes < MISTAKES:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            if (text := message.get("text")) is None:
                return UNSUPPORTED_DATA, "commands are JSON text, not binary"
            if len(text.encode()) > manager.settings.max_body:
                return MESSAGE_TOO_BIG, f"a message is over {manager.settings.max_body} bytes"
            if isinstance(command := _understood(text), Ack):
                viewer.ack(command.seq)
                continue
            unanswered.add(asyncio.create_task(obey(command)))
            await asyncio.sleep(0)  # lets it be sent on
            if len(unanswered) >= UNANSWERED:
                await asyncio.wait(unanswered, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in unanswered if task.done()]:
                unanswered.remove(task)
                task.result()
    finally:
        for task in unanswered:
            task.cancel()
    return POLICY_VIOLATION, f"{MISTAKES} commands were refused"


def _acknowledged(viewer: Viewer, text: bytes) -> bool:
    """Whether a message is an acknowledgement, as most are; it is heard without waking the viewer's task."""
    if not text.startswith(ACK) or not isinstance(command := _understood(text), Ack):
        return False
    viewer.ack(command.seq)
    return True


def _understood(text: str | bytes) -> Command | BadField:
    try:
        return command_adapter.validate_json(text)
    except ValidationError as error:
        return bad_field(error.errors(include_url=False)[0])


async def _obey(manager: RunManager, run: Run, viewer: Viewer, command: Command) -> None:
    match command:
        case Watch():
            manager.watch(run, viewer, command.panels, command.max_fps)
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


def declare(document: dict[str, Any]) -> None:
    """Add the stream's messages to an OpenAPI document: the schemas `Command` and `Event`."""
    commands, events = get_args(get_args(Command)[0]), get_args(Event)
    _, told = models_json_schema(
        [(kind, "validation") for kind in commands] + [(kind, "serialization") for kind in events],
        ref_template="#/components/schemas/{model}",
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, kinds in (("Command", commands), ("Event", events)):
        for kind in kinds:
            schema = told["$defs"][kind.__name__]
            schema["required"] = ["type", *schema.get("required", [])]  # the discriminator
        schemas[name] = {"anyOf": [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in kinds]}
    schemas.update(told["$defs"])


def bad_field(first: Any) -> BadField:
    """The error for the first of pydantic's: it names the field and what is wrong with it."""
    field = ".".join(str(part) for part in first["loc"]) or "message"
    return BadField(f"{field}: {first['msg']}", field, reason=first["type"])


def _refusal(error: DescentError, tag: str = "") -> str:
    return StreamError(
        tag=tag, code=error.code, detail=error.detail, field=error.field, params=error.params
    ).model_dump_json()
