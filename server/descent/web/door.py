"""Who asks, known by a cookie or a bearer token; and what a route needs, which each of them says."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Annotated

from fastapi import Depends, WebSocket, WebSocketException
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from descent.access import LOCAL, Book, Person, Role, allows
from descent.errors import NotPermitted, NotSignedIn, TooManyRequests, TooManyTokens, WrongToken
from descent.web.forwarded import behind_tls
from descent.web.guard import problem
from descent.web.often import Often

COOKIE = "descent"
SECURE_COOKIE = f"__Secure-{COOKIE}"  # a name that browsers take by TLS only
LONGEST = 200  # characters of a token that is looked at
PER_ADDRESS = parse("20/minute")  # wrong tokens
IN_ALL = parse("200/minute")
POLICY_VIOLATION = 1008
LOOK_AGAIN = 5.0  # seconds between two looks whether an open socket may stay open


class Wrong:
    """Counts wrong tokens. Right ones are let in all the while: a class may share one address."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, address: str, error: WrongToken) -> None:
        """Raises `error`, or `TooManyTokens` where there were too many. Stale tokens are not counted."""
        if error.params.get("reason") == "stale":
            raise error
        for limit, whose in ((PER_ADDRESS, address), (IN_ALL, "all")):
            if not self._limiter.hit(limit, whose):
                again = self._limiter.get_window_stats(limit, whose).reset_time
                raise TooManyTokens(
                    "too many wrong keys came; try again in a minute",
                    "key",
                    seconds=max(1, math.ceil(again - time.time())),
                )
        raise error


class Door:
    """Finds out who asks. It refuses wrong tokens, and who asks too often: what is needed the routes say."""

    def __init__(self, app: ASGIApp, book: Book | None, wrong: Wrong, requests: Often) -> None:
        """Without a `book` everybody is the teacher. `requests`: counts those of each person."""
        self._app = app
        self._requests = requests
        self._book = book
        self._wrong = wrong

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the person in the scope's state."""
        if scope["type"] in ("http", "websocket"):
            state = scope.setdefault("state", {})
            try:
                state["person"] = LOCAL if self._book is None else self._person(scope)
                if scope["type"] == "http" and scope["path"].startswith("/api/"):
                    self._requests.count(state["person"])
            except (WrongToken, TooManyTokens, TooManyRequests) as error:
                if scope["type"] == "http":
                    await problem(error)(scope, receive, send)
                else:
                    await receive()
                    await send(
                        {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": error.detail[:100]}
                    )
                return
        await self._app(scope, receive, send)

    def _person(self, scope: Scope) -> Person | None:
        assert self._book is not None
        headers = Headers(scope=scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = scheme.lower() == "bearer"
        if not bearer:
            token = cookie_parser(headers.get("cookie", "")).get(cookie(scope), "")
        if not token:
            return None
        try:
            if len(token) > LONGEST:
                raise WrongToken("this is no key of this server", "key", reason="wrong")
            return self._book.bearer(token.strip()) if bearer else self._book.known(token)
        except WrongToken as error:
            if not bearer and error.params.get("reason") == "stale":
                return None  # the browser is asked to sign in again
            self._wrong.count(address(scope), error)
            raise


async def shut_out(socket: WebSocket) -> tuple[int, str]:
    """Waits until whoever opened the socket may no longer come in; close code and reason."""
    book: Book | None = socket.app.state.book
    while book is None or book.lets_in(socket.state.person):
        await asyncio.sleep(LOOK_AGAIN)
    return POLICY_VIOLATION, "you are no longer let in"


def cookie(scope: Scope) -> str:
    """The cookie's name. One made behind TLS is none without TLS, nor the other way round."""
    return SECURE_COOKIE if behind_tls(scope) else COOKIE


def address(scope: Scope) -> str:
    """Where a request comes from, as far as the server knows; see forwarded.py."""
    client = scope.get("client")
    return client[0] if client else ""


class Needs:
    """A dependency of a route: who asks, if they may. Raises `NotSignedIn` and `NotPermitted`."""

    def __init__(self, role: Role | None) -> None:
        """None: nobody needs to be known."""
        self.role = role

    async def __call__(self, connection: HTTPConnection) -> Person | None:
        """The person."""
        person: Person | None = connection.state.person
        if self.role is None or (person is not None and allows(person.role, self.role)):
            return person
        if connection.scope["type"] == "websocket":
            raise WebSocketException(POLICY_VIOLATION, "this server asks for a key")
        if person is None:
            raise NotSignedIn("this server asks for a key: open the link that you were given", "key")
        raise NotPermitted(f"only a {self.role} may do this", "role", reason=self.role)


ANYONE, VIEWER, LEARNER, TEACHER = (Depends(Needs(role)) for role in (None, "viewer", "learner", "teacher"))
Asking = Annotated[Person, VIEWER]
"""The person who asks, at least a viewer."""
