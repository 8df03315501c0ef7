"""A real server in its own process, and a client that watches as the page does; what several benches need."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from descent import wire


@contextlib.contextmanager
def served(*options: str) -> Iterator[str]:
    """The address of a server that pauses no run, without a slash at its end. It has recorded nothing yet."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "descent", "serve", "--port=0", "--idle-pause=0", f"--home={home}"]
        command += options
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            address = re.search(r":(\d+)/", process.stdout.readline())
            assert address
            try:
                yield f"http://127.0.0.1:{address[1]}"
            finally:
                process.terminate()


class Viewer:
    """A client of a run's stream. Pictures are acknowledged as they come; `pictures` counts them."""

    def __init__(self, stream: ClientConnection) -> None:
        self._stream = stream
        self.pictures = 0

    async def send(self, **command: Any) -> None:
        """Send a command."""
        await self._stream.send(json.dumps(command))

    async def read(self) -> dict[str, Any] | wire.Frame:
        """The next event or frame."""
        message = await self._stream.recv()
        if isinstance(message, str):
            return dict(json.loads(message))
        frame = wire.decode(message)
        if frame.type == "panel":
            self.pictures += 1
            await self.send(type="ack", seq=frame.seq)
        return frame

    async def event(self, type: str) -> dict[str, Any]:
        """Read until such an event comes."""
        while not (isinstance(message := await self.read(), dict) and message["type"] == type):
            pass
        return message

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Keep reading meanwhile, as the page does."""

        async def read_on() -> None:
            while True:
                await self.read()

        task = asyncio.create_task(read_on())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Run:
    """A run over REST. By hand on one connection: a client library would take as long as the server."""

    def __init__(
        self, id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> None:
        self.id = id
        self._reader = reader
        self._writer = writer
        self._address = address

    async def ask(self, method: str, command: str = "", **body: Any) -> dict[str, Any]:
        """A request about the run, and its answer."""
        if self._reader.at_eof():  # the server closes a connection that was idle for some seconds
            self._reader, self._writer = await _connect(self._address)
        path = f"/api/runs/{self.id}" + (command and f"/{command}")
        return await _ask(self._reader, self._writer, method, path, body)

    def close(self) -> None:
        """Close the connection; the run goes on."""
        self._writer.close()

    @contextlib.asynccontextmanager
    async def view(self, panels: Iterable[str]) -> AsyncIterator[Viewer]:
        """A viewer that watches `panels`, and sees nothing of what was before."""
        uri = f"{self._address.replace('http', 'ws')}/api/runs/{self.id}/stream?since={2**53}"
        async with connect(uri, proxy=None, compression=None, max_size=None) as stream:
            viewer = Viewer(stream)
            await viewer.send(type="watch", panels=list(panels), max_fps=30)
            yield viewer


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    path: str,
    body: Mapping[str, Any],
) -> dict[str, Any]:
    text = json.dumps(body) if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", answer)
    content = await reader.readexactly(int(length[1])) if length else b"{}"
    assert answer.startswith(b"HTTP/1.1 2"), (method, path, answer, content)
    return dict(json.loads(content))


@contextlib.asynccontextmanager
async def new_run(address: str, experiment: str, **body: Any) -> AsyncIterator[Run]:
    """A new run, which is deleted in the end."""
    reader, writer = await _connect(address)
    made = await _ask(reader, writer, "POST", "/api/runs", {"experiment": experiment, **body})
    run = Run(made["id"], reader, writer, address)
    try:
        yield run
    finally:
        await run.ask("DELETE")
        run.close()
