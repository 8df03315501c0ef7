"""Who may ask: the names this server answers to, where a page may come from, and how large a body may be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from descent.errors import DescentError, NotAllowed, TooLarge
from descent.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
POLICY_VIOLATION = 1008
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def problem(error: DescentError) -> Response:
    """The error as an RFC 9457 response, in ASCII: it may repeat text that is no valid Unicode."""
    return Response(json.dumps(error.problem()), error.status, media_type="application/problem+json")


class Guard:
    """Checks Host and Origin of every request and socket, limits bodies, adds security headers.

    The check of Host keeps a foreign name that points at this machine (DNS rebinding) from reaching
    the server; the check of Origin keeps foreign pages from using it.
    """

    def __init__(self, app: ASGIApp, settings: Settings, uploads: Mapping[str, int] | None = None) -> None:
        """`uploads`: the paths that take files, and how many bytes; their bodies are not read ahead."""
        self._app = app
        self._max_body = settings.max_body
        self._uploads = uploads or {}
        self._names = set(_names(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check(headers)
            if scope["type"] == "http":
                most = self._uploads.get(scope["path"])
                receive = _counted(headers, receive, most) if most else await self._bounded(headers, receive)
        except DescentError as error:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": error.detail})
            else:
                await problem(error)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _check(self, headers: Headers) -> None:
        host = ", ".join(headers.getlist("host"))  # more than one is none of ours
        if _hostname(host) not in self._names:
            raise NotAllowed(
                f"Host {host[:100]!r} is not one this server answers to; add it to ALLOWED_HOSTS", "Host"
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise NotAllowed(f"Origin {origin[:100]!r} is not this server's own", "Origin")

    async def _bounded(self, headers: Headers, receive: Receive) -> Receive:
        """The whole body, read ahead, if it is not too large."""
        counted = _counted(headers, receive, self._max_body)
        body = b""
        more = int(headers.get("content-length", "0")) > 0 or "transfer-encoding" in headers
        while more:
            message = await counted()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        return replay


def _counted(headers: Headers, receive: Receive, most: int) -> Receive:
    """`receive`, which raises `TooLarge` as soon as there is more body; at once where it is said to be."""
    error = TooLarge(f"the body is over {most} bytes", "body", limit=most)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise error
    size = 0

    async def count() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise error
        return message

    return count


def _names(settings: Settings) -> Iterable[str]:
    yield from LOOPBACK
    yield settings.host.lower()
    yield from (name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
