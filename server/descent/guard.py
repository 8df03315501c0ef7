"""Who may ask: the names this server answers to, where a page may come from, and how large a body may be."""

from __future__ import annotations

import json
from collections.abc import Iterable
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

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_body = settings.max_body
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
                receive = await self._bounded(headers, receive)
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
        error = TooLarge(f"the body is over {self._max_body} bytes", "body", limit=self._max_body)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body:
            raise error
        body = b""
        more = int(length) > 0 or "transfer-encoding" in headers
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise error
            more = message.get("more_body", False)
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        return replay


def _names(settings: Settings) -> Iterable[str]:
    yield from LOOPBACK
    yield settings.host.lower()
    yield from (name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
