"""What the server asks of whatever trains its runs, asked of processes on this machine and of a Ray cluster.

Of Ray only where a cluster is there (`DESCENT_TEST_RAY` has its head's address); test_on_ray.py makes one.
"""

import asyncio
import importlib.util
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from descent import wire
from descent.engine.inbox import Inbox
from descent.engine.messages import RunSpec, ScalarsFrame
from descent.registry import experiments
from descent.runs.channel import Viewer
from descent.runs.manager import RunManager
from descent.runs.sweeps import SweepRequest
from descent.settings import Settings
from descent.store.store import Store
from descent.workers.executor import executor_of
from descent.workers.process import LocalExecutor
from descent.workers.worker import train

pytestmark = pytest.mark.slow

EXPERIMENT = "neural-playground"
PATIENCE = 60  # seconds; a cluster's process loads torch first, on a machine that may be busy


@pytest.fixture(scope="module", params=["local", "ray"])
async def executor(request):
    address = os.environ.get("DESCENT_TEST_RAY", "")
    if request.param == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (descent-playground[ray])")
    if request.param == "ray" and not address:
        pytest.skip("no Ray cluster is there (DESCENT_TEST_RAY)")
    executor = executor_of(Settings(executor=request.param, ray_address=address))
    executor.warm_up()
    yield executor
    executor.close()


@pytest.fixture
async def manager(executor, tmp_path):
    settings = Settings(home=tmp_path, idle_pause=0, max_running=8)
    manager = RunManager(settings, executor, Store("", tmp_path))
    await manager.start()
    yield manager
    await manager.close()


async def until(true, what):
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)
    assert true(), what


async def trained(manager, **how):
    """A run that has trained to its end."""
    run = manager.create(EXPERIMENT, {}, **how)
    await until(lambda: run.ended, "it ends")
    return run


def columns_of(frames):
    """Frames of scalars, as columns; what a frame lacks is not a number."""
    arrays = [wire.decode(frame).arrays for frame in frames]
    names = {name: values.dtype for one in arrays for name, values in one.items()}
    return {
        name: np.concatenate(
            [one[name] if name in one else np.full(len(one["step"]), np.nan, dtype) for one in arrays]
        )
        for name, dtype in names.items()
    }


def scalars_of(run):
    """What a run said, as columns."""
    frames, seq = [], 0
    while entries := run.channel.tape.after(seq):
        frames += [entry.data for entry in entries if entry.binary]
        seq = entries[-1].seq
    return columns_of(frames)


async def test_a_run_trains_to_its_end(manager):
    run = await trained(manager, seed=3, max_steps=50)
    assert (run.status, run.step) == ("finished", 50), run.reason
    assert scalars_of(run)["step"].tolist() == list(range(50))


async def test_the_numbers_are_those_of_this_process(manager):
    run = await trained(manager, seed=11, max_steps=200)
    said = []
    entry = experiments()[EXPERIMENT]
    train(entry, RunSpec("here", EXPERIMENT, run.built_with, 11, "cpu", max_steps=200), Inbox(), said.append)
    here = columns_of(one.payload for one in said if isinstance(one, ScalarsFrame))
    assert {name: values.tobytes() for name, values in scalars_of(run).items()} == {
        name: values.tobytes() for name, values in here.items()
    }


async def test_it_is_paused_stepped_changed_and_resumed(manager):
    run = manager.create(EXPERIMENT, {})
    await until(lambda: run.step > 20, "it trains")
    await manager.pause(run)
    assert run.status == "paused"
    at = run.step
    applied = await manager.set_knobs(run, {"lr": 0.001})
    assert (applied.step, applied.changed["lr"], run.knobs["lr"]) == (at, 0.001, 0.001)
    await manager.step(run, 3)
    await until(lambda: run.step == at + 3, "it takes three steps")
    await manager.resume(run)
    await until(lambda: run.step > at + 10, "it trains on")
    await manager.stop(run)
    assert run.status == "stopped"


async def test_pictures_come_of_what_is_watched(manager):
    run = manager.create(EXPERIMENT, {})
    viewer = Viewer(0)
    manager.join(run, viewer)
    manager.watch(run, viewer, list(run.entry.panels)[:2], 30)
    await until(lambda: run.channel.latest, "a picture comes")
    manager.leave(run, viewer)
    await manager.stop(run)


async def test_a_run_goes_on_from_its_last_checkpoint_when_its_worker_was_killed(manager):
    run = manager.create(EXPERIMENT, {}, seed=5, max_steps=100_000)
    await until(lambda: run.step > 500, "it trains")
    await asyncio.sleep(1.5)  # a checkpoint is taken after a second
    run.worker.kill()
    began = time.monotonic()
    await until(lambda: run.ended, "the server notices")
    assert time.monotonic() - began < 10
    assert run.status in ("failed", "interrupted")
    assert run.reason
    await manager.recorder.flush()
    at = run.step
    await manager.resume(run)
    await until(lambda: run.step > at + 50, "it trains on")
    await manager.stop(run)
    steps = scalars_of(run)["step"].tolist()
    assert steps == list(range(len(steps))), "no step is lost or repeated"


async def test_a_failure_says_why(manager):
    run = manager.create("mlp-digits", {}, max_steps=1)
    run.built_with = {**run.built_with, "no_such_knob": 1}
    await until(lambda: run.ended, "it ends")
    assert run.status == "failed"
    assert "no_such_knob" in run.reason


async def test_a_sweep_trains_its_variants(manager):
    run = await trained(manager, seed=1, max_steps=40)
    await manager.recorder.flush()
    order = SweepRequest(knob="lr", values=[0.001, 0.01], steps=10)
    frames = [wire.decode(frame) async for frame in await manager.sweep(run, 40, order)]
    assert frames[-1].meta["problem"] is None
    assert frames[-1].arrays["losses"].shape[1] == 2


async def test_a_sweep_takes_the_room_there_is_and_gives_the_same_curves(manager, executor, monkeypatch):
    monkeypatch.setattr("descent.workers.on_ray.executor.BEGINNING", 0.0)
    run = await trained(manager, seed=1, max_steps=40)
    await manager.recorder.flush()
    asked, start = [], executor.start

    async def started(spec, *rest):
        asked.append(spec)
        return await start(spec, *rest)

    monkeypatch.setattr(executor, "start", started)
    workers = 1 if isinstance(executor, LocalExecutor) else 2  # of two nodes with a CPU each
    async with asyncio.timeout(PATIENCE):
        while (await executor.room("cpu")).workers < workers:  # until the run's is free again
            await asyncio.sleep(0.1)
    order = SweepRequest(knob="batch_size", values=[1, 2, 5, 10], steps=30)
    *_, last = [wire.decode(frame) async for frame in await manager.sweep(run, 40, order)]
    assert last.meta["problem"] is None
    assert len(asked) == workers
    said, first = [], asked[0]
    alone = replace(first.sweep, workers=1)
    train(run.entry, replace(first, sweep=alone), Inbox(), said.append)
    expected = wire.decode(said[-1].payload)
    for name, values in expected.arrays.items():
        np.testing.assert_array_equal(last.arrays[name], values)


async def test_its_weights_are_handed_over(manager):
    run = await trained(manager, seed=1, max_steps=40)
    taken = await manager.take(run, 40, "weights")
    assert taken.step == 40
    assert taken.payload
