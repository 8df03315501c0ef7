"""Below HTTP: limits on connections and on their time, and the cutting off of slow peers.

A peer that stops sending or reading costs a file descriptor and memory for as long as it is waited for. To
close its connection in good order is to wait until it has read what was sent, which it never does: so it is
aborted. One that goes on, however slowly, is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from fastapi import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from descent.errors import DescentError, TooManyConnections, TooSlow
from descent.settings import Settings

logger = logging.getLogger(__name__)

LEAST = 4096  # bytes of a body within REQUEST_TIMEOUT
HEADERS = 65536  # bytes of a request that is refused, at most
UNREAD = 256 << 10  # bytes that the system keeps for a peer: what fits in there shows no progress
REFUSED = 64  # connections beyond CONNECTIONS that get the reason; further ones are cut off
OTHER_FILES = 128  # of the server itself: database, tapes, what it imports and exports
FILES_PER_RUN = 8  # pipes, a process, a tape
GONE = 1006  # the close code of a connection that ended without one
COMPLAINTS = 60.0  # seconds between two warnings in the log
LAST_WORD = 1.0  # seconds
UNHEARD = 4  # messages of a peer that wait to be heard while reading goes on
STREAM = "descent.stream"  # in a scope's extensions: the `Stream` itself
SHARED = 1 << 18  # bytes of messages that are kept framed for the next viewer
SHARED_AT_ONCE = 32


@dataclass(frozen=True)
class Limits:
    """The most connections, and the seconds in which a request must come and a response be read on."""

    connections: int
    request_timeout: float
    send_timeout: float


class Reading:
    """Watches whether a peer reads on, and cuts it off if it does not."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._unread = 0
        self._timer: asyncio.TimerHandle | None = None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD)

    def begin(self) -> None:
        """Start the timer: data waits to be read."""
        self.end()
        self._unread = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def end(self) -> None:
        """Stop the timer: the data was read, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        unread = self._transport.get_write_buffer_size()
        if unread >= self._unread:
            cut_off(self._transport)
        elif unread:
            self.begin()


def cut_off(transport: asyncio.Transport) -> None:
    """End a connection at once, together with what the system keeps to be sent over it."""
    if (of := transport.get_extra_info("socket")).fileno() < 0:
        return  # it has ended meanwhile
    of.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Http(H11Protocol):
    """An HTTP connection."""

    limits: ClassVar[Limits]
    complained: ClassVar[float] = -COMPLAINTS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection; beyond the limit, only to send the reason."""
        super().connection_made(transport)
        self._reading = Reading(transport, self.limits.send_timeout)
        self._surplus = len(self.connections) > self.limits.connections
        self._received = 0
        self._before = (0, self.cycle)  # when last looked at: bytes received, and the request under way
        self._timer = self.loop.call_later(self.limits.request_timeout, self._look)
        if self._surplus:
            self._complain()
        if len(self.connections) > self.limits.connections + REFUSED:
            cut_off(transport)

    def _complain(self) -> None:
        now = time.monotonic()
        if now - Http.complained >= COMPLAINTS:
            Http.complained = now
            logger.warning(
                "%d connections are open, no more are let in (setting CONNECTIONS, limit of open files)",
                self.limits.connections,
            )

    def data_received(self, data: bytes) -> None:
        """Take in part of a request; on a surplus connection, refuse it."""
        self._received += len(data)
        if not self._surplus:
            super().data_received(data)
        elif b"\r\n\r\n" in data or self._received > HEADERS:
            self._refuse(
                TooManyConnections(
                    f"{self.limits.connections} connections are open; close a page (setting CONNECTIONS)",
                    most=self.limits.connections,
                )
            )

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop watching: the WebSocket's protocol takes over."""
        self._timer.cancel()
        self._reading.end()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._timer.cancel()
        self._reading.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start watching: the peer reads too slowly."""
        super().pause_writing()
        self._reading.begin()

    def resume_writing(self) -> None:
        """Stop watching: the peer has caught up."""
        super().resume_writing()
        self._reading.end()

    def _look(self) -> None:
        """Every REQUEST_TIMEOUT, check that a request under way makes progress."""
        received, cycle = self._before
        self._before = (self._received, self.cycle)
        self._timer = self.loop.call_later(self.limits.request_timeout, self._look)
        if self.transport.is_closing():  # and has not read the rest for so long
            cut_off(self.transport)
        elif self.cycle is None or self.cycle.response_complete:
            if self.cycle is cycle:
                self._refuse(TooSlow(f"no request came within {self.limits.request_timeout:g} s"))
        elif (
            self.cycle is cycle
            and self.cycle.more_body
            and not self.flow.read_paused
            and self._received - received < LEAST
        ):
            self._refuse(TooSlow(f"the body did not go on within {self.limits.request_timeout:g} s"))

    def _refuse(self, error: DescentError) -> None:
        """Send the error, unless a response has begun, and close."""
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            body = json.dumps(error.problem()).encode()
            status = HTTPStatus(error.status)
            self.transport.write(
                b"HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, status.phrase.encode(), len(body), body)
            )
        self.transport.close()


class Stream(WebSocketsSansIOProtocol):
    """A viewer's connection."""

    limits: ClassVar[Limits]
    hear: Callable[[bytes], bool] | None = None  # the application may take a text at once

    def connection_made(self, transport: Any) -> None:
        """Start watching; the connection was accepted as a request."""
        super().connection_made(transport)
        self._reading = Reading(transport, self.limits.send_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._reading.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the timer: the peer reads too slowly."""
        super().pause_writing()
        self._reading.begin()

    def resume_writing(self) -> None:
        """Stop the timer: the peer has caught up."""
        super().resume_writing()
        self._reading.end()

    def send_receive_event_to_app(self) -> None:
        """Pass on what the peer says. Reading is paused, two calls of the system, only for who says much."""
        paused, self.read_paused = self.read_paused, self.read_paused or self.queue.qsize() < UNHEARD
        super().send_receive_event_to_app()
        self.read_paused = paused or self.queue.qsize() > UNHEARD

    def keepalive_timeout(self) -> None:
        """Cut off a peer that does not answer pings."""
        super().keepalive_timeout()
        self.loop.call_later(LAST_WORD, cut_off, self.transport)

    def handle_text(self, event: Frame) -> None:
        """Let the application hear a text at once, or put it into the queue."""
        if not (self.hear and event.fin and self.hear(bytes(event.data))):
            super().handle_text(event)

    async def send(self, message: Any) -> None:
        """Send, but nothing into a connection that is ending: asyncio would log each attempt."""
        await self.writable.wait()
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def ready(self) -> bool:
        """Whether the peer has read so much that more can be written."""
        is_open = self.conn.state is State.OPEN and not self.close_sent and not self.transport.is_closing()
        return is_open and self.writable.is_set()

    def write(self, messages: Sequence[str | bytes]) -> None:
        """Write messages in one piece, shared by all who are sent it."""
        size = sum(map(len, messages))
        self.transport.write((_framed if size <= SHARED else _framed.__wrapped__)(tuple(messages)))

    async def say(self, messages: Sequence[str | bytes]) -> None:
        """Write messages once the peer has read the ones before."""
        await self.writable.wait()
        if not self.ready():
            raise WebSocketDisconnect(GONE)
        self.write(messages)

    async def run_asgi(self) -> None:
        """Serve the connection, and limit the wait until the peer has read the rest."""
        self.scope["extensions"][STREAM] = self  # type: ignore[assignment]
        await super().run_asgi()
        if self.transport.get_write_buffer_size():
            self._reading.begin()


def stream_of(socket: WebSocket) -> Stream | None:
    """The connection under a socket, where it is a `Stream`: a test's client has none."""
    return (socket.scope.get("extensions") or {}).get(STREAM)


def sender(socket: WebSocket) -> Callable[[Sequence[str | bytes]], Awaitable[None]]:
    """Sends messages over a socket, in one piece where it is a `Stream`."""
    if stream := stream_of(socket):
        return stream.say

    async def send_each(messages: Sequence[str | bytes]) -> None:
        for message in messages:
            await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))

    return send_each


@lru_cache(SHARED_AT_ONCE)
def _framed(messages: tuple[str | bytes, ...]) -> bytes:
    """Messages as they go out. Many viewers are sent the same ones, and their hashes are known."""
    return b"".join(
        Frame(Opcode.TEXT, message.encode()).serialize(mask=False)
        if isinstance(message, str)
        else Frame(Opcode.BINARY, message).serialize(mask=False)
        for message in messages
    )


def protocols(settings: Settings) -> tuple[type[Http], type[Stream]]:
    """The classes for HTTP and for WebSocket, within these settings and the system's limits."""
    most = min(settings.connections, _files() - OTHER_FILES - FILES_PER_RUN * settings.max_live)
    if most < settings.connections:
        most = max(16, most)
        logger.warning(
            "%d files may be open here: at most %d connections (more with ulimit -n)", _files(), most
        )
    limits = Limits(most, settings.request_timeout, settings.send_timeout)
    return type("Http", (Http,), {"limits": limits}), type("Stream", (Stream,), {"limits": limits})


def _files() -> int:
    """The number of files this process may open, after raising its limit as far as allowed."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return 1 << 20
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 14
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
