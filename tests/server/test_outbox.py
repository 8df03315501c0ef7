import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from descent.engine.messages import Output, PanelFrame, ScalarsFrame
from descent.workers.outbox import ROOM, Outbox

LONG = bytes(ROOM // 8)


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Connection]]:
    reader, writer = multiprocessing.Pipe(duplex=False)
    with reader, writer:
        yield reader, writer


def scalars(seq: int, payload: bytes = b"") -> Output:
    return ScalarsFrame(seq, seq, payload)


def picture(seq: int, panel: str = "map") -> Output:
    return PanelFrame(seq, seq, panel, b"")


def read(reader: Connection, count: int) -> list[int]:
    return [reader.recv().seq for _ in range(count)]


def test_what_finds_room_is_in_the_pipe_when_put_returns(pipe):
    reader, writer = pipe
    outbox = Outbox(writer)
    for seq in range(1, 4):
        outbox.put(scalars(seq))
    assert reader.poll(0)
    assert read(reader, 3) == [1, 2, 3]
    outbox.close()


def test_nobody_who_puts_waits_for_a_server_that_does_not_read_and_nothing_durable_is_lost(pipe):
    reader, writer = pipe
    outbox = Outbox(writer)
    for seq in range(1, 41):  # five times what the pipe holds
        outbox.put(scalars(seq, LONG))
    assert read(reader, 40) == list(range(1, 41))
    outbox.close()


def test_of_pictures_that_had_to_wait_only_the_latest_is_sent_and_in_its_place(pipe):
    reader, writer = pipe
    outbox = Outbox(writer)
    for seq in range(1, 31):
        outbox.put(scalars(seq, LONG))
    for seq in (31, 32, 34):
        outbox.put(picture(seq))
    outbox.put(picture(33, "other"))
    outbox.put(scalars(35))
    assert read(reader, 33) == [*range(1, 31), 33, 34, 35]
    outbox.close()


def test_closing_sends_what_still_waits(pipe):
    reader, writer = pipe
    outbox = Outbox(writer)
    for seq in range(1, 41):
        outbox.put(scalars(seq, LONG))
    closing = threading.Thread(target=outbox.close)
    closing.start()
    assert read(reader, 40) == list(range(1, 41))
    closing.join(10)
    assert not closing.is_alive()
