"""Many viewers of a run in a process of their own, which takes as little as it can of the cores they share.

One in eleven looks at what comes, and tells; the others acknowledge whatever does, and answer no pings, which
a server forgives for some forty seconds.

`python crowd.py PORT RUN NUMBER PANEL...` connects them, prints a line, and reads one: with `measure` it
begins to count, with any other it prints what it counted as JSON and ends. A deaf crowd asks for pictures and
never reads.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import selectors
import socket
import struct
import sys
import time

SEEN = 11  # of so many viewers one tells when each picture came
BUFFER = 1 << 18  # bytes read at once
WITHIN = 60.0  # seconds in which a viewer is let in
SEQ = re.compile(rb'"seq":"(\d+)"')


class Viewer:
    """A client of the stream: it draws nothing, and acknowledges each lot of pictures as the page does."""

    def __init__(self, where: socket.socket) -> None:
        self.socket = where
        self.pictures = 0
        self._rest = b""  # the beginning of a message whose header has not come to its end
        self._skip = 0  # bytes to the end of the message

    def heard(self, data: memoryview) -> list[int]:
        """The `seq` of each picture whose header ends in these bytes. Messages are skipped, not kept."""
        found: list[int] = []
        if self._rest:
            data, self._rest = memoryview(self._rest + data), b""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            needed, size = _header(data[at : at + 18])
            if len(data) - at < needed:
                self._rest = bytes(data[at:])
                break
            head = bytes(data[at : at + needed])
            if head[0] == 0x82 and b'"type":"panel"' in head and (seq := SEQ.search(head)):
                found.append(int(seq[1]))
            elif head[0] == 0x89:
                self.socket.send(_masked(head[2:], 0x8A))
            self._skip = size
        self.pictures += len(found)
        return found

    def say(self, **command: object) -> None:
        """Send a command."""
        self.socket.send(_command(**command))


def _header(head: memoryview) -> tuple[int, int]:
    """How many bytes of a message are needed to tell what it is, and how many it has."""
    if len(head) < 18:
        short = head[1] if len(head) > 1 else 127
        return (2 + short, 2 + short) if short < 18 else (18, 0)
    size, begin = head[1], 2
    if size > 125:
        begin = 4 if size == 126 else 10
        size = int.from_bytes(head[2:begin], "big")
    if head[0] != 0x82:
        return (begin + size if head[0] == 0x89 else begin), begin + size
    return begin + min(size, 8 + int.from_bytes(head[begin : begin + 8], "little")), begin + size


def _masked(text: bytes, kind: int = 0x81) -> bytes:
    size = struct.pack("!B", 0x80 | len(text)) if len(text) < 126 else struct.pack("!BH", 0xFE, len(text))
    return bytes([kind]) + size + bytes(4) + text


def _command(**fields: object) -> bytes:
    return _masked(json.dumps(fields, separators=(",", ":")).encode())


DREW_ALL = _command(type="ack", seq=2**53 - 1)  # whatever was sent so far


def let_in(port: int, run: str, cookie: str) -> Viewer:
    """A viewer whose connection is open, and that sees nothing of what was before."""
    where = socket.create_connection(("127.0.0.1", port), timeout=WITHIN)
    where.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    where.sendall(
        f"GET /api/runs/{run}/stream?since={2**53} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {cookie}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += where.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head
    return Viewer(where)


def main() -> None:
    """Connect, watch until told to stop, and say what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("run")
    parser.add_argument("number", type=int)
    parser.add_argument("panels", nargs="+")
    parser.add_argument("--fps", type=float, default=10)
    parser.add_argument("--cookie", default="")
    parser.add_argument("--deaf", action="store_true")
    options = parser.parse_args()
    os.nice(15)  # below workers: viewers of a class have cores of their own
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd()
    for number in range(options.number):
        viewer = let_in(options.port, options.run, options.cookie)
        if not options.deaf:
            viewer.say(type="ack", seq=0)
            crowd.read_from(viewer, tells=number % SEEN == 0)
        crowd.viewers.append(viewer)
        crowd.read(0)
    for number, viewer in enumerate(crowd.viewers):
        viewer.say(type="watch", panels=options.panels[: 1 + number % 2], max_fps=options.fps)
        crowd.read(0)
    print("ready", flush=True)
    crowd.ready.register(sys.stdin, selectors.EVENT_READ)
    while not crowd.read(None):
        pass
    counted = {"pictures": [one.pictures for one in crowd.telling], "came": crowd.came, "lost": crowd.lost}
    print(json.dumps(counted), flush=True)


class Crowd:
    """Viewers that read. `came`: (seq, monotonic time) of pictures that came to those that tell."""

    def __init__(self) -> None:
        self.ready = selectors.DefaultSelector()
        self.viewers: list[Viewer] = []
        self.telling: list[Viewer] = []
        self.came: list[tuple[int, float]] = []
        self.lost = 0
        self._counts = False
        self._buffer = memoryview(bytearray(BUFFER))

    def read_from(self, viewer: Viewer, *, tells: bool) -> None:
        """Have a viewer read from now on."""
        viewer.socket.setblocking(False)
        if tells:
            self.telling.append(viewer)
        self.ready.register(viewer.socket, selectors.EVENT_READ, (viewer, tells))

    def read(self, timeout: float | None) -> bool:
        """Read what has come; whether stdin says to stop."""
        for key, _ in self.ready.select(timeout):
            if key.data is not None:
                self._hear(*key.data)
            elif sys.stdin.readline().startswith("measure"):
                self._counts = True
                self.came = []
                for one in self.telling:
                    one.pictures = 0
            else:
                return True
        return False

    def _hear(self, viewer: Viewer, tells: bool) -> None:
        try:
            size = viewer.socket.recv_into(self._buffer)
        except OSError:
            size = 0
        if not size:
            self.lost += 1
            self.ready.unregister(viewer.socket)
        elif not tells:
            viewer.socket.send(DREW_ALL)
        elif found := viewer.heard(self._buffer[:size]):
            viewer.say(type="ack", seq=max(found))
            if self._counts:
                now = time.monotonic()
                self.came += [(seq, now) for seq in found]


if __name__ == "__main__":
    main()
