"""The recorder alone: what it keeps of what it hears, and what it does while nothing can be written."""

import asyncio
import json
import random
import threading

import pytest
from sqlalchemy.exc import OperationalError

from descent import wire
from descent.engine.messages import CheckpointTaken
from descent.protocol import Recording
from descent.runs import recorder as recorder_module
from descent.runs.channel import Channel, Latest
from descent.runs.recorder import Recorder
from descent.runs.run import Run
from descent.runs.tape import Tape
from descent.store.store import Store
from tiny import Tiny, entry_of

ROOM = 20_000


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: `clock.now`."""

    class Clock:
        now = 1000.0

        @staticmethod
        def monotonic():
            return Clock.now

    monkeypatch.setattr(recorder_module, "time", Clock)
    return Clock


@pytest.fixture
def store(tmp_path):
    store = Store("", tmp_path)
    yield store
    store.close()


@pytest.fixture
async def recorder(store, clock):
    told = []
    recorder = Recorder(store, frame_room=ROOM, checkpoint_room=ROOM, scalar_room=1 << 40, warn=told.append)
    recorder.told = told
    yield recorder
    await recorder.close()


@pytest.fixture
def new_run(tmp_path, recorder):
    runs = []

    def new_run(id="a", **fields):
        knobs = {"lr": 0.1, "word": "a", "size": 3}
        run = Run(id, entry_of(Tiny), knobs, knobs, knobs, 0, "cpu", Channel(Tape(id, tmp_path)), **fields)
        run.become("starting")
        run.become("running")
        recorder.begin(run)
        runs.append(run)
        return run

    yield new_run
    for run in runs:
        run.channel.tape.close()


def train(recorder, run, steps=1):
    """It says the scalars of so many steps, one by one."""
    for _ in range(steps):
        seq = run.channel.last_seq + 1
        frame = wire.encode_scalars(run.id, seq, [run.step], {"loss": [float(run.step)]})
        run.channel.keep(seq, frame, binary=True)
        run.step += 1
    recorder.changed(run)


def show(recorder, run, panel="weights", size=10):
    """It shows a picture, of so many bytes that cannot be packed."""
    data = random.Random(run.step).randbytes(size)
    recorder.frame(run, panel, Latest(run.step, run.step, data))
    return data


def end(recorder, run, status="finished"):
    run.become(status)
    recorder.changed(run)


def steps_in(store, id):
    frames = [wire.decode(message.data) for message in store.messages(id, "scalars")]
    return [step for frame in frames for step in frame.arrays["step"].tolist()]


def places(store, id, panel="weights"):
    return [one.step for one in store.kept(id) if one.panel == panel]


@pytest.fixture
def broken(store, monkeypatch):
    """`broken(True)`: the disk is full, from now on."""
    save = store.save
    full = OperationalError("INSERT", {}, OSError(28, "No space left on device"))

    def fail(batches):
        raise full

    return lambda on: monkeypatch.setattr(store, "save", fail if on else save)


# What is kept


async def test_scalars_and_events_are_kept_once_and_in_order(recorder, store, new_run):
    run = new_run()
    for _ in range(3):
        train(recorder, run, 5)
        seq = run.channel.last_seq + 1
        event = {"type": "knobs", "seq": seq, "step": run.step, "knobs": {"lr": 0.5}}
        run.channel.keep(seq, json.dumps(event).encode(), binary=False)
        recorder.changed(run)
        await recorder.flush()
        await recorder.flush()
    assert steps_in(store, "a") == list(range(15))
    assert [message.step for message in store.messages("a", "knobs")] == [5, 10, 15]
    assert store.run("a").latest == {"loss": 14.0}
    assert not recorder.has_unwritten(run)


async def test_what_is_said_while_a_batch_is_written_is_in_the_next(recorder, store, new_run, monkeypatch):
    run = new_run()
    train(recorder, run, 5)
    writing, go_on = threading.Event(), threading.Event()
    save = store.save

    def slowly(batches):
        writing.set()
        go_on.wait(10)
        save(batches)

    monkeypatch.setattr(store, "save", slowly)
    flushing = asyncio.create_task(recorder.flush())
    await asyncio.to_thread(writing.wait, 10)
    assert recorder.has_unwritten(run)
    train(recorder, run, 5)
    go_on.set()
    await flushing
    assert recorder.has_unwritten(run)
    await recorder.flush()
    assert steps_in(store, "a") == list(range(10))
    assert not recorder.has_unwritten(run)


async def test_who_is_cancelled_while_a_batch_is_written_breaks_nothing(
    recorder, store, new_run, monkeypatch
):
    run = new_run()
    train(recorder, run, 5)
    writing, go_on = threading.Event(), threading.Event()
    save = store.save

    def slowly(batches):
        writing.set()
        go_on.wait(10)
        save(batches)

    monkeypatch.setattr(store, "save", slowly)
    flushing = asyncio.create_task(recorder.flush())
    await asyncio.to_thread(writing.wait, 10)
    flushing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    train(recorder, run, 5)
    await recorder.flush()
    assert recorder.state.ok
    assert steps_in(store, "a") == list(range(10))


async def test_pictures_that_come_too_soon_are_passed_over_but_not_the_last(recorder, store, new_run, clock):
    run = new_run()
    for _ in range(31):
        show(recorder, run)
        train(recorder, run)
        clock.now += recorder_module.DENSEST / 10 + 1e-9
    last = show(recorder, run)
    await recorder.flush()
    assert places(store, "a") == [0, 10, 20, 30]
    end(recorder, run)
    await recorder.flush()
    assert places(store, "a") == [0, 10, 20, 30, 31]
    assert store.frame("a", "weights", 31) == (31, last)


async def test_large_pictures_are_kept_seldom(recorder, store, new_run, clock, monkeypatch):
    monkeypatch.setattr(recorder_module, "STEADY", 1000)
    run = new_run()
    for _ in range(20):
        show(recorder, run, "weights", size=500)
        show(recorder, run, "outputs")
        train(recorder, run)
        clock.now += 0.05 + 1e-9
        await recorder.flush()
    assert places(store, "a", "weights") == [0, 10]
    assert places(store, "a", "outputs") == list(range(0, 20, 2))


async def test_a_paused_run_shows_its_latest_picture_whenever_its_knobs_change(recorder, store, new_run):
    run = new_run()
    run.become("paused")
    show(recorder, run, size=10)
    last = show(recorder, run, size=20)
    assert recorder.waiting_frame("a", "weights", 5) == (0, last)
    await recorder.flush()
    assert recorder.waiting_frame("a", "weights", 5) is None
    assert store.frame("a", "weights", 5) == (0, last)


async def test_pictures_that_replace_others_take_no_room_from_those_to_come(
    recorder, store, new_run, monkeypatch
):
    monkeypatch.setattr(recorder_module, "MOST_WAITING", 1000)
    run = new_run()
    run.become("paused")
    for _ in range(10):
        show(recorder, run, size=400)
    await recorder.flush()
    run.step = 1
    show(recorder, run, size=900)
    await recorder.flush()
    assert places(store, "a") == [0, 1]


async def test_no_more_pictures_wait_than_memory_allows(recorder, store, new_run, clock, monkeypatch):
    monkeypatch.setattr(recorder_module, "MOST_WAITING", 1000)
    run = new_run()
    for _ in range(5):
        show(recorder, run, size=300)
        train(recorder, run)
        clock.now += 1
    await recorder.flush()
    assert places(store, "a") == [0, 1, 2]


@pytest.mark.slow
async def test_pictures_and_checkpoints_stay_within_their_room(recorder, store, new_run, clock):
    run = new_run()
    for step in range(200):
        show(recorder, run, "weights", size=700)
        show(recorder, run, "outputs", size=300)
        train(recorder, run)
        recorder.checkpoint(run, CheckpointTaken(run.step, run.step, {}, random.Random(step).randbytes(900)))
        clock.now += 1
        await recorder.flush()
        row = store.run("a")
        assert row.frame_bytes <= ROOM
        assert row.checkpoint_bytes <= ROOM
    sizes = {True: 0, False: 0}
    for one in store.kept("a"):
        sizes[bool(one.panel)] += one.size
    assert (row.frame_bytes, row.checkpoint_bytes) == (sizes[True], sizes[False])
    kept = {panel: places(store, "a", panel) for panel in ("weights", "outputs", "")}
    assert [steps[0] for steps in kept.values()] == [0, 0, 1]
    assert [steps[-1] for steps in kept.values()] == [199, 199, 200]
    assert row.frames_thinned == 400 - len(kept["weights"]) - len(kept["outputs"])
    assert row.checkpoints_thinned == 200 - len(kept[""])
    assert steps_in(store, "a") == list(range(200))


async def test_of_several_checkpoints_that_wait_the_latest_counts(recorder, store, new_run):
    run = new_run()
    for step in (1, 2):
        recorder.checkpoint(run, CheckpointTaken(7, step, {"lr": 0.5}, b"%d" % step))
    await recorder.flush()
    (checkpoint,) = store.checkpoints("a", 10)
    assert (checkpoint.step, checkpoint.seq, checkpoint.knobs, checkpoint.data) == (2, 7, {"lr": 0.5}, b"2")


async def test_the_checkpoint_with_which_a_branch_begins_is_kept_whatever_comes(
    recorder, store, new_run, clock, broken
):
    run = new_run(branched_at=5, parent=None)
    broken(True)
    for step in (5, 6, 7, 8):
        recorder.checkpoint(run, CheckpointTaken(step, step, {}, b"%d" % step))
        if step != 6:
            await recorder.flush(anyway=True)
    broken(False)
    for step in (9, 10):
        recorder.checkpoint(run, CheckpointTaken(step, step, {}, b"%d" % step))
    await recorder.flush(anyway=True)
    recorder.checkpoint(run, CheckpointTaken(11, 11, {}, b"11"))
    await recorder.flush()
    assert places(store, "a", "") == [5, 10, 11]


async def test_a_run_that_is_forgotten_is_not_written_again(recorder, store, new_run):
    run = new_run()
    train(recorder, run, 5)
    await recorder.flush()
    recorder.forget("a")
    await recorder.do(lambda: store.delete(["a"]))
    train(recorder, run, 5)
    await recorder.flush()
    assert store.runs() == []


async def test_a_run_deleted_before_its_batch_was_read_holds_up_no_other(
    recorder, store, new_run, monkeypatch
):
    run, other = new_run("a"), new_run("b")
    for one in (run, other):
        train(recorder, one, 5)
    run.channel.tape.close()
    await recorder.flush()
    assert recorder.state.ok
    assert steps_in(store, "b") == list(range(5))


async def test_a_stripped_run_is_recorded_on(recorder, store, new_run, clock):
    run = new_run()

    async def go_on():
        for _ in range(5):
            show(recorder, run)
            train(recorder, run)
            clock.now += 1
            await recorder.flush()

    await go_on()
    store.set("a", status="stopped")
    assert await recorder.strip(0, 0) == ["a"]
    assert places(store, "a") == [0, 4]
    run.recorded = store.run("a")
    await go_on()
    row = store.run("a")
    assert places(store, "a") == [0, 4, 5, 6, 7, 8, 9]
    assert (row.frames_thinned, row.frame_bytes) == (3, sum(one.size for one in store.kept("a")))


# While nothing can be written


async def test_what_could_not_be_written_is_when_there_is_room_again(
    recorder, store, new_run, clock, broken, caplog
):
    run = new_run()
    train(recorder, run, 5)
    broken(True)
    await recorder.flush()
    assert recorder.told == [Recording(ok=False, reason="disk-full")]
    for _ in range(3):
        train(recorder, run, 5)
        clock.now += recorder_module.RETRY
        await recorder.flush()
    assert len(recorder.told) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert store.runs() == []
    broken(False)
    clock.now += recorder_module.RETRY
    await recorder.flush()
    assert recorder.told[1:] == [Recording(ok=True)]
    assert steps_in(store, "a") == list(range(20))


async def test_after_a_failure_it_waits_before_it_tries_again(recorder, store, new_run, clock, broken):
    run = new_run()
    train(recorder, run)
    broken(True)
    await recorder.flush()
    broken(False)
    await recorder.flush()
    assert recorder.has_unwritten(run)
    await recorder.flush(anyway=True)
    assert not recorder.has_unwritten(run)


async def test_the_last_pictures_of_a_run_at_rest_outlast_a_full_disk(
    recorder, store, new_run, clock, broken
):
    running, finished = new_run("a"), new_run("b")
    for run in (running, finished):
        show(recorder, run)
        recorder.checkpoint(run, CheckpointTaken(1, 0, {}, b"weights"))
    end(recorder, finished)
    broken(True)
    await recorder.flush()
    broken(False)
    await recorder.flush(anyway=True)
    assert [(one.panel, one.step) for one in store.kept("b")] == [("weights", 0), ("", 0)]
    assert store.kept("a") == []  # there are more to come


async def test_a_failure_that_comes_when_nothing_is_left_to_write_is_over(
    recorder, store, new_run, clock, broken
):
    run = new_run()
    train(recorder, run)
    broken(True)
    await recorder.flush()
    recorder.forget("a")
    broken(False)
    await recorder.flush(anyway=True)
    assert recorder.state.ok
