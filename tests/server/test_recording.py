"""Runs that are recorded, gone back to, resumed and branched: the real engine in threads, the real store.

The random numbers are those of this process, so runs whose numbers are compared never train at once.
"""

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from descent import errors, wire
from descent.contract import Experiment, fixed
from descent.contract.panels import Heatmap
from descent.engine import loop as loop_module
from descent.engine.replay import CheckpointClock
from descent.registry import Registry
from descent.runs import duties
from descent.runs import recorder as recorder_module
from descent.runs.channel import Viewer
from descent.runs.manager import RunManager
from descent.settings import Settings
from descent.store import database
from descent.store.packing import pack
from descent.store.records import Batch, Kept
from descent.store.reserve import Reserve
from descent.store.schema import CheckpointRow, MessageRow
from descent.store.store import Store
from descent.web.app import open_store
from tiny import ThreadExecutor, Tiny, TinyKnobs, entry_of, loop_of

pytestmark = pytest.mark.slow


class ScaledKnobs(TinyKnobs):
    """A fixed knob that changes no shape."""

    scale: float = fixed(1.0, name="Scale", help="What the inputs are multiplied with.", range=(0, 10))


class Scaled(Tiny, Experiment[ScaledKnobs]):
    """Built with it."""

    def build(self, knobs):
        super().build(knobs)
        self.model.register_forward_pre_hook(lambda model, inputs: (inputs[0] * knobs.scale,))


PICTURE = Heatmap(values=np.ones((2, 2), np.float32))


class Often(CheckpointClock):
    """After every step."""

    EVERY = 1e-9

    def spent(self, seconds):
        self._left = self.EVERY


@pytest.fixture
def often(monkeypatch):
    """Every step is followed by a checkpoint, and each is kept that the recorder gets in time."""
    monkeypatch.setattr(loop_module, "CheckpointClock", Often)


class Servers:
    """Call it to start a server on the same store as the one before."""

    def __init__(self, home):
        self._home = home
        self._running = []

    async def __call__(self, cls=Tiny, **settings):
        settings = Settings(**{"home": self._home, "max_running": 1, **settings})
        registry = Registry({"tiny": entry_of(cls)} if cls else {})
        manager = RunManager(settings, ThreadExecutor(cls), open_store(settings), registry)
        self._running.append(manager)
        await manager.start()
        return manager

    async def stop(self, manager):
        self._running.remove(manager)
        await manager.close()

    async def stop_all(self):
        for manager in list(self._running):
            await self.stop(manager)


@pytest.fixture
async def serve(tmp_path):
    servers = Servers(tmp_path)
    yield servers
    await servers.stop_all()


async def until(run, condition):
    """Wait until `condition()` holds; it is looked at whenever the run says something."""
    viewer = Viewer(cursor=0)
    run.channel.viewers.add(viewer)
    async with asyncio.timeout(20):
        while not condition():
            viewer.wake.clear()
            await viewer.wake.wait()
    run.channel.viewers.discard(viewer)


async def take(manager, run, steps):
    """Let a paused run take so many steps."""
    until_step = run.step + steps
    await manager.step(run, steps)
    await until(run, lambda: run.step == until_step)


async def finished(manager, **arguments):
    """A run that has finished."""
    run = manager.create("tiny", arguments.pop("knobs", {}), **arguments)
    await until(run, lambda: run.ended)
    assert run.status == "finished", run.reason
    return run


async def eventful(manager, steps=60, **arguments):
    """A run that was paused, and whose knobs were changed at the steps 20, 20 and 35, and finished."""
    run = manager.create("tiny", {}, paused=True, max_steps=steps, **arguments)
    await take(manager, run, 20)
    await manager.set_knobs(run, {"lr": 0.2})
    await manager.set_knobs(run, {"lr": 0.3, "word": "b"})
    await take(manager, run, 15)
    await manager.set_knobs(run, {"lr": 0.05})
    await take(manager, run, 5)
    await manager.resume(run)
    await until(run, lambda: run.ended)
    return run


def table(run, since=0, until=None):
    """Its scalars, bit for bit: each column as bytes, from a step on."""
    steps, columns = run.channel.tape.scalars()
    some = (steps >= since) & (steps < (until or np.inf))
    return {
        "step": steps[some].tolist(),
        **{name: column[some].tobytes() for name, column in columns.items()},
    }


def alone(steps, cls=Tiny, **spec):
    """The scalars of a run that nobody interrupted."""
    loop, said = loop_of(cls, max_steps=steps, **spec)
    loop.run()
    columns = {name: np.array(said.column(name), np.float32).tobytes() for name in ("loss/train", "lr")}
    return {"step": said.steps, **columns}


def said(run):
    """All it said, on tape and in the record."""
    entries = []
    while more := run.channel.tape.after(entries[-1].seq if entries else 0):
        entries += more
    return entries


def events(run, type):
    told = [json.loads(entry.data) for entry in said(run) if not entry.binary]
    return [event for event in told if event["type"] == type]


def states(run):
    return [event["status"] for event in events(run, "state")]


async def checkpoints(manager, run):
    return (await manager.kept(run))["checkpoints"]


async def drop_checkpoints(manager, run, steps=None):
    """Of all, or those after `steps`."""
    kept = await checkpoints(manager, run)
    store = manager.history.store
    dropped = [Kept("", step, 0) for step in kept if steps is None or step in steps]
    store.save([Batch(store.run(run.id), dropped=dropped)])


# Recorded


async def test_the_store_has_every_scalar_and_the_pictures_of_the_end(serve):
    manager = await serve()
    run = await finished(manager, max_steps=300)
    await manager.recorder.flush()
    store = manager.history.store
    frames = [wire.decode(message.data) for message in store.messages(run.id, "scalars")]
    assert [step for frame in frames for step in frame.arrays["step"].tolist()] == list(range(300))
    losses = np.concatenate([frame.arrays["loss/train"] for frame in frames])
    assert losses.tobytes() == table(run)["loss/train"]
    row = store.run(run.id)
    assert (row.status, row.step, row.latest["loss/train"]) == ("finished", 300, float(losses[-1]))
    kept = await manager.kept(run)
    assert {panel: steps[-1] for panel, steps in kept["frames"].items()} == {"weights": 300, "outputs": 300}


async def test_recording_changes_nothing_bit_for_bit(serve, often):
    manager = await serve()
    assert table(await finished(manager, max_steps=60)) == alone(60)


async def test_what_was_recorded_is_found_after_a_restart(serve):
    manager = await serve()
    run = await eventful(manager)
    await manager.describe(run, name="  a\0 name\nof two lines ", starred=True)
    before = run.info()
    said = table(run), events(run, "state"), run.knob_log
    frames = await manager.frames_at(run, ["weights", "outputs"], 60)
    await serve.stop(manager)
    manager = await serve()
    assert [info.id for info in await manager.list_runs(limit=9)] == [run.id]
    found = await manager.get(run.id)
    assert found.info() == before.model_copy(update={"recorded_bytes": found.info().recorded_bytes})
    assert (found.name, found.starred) == ("a name of two lines", True)
    assert (table(found), events(found, "state"), found.knob_log) == said
    assert await manager.frames_at(found, ["weights", "outputs"], 60) == frames
    with pytest.raises(errors.UnknownRun):
        await manager.get("nope")


async def test_a_run_of_an_experiment_that_is_gone_is_listed_but_cannot_be_opened(serve):
    manager = await serve()
    run = await finished(manager, max_steps=5)
    await serve.stop(manager)
    manager = await serve(None)
    assert [info.id for info in await manager.list_runs(limit=9)] == [run.id]
    with pytest.raises(
        errors.UnknownExperiment, match="of the experiment tiny, which this server does not have"
    ):
        await manager.get(run.id)


async def test_runs_let_go_of_in_memory_are_still_there(serve):
    manager = await serve(keep_ended=0)
    runs = [await finished(manager, max_steps=5) for _ in range(3)]
    await manager.recorder.flush()
    await finished(manager, max_steps=5)
    assert len(manager.runs) == 1
    assert [info.id for info in await manager.list_runs(limit=9)][1:] == [run.id for run in reversed(runs)]
    assert table(await manager.get(runs[0].id))["step"] == list(range(5))


async def test_a_name_given_to_a_run_that_is_not_in_memory_stays(serve):
    manager = await serve()
    run = await finished(manager, max_steps=5)
    for name in ("first", "second"):
        await serve.stop(manager)
        manager = await serve()
        run = await manager.get(run.id)
        await manager.describe(run, name=name)
    assert [info.name for info in await manager.list_runs(limit=9, search="SECOND")] == ["second"]


async def test_a_deleted_run_is_gone_for_good(serve):
    manager = await serve()
    run = await finished(manager, max_steps=5)
    kept = await finished(manager, max_steps=5)
    await manager.delete(run)
    await serve.stop(manager)
    manager = await serve()
    assert [info.id for info in await manager.list_runs(limit=9)] == [kept.id]


# Interrupted and resumed


@pytest.mark.parametrize("checkpoints", ["after every step", "none"])
async def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(serve, request, checkpoints):
    if checkpoints != "none":
        request.getfixturevalue("often")
    steps = 400
    manager = await serve()
    run = manager.create("tiny", {}, paused=True, max_steps=steps)
    await take(manager, run, 50)
    await manager.resume(run)
    await serve.stop(manager)
    manager = await serve()
    run = await manager.get(run.id)
    before = table(run)["step"]
    assert (run.status, run.reason) == ("interrupted", "")
    assert before == list(range(len(before)))
    assert 50 <= len(before) <= steps
    await manager.resume(run)
    assert states(run)[-3:] == ["queued", "starting", "running"]
    await until(run, lambda: run.ended)
    assert table(run) == alone(steps)
    await serve.stop(manager)
    manager = await serve()
    assert table(await manager.get(run.id)) == alone(steps)


async def test_a_run_interrupted_again_and_again_loses_and_repeats_nothing(serve, often):
    manager = await serve()
    run = manager.create("tiny", {}, paused=True)
    for _ in range(5):
        await take(manager, run, 10)
        await serve.stop(manager)
        manager = await serve()
        run = await manager.get(run.id)
        assert run.status == "interrupted"
        await manager.resume(run)
        await manager.pause(run)
    await manager.stop(run)
    assert table(run) == alone(run.step)


async def test_knobs_are_what_they_were_when_a_run_goes_on(serve, often):
    manager = await serve()
    whole = await eventful(manager)
    said = table(whole)
    run = manager.create("tiny", {}, paused=True, max_steps=60)
    await take(manager, run, 20)
    await manager.set_knobs(run, {"lr": 0.2})
    await manager.set_knobs(run, {"lr": 0.3, "word": "b"})
    await take(manager, run, 15)
    await manager.set_knobs(run, {"lr": 0.05})
    await serve.stop(manager)
    manager = await serve()
    run = await manager.get(run.id)
    assert run.knobs == whole.knobs
    await manager.resume(run)
    await until(run, lambda: run.ended)
    assert table(run) == said


async def test_a_run_that_had_only_to_say_that_it_is_finished_takes_no_further_step(serve):
    manager = await serve()
    run = await finished(manager, max_steps=20)
    await manager.recorder.flush()
    manager.history.store.set(run.id, status="running")
    await serve.stop(manager)
    manager = await serve()
    run = await manager.get(run.id)
    await manager.resume(run)
    await until(run, lambda: run.ended)
    assert run.status == "finished"
    assert table(run) == alone(20)


async def test_runs_that_trained_go_on_by_themselves_where_that_is_set(serve):
    manager = await serve(max_running=3)
    paused = manager.create("tiny", {}, paused=True)
    running = manager.create("tiny", {})
    await until(running, lambda: running.step > 10)
    await until(paused, lambda: paused.status == "paused")
    await serve.stop(manager)
    manager = await serve(autoresume=True)
    running = await manager.get(running.id)
    assert running.status == "running"
    assert (await manager.get(paused.id)).status == "interrupted"
    await manager.stop(running)
    steps = table(running)["step"]
    assert steps == list(range(len(steps)))
    await serve.stop(manager)
    manager = await serve(autoresume=True)
    assert [info.status for info in await manager.list_runs(limit=9)] == ["stopped", "interrupted"]


async def test_a_run_that_was_stopped_goes_on_at_once(serve, often):
    manager = await serve()
    run = manager.create("tiny", {}, paused=True, max_steps=60)
    await take(manager, run, 30)
    await manager.stop(run)
    await manager.resume(run)
    await until(run, lambda: run.ended)
    assert table(run) == alone(60)
    with pytest.raises(errors.WrongState, match="the run is finished"):
        await manager.resume(run)


async def test_resuming_twice_at_once_starts_one_worker(serve):
    manager = await serve(max_running=3)
    run = manager.create("tiny", {}, paused=True)
    await take(manager, run, 5)
    await manager.stop(run)
    await asyncio.gather(manager.resume(run), manager.resume(run))
    await manager.stop(run)
    assert states(run).count("starting") == 2


# Branches


@pytest.mark.parametrize("step", [0, 1, 20, 27, 35, 59])
@pytest.mark.parametrize("checkpoints", ["after every step", "none", "every tenth"])
async def test_a_branch_with_nothing_changed_is_the_run_again(serve, request, checkpoints, step):
    if checkpoints != "none":
        request.getfixturevalue("often")
    manager = await serve()
    run = await eventful(manager)
    if checkpoints == "every tenth":
        await drop_checkpoints(manager, run, {at for at in range(60) if at % 10})
    branch = await manager.branch(run, step, {})
    assert (branch.parent, branch.branched_at) == (run.id, step)
    await until(branch, lambda: branch.ended)
    if step < 20 or step >= 35:  # knobs that were changed later are no part of the branch
        wanted = table(run, since=step, until=20 if step < 20 else None)
        assert table(branch, until=20 if step < 20 else None) == wanted
    else:
        assert table(branch, until=35) == table(run, since=step, until=35)
    assert branch.began_with["lr"] == {0: 0.1, 1: 0.1, 20: 0.3, 27: 0.3, 35: 0.05, 59: 0.05}[step]
    assert branch.step == 60


async def test_a_branch_of_a_running_run_begins_where_its_record_ends(serve, often):
    manager = await serve(max_running=2)
    run = manager.create("tiny", {})
    await until(run, lambda: run.step > 20)
    await manager.pause(run)
    branch = await manager.branch(run, None, {}, paused=True)
    assert branch.status == "paused"
    assert branch.branched_at == run.step


async def test_a_changed_live_knob_takes_effect_where_the_branch_begins(serve):
    manager = await serve()
    run = await eventful(manager)
    branch = await manager.branch(run, 27, {"lr": 0.5})
    await until(branch, lambda: branch.ended)
    assert branch.knob_log == [(27, {"lr": 0.3, "word": "b", "size": 3}), (27, {"lr": 0.5})]
    steps, columns = branch.channel.tape.scalars()
    assert steps.tolist() == list(range(27, 60))
    assert set(columns["lr"].tolist()) == {0.5}
    at = table(run)["step"].index(27)
    same = run.channel.tape.scalars()[1]["loss/train"][at]
    assert columns["loss/train"][0] == same  # measured before the step that lr scales
    assert columns["loss/train"][1] != run.channel.tape.scalars()[1]["loss/train"][at + 1]


@pytest.mark.parametrize("gone", ["nothing", "its checkpoints", "the first run"])
async def test_a_branch_of_a_branch_is_the_run_again(serve, often, gone):
    manager = await serve()
    run = await eventful(manager)
    branch = await manager.branch(run, 40, {})
    await until(branch, lambda: branch.ended)
    if gone == "its checkpoints":
        await drop_checkpoints(manager, branch)
    elif gone == "the first run":
        await manager.delete(run)
        assert branch.info().parent is None
    leaf = await manager.branch(branch, 50, {})
    await until(leaf, lambda: leaf.ended)
    assert table(leaf) == table(run, since=50) if gone != "the first run" else table(branch, since=50)
    family = [info.id for info in await manager.family(leaf)]
    assert family == [*([run.id] if gone != "the first run" else []), branch.id, leaf.id]


async def test_a_branch_that_lost_its_parent_and_its_checkpoints_cannot_be_gone_back_to(serve, often):
    manager = await serve()
    run = await finished(manager, max_steps=60)
    branch = await manager.branch(run, 40, {})
    await until(branch, lambda: branch.ended)
    await drop_checkpoints(manager, branch)
    await manager.delete(run)
    with pytest.raises(errors.NotRecorded, match="is deleted, and no checkpoint is left"):
        await manager.branch(branch, 50, {})


async def test_a_branch_whose_parent_is_deleted_at_once_is_recorded(serve):
    manager = await serve()
    run = await finished(manager, max_steps=20)
    branch = await manager.branch(run, 10, {})
    await manager.delete(run)
    await until(branch, lambda: branch.ended)
    await manager.recorder.flush()
    assert manager.recorder.state.ok
    assert manager.history.store.run(branch.id).parent is None


@pytest.mark.parametrize("step", [-1, 61, 10**15])
async def test_a_branch_from_a_step_that_was_not_taken_is_refused(serve, step):
    manager = await serve()
    run = await finished(manager, max_steps=60)
    with pytest.raises(errors.BadField, match="has the steps 0 to 60") as refused:
        await manager.branch(run, step, {})
    assert refused.value.params == {"reason": "out-of-range", "first": 0, "last": 60}
    assert len(manager.runs) == 1


@pytest.mark.parametrize("checkpoints", ["after every step", "none"])
@pytest.mark.parametrize("step", [0, 30])
async def test_a_fixed_knob_that_changes_a_shape_is_refused_and_nothing_is_left(
    serve, request, checkpoints, step
):
    if checkpoints != "none":
        request.getfixturevalue("often")
    manager = await serve()
    run = await finished(manager, max_steps=60)
    with pytest.raises(
        errors.DifferentShape, match=f"size cannot be continued from step {step}: "
    ) as refused:
        await manager.branch(run, step, {"size": 4, "lr": 0.5})
    assert (refused.value.field, refused.value.status) == ("size", 409)
    assert list(manager.runs) == [run.id]
    await manager.recorder.flush()
    assert [row.id for row in manager.history.store.runs()] == [run.id]


@pytest.mark.parametrize("knobs", [{"lr": -1}, {"size": "3"}, {"nope": 1}])
async def test_bad_knobs_are_refused_before_there_is_a_branch(serve, knobs):
    manager = await serve()
    run = await finished(manager, max_steps=5)
    with pytest.raises(errors.BadKnob):
        await manager.branch(run, 3, knobs)
    assert list(manager.runs) == [run.id]


async def test_a_live_knob_that_the_experiment_refuses_ends_the_branch(serve):
    manager = await serve()
    run = await finished(manager, max_steps=5)
    with pytest.raises(errors.BadKnob, match="word: anything else"):
        await manager.branch(run, 3, {"word": "no"})
    assert list(manager.runs) == [run.id]


async def test_a_worker_that_is_lost_as_a_branch_begins_is_not_called_another_shape(serve, monkeypatch):
    manager = await serve()
    run = await finished(manager, max_steps=5)

    async def start(spec, deliver, ended):
        asyncio.get_running_loop().call_soon(ended, "the worker process was killed by signal 9")
        return SimpleNamespace(send=lambda _: None, kill=lambda: None)

    monkeypatch.setattr(manager.sessions._executor, "start", start)
    with pytest.raises(errors.WorkerLost, match="killed by signal 9"):
        await manager.branch(run, 3, {"size": 4})
    assert list(manager.runs) == [run.id]


async def test_a_checkpoint_that_does_not_fit_is_not_called_another_shape(serve, often):
    manager = await serve()
    run = await finished(manager, max_steps=60)
    await manager.recorder.flush()
    with Session(manager.history.store.engine) as session, session.begin():
        for row in session.scalars(select(CheckpointRow)):
            row.data = pack(b"nonsense")
    step = (await manager.kept(run))["checkpoints"][-1]
    with pytest.raises(errors.BadCheckpoint, match=f"cannot be continued from step {step}: this is no check"):
        await manager.branch(run, step, {"lr": 0.3})
    assert list(manager.runs) == [run.id]


async def test_a_fixed_knob_that_changes_no_shape_takes_effect_where_the_branch_begins(serve, often):
    manager = await serve(Scaled)
    run = await finished(manager, max_steps=60)

    async def branched():
        branch = await manager.branch(run, 30, {"scale": 2.0})
        await until(branch, lambda: branch.ended)
        return branch

    branch = await branched()
    leaf = await manager.branch(branch, 45, {})
    await until(leaf, lambda: leaf.ended)
    assert table(leaf) == table(branch, since=45)
    await drop_checkpoints(manager, run)  # now it is gone back to from its beginning
    assert table(await branched()) == table(branch)
    await drop_checkpoints(manager, branch)
    leaf = await manager.branch(branch, 45, {})
    await until(leaf, lambda: leaf.ended)
    assert table(leaf) == table(branch, since=45)
    assert table(branch) != table(run, since=30)
    assert leaf.built_with["scale"] == 2.0


async def test_before_a_branch_began_it_shows_its_parents_pictures(serve):
    manager = await serve()
    run = await finished(manager, max_steps=30)
    await manager.recorder.flush()
    pictures = {step: wire.encode_picture(run.id, 1, step, "weights", PICTURE) for step in (5, 25, 29)}
    frames = {("weights", step): pack(picture) for step, picture in pictures.items()}
    store = manager.history.store
    store.save([Batch(store.run(run.id), frames=frames)])
    branch = await manager.branch(run, 25, {}, paused=True)
    leaf = await manager.branch(branch, 25, {}, paused=True)
    for later in (branch, leaf):
        at = {step: await manager.frames_at(later, ["weights", "loss"], step) for step in (5, 24, 25, 30)}
        assert at == {5: [pictures[5]], 24: [pictures[5]], 25: [pictures[25]], 30: [pictures[25]]}
    await take(manager, branch, 4)  # one more would be its last, and end it
    await manager.stop(branch)
    (picture,) = await manager.frames_at(branch, ["weights"], 30)
    assert wire.metadata_of(picture)["run"] == branch.id


# Damage


@pytest.fixture
def damage(tmp_path):
    """Change the last byte of checkpoints."""

    def damage(manager, run, *steps):
        with manager.history.store.engine.begin() as connection:
            for step in steps:
                row = (CheckpointRow.run == run.id, CheckpointRow.step == step)
                data = connection.scalar(select(CheckpointRow.data).where(*row))
                changed = data[:-1] + bytes([data[-1] ^ 1])
                connection.execute(update(CheckpointRow).where(*row).values(data=changed))

    return damage


async def test_for_a_damaged_checkpoint_the_one_before_is_used_and_it_is_said(serve, often, damage):
    manager = await serve()
    run = manager.create("tiny", {}, paused=True, max_steps=60)
    for _ in range(4):  # each is written, and so kept
        await take(manager, run, 10)
        await manager.recorder.flush()
    await manager.stop(run)
    kept = await checkpoints(manager, run)
    damage(manager, run, *kept[-2:])
    branch = await manager.branch(run, 40, {})
    (found,) = events(branch, "diagnosis")
    assert found["code"] == "checkpoint-damaged"
    assert found["step"] == 40
    assert found["params"] == {"steps": kept[:-3:-1], "used": kept[-3]}
    await manager.resume(run)
    (found,) = events(run, "diagnosis")
    assert found["params"] == {"steps": kept[:-3:-1], "used": kept[-3]}
    await until(branch, lambda: branch.ended)
    await until(run, lambda: run.ended)
    assert table(run)["step"] == list(range(60))


async def test_with_every_checkpoint_damaged_a_run_is_gone_back_to_from_its_beginning(serve, often, damage):
    manager = await serve()
    run = await finished(manager, max_steps=60)
    kept = await checkpoints(manager, run)
    damage(manager, run, *kept)
    branch = await manager.branch(run, 59, {})
    (found,) = events(branch, "diagnosis")
    assert found["params"]["used"] == 0
    await until(branch, lambda: branch.ended)
    assert table(branch) == table(run, since=59)


async def test_where_a_change_of_knobs_is_damaged_nothing_is_made_up(serve, often):
    manager = await serve()
    run = await eventful(manager)
    await drop_checkpoints(manager, run, set(range(1, 50)))
    first, *_ = (message.seq for message in manager.history.store.messages(run.id, "knobs"))
    with manager.history.store.engine.begin() as connection:
        connection.execute(update(MessageRow).where(MessageRow.seq == first).values(data=b"damaged"))
    before, after = [await manager.branch(run, step, {}, paused=True) for step in (19, 59)]
    assert (before.knobs["lr"], after.knobs["lr"]) == (0.1, 0.05)
    with pytest.raises(errors.NotRecorded, match="knobs were changed before step 30 is damaged"):
        await manager.branch(run, 30, {})


# Not recorded


async def test_a_server_that_records_nothing_says_so(serve):
    manager = await serve(record=False)
    run = await finished(manager, max_steps=5)
    for asking in (manager.branch(run, 3, {}), manager.kept(run)):
        with pytest.raises(errors.NotRecorded, match="does not record runs"):
            await asking
    run = manager.create("tiny", {})
    await manager.stop(run)
    with pytest.raises(errors.NotRecorded):
        await manager.resume(run)
    await manager.describe(run, name="here only")
    assert [info.name for info in await manager.list_runs(limit=9)] == ["here only", ""]
    assert [info.id for info in await manager.family(run)] == [run.id]


# While nothing can be written


@pytest.fixture
def impatient(monkeypatch):
    """Writing is tried anew at once, and who waits for a lock does not wait long."""
    monkeypatch.setattr(recorder_module, "INTERVAL", 0.02)
    monkeypatch.setattr(recorder_module, "RETRY", 0.02)
    monkeypatch.setattr(database, "BUSY", 0.02)


@pytest.fixture
def unwritable(tmp_path, request):
    """A context in which nothing more can be written, for the reason asked for, which it is entered with."""

    @contextlib.contextmanager
    def locked(manager):
        other = sqlite3.connect(tmp_path / "descent.db")
        other.execute("BEGIN EXCLUSIVE")
        yield "locked"
        other.close()

    @contextlib.contextmanager
    def full(manager):
        engine = manager.history.store.engine

        def limit(connection, record, proxy):
            connection.execute(f"PRAGMA max_page_count = {pages}")

        pages = 1  # which means: no more than there are
        event.listen(engine, "checkout", limit)
        yield "disk-full"
        pages = 2**30

    return {"locked": locked, "disk-full": full}[request.param]


class Viewing:
    """A viewer of a run, and what it is sent."""

    def __init__(self, run):
        self._run = run
        self._sent = []
        self._came = asyncio.Event()

    async def __aenter__(self):
        self._viewer = Viewer(cursor=0)
        self._run.channel.viewers.add(self._viewer)
        self._pump = asyncio.create_task(self._run.channel.pump(self._viewer, self._send))
        return self

    async def __aexit__(self, *_):
        self._pump.cancel()
        self._run.channel.viewers.discard(self._viewer)

    async def _send(self, messages):
        self._sent += [{} if isinstance(message, bytes) else json.loads(message) for message in messages]
        self._came.set()

    async def told(self, *recordings):
        """Wait until the last it was told of recording is this: pairs of `ok` and `reason`.

        Before, it may have been told so in turns: a disk that is full may take a small batch now and then.
        """
        async with asyncio.timeout(40):
            while self._told()[-len(recordings) :] != list(recordings):
                self._came.clear()
                await self._came.wait()

    def _told(self):
        return [(event["ok"], event["reason"]) for event in self._sent if event.get("type") == "recording"]


@pytest.mark.parametrize("unwritable", ["locked", "disk-full"], indirect=True)
async def test_while_nothing_can_be_written_runs_train_on_and_what_is_missing_is_written_later(
    serve, impatient, unwritable
):
    manager = await serve(max_running=3)
    run = manager.create("tiny", {})
    async with Viewing(run) as viewer:
        with unwritable(manager) as reason:
            await viewer.told((False, reason))
            other = manager.create("tiny", {})
            step = run.step
            await until(run, lambda: run.step > step + 100)
            await until(other, lambda: other.step > 100)
            assert run.info().status == other.info().status == "running"
            assert [info.id for info in await manager.list_runs(limit=9)] == [other.id, run.id]
            assert [info.id for info in await manager.list_runs(limit=1, offset=1)] == [run.id]
            async with Viewing(other) as viewer_of_other:
                await viewer_of_other.told((False, reason))
            await manager.stop(run)
        await viewer.told((False, reason), (True, ""))
    await manager.recorder.flush()
    store = manager.history.store
    frames = [wire.decode(message.data) for message in store.messages(run.id, "scalars")]
    assert [step for frame in frames for step in frame.arrays["step"].tolist()] == list(range(run.step))
    assert store.run(run.id).status == "stopped"
    assert {panel for panel, *_ in store.frames(run.id)} == {"weights", "outputs"}


@pytest.mark.parametrize("unwritable", ["locked"], indirect=True)
async def test_what_needs_the_store_is_refused_while_it_cannot_be_written_to(serve, impatient, unwritable):
    manager = await serve()
    old = await finished(manager, max_steps=5)
    await serve.stop(manager)
    manager = await serve(max_running=3)
    run = manager.create("tiny", {})
    other = manager.create("tiny", {})
    await until(other, lambda: other.step > 10)
    await manager.recorder.flush()
    with unwritable(manager):
        await until(run, lambda: not manager.recorder.state.ok)
        assert not (await manager.get(old.id)).channel.recording.ok
        with pytest.raises(errors.NotWritten, match="locked"):
            await manager.describe(run, name="x", starred=True)
        assert (run.name, run.starred) == ("", False)
        await manager.stop(run)
        with pytest.raises(errors.NotRecorded, match=r"the end of the run is not recorded yet \(locked\)"):
            await manager.resume(run)
        with pytest.raises(errors.NotWritten, match="locked"):
            await manager.delete(other)
        statuses = {info.id: info.status for info in await manager.list_runs(limit=9)}
        assert statuses == {old.id: "finished", run.id: "stopped", other.id: "interrupted"}
    await manager.recorder.flush(anyway=True)
    await manager.resume(run)
    await manager.stop(run)
    steps = table(run)["step"]
    assert steps == list(range(len(steps)))
    other = await manager.get(other.id)
    assert other.status == "interrupted"
    await manager.delete(other)
    assert {info.id for info in await manager.list_runs(limit=9)} == {old.id, run.id}


async def test_a_store_that_cannot_be_opened_yet_holds_up_no_server(serve, impatient, tmp_path, caplog):
    manager = await serve()
    old = await finished(manager, max_steps=5)
    await serve.stop(manager)
    other = sqlite3.connect(tmp_path / "descent.db")
    other.execute("BEGIN EXCLUSIVE")
    manager = await serve()
    assert "nothing is recorded until that is possible again (locked)" in caplog.text
    run = await finished(manager, max_steps=60)
    assert [info.id for info in await manager.list_runs(limit=9)] == [run.id]
    with pytest.raises(errors.UnknownRun):
        await manager.get(old.id)
    async with Viewing(run) as viewer:
        await viewer.told((False, "locked"))
        other.close()
        await viewer.told((False, "locked"), (True, ""))
    assert [info.id for info in await manager.list_runs(limit=9)] == [run.id, old.id]
    await serve.stop(manager)
    manager = await serve()
    assert table(await manager.get(run.id))["step"] == list(range(60))


class Disk:
    """A small disk of its own."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self):
        with open(self.folder / "ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self):
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(request, tmp_path, monkeypatch):
    monkeypatch.setattr(Reserve, "is_low", lambda _: False)  # these tests count what is told
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', 8)}m", "tmpfs", folder]
    if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    yield Disk(folder)
    subprocess.run(["umount", folder], check=True)


async def test_when_the_disk_is_full_runs_train_on_and_are_recorded_when_there_is_room(
    serve, impatient, disk
):
    manager = await serve(home=disk.folder, max_running=2)
    run = manager.create("tiny", {})
    async with Viewing(run) as viewer:
        await until(run, lambda: run.step > 100)
        disk.fill()
        await viewer.told((False, "disk-full"))
        other = manager.create("tiny", {})
        step = run.step
        await until(run, lambda: run.step > step + 100)
        await until(other, lambda: other.step > 100)
        disk.free()
        await viewer.told((False, "disk-full"), (True, ""))
    ids = [run.id, other.id]
    await serve.stop(manager)
    manager = await serve(home=disk.folder)
    for run in [await manager.get(id) for id in ids]:
        steps = table(run)["step"]
        assert steps == list(range(len(steps)))
        assert len(steps) > 100
    await serve.stop(manager)


@pytest.mark.parametrize("disk", [48], indirect=True)
async def test_on_a_full_disk_a_run_can_be_deleted_which_makes_room(serve, impatient, disk):
    manager = await serve(home=disk.folder)
    run = await finished(manager, max_steps=60)
    await manager.recorder.flush()
    row = manager.history.store.run(run.id)
    chance = np.random.default_rng(0)
    frames = {("weights", step): chance.bytes(1 << 20) for step in range(1, 17)}
    await manager.recorder.do(lambda: manager.history.store.save([Batch(row, [], frames)]))
    disk.fill()
    assert shutil.disk_usage(disk.folder).free < 1 << 16
    await manager.delete(run)
    assert manager.history.store.run(run.id) is None
    assert shutil.disk_usage(disk.folder).free > 24 << 20
    assert (disk.folder / "descent.db-reserve").stat().st_size == 8 << 20  # for the next time
    await serve.stop(manager)


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
async def test_that_the_record_went_away_is_told_and_it_may_come_back(serve, impatient, tmp_path, gone):
    home = tmp_path / "home"
    manager = await serve(home=home)
    run = manager.create("tiny", {})
    async with Viewing(run) as viewer:
        await until(run, lambda: run.step > 20)
        await manager.recorder.flush()
        home.rename(tmp_path / "elsewhere")
        if gone == "replaced":
            home.mkdir()
            (home / "descent.db").write_bytes(b"")
        await viewer.told((False, "home-gone"))
        with pytest.raises(errors.NotWritten, match="home-gone"):
            await manager.describe(run, name="new")
        step = run.step
        await until(run, lambda: run.step > step + 20)
        shutil.rmtree(home, ignore_errors=True)
        (tmp_path / "elsewhere").rename(home)
        await viewer.told((False, "home-gone"), (True, ""))
    await serve.stop(manager)
    manager = await serve(home=home)
    steps = table(await manager.get(run.id))["step"]
    assert steps == list(range(len(steps)))
    assert len(steps) > step
    await serve.stop(manager)


async def test_a_disk_that_is_nearly_full_is_told_before_it_is(serve, impatient, monkeypatch):
    monkeypatch.setattr(recorder_module, "LOOK", 0)
    low = [True]
    monkeypatch.setattr(Reserve, "is_low", lambda _: low[0])
    manager = await serve()
    run = manager.create("tiny", {})
    async with Viewing(run) as viewer:
        await viewer.told((True, "disk-low"))
        low[0] = False
        await viewer.told((True, "disk-low"), (True, ""))


@pytest.mark.parametrize("began", ["long ago", "now"])
async def test_on_a_disk_that_is_full_already_a_server_starts(serve, impatient, disk, began):
    if began == "long ago":
        manager = await serve(home=disk.folder)
        old = await finished(manager, max_steps=5)
        await serve.stop(manager)
    disk.fill()
    manager = await serve(home=disk.folder)
    run = await finished(manager, max_steps=60)
    assert [info.id for info in await manager.list_runs(limit=9)] == [run.id]
    async with Viewing(run) as viewer:
        await viewer.told((False, "disk-full"))
        disk.free()
        await viewer.told((False, "disk-full"), (True, ""))
    listed = [info.id for info in await manager.list_runs(limit=9)]
    assert listed == [run.id, *([old.id] if began == "long ago" else [])]
    await serve.stop(manager)
    manager = await serve(home=disk.folder)
    assert table(await manager.get(run.id)) == alone(60)
    await serve.stop(manager)


async def test_room_is_made_again_after_it_once_could_not_be(serve, monkeypatch):
    monkeypatch.setattr(duties, "MAKE_ROOM_EVERY", 0.01)
    loop, made = asyncio.get_running_loop(), asyncio.Event()
    failures = [OperationalError("DELETE", {}, Exception("database is locked"))]

    def strip(store, room, scalar_room, *, each):
        if failures:
            raise failures.pop()
        assert (room, each) == (5 << 20, 3 << 20)
        loop.call_soon_threadsafe(made.set)
        return []

    monkeypatch.setattr(Store, "strip", strip)
    await serve(store_mb=5, store_each_mb=3)
    async with asyncio.timeout(20):
        await made.wait()
