"""The path under which a proxy shows this server, and the page that is told of it.

The page asks for everything below that path. Requests may come with it or, where the proxy takes it away,
without. A proxy's own word is there only where it is trusted: see forwarded.py.
"""

from __future__ import annotations

import html
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from descent.settings import PREFIX, Settings
from descent.web.forwarded import PREFIX as HEADER
from descent.web.forwarded import last

KEY = "descent.prefix"  # in a request's scope


class Prefix:
    """Notes each request's prefix, and takes it from its path."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, without the prefix."""
        if scope["type"] in ("http", "websocket"):
            prefix = self._prefix(Headers(scope=scope))
            path = str(scope["path"])
            if prefix and path.startswith(f"{prefix}/"):
                path = path.removeprefix(prefix)
            scope = {**scope, "path": path, KEY: prefix}
        await self._app(scope, receive, send)

    def _prefix(self, headers: Headers) -> str:
        """The proxy's word, if it is a path; else the setting's."""
        told = last(headers, HEADER).rstrip("/")
        return told if told and PREFIX.fullmatch(told) else self._settings.root_path


def prefix_of(scope: Scope) -> str:
    """The path under which the request's browser finds this server, as /descent; '' without one."""
    return str(scope.get(KEY, ""))


def page(index: Path, scope: Scope) -> Response:
    """The page, with its files below the request's prefix."""
    prefix = html.escape(prefix_of(scope), quote=True)
    text = index.read_text(encoding="utf-8")
    text = text.replace('<meta name="base" content="" />', f'<meta name="base" content="{prefix}" />')
    for attribute in ("href", "src"):
        text = text.replace(f'{attribute}="./', f'{attribute}="{prefix}/')
    return HTMLResponse(text, headers={"Cache-Control": "no-cache"})
