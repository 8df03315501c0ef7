"""Sweeps that several workers share: the bits of one that no one shares, and one stream of frames."""

import asyncio
import dataclasses
import os
import signal

import numpy as np
import pytest
from test_sweeps import ROOM, Ending, Straying, Strict, however_long

from descent import errors, wire
from descent.contract import Finished
from descent.engine.inbox import Inbox
from descent.engine.messages import (
    Replay,
    RunSpec,
    SweepDivided,
    SweepFrame,
    SweepRefused,
    SweepSpec,
    Variant,
)
from descent.engine.sweep.sweep import sweep, told_of
from descent.registry import experiments
from descent.runs.sweeps import SweepRequest, variants_of
from descent.runs.swept import Whole, frames_of
from descent.workers.executor import Room
from descent.workers.process import LocalExecutor
from tiny import Tiny, entry_of

pytestmark = pytest.mark.slow

PLAYGROUND, TINY = experiments()["neural-playground"], entry_of(Tiny)
AT = 5  # steps before the sweep


def ordered(entry, most_bytes=ROOM, **asked):
    """What a request makes a worker do, and the run it is made of."""
    knobs = entry.knobs_type().model_dump(mode="json")
    request = SweepRequest(**asked)
    order = SweepSpec(request.knob, variants_of(entry, knobs, request), request.steps, most_bytes)
    return RunSpec("run", entry.id, knobs, 3, "cpu", replay=Replay(AT, {})), order


def said_of(entry, spec, order):
    """What a worker says of its variants."""
    said = []
    sweep(entry, dataclasses.replace(spec, sweep=order), order, Inbox(), said.append)
    return said


def last_of(said):
    """The last frame, decoded."""
    return wire.decode(next(one.payload for one in reversed(said) if isinstance(one, SweepFrame)))


def shared(entry, spec, order, workers):
    """The last frame where so many workers share the variants, one after the other here; and their shares."""
    first = said_of(entry, spec, dataclasses.replace(order, workers=workers))
    told = [one for one in first if isinstance(one, SweepDivided)]
    if not told:
        return last_of(first), []
    assert first.index(told[0]) == 0 or isinstance(first[0], SweepFrame)
    whole = Whole(spec.run, order, told[0])
    heard = [first, *(said_of(entry, spec, part_of(order, told[0], share)) for share in told[0].shares)]
    for worker, said in enumerate(heard):
        for one in said:
            if isinstance(one, SweepFrame):
                whole.take(worker, one.payload, final=one.final)
    assert whole.complete
    return wire.decode(whole.frame()), told[0].shares


def part_of(order, told, share):
    return dataclasses.replace(order, variants=[order.variants[place] for place in share], series=told.series)


def assert_same(one, other):
    """Whether two frames say the same, to the bit."""
    assert one.meta == other.meta
    assert one.step == other.step
    for name, values in one.arrays.items():
        assert values.dtype == other.arrays[name].dtype
        np.testing.assert_array_equal(values, other.arrays[name], name)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize(
    ("entry", "asked"),
    [
        (PLAYGROUND, {"knob": "batch_size", "values": [1, 2, 5, 10, 30]}),
        (PLAYGROUND, {"knob": "dropout", "values": [0.1, 0.4], "orders": 3}),
        (PLAYGROUND, {"knob": "momentum", "values": [0.0, 0.9], "vary": {"optimizer": ["momentum", "nag"]}}),
        (
            entry_of(Strict),
            {"knob": "momentum", "values": [0.0, 0.1], "vary": {"lr": [10.0, 0.1]}, "steps": 300},
        ),
        (entry_of(Ending), {"knob": "lr", "values": [0.1, 0.2], "vary": {"word": ["a", "b"]}, "steps": 60}),
        (experiments()["gan-2d"], {"knob": "lr_d", "values": [0.001, 0.01, 0.1]}),
    ],
    ids=["values", "orders", "vary", "diverging", "ending", "several-losses"],
)
def test_the_curves_are_those_that_one_worker_trains_bit_for_bit(entry, asked, workers):
    spec, order = ordered(entry, **{"steps": 20, **asked})
    whole, shares = shared(entry, spec, order, workers)
    assert len(shares) == workers - 1
    assert_same(whole, last_of(said_of(entry, spec, order)))


class Over(Tiny):
    """Some knobs have nothing left to learn."""

    def step(self, knobs):
        if knobs.word == "b":
            raise Finished("Nothing more to learn.")
        return super().step(knobs)


def test_a_share_whose_first_variant_takes_no_step_trains_the_others():
    entry = entry_of(Over)
    spec, order = ordered(entry, knob="lr", values=[0.1, 0.2, 0.3], vary={"word": ["a", "b"]}, steps=5)
    places = [1, 0, 3, 2, 5, 4]  # so that the second worker's begin with one that is over
    order = dataclasses.replace(order, variants=[order.variants[i] for i in places][1:])
    whole, (share,) = shared(entry, spec, order, 2)
    assert order.variants[share[0]].knobs["word"] == "b"
    assert_same(whole, last_of(said_of(entry, spec, order)))


def test_what_goes_in_one_batched_step_stays_whole(monkeypatch):
    monkeypatch.setattr("descent.engine.sweep.sweep.stacked", however_long)
    rates = np.geomspace(1e-3, 0.1, 6).tolist()
    spec, order = ordered(PLAYGROUND, knob="lr", values=rates, steps=20, vary={"dropout": [0.0, 0.3]})
    whole, (share,) = shared(PLAYGROUND, spec, order, 2)
    assert whole.meta["batched"] == 6
    assert {order.variants[place].knobs["dropout"] for place in share} == {0.3}
    assert_same(whole, last_of(said_of(PLAYGROUND, spec, order)))


def test_all_in_one_batched_step_is_left_to_nobody(monkeypatch):
    monkeypatch.setattr("descent.engine.sweep.sweep.stacked", however_long)
    spec, order = ordered(PLAYGROUND, knob="lr", count=6, steps=20)
    whole, shares = shared(PLAYGROUND, spec, order, 3)
    assert (whole.meta["batched"], shares) == (6, [])


def test_a_batched_step_that_fails_later_on_leaves_variants_to_others(monkeypatch):
    monkeypatch.setattr("descent.engine.sweep.sweep.stacked", however_long)
    entry = entry_of(Straying)
    spec, order = ordered(entry, knob="lr", values=[lr / 100 for lr in range(1, 9)], steps=12)
    whole, shares = shared(entry, spec, order, 2)
    assert whole.meta["batched"] == 0
    assert sum(map(len, shares)) == 4
    assert_same(whole, last_of(said_of(entry, spec, order)))


def test_a_worker_that_would_begin_too_late_is_left_nothing():
    spec, order = ordered(PLAYGROUND, knob="batch_size", values=[1, 2, 5, 10], steps=20)
    assert shared(PLAYGROUND, spec, dataclasses.replace(order, beginning=1000.0), 4)[1] == []


def test_the_bound_on_memory_is_that_of_all_variants():
    spec, order = ordered(PLAYGROUND, knob="batch_size", values=[1, 2, 5, 10], steps=5, most_bytes=20_000)
    (refused,) = said_of(PLAYGROUND, spec, dataclasses.replace(order, workers=4))
    assert isinstance(refused, SweepRefused)
    assert refused.problem["code"] == "sweep-too-large"


# The stream


class Wide(LocalExecutor):
    """Processes of this machine, as many for a sweep as it has variants."""

    def __init__(self, workers=3):
        super().__init__()
        self.workers, self.started, self.specs = workers, [], []

    async def room(self, device, cores=1):
        return Room(self.workers)

    async def start(self, spec, deliver, ended):
        self.specs.append(spec.sweep)
        self.started.append(await super().start(spec, deliver, ended))
        return self.started[-1]


async def frames(executor, spec, order):
    return [wire.decode(frame) async for frame in frames_of(executor, spec, order)]


async def test_processes_give_one_stream_of_frames_that_grow():
    spec, order = ordered(PLAYGROUND, knob="batch_size", values=[1, 2, 5, 10, 30], steps=100)
    executor = Wide()
    many, one = await frames(executor, spec, order), await frames(LocalExecutor(), spec, order)
    assert [len(sweep.variants) for sweep in executor.specs] == [5, 2, 1]
    assert_same(many[-1], one[-1])
    assert (np.diff([frame.seq for frame in many]) > 0).all()
    assert (np.diff([frame.arrays["taken"] for frame in many], axis=0) >= 0).all()
    assert {frame.arrays["losses"].shape[1] for frame in many} == {5}
    for worker in executor.started:
        await gone(worker.pid)


async def test_a_variant_that_is_refused_is_before_anything_is_left_to_others():
    spec, order = ordered(TINY, knob="lr", values=[0.1, 0.2], steps=5)
    order = dataclasses.replace(order, variants=[*order.variants, Variant({"word": "no"})])
    (refused,) = said_of(TINY, spec, dataclasses.replace(order, workers=3))
    assert refused.problem["code"] == "bad-knob"


async def test_a_killed_worker_ends_all_and_its_cause_is_in_the_last_frame():
    spec, order = ordered(PLAYGROUND, knob="batch_size", values=[1, 2, 5, 10, 30], steps=2000)
    executor, said = Wide(), []
    async for frame in frames_of(executor, spec, order):
        said.append(frame)
        if len(executor.started) == 3 and len(said) == 5:
            os.kill(executor.started[2].pid, signal.SIGKILL)
    problem = wire.decode(said[-1]).meta["problem"]
    assert problem["code"] == "sweep-failed"
    assert "killed by signal 9" in problem["params"]["cause"]
    for worker in executor.started:
        await gone(worker.pid)


async def test_who_hangs_up_ends_all_workers():
    spec, order = ordered(PLAYGROUND, knob="batch_size", values=[1, 2, 5, 10, 30], steps=2000)
    executor = Wide()
    stream = frames_of(executor, spec, order)
    for _ in range(5):
        await anext(stream)
    assert len(executor.started) == 3
    await stream.aclose()
    for worker in executor.started:
        await gone(worker.pid)


async def gone(pid):
    async with asyncio.timeout(30):
        while os.path.exists(f"/proc/{pid}"):
            await asyncio.sleep(0.01)


class Told:
    """Workers that say what a test has them say."""

    def __init__(self, order):
        self.order, self.workers, self.full = order, [], False

    async def room(self, device, cores=1):
        return Room(2)

    async def start(self, spec, deliver, ended):
        if self.full:
            raise OSError("the cluster is gone")
        worker = TellingWorker(spec, deliver, ended)
        self.workers.append(worker)
        if len(self.workers) == 1:
            deliver(SweepDivided(1, AT, ["loss/train"], [[1]]))
            worker.tell([1.0, np.nan], final=False)
        return worker


class TellingWorker:
    def __init__(self, spec, deliver, ended):
        self.spec, self.deliver, self.ended, self.killed = spec, deliver, ended, False

    def tell(self, losses, *, final, problem=None):
        taken = [int(loss == loss) for loss in losses]
        arrays = {
            "losses": np.array(losses, np.float32).reshape(1, -1, 1),
            "taken": np.array(taken),
            "diverged": np.zeros(len(losses), bool),
        }
        meta = told_of(self.spec.sweep, ["loss/train"], 0, problem)
        frame = wire.encode_sweep("run", 2, AT, arrays, meta, final=final)
        self.deliver(SweepFrame(2, AT, frame, final))

    def kill(self):
        self.killed = True


@pytest.fixture
def told():
    spec, order = ordered(TINY, knob="lr", values=[0.1, 0.2], steps=1)
    executor = Told(order)
    return executor, frames_of(executor, spec, order)


async def test_the_sweep_ends_when_the_last_worker_has_told_all(told):
    executor, stream = told
    assert wire.decode(await anext(stream)).arrays["losses"].tolist()[0][0] == [1.0]
    first, second = executor.workers
    first.tell([1.0, np.nan], final=True)
    first.ended("the worker process ended with exit code 0")
    second.tell([2.0], final=True)
    *_, last = [wire.decode(frame) async for frame in stream]
    assert last.arrays["losses"].tolist() == [[[1.0], [2.0]]]
    assert last.meta["problem"] is None
    assert first.killed
    assert second.killed


async def test_a_share_that_fails_is_the_end_of_the_sweep_with_its_sentence(told):
    executor, stream = told
    await anext(stream)
    first, second = executor.workers
    problem = errors.SweepFailed("the sweep failed: no more", "run", cause="no more").problem()
    second.tell([2.0], final=True, problem=problem)
    *_, last = [wire.decode(frame) async for frame in stream]
    assert last.meta["problem"]["params"]["cause"] == "no more"
    assert last.arrays["losses"].tolist() == [[[1.0], [2.0]]]
    assert first.killed


async def test_a_share_that_cannot_begin_is_the_end_of_the_sweep_with_its_sentence(told):
    executor, stream = told
    await anext(stream)
    second = executor.workers[1]
    refused = errors.SweepFailed("the sweep failed: there is no data", "run", cause="there is no data")
    second.deliver(SweepRefused(1, AT, refused.problem()))
    *_, last = [wire.decode(frame) async for frame in stream]
    assert last.meta["problem"]["params"]["cause"] == "there is no data"


async def test_a_worker_that_cannot_be_started_refuses_the_sweep(told):
    executor, stream = told
    executor.full = True
    with pytest.raises(errors.SweepFailed, match="the cluster is gone"):
        await anext(stream)
    assert not executor.workers


def test_a_machine_of_ones_own_has_room_for_one_worker():
    assert asyncio.run(LocalExecutor().room("cpu")) == Room(1, 0.0)
