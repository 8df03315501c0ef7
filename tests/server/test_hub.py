import asyncio
import json
from collections import deque

import pytest

from descent import wire
from descent.runs import channel as channels
from descent.runs.channel import BATCH, UNDRAWN, Channel, Latest, Viewer
from descent.runs.tape import Tape


@pytest.fixture
def channel(tmp_path):
    channel = Channel(Tape("run", tmp_path))
    yield channel
    channel.tape.close()


class Reader:
    """Reads as a viewer's socket would; `blocked` holds it up."""

    def __init__(self, channel, *panels, since=0):
        self.viewer = Viewer(cursor=since, panels=frozenset(panels))
        self.got = []
        self.open = asyncio.Event()
        self.open.set()
        self._arrived = asyncio.Condition()
        channel.viewers.add(self.viewer)
        self.task = asyncio.create_task(channel.pump(self.viewer, self._send))

    async def _send(self, messages):
        await self.open.wait()
        async with self._arrived:
            self.got += messages
            self._arrived.notify_all()

    async def read(self, count):
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.got) >= count)
        return self.got

    async def settle(self):
        """Until the pump has nothing more to send."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.got

    @property
    def steps(self):
        frames = [
            wire.decode(message)
            for message in self.got
            if isinstance(message, bytes) and message[0:1] != b"P"
        ]
        return [step for frame in frames for step in frame.arrays["step"].tolist()]


def keep(channel, seq, step):
    channel.keep(seq, wire.encode_scalars("run", seq, [step], {"loss": [1.0]}), binary=True)


def picture(channel, seq, panel="a"):
    channel.show(panel, Latest(seq, seq, b"P%d" % seq))


async def test_events_and_scalars_come_in_order(channel):
    channel.keep(1, b'{"type": "state"}', binary=False)
    keep(channel, 2, 0)
    reader = Reader(channel)
    first, second = await reader.read(2)
    assert json.loads(first) == {"type": "state"}
    assert wire.decode(second).step == 0
    keep(channel, 3, 1)
    await reader.read(3)
    assert reader.steps == [0, 1]


async def test_a_reader_that_returns_misses_nothing(channel):
    for seq in range(1, 6):
        keep(channel, seq, seq)
    reader = Reader(channel, since=3)
    await reader.read(2)
    assert reader.steps == [4, 5]


async def test_only_watched_panels_are_sent(channel):
    picture(channel, 1, "a")
    picture(channel, 2, "b")
    reader = Reader(channel, "b")
    assert await reader.settle() == [b"P2"]


async def test_of_pictures_a_slow_reader_gets_the_latest(channel):
    reader = Reader(channel, "a")
    picture(channel, 1)
    await reader.read(1)
    reader.open.clear()
    for seq in range(2, 9):
        picture(channel, seq)
        await reader.settle()
    reader.open.set()
    assert await reader.settle() == [b"P1", b"P2", b"P8"]  # the second was on its way


async def test_a_slow_reader_loses_no_scalar(channel):
    reader = Reader(channel)
    reader.open.clear()
    for seq in range(1, 500):
        keep(channel, seq, seq)
    await reader.settle()
    reader.open.set()
    async with asyncio.timeout(10):
        while len(reader.steps) < 499:
            await reader.read(len(reader.got) + 1)
    assert reader.steps == list(range(1, 500))


async def test_a_reader_that_acks_gets_no_more_than_it_can_draw(channel):
    reader = Reader(channel, "a", "b")
    reader.viewer.ack(0)
    for seq in range(1, 10):
        picture(channel, seq, "a")
        await reader.settle()
    picture(channel, 20, "b")
    await reader.settle()
    assert reader.got == [b"P1", b"P2", b"P20"]
    assert UNDRAWN == 2
    reader.viewer.ack(2)
    assert (await reader.settle())[3:] == [b"P9"]
    keep(channel, 21, 0)
    await reader.settle()
    assert reader.steps == [0]


async def test_a_reader_that_never_acks_gets_every_picture_and_costs_no_memory(channel):
    reader = Reader(channel, "a")
    for seq in range(1, 100):
        picture(channel, seq)
        await reader.settle()
    assert len(reader.got) == 99
    assert len(reader.viewer.undrawn) == 0


async def test_what_could_not_be_kept_is_told_as_a_gap(channel, monkeypatch):
    keep(channel, 1, 0)

    def full(data):
        raise OSError

    channel.tape._recent = deque(maxlen=0)
    piece = channel.tape._pieces[0]
    with monkeypatch.context() as patch:
        patch.setattr(piece, "file", type("Full", (), {"seek": piece.file.seek, "write": staticmethod(full)}))
        patch.setattr("descent.runs.tape.UNWRITTEN", 0)
        keep(channel, 2, 1)
    keep(channel, 3, 2)
    reader = Reader(channel)
    await reader.read(3)
    assert json.loads(reader.got[1]) == {"type": "gap", "first": 2, "last": 2}
    assert wire.decode(reader.got[2]).step == 2


async def test_an_answer_comes_after_what_was_said_before_it(channel):
    reader = Reader(channel)
    other = Reader(channel)
    for seq in range(1, 5):
        keep(channel, seq, seq - 1)
    channel.answer(reader.viewer, "done")
    keep(channel, 5, 4)
    await reader.settle()
    assert reader.steps == other.steps == list(range(5))
    before = reader.got[: reader.got.index("done")]
    steps = [step for message in before for step in wire.decode(message).arrays["step"].tolist()]
    assert steps[:4] == [0, 1, 2, 3]
    assert "done" not in await other.settle()


async def test_viewers_are_let_go_when_the_run_is_forgotten(channel):
    reader = Reader(channel)
    await reader.settle()
    channel.close()
    async with asyncio.timeout(10):
        await reader.task


async def test_watched_is_what_any_viewer_watches_at_the_highest_rate(channel):
    channel.viewers |= {
        Viewer(0, frozenset("ab"), max_fps=5),
        Viewer(0, frozenset("bc"), max_fps=10),
        Viewer(0, frozenset(), max_fps=60),
    }
    assert channel.watched() == (("a", "b", "c"), 10)


async def test_the_last_seq_counts_pictures_too(channel):
    keep(channel, 1, 0)
    picture(channel, 5)
    assert channel.last_seq == 5


async def test_others_have_a_turn_while_a_long_history_is_sent(channel):
    for seq in range(1, 3000):
        channel.keep(seq, b"{}", binary=False)
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(others())
    viewer = Viewer(cursor=0)
    channel.viewers.add(viewer)
    at_turn = []

    async def send(messages):  # as into a socket with room: without letting anybody in
        at_turn.extend(len(messages) * [turns])

    pump = asyncio.create_task(channel.pump(viewer, send))
    async with asyncio.timeout(10):
        while len(at_turn) < 2999:
            await asyncio.sleep(0)
        channel.close()
        await pump
    other.cancel()
    assert max(at_turn.count(turn) for turn in set(at_turn)) <= 512


async def test_where_nobody_wishes_for_more_what_is_new_goes_out_together(channel, monkeypatch):
    monkeypatch.setattr(channels, "SHORT_ROUND", 0.0)
    monkeypatch.setattr(channels, "REST", 0.0)
    monkeypatch.setattr(channels, "LONGEST_REST", 3600.0)
    readers = [Reader(channel, "a") for _ in range(3)]
    for reader in readers:
        reader.viewer.max_fps = 1 / 3600
    channel.watched()
    keep(channel, 1, 0)
    for reader in readers:
        await reader.read(1)
        await reader.settle()
    picture(channel, 2)
    keep(channel, 3, 1)
    for reader in readers:
        assert len(await reader.settle()) == 1
    channel._begin()  # the rest is over
    for reader in readers:
        assert len(await reader.read(3)) == 3
    keep(channel, 4, 2)
    channel.close()  # that does not wait
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.task for reader in readers))


async def test_after_a_long_round_there_is_a_rest(channel, monkeypatch):
    monkeypatch.setattr(channels, "SHORT_ROUND", 0.0)
    monkeypatch.setattr(channels, "REST", 1e9)
    monkeypatch.setattr(channels, "LONGEST_REST", 3600.0)
    one, two = Reader(channel), Reader(channel)
    keep(channel, 1, 0)
    for reader in (one, two):
        await reader.read(1)
        await reader.settle()
    keep(channel, 2, 1)
    assert len(await one.settle()) == len(await two.settle()) == 1
    channel._begin()
    assert one.steps == [0]
    await one.read(2)
    await two.read(2)
    channel.close()


async def test_nothing_is_sent_to_a_viewer_that_has_left(channel):
    for seq in range(1, 100):
        channel.keep(seq, BATCH * b" ", binary=False)
    sent = []

    async def send(messages):
        sent.extend(messages)
        if len(sent) >= 10:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await channel.pump(Viewer(cursor=0), send)
    assert len(sent) == 10


async def test_who_comes_late_and_asks_for_so_many_points_gets_the_past_in_them_and_then_every_step(channel):
    for seq in range(1, 500):
        keep(channel, seq, seq)
    reader = Reader(channel)
    reader.viewer.points = 60
    (frame,) = await reader.read(1)
    assert len(wire.decode(frame).arrays["step"]) <= 60
    assert reader.viewer.cursor == 499
    keep(channel, 500, 500)
    keep(channel, 501, 501)
    await reader.read(3)
    assert reader.steps[-3:] == [499, 500, 501]


async def test_who_is_not_far_behind_gets_every_step_whatever_he_asks_for(channel):
    for seq in range(1, 50):
        keep(channel, seq, seq)
    reader = Reader(channel)
    reader.viewer.points = 3
    await reader.read(49)
    assert reader.steps == list(range(1, 50))


class Line:
    """A connection that can be written to at once, unless it is `full`."""

    def __init__(self):
        self.got, self.full = [], False

    def ready(self):
        return not self.full

    def write(self, messages):
        self.got.append(list(messages))


async def test_a_round_writes_to_those_who_have_read_so_far_and_leaves_the_others_to_their_tasks(channel):
    quick, slow = Reader(channel, "a"), Reader(channel, "a")
    for reader in (quick, slow):
        await reader.settle()
        reader.viewer.line = Line()
    slow.viewer.line.full = True
    keep(channel, 1, 0)
    picture(channel, 2)
    await slow.read(2)
    assert [len(batch) for batch in quick.viewer.line.got] == [2]
    assert quick.got == []
    assert slow.viewer.line.got == []
    assert quick.viewer.cursor == slow.viewer.cursor == 1
    channel.answer(quick.viewer, "done")  # its task sends that
    await quick.read(1)
    keep(channel, 3, 1)
    await quick.settle()
    assert [len(batch) for batch in quick.viewer.line.got] == [2, 1]
    assert quick.got == ["done"]
    channel.close()


async def test_a_tape_that_cannot_be_read_ends_the_viewer_that_needs_it_and_no_round(channel, monkeypatch):
    behind, quick = Reader(channel), Reader(channel)
    for reader in (behind, quick):
        reader.viewer.line = Line()
        await reader.settle()
    keep(channel, 1, 0)
    await quick.settle()
    behind.viewer.cursor = 0
    after = channel.tape.after

    def broken(seq):
        if seq == 0:
            raise OSError("I/O error")
        return after(seq)

    monkeypatch.setattr(channel.tape, "after", broken)
    keep(channel, 2, 1)
    await quick.settle()
    assert [len(batch) for batch in quick.viewer.line.got] == [1, 1]
    with pytest.raises(OSError, match="I/O error"):
        await behind.task
    channel.close()


async def test_a_picture_held_back_is_sent_once_another_is_drawn_though_nothing_is_written_at_once(channel):
    reader = Reader(channel, "a")
    reader.viewer.line = line = Line()
    reader.viewer.ack(0)
    await reader.settle()
    for seq in range(1, UNDRAWN + 2):
        picture(channel, seq)
        await reader.settle()
    assert [len(batch) for batch in line.got] == UNDRAWN * [1]
    reader.viewer.ack(1)
    assert len(await reader.read(1)) == 1
    channel.close()


async def test_what_comes_during_a_round_waits_for_the_rest_after_it(channel, monkeypatch):
    monkeypatch.setattr(channels, "SHORT_ROUND", 0.0)
    monkeypatch.setattr(channels, "REST", 1e9)
    monkeypatch.setattr(channels, "LONGEST_REST", 3600.0)
    readers = [Reader(channel) for _ in range(2)]
    for reader in readers:
        reader.viewer.line = Line()
        await reader.settle()
    keep(channel, 1, 0)
    await asyncio.sleep(0)  # the round begins
    keep(channel, 2, 1)
    for reader in readers:
        await reader.settle()
        assert [len(batch) for batch in reader.viewer.line.got] == [1]
    channel.close()
