"""The way to a server and back, in threads of its own: what cannot be sent waits, within bounds."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidURI
from websockets.sync.client import ClientConnection, connect

from descent.declared.messages import DELETED, OTHER_VERSION, PATH, REFUSED

TOKEN = "DESCENT_TOKEN"
MOST_WAITING = 32 << 20  # bytes of scalars and events kept for a server that is not there
RESENT = 256  # messages of scalars that are sent again if it turns out that they did not arrive
FIRST_RETRY, LONGEST_RETRY = 0.5, 15.0  # seconds
ALONE = 60.0  # seconds without a server after which a paused script goes on
OPEN_WITHIN = 5.0
FINAL = frozenset({OTHER_VERSION, DELETED, REFUSED})  # close codes after which it is not tried again


@dataclass(frozen=True)
class Waiting:
    """A message to be sent. `first`: the first step of scalars; −1 of any other."""

    data: str | bytes
    first: int = -1
    steps: int = 0


class Link:
    """Sends messages in order, and of each panel the latest picture; hands controls to `hear`."""

    def __init__(
        self,
        url: str,
        hello: Callable[[str], str],
        greeted: Callable[[dict[str, Any], bool], list[str]],
        hear: Callable[[dict[str, Any]], None],
        tell: Callable[[str], None],
    ) -> None:
        """`hello`: the first message, given the run's id if there is one already; `greeted`: takes the
        welcome and whether the run is another one than before, and returns what is to be said first;
        `tell`: a line for whoever looks at the terminal.
        """
        self.url = url
        self.run = ""
        self.connected = False
        self.over = False  # no further attempt is made
        self.lost_at = time.monotonic()
        self._hello, self._greeted, self._hear, self._tell = hello, greeted, hear, tell
        self._durable: deque[Waiting] = deque()
        self._size = 0
        self._sent: deque[Waiting] = deque(maxlen=RESENT)
        self._latest: dict[str, bytes] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._dropped = 0
        self._refusal = ""  # the last one told
        self._missed = False  # that there is no server has been told
        self._tried = False  # a first attempt has ended
        self._thread = threading.Thread(target=self._work, name="descent", daemon=True)

    def start(self) -> None:
        """Begin to look for the server."""
        self._thread.start()

    def put(self, waiting: Waiting) -> None:
        """Send a message, as soon as there is a server; the oldest beyond `MOST_WAITING` bytes go."""
        if self.over:
            return
        with self._changed:
            self._durable.append(waiting)
            self._size += len(waiting.data)
            while self._size > MOST_WAITING:
                old = self._durable.popleft()
                self._size -= len(old.data)
                if not self._dropped:
                    self._tell("no server for long: the oldest scalars are dropped from here on")
                self._dropped += max(1, old.steps)
            self._changed.notify()

    def show(self, panel: str, data: bytes) -> None:
        """Send a picture, unless a later one of its panel comes first, or there is no server."""
        if self.connected:
            with self._changed:
                self._latest[panel] = data
                self._changed.notify()

    def close(self, seconds: float) -> None:
        """Send what waits, if there is a server, for at most so many seconds.

        A short script may end before its first attempt has: that is waited for, too.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive() and (self.connected or not self._tried):
            self._thread.join(seconds)

    # In the thread

    def _work(self) -> None:
        retry = FIRST_RETRY
        while not self.over and not (self._closing and self._tried):
            try:
                with connect(
                    _socket_url(self.url),
                    additional_headers=_introduction(),
                    compression=None,
                    open_timeout=OPEN_WITHIN,
                    proxy=None,
                    close_timeout=1,
                ) as socket:
                    if self._converse(socket):
                        retry = FIRST_RETRY
            except (InvalidURI, ValueError) as error:
                self._tell(f"{self.url!r} is no address of a server ({error}); this run is not watched")
                self.over = True
            except (OSError, InvalidHandshake, InvalidMessage, ConnectionClosed, EOFError) as error:
                self._miss(error)
            self._tried = True
            if not self.over and not self._closing:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, retry)
                retry = min(2 * retry, LONGEST_RETRY)

    def _miss(self, error: Exception) -> None:
        if not self._missed:
            self._missed = True
            self._tell(
                f"no server at {self.url} ({type(error).__name__}); training goes on. Start one with "
                "`descent serve`: what is said until then is kept"
            )

    def _converse(self, socket: ClientConnection) -> bool:
        """Speak with a server until the connection ends; whether it said welcome."""
        socket.send(self._hello(self.run))
        try:
            first = json.loads(socket.recv(timeout=OPEN_WITHIN))
        except ConnectionClosed:
            return self._ended(socket)
        if first["type"] != "welcome":
            refusal = str(first.get("detail", ""))
            if refusal != self._refusal:
                self._refusal = refusal
                self._tell(f"the server refuses: {refusal}; training goes on")
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                socket.recv(timeout=1)
            self._ended(socket)
            return False
        another = first["run"] != self.run
        self.run, self._missed = first["run"], False
        opening = [Waiting(text) for text in self._greeted(first, another)]
        with self._changed:
            again = [one for one in self._sent if one.first >= (0 if another else first["told"])]
            self._sent.clear()
            self._durable.extendleft(reversed([*opening, *again]))
            self._size = sum(len(one.data) for one in self._durable)
        self.connected = True
        hearing = threading.Thread(target=self._listen, args=[socket], name="descent-hears", daemon=True)
        hearing.start()
        try:
            with contextlib.suppress(ConnectionClosed):
                self._send_all(socket)
        finally:
            self.connected, self.lost_at = False, time.monotonic()
        return self._ended(socket)

    def _send_all(self, socket: ClientConnection) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._durable or self._latest or self._closing or not self.connected
                )
                batch = list(self._durable)
                self._durable.clear()
                self._size = 0
                pictures, self._latest = list(self._latest.values()), {}
                closing = self._closing
            if not self.connected:
                with self._changed:
                    self._durable.extendleft(reversed(batch))
                return
            for index, one in enumerate(batch):
                try:
                    socket.send(one.data)
                except ConnectionClosed:
                    with self._changed:
                        self._durable.extendleft(reversed(batch[index:]))
                        self._size = sum(len(kept.data) for kept in self._durable)
                    raise
                if one.first >= 0:
                    self._sent.append(one)
            for picture in pictures:
                socket.send(picture)
            if closing and not batch:
                return

    def _listen(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed, ValueError):
            for message in socket:
                self._hear(json.loads(message))
        with self._changed:
            self.connected = False
            self._changed.notify()

    def _ended(self, socket: ClientConnection) -> bool:
        """Note why a connection has ended; whether the next attempt may come soon."""
        code, reason = socket.close_code, socket.close_reason
        if code in FINAL and not self._closing:
            self.over = True
            self._durable.clear()
            if not self._refusal:
                self._tell(f"this run is not watched any more: {reason or code}; training goes on")
        return code not in FINAL


def _introduction() -> dict[str, str]:
    """The key of a server that asks for one."""
    token = os.environ.get(TOKEN, "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _socket_url(url: str) -> str:
    """The WebSocket's address of a server's. Raises `ValueError`."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError("expected http://host:port")
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + PATH, "", ""))


def say(line: str) -> None:
    """A line on stderr, where the script has one: it may have closed it."""
    with contextlib.suppress(ValueError, OSError):
        print(f"descent: {line}", file=sys.stderr, flush=True)
