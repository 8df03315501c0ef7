"""Access: the names this server answers to, the origins it accepts, and the size of a body."""

from __future__ import annotations

import html
import ipaddress
import json
import re
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from descent.errors import DescentError, NotAllowed, TooLarge
from descent.settings import Settings
from descent.web.counts import refused
from descent.web.forwarded import behind_tls

LOOPBACK = ("localhost", "127.0.0.1", "::1")
POLICY_VIOLATION = 1008
HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
REFUSED = """<!doctype html>
<meta charset="utf-8">
<title>Descent</title>
<h1>Descent</h1>
<p>This server does not answer to the name <b>{name}</b>. Whoever runs it can allow that: start it with
<code>DESCENT_ALLOWED_HOSTS={name}</code>, or the option <code>--allowed-hosts={name}</code>.{open}</p>
<p lang="ko">이 서버는 <b>{name}</b> 주소로 온 요청에 답하지 않습니다. 서버를 운영하는 사람이
<code>DESCENT_ALLOWED_HOSTS={name}</code> 설정이나 <code>--allowed-hosts={name}</code> 옵션으로 다시
시작하면 열립니다.{open_ko}</p>
"""
OPEN = {
    "{open}": " It asks for no key: whoever reaches it can see, change and delete every run.",
    "{open_ko}": " 키를 묻지 않으므로, 접속한 사람은 누구나 모든 실행을 보고, 바꾸고, 지울 수 있습니다.",
}
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors "
)
EMBED = "/embed/"  # the pages that other sites may show in a frame
SECURITY_HEADERS = {
    "Content-Security-Policy": POLICY + "'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def problem(error: DescentError) -> Response:
    """The error as an RFC 9457 response, in ASCII: it may repeat text that is no valid Unicode."""
    refused.labels(error.code).inc()
    seconds = error.params.get("seconds")
    return Response(
        json.dumps(error.problem()),
        error.status,
        headers={"Retry-After": str(seconds)} if error.status == 429 and seconds else None,
        media_type="application/problem+json",
    )


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
        allowed = [name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()]
        self._names = {*LOOPBACK, settings.host.lower(), *(_hostname(name) or name for name in allowed)}
        inside = [one.strip() for one in settings.embed_in.split(",") if one.strip()]
        self._embed = {"Content-Security-Policy": POLICY + " ".join(["'self'", *inside])}
        self._origins = {name for name in allowed if ":" in name}
        self._guarded = settings.guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on allowed requests."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                of_page = self._embed if scope["path"].startswith(EMBED) else {}
                for name, value in (SECURITY_HEADERS | of_page).items():
                    out.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check(headers, behind_tls(scope))
            _check_site(scope, headers)
            if scope["type"] == "http":
                most = self._uploads.get(scope["path"])
                receive = _counted(headers, receive, most) if most else await self._bounded(headers, receive)
        except DescentError as error:
            if scope["type"] == "websocket":
                await receive()
                await send(
                    {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": error.detail[:100]}
                )
            elif error.field == "Host" and "text/html" in headers.get("accept", ""):
                await self._refusal(headers)(scope, receive, send_guarded)
            else:
                await problem(error)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _check(self, headers: Headers, tls: bool) -> None:
        host = ", ".join(headers.getlist("host"))  # more than one is none of ours
        if not self._known(_hostname(host)):
            raise NotAllowed(
                f"Host {host[:100]!r} is not one this server answers to; add it to ALLOWED_HOSTS", "Host"
            )
        if not headers.getlist("origin"):
            return
        origin = ", ".join(headers.getlist("origin"))
        scheme, _, place = origin.lower().partition("://")
        schemes = ("https",) if tls else ("http", "https")  # the proxy may not say that it speaks TLS
        if scheme not in schemes or place not in {host.lower(), *self._origins}:
            raise NotAllowed(
                f"Origin {origin[:100]!r} is not this server's own: the Host is {host[:100]!r}. A proxy must "
                "hand on Host with its port (nginx: proxy_set_header Host $http_host), or ALLOWED_HOSTS name "
                "it with the port",
                "Origin",
            )

    def _known(self, name: str) -> bool:
        """Whether this server answers to the name. An address of its own cannot be pointed here by a foreign
        name, so where there are keys any will do: learners come by it.
        """
        return name in self._names or (self._guarded and _is_address(name))

    def _refusal(self, headers: Headers) -> Response:
        """The page for someone who opened this server by a name it does not have."""
        host = headers.get("host", "")
        text = REFUSED
        for place, sentence in OPEN.items():
            text = text.replace(place, "" if self._guarded else sentence)
        text = text.replace("{name}", html.escape(_hostname(host) or host[:100]))
        return Response(text, 403, media_type="text/html")

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
    """`receive` that raises `TooLarge` beyond `most` bytes of body; at once if Content-Length says so."""
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


def _check_site(scope: Scope, headers: Headers) -> None:
    """Refuse other sites' requests, links excepted; a browser sends where a request comes from."""
    leads = scope.get("method") in ("GET", "HEAD") and headers.get("sec-fetch-mode", "") == "navigate"
    if headers.get("sec-fetch-site") == "cross-site" and not leads:
        raise NotAllowed("pages of other sites may not ask this server", "Sec-Fetch-Site")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _hostname(host: str) -> str:
    """The name in a Host, without port and brackets; nothing where it is no Host."""
    found = HOST.fullmatch(host)
    return found["name"].lower().strip("[]") if found else ""
