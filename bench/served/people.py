"""People who come by a key, over REST: by hand, since a client library would take as long as the server."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any


class Somebody:
    """Who asks one server, on one connection. `cookie`: what makes them known, once they came in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer. Raises `Refused`."""
        if self._open is None or self._open[0].at_eof():
            self._open = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._open
        text = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {self.cookie}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        writer.write(head.encode() + text)
        said = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", said)
        content = await reader.readexactly(int(length[1])) if length else b""
        if found := re.search(r"set-cookie: ([^;]+);", said):
            self.cookie = found[1]
        status = int(said.split()[1])
        if status >= 400:
            raise Refused(status, method, path, content[:300])
        return json.loads(content) if "application/json" in said else content

    async def come(self, key: str, name: str) -> None:
        """Come in by a key."""
        await self.ask("POST", "/api/enter", {"key": key, "name": name})

    def leave(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open[1].close()


class Refused(Exception):
    """A request was refused: its status, method and path, and the reason."""
