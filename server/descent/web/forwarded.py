"""What a proxy says of the request that it hands on: X-Forwarded-For, -Proto, -Host and -Prefix.

Only the addresses in TRUSTED_PROXIES are believed. What anybody else says by these headers is taken out here,
so that nothing behind this reads it.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from descent.settings import Settings

HOST = "x-forwarded-host"
PREFIX = "x-forwarded-prefix"
HEADERS = ("x-forwarded-for", "x-forwarded-proto", HOST, PREFIX)


class Forwarded:
    """Puts a trusted proxy's word in the place of what the connection shows: client, scheme and Host."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._told = ProxyHeadersMiddleware(app, settings.trusted_proxies)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope = dict(scope)
        headers = MutableHeaders(scope=scope)  # writes into a list of its own
        client = scope.get("client")
        if client is None or client[0] not in self._told.trusted_hosts:
            for name in HEADERS:
                del headers[name]
            await self._app(scope, receive, send)
            return
        if host := last(headers, HOST):
            headers["host"] = host
        await self._told(scope, receive, send)  # type: ignore[arg-type]


def last(headers: Headers, name: str) -> str:
    """The nearest proxy's own word: one that adds to what it was told writes behind it."""
    return ", ".join(headers.getlist(name)).rpartition(",")[2].strip()


def behind_tls(scope: Scope) -> bool:
    """Whether the request's browser speaks TLS, with this server or with a trusted proxy."""
    return scope.get("scheme") in ("https", "wss")
