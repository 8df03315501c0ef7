"""Each request has an id, which its answer says, and a line in the log where the server is to write one."""

from __future__ import annotations

import json
import logging
import secrets
import time
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("descent.requests")
HEADER = "x-request-id"
PATH = 200  # characters of a path that are written


def log_requests() -> None:
    """Write the lines to stderr."""
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    logger.propagate = False


class Requests:
    """Gives requests their ids, and writes a line of JSON about each: what came, who asked, what was said.

    Neither a query nor a body is written: keys and knobs are nobody's business.
    """

    def __init__(self, app: ASGIApp, log: bool) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        id = secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request"] = id
        began, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = id
            elif message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.close":
                status = status or message.get("code", 0)
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            if self._log:
                person = state.get("person")
                said = {
                    "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "id": id,
                    "method": scope.get("method", "SOCKET"),
                    "path": scope["path"][:PATH],
                    "status": status or 500,
                    "ms": round(1000 * (time.perf_counter() - began), 1),
                    "person": person.id if person is not None else None,
                }
                logger.info(json.dumps(said))
