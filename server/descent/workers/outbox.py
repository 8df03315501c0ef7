"""A worker's output queue: in order, nothing durable lost, and training seldom waits."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler

from descent.engine.messages import CheckpointTaken, Output, PanelFrame

try:
    import fcntl
    import termios
except ImportError:  # Windows
    TELLS = False
else:
    TELLS = sys.platform == "linux"  # unread bytes of a pipe are known

MOST_UNSENT = 4096  # durable messages; a server further behind than that makes training wait
ROOM = 1 << 20  # bytes of the pipe, where the system lets us choose (Linux)
SAFE_SHARE = 4  # small writes waste page space: count on a quarter of the capacity only


class Outbox:
    """Sends scalars and events in order, and of pictures and checkpoints the latest.

    While the pipe has room, the calling thread sends at once: a sender thread would take turns with training
    at Python's lock (3 % of the steps). A thread sends what had to wait.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._room = _widen(connection.fileno()) // SAFE_SHARE
        self._durable: deque[Output] = deque()
        self._latest: dict[str, Output] = {}  # by panel; "" is the checkpoint
        self._changed = threading.Condition()
        self._sending = False
        self._closed = False
        self._thread = threading.Thread(target=self._send_all, name="outbox", daemon=True)
        self._thread.start()

    def put(self, output: Output) -> None:
        """Send one message, or queue it; waits only when the server is far behind."""
        with self._changed:
            if not (self._sending or self._durable or self._latest) and self._sent_at_once(output):
                return
            if isinstance(output, PanelFrame | CheckpointTaken):
                self._latest[output.panel if isinstance(output, PanelFrame) else ""] = output
            else:
                self._changed.wait_for(lambda: len(self._durable) < MOST_UNSENT)
                self._durable.append(output)
            self._changed.notify_all()

    def close(self) -> None:
        """Send what is left, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _sent_at_once(self, output: Output) -> bool:
        """Send if that cannot block."""
        if not self._room:
            return False
        data = ForkingPickler.dumps(output)
        unread = fcntl.ioctl(self._connection.fileno(), termios.FIONREAD, bytes(4))
        if int.from_bytes(unread, sys.byteorder) + len(data) > self._room:
            return False
        with _ended_with_the_server():
            self._connection.send_bytes(data)
        return True

    def _send_all(self) -> None:
        while True:
            with self._changed:
                self._sending = False
                self._changed.wait_for(lambda: self._durable or self._latest or self._closed)
                batch = sorted([*self._durable, *self._latest.values()], key=lambda output: output.seq)
                self._durable.clear()
                self._latest.clear()
                closed = self._closed
                self._sending = True
                self._changed.notify_all()
            with _ended_with_the_server():
                for output in batch:
                    self._connection.send(output)
            if closed and not batch:
                return


@contextlib.contextmanager
def _ended_with_the_server() -> Iterator[None]:
    """End this process if the pipe turns out to be closed at the server's end."""
    try:
        yield
    except OSError:
        os._exit(1)


def _widen(pipe: int) -> int:
    """Enlarge a pipe; returns its capacity in bytes, 0 where the system does not report it."""
    if not TELLS:
        return 0
    with contextlib.suppress(OSError):  # the user's pipes may hold too much already
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, ROOM)
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
