"""Scripts with a training loop of their own: each says over one WebSocket what a worker process would say."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from descent.declared.messages import (
    LARGEST_FRAME,
    OTHER_VERSION,
    PATH,
    REFUSED,
    TRY_AGAIN_LATER,
    VERSION,
    Answer,
    Declare,
    Greeting,
    Hello,
    RefusedSaying,
    ScriptLooked,
    Welcome,
    strict_json,
    understood,
)
from descent.engine.knobs import KEY
from descent.engine.messages import Event, LookChanged
from descent.errors import BadSaying, DescentError
from descent.protocol import KnobsChanged
from descent.runs.manager import RunManager
from descent.runs.run import Run
from descent.web.door import LEARNER, shut_out
from descent.web.sayings import frame_of
from descent.workers.remote import RemoteWorker

HELLO_WITHIN = 10.0  # seconds
MISTAKES = 20  # sayings that cannot be understood, after which a script is disconnected
MESSAGES_PER_SECOND = 400  # of one script; one that says more is read more slowly
BYTES_PER_SECOND = 16 << 20
BURST = 2.0  # seconds' worth of them that may come at once
LAST_WORD = 1.0  # seconds for closing a socket in good order

router = APIRouter(dependencies=[LEARNER])


class Rate:
    """Slows down who says too much: its messages wait unread, and so does the script's sender."""

    def __init__(self) -> None:
        self._spent = time.monotonic() - BURST  # the moment up to which the allowance is used up

    async def took(self, size: int) -> None:
        """Account for a message, and wait as long as it was ahead of its time."""
        now = time.monotonic()
        cost = max(1 / MESSAGES_PER_SECOND, size / BYTES_PER_SECOND)
        self._spent = max(self._spent, now - BURST) + cost
        if self._spent > now:
            await asyncio.sleep(self._spent - now)


@router.websocket(PATH)
async def watch(socket: WebSocket) -> None:
    """Take a script's `hello`, then all it says, and send it the commands for its run."""
    manager: RunManager = socket.app.state.manager
    await socket.accept()
    try:
        async with asyncio.timeout(HELLO_WITHIN):
            hello = await _hello(socket)
        run, worker = await manager.scripts.greet(hello, owner=socket.state.person.id)
    except TimeoutError:
        return await _close(socket, REFUSED, "no hello came")
    except WebSocketDisconnect:
        return None
    except DescentError as error:
        other = error.params.get("reason") == "version"
        code = OTHER_VERSION if other else REFUSED if isinstance(error, BadSaying) else TRY_AGAIN_LATER
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_text(RefusedSaying(code=error.code, detail=error.detail).model_dump_json())
        return await _close(socket, code, error.detail)
    budget = manager.settings.probe_budget
    path = f"/lab/{run.entry.id}?run={run.id}"
    tasks: set[asyncio.Task[None]] = set()
    try:
        await socket.send_text(
            Welcome(run=run.id, path=path, told=run.told, probe_budget=budget).model_dump_json()
        )
        listening = asyncio.create_task(_listen(socket, manager, run, worker))
        sending = asyncio.create_task(_send(socket, worker))
        shut = asyncio.create_task(_shut_out(socket, worker))
        tasks = {listening, sending, shut}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
        await _close(socket, *(worker.farewell or (REFUSED, "")))
    except WebSocketDisconnect:
        pass
    finally:
        manager.scripts.left(run, worker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _shut_out(socket: WebSocket, worker: RemoteWorker) -> None:
    """Disconnect a script whose key was revoked."""
    _, reason = await shut_out(socket)
    worker.leave(REFUSED, reason)
    await asyncio.Event().wait()


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(LAST_WORD):
            await socket.close(code, reason.encode()[:120].decode(errors="ignore"))


async def _hello(socket: WebSocket) -> Hello:
    """The script's first message. Raises `BadSaying`, and `WebSocketDisconnect`."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    try:
        told = strict_json(message.get("text") or "")
        version = Greeting.model_validate(told).protocol
        if version != VERSION:
            raise BadSaying(
                f"the script speaks version {version} of the protocol, this server {VERSION}: install the "
                "same version of Descent for both",
                "protocol",
                reason="version",
            )
        return Hello.model_validate(told)
    except ValueError as error:
        raise BadSaying(f"the hello cannot be understood: {_first(error)}", "hello") from error


async def _send(socket: WebSocket, worker: RemoteWorker) -> None:
    while (text := await worker.next()) is not None:
        await socket.send_text(text)


async def _listen(socket: WebSocket, manager: RunManager, run: Run, worker: RemoteWorker) -> None:
    """Take in what the script says until it leaves, which raises `WebSocketDisconnect`, or is cut off."""
    rate, mistakes, largest = Rate(), 0, max(LARGEST_FRAME, manager.settings.max_body)
    while mistakes < MISTAKES and worker.farewell is None:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        data: str | bytes = message.get("text") or message.get("bytes") or b""
        await rate.took(len(data))
        if run.worker is not worker:
            return
        try:
            if len(data) > largest:
                raise BadSaying(f"a message has {len(data)} bytes, at most {largest} are taken", "message")
            if isinstance(data, bytes):
                manager.sessions.receive(run, frame_of(run, data))
            else:
                _hear(manager, run, data)
        except BadSaying as error:
            mistakes += 1
            worker.tell(RefusedSaying(code=error.code, detail=error.detail).model_dump_json())
    if mistakes >= MISTAKES:
        worker.leave(REFUSED, f"{MISTAKES} messages could not be understood")


def _hear(manager: RunManager, run: Run, text: str) -> None:
    """Take in a message. Raises `BadSaying`."""
    try:
        said = understood(text)
    except ValueError as error:
        raise BadSaying(f"a message cannot be understood: {_first(error)}", "message") from error
    if isinstance(said, Declare):
        if said.declaration.id != run.entry.id:
            raise BadSaying("a run keeps its name", "declaration.name")
        manager.scripts.declare(run, said.declaration)
    elif isinstance(said, Answer):
        manager.scripts.answer(run, said)
    else:
        if isinstance(said, KnobsChanged | ScriptLooked) and (
            strange := {*said.knobs, *getattr(said, "now", ())} - {*_knobs(run), KEY}
        ):
            raise BadSaying(f"the run declares no knob {sorted(strange)[0][:64]!r}", "knobs")
        if isinstance(said, ScriptLooked):
            manager.sessions.receive(run, LookChanged(run.channel.last_seq, said.step, said.knobs))
            return
        seq = run.channel.last_seq + 1
        event = {**said.model_dump(mode="json"), "seq": seq}
        manager.sessions.receive(run, Event(seq, said.step, event))


def _knobs(run: Run) -> Iterable[str]:
    return run.entry.knobs_type.model_fields


def _first(error: ValueError) -> str:
    """What is wrong, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)[:300]
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]
