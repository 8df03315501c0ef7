"""A proxy that shows a server under a path of its own, and takes that path from what it passes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from proxy import CHUNK, Proxy

END = b"\r\n\r\n"


class Prefixing(Proxy):
    """Passes on `/prefix/x` as `/x`; anything else is answered with 404 and the connection ends."""

    def __init__(self, target: str, prefix: str) -> None:
        self._prefix = prefix.encode()
        self.strays: list[str] = []  # what was asked for outside of the path
        super().__init__(target)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection(*self._target)
            self._ends.append(far)
            back = asyncio.create_task(self._copy(far_reader, writer))
            back.add_done_callback(lambda _: writer.close())  # a server closes what is idle, and so do we
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await self._requests(reader, writer, far)
            back.cancel()
            far.transport.abort()
        except OSError:
            pass  # one of the two hung up
        finally:
            writer.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        while True:
            head = await reader.readuntil(END)
            method, path, rest = head.split(b" ", 2)
            if not path.startswith(self._prefix + b"/"):
                self.strays.append(path.decode())
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            far.write(b" ".join([method, path.removeprefix(self._prefix), rest]))
            lines = dict(line.lower().split(b":", 1) for line in rest.split(b"\r\n")[1:] if b":" in line)
            far.write(await reader.readexactly(int(lines.get(b"content-length", b"0"))))
            await far.drain()
            if b"upgrade" in lines:
                await self._copy(reader, far)
                return

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                writer.write(chunk)
                await writer.drain()


@contextlib.contextmanager
def prefixed(target: str, prefix: str) -> Iterator[Prefixing]:
    """A proxy to the server at `target`, under this path."""
    proxy = Prefixing(target, prefix)
    try:
        yield proxy
    finally:
        proxy.close()
