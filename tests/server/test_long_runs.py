"""What is kept of the scalars of long runs, and that it stays within its room."""

import numpy as np
import pytest

from descent import wire
from descent.store import scalars
from descent.store.packing import pack
from descent.store.records import Batch, StoredMessage
from descent.store.schema import MessageRow, RunRow
from descent.store.store import Store

pytestmark = pytest.mark.slow

STEPS = 500  # of one message
SPIKE, DIP = 3333, 12_345  # steps


def row(id="a", **fields):
    known = {"experiment": "tiny", "status": "finished", "reason": "", "step": 0, "seed": 0, "device": "cpu"}
    knobs = {name: {} for name in ("built_with", "began_with", "knobs")}
    return RunRow(id=id, created_at="2026", updated_at="2026", **{**known, **knobs, **fields})


def said(begin, steps=STEPS):
    """Scalars of so many steps."""
    at = np.arange(begin, begin + steps)
    loss = np.sin(at).astype(np.float32)
    loss[at == SPIKE], loss[at == DIP] = 50, -50
    columns = {"loss": loss, "noise": np.random.default_rng(begin).random(steps, np.float32)}
    return wire.encode_columns("a", 0, at, columns)


class Recorded:
    """A run in a store that is said message by message, with an event after every tenth, and tidied."""

    def __init__(self, store, *, room, exact=2000, steps=STEPS, every=20):
        self.store = store
        self.sizes = []
        self._room, self._exact, self._each, self._every = room, exact, steps, every
        self.seq = self.steps = self.messages = 0

    def say(self, steps):
        batch = Batch(row())
        for _ in range(steps // self._each):
            self.seq += 1
            data = said(self.steps, self._each)
            self.steps += self._each
            batch.messages.append(StoredMessage(self.seq, "scalars", self.steps - 1, data))
            self.messages += 1
            if self.messages % 10 == 0:
                self.seq += 1
                batch.messages.append(StoredMessage(self.seq, "knobs", self.steps, b'{"knobs": {}}'))
            if self.messages % self._every == 0:
                self.store.save([batch])
                self.kept = self.store.tidy("a", self._room, self._exact)
                self.sizes.append(self.kept.size)
                batch = Batch(row())
        self.store.save([batch])
        self.kept = self.store.tidy("a", self._room, self._exact)

    def read(self):
        """All scalars, as a reader gets them who asks for some at a time."""
        seq, frames = 0, []
        while messages := self.store.said_after("a", seq):
            frames += [wire.decode(one.data).arrays for one in messages if one.kind == "scalars"]
            seq = messages[-1].seq
        return {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}


@pytest.fixture
def store(tmp_path):
    store = Store("", tmp_path)
    yield store
    store.close()


@pytest.fixture
def small(monkeypatch):
    """Limits as for a much longer run."""
    monkeypatch.setattr(scalars, "MOST_BUCKETS", 1024)
    monkeypatch.setattr(scalars, "PIECE", 128)
    monkeypatch.setattr(scalars, "AT_ONCE", 4000)


def test_a_short_run_is_kept_step_by_step(store):
    run = Recorded(store, room=1 << 20, exact=20_000)
    run.say(20_000)
    assert run.kept.exact_from == 0
    assert run.read()["step"].tolist() == list(range(20_000))
    assert run.kept.size == store.run("a").scalar_bytes


def test_of_a_long_one_the_newest_steps_are_and_before_them_what_its_curve_needs(store, small):
    run = Recorded(store, room=1 << 30)
    run.say(40_000)
    found = run.read()
    begin = run.kept.exact_from
    assert store.run("a").scalars_exact_from == begin
    assert 40_000 - 2000 / scalars.EASE <= begin <= 40_000 - 2000
    steps = found["step"]
    assert (np.diff(steps) > 0).all()
    assert steps[steps >= begin].tolist() == list(range(begin, 40_000))
    at = np.arange(begin, 40_000)
    assert np.array_equal(found["loss"][steps >= begin], np.sin(at).astype(np.float32))
    assert (found["loss"].max(), found["loss"].min()) == (50, -50)
    for step, value in ((SPIKE, 50), (DIP, -50)):
        assert abs(steps[found["loss"] == value][0] - step) < 128
    old = found["noise"][steps < begin]
    assert old[1::3].mean() == pytest.approx(0.5, abs=0.01)  # the mean of each bucket
    assert len(steps) < 3 * 1024 + 2000 / scalars.EASE
    assert len(list(store.messages("a", "knobs"))) == 8  # as many as there were


@pytest.mark.parametrize("steps", [STEPS, 10])
def test_however_long_a_run_is_its_scalars_stay_within_their_room(store, small, steps):
    room = 100_000
    run = Recorded(store, room=room, steps=steps, every=20 if steps == STEPS else 400)
    run.say(400 * steps)
    sizes = len(run.sizes)
    run.say(1200 * steps)
    assert max(run.sizes[sizes:]) < 1.5 * room
    found = run.read()
    assert (found["step"][0], found["step"][-1]) == (0, 1600 * steps - 1)
    assert (found["loss"].max(), found["loss"].min()) == (50, -50)


def test_a_reader_in_the_middle_of_what_becomes_buckets_misses_nothing(store, small):
    run = Recorded(store, room=1 << 30, exact=1 << 40)
    run.say(40_000)
    some = store.said_after("a", 0)
    last = max(one.step for one in some if one.kind == "scalars")
    store.tidy("a", 1 << 30, 2000)
    rest = []
    seq = some[-1].seq
    while more := store.said_after("a", seq):
        rest += [wire.decode(one.data).arrays["step"] for one in more if one.kind == "scalars"]
        seq = more[-1].seq
    assert rest[0][0] <= last + 1
    assert rest[-1][-1] == 39_999


def test_many_small_messages_become_few(store):
    run = Recorded(store, room=1 << 30, exact=1 << 40, steps=10, every=1000)
    run.say(20_000)
    assert len(list(store.messages("a", "scalars"))) < 10
    assert run.read()["step"].tolist() == list(range(20_000))


def test_a_damaged_message_costs_its_own_steps_only(store, small):
    run = Recorded(store, room=1 << 30, exact=1 << 40)
    run.say(10_000)
    with store._writing() as session:
        session.get(MessageRow, ("a", 3)).data = b"damaged"
    kept = store.tidy("a", 1 << 30, 2000)
    steps = run.read()["step"]
    assert kept.exact_from > 0
    assert steps[0] == 0
    assert not ((steps >= 2 * STEPS + 128) & (steps < 3 * STEPS)).any()


def test_where_all_runs_take_too_much_the_scalars_of_the_oldest_are_thinned(store, monkeypatch):
    monkeypatch.setattr("descent.store.store.STRIPPED", 20_000)
    run = Recorded(store, room=1 << 30, exact=1 << 40)
    run.say(60_000)
    before = store.run("a").scalar_bytes
    assert store.strip(before) == []
    assert store.strip(before // 2) == ["a"]
    assert store.run("a").scalar_bytes < before / 4
    assert store.strip(before // 2) == []


def test_scalars_that_nobody_counted_are_brought_into_their_room(store):
    batch = Batch(row())
    batch.messages = [
        StoredMessage(n + 1, "scalars", (n + 1) * STEPS - 1, said(n * STEPS)) for n in range(100)
    ]
    store.save([batch])
    assert store.run("a").scalar_bytes == 0
    store.strip(1 << 40, 100_000)
    assert 0 < store.run("a").scalar_bytes <= 100_000
    assert sum(len(pack(one.data)) for one in store.messages("a")) > 0
