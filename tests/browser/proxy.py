"""A TCP proxy on loopback that delays what goes through it, and can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

CHUNK = 1 << 16


class Proxy:
    """Between a browser and a server. Its methods may be called from any thread."""

    def __init__(self, target: str, delay: float = 0.0) -> None:
        """`delay`: seconds that each chunk takes, either way."""
        parts = urlsplit(target)
        self._target = parts.hostname, parts.port
        self._delay = delay
        self._open = True
        self._pipes: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._take, "localhost", 0))
        self.address = f"http://localhost:{self._server.sockets[0].getsockname()[1]}"

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def cut(self) -> None:
        """Every connection ends, and none is let in."""
        self._open = False
        self._do(self._drop())

    def restore(self) -> None:
        """Connections are let in again."""
        self._open = True

    def close(self) -> None:
        """End it."""
        self.cut()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*(end.wait_closed() for end in self._ends), return_exceptions=True)

    async def _drop(self) -> None:
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.append(writer)
        if not self._open:
            writer.transport.abort()
            return
        pipe = self._loop.create_task(self._join(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            far_reader, far = await asyncio.open_connection(*self._target)
            ends.append(far)
            self._ends.append(far)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far))
                group.create_task(self._pass_on(far_reader, writer))
        except* OSError:
            pass  # one of the two hung up
        finally:
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Every chunk after the delay, in order, however fast they come."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                due, chunk = await waiting.get()
                await asyncio.sleep(due - self._loop.time())
                if not chunk:
                    writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            while chunk := await reader.read(CHUNK):
                waiting.put_nowait((self._loop.time() + self._delay, chunk))
            waiting.put_nowait((self._loop.time() + self._delay, b""))


@contextlib.contextmanager
def proxied(target: str, delay: float = 0.0) -> Iterator[Proxy]:
    """A proxy to the server at `target`."""
    proxy = Proxy(target, delay)
    try:
        yield proxy
    finally:
        proxy.close()
