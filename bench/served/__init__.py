"""A real server in its own process, and a client that watches as the page does; what several benches need."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from descent import wire


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of a fresh server that pauses no run, without a slash at its end."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "descent", "serve", "--port=0", "--idle-pause=0", f"--home={home}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            address = re.search(r":(\d+)/", process.stdout.readline())
            assert address
            yield f"http://127.0.0.1:{address[1]}"
            process.terminate()


class Client:
    """One run, over REST and its stream. Pictures are acknowledged as they come, `seen` counts them."""

    def __init__(self, api: httpx.AsyncClient, stream: ClientConnection, run: str) -> None:
        self._api = api
        self._stream = stream
        self.run = run
        self.seen = 0

    async def send(self, **command: Any) -> None:
        """A command over the stream."""
        await self._stream.send(json.dumps(command))

    async def post(self, command: str, **body: Any) -> dict[str, Any]:
        """A command over REST; the run as it is then."""
        answer = await self._api.post(f"/api/runs/{self.run}/{command}", json=body or None)
        return dict(answer.raise_for_status().json())

    async def patch(self, **knobs: Any) -> None:
        """Set live knobs over REST."""
        (await self._api.patch(f"/api/runs/{self.run}", json={"knobs": knobs})).raise_for_status()

    async def read(self) -> dict[str, Any] | wire.Frame:
        """The next event or frame."""
        message = await self._stream.recv()
        if isinstance(message, str):
            return dict(json.loads(message))
        frame = wire.decode(message)
        if frame.type == "panel":
            self.seen += 1
            await self.send(type="ack", seq=frame.seq)
        return frame

    async def event(self, type: str) -> dict[str, Any]:
        """Read until such an event comes."""
        while not (isinstance(message := await self.read(), dict) and message["type"] == type):
            pass
        return message

    async def read_on(self) -> None:
        """Read whatever comes, for ever."""
        while True:
            await self.read()


@contextlib.asynccontextmanager
async def new_run(address: str, experiment: str, **body: Any) -> AsyncIterator[Client]:
    """A new run and its stream; the run is deleted in the end."""
    async with httpx.AsyncClient(base_url=address, timeout=30) as api:
        answer = await api.post("/api/runs", json={"experiment": experiment, **body})
        run = answer.raise_for_status().json()["id"]
        uri = f"{address.replace('http', 'ws')}/api/runs/{run}/stream"
        async with connect(uri, proxy=None, compression=None, max_size=None) as stream:
            yield Client(api, stream, run)
        await api.delete(f"/api/runs/{run}")


@contextlib.asynccontextmanager
async def reading(client: Client) -> AsyncIterator[None]:
    """Keep reading meanwhile, as the page does."""
    task = asyncio.create_task(client.read_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
