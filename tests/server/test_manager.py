"""The manager's tests use workers that obey at once, or only when told to: no process, no clock."""

import asyncio
import itertools
import json
from types import SimpleNamespace

import pytest

from descent import errors, wire
from descent.engine.messages import Applied, Event, LookChanged, Refused, Reply, ScalarsFrame
from descent.registry import Registry
from descent.runs import duties, session, slots
from descent.runs.channel import Viewer
from descent.runs.manager import RunManager
from descent.settings import Settings
from descent.store.store import Store
from tiny import Tiny, entry_of


class FakeWorker:
    """Says what a worker would. With `obeys` off it hears commands and does nothing."""

    def __init__(self, spec, deliver, ended):
        self.spec = spec
        self.heard = []
        self.obeys = True
        self.killed = False
        self.status = "starting"
        self._deliver = deliver
        self._ended = ended
        self._seqs = itertools.count(spec.first_seq)
        self._step = 0
        self.knobs = dict(spec.knobs)

    @property
    def names(self):
        return [control.name for control in self.heard]

    def say(self, status, reason=""):
        self.status = status
        self._event("state", status=status, reason=reason, pace=None)

    def train(self, steps=1):
        for _ in range(steps):
            seq = next(self._seqs)
            self._deliver(
                ScalarsFrame(seq, self._step, wire.encode_scalars("run", seq, [self._step], {"loss": [1.0]}))
            )
            self._step += 1

    def die(self, cause="the worker process was killed by signal 9"):
        self._ended(cause)

    def send(self, control):
        self.heard.append(control)
        if self.obeys and not self.killed:
            self.obey(control)

    def obey(self, control):
        arguments, answer = control.arguments, None
        match control.name:
            case "pause" if self.status == "running":
                self.say("paused", arguments["reason"])
            case "resume" if self.status == "paused":
                self.say("running")
            case "stop":
                self.say("stopped", arguments["reason"])
            case "say":
                self._event("state", pace=None, **arguments)
            case "knobs":
                changed = arguments["knobs"]
                self.knobs |= changed
                self._event("knobs", knobs=changed, now=dict(self.knobs), steps_per_epoch=None)
                answer = Applied(self._step, changed, dict(self.knobs))
        if control.reply_to is not None:
            self._deliver(Reply(0, self._step, control.reply_to, answer))

    def kill(self):
        self.killed = True

    def _event(self, type, **fields):
        seq = next(self._seqs)
        event = {"type": type, "seq": seq, "step": self._step, **fields}
        self._deliver(Event(seq, self._step, event))


class FakeExecutor:
    """Starts `FakeWorker`s; with `gate` closed they are not up yet."""

    def __init__(self):
        self.workers = {}
        self.started = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure = None

    async def start(self, spec, deliver, ended):
        await self.gate.wait()
        if self.failure:
            raise self.failure
        worker = self.workers[spec.run] = FakeWorker(spec, deliver, ended)
        self.started.append(worker)
        asyncio.get_running_loop().call_soon(worker.say, "paused" if spec.paused else "running")
        return worker


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: `clock.now`."""

    class Clock:
        now = 1000.0

    for module in (duties, session, slots):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: Clock.now))
    return Clock


@pytest.fixture
async def executor():
    return FakeExecutor()


@pytest.fixture
async def make(executor, tmp_path, clock):
    managers = []
    registry = Registry({"tiny": entry_of(Tiny)})

    def make(recorded=False, **settings):
        store = Store("", tmp_path) if recorded else None
        manager = RunManager(Settings(home=tmp_path, **settings), executor, store, registry)
        managers.append(manager)
        return manager

    yield make
    executor.gate.set()
    for manager in managers:
        await manager.close()


async def settle():
    """Until everything that can happen by itself has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def started(manager, executor, **arguments):
    run = manager.create("tiny", {}, **arguments)
    await settle()
    return run, executor.workers.get(run.id)


def states(run):
    events = [json.loads(entry.data) for entry in run.channel.tape.after(0) if not entry.binary]
    return [event["status"] for event in events if event["type"] == "state"]


def watch(manager, run, *panels):
    viewer = Viewer(cursor=0)
    manager.join(run, viewer)
    manager.watch(run, viewer, panels or ("weights",), 30)
    return viewer


# Queue and slots


async def test_a_run_starts_at_once_when_there_is_room(make, executor):
    run, worker = await started(make(max_running=1), executor, seed=3, max_steps=9)
    assert run.status == "running"
    assert states(run) == ["queued", "starting", "running"]
    assert worker.spec.seed == 3
    assert worker.spec.max_steps == 9
    assert worker.spec.first_seq == 3


async def test_runs_beyond_the_slots_wait_in_order(make, executor):
    manager = make(max_running=2)
    runs = [(await started(manager, executor))[0] for _ in range(5)]
    assert [run.status for run in runs] == ["running", "running", "queued", "queued", "queued"]
    executor.workers[runs[1].id].say("finished")
    await settle()
    assert [run.status for run in runs] == ["running", "finished", "running", "queued", "queued"]
    executor.workers[runs[0].id].say("finished")
    executor.workers[runs[2].id].say("diverged")
    await settle()
    assert [run.status for run in runs][3:] == ["running", "running"]


async def test_a_paused_run_holds_no_slot(make, executor):
    manager = make(max_running=1)
    first, _ = await started(manager, executor)
    second, _ = await started(manager, executor)
    await manager.pause(first)
    await settle()
    assert (first.status, second.status) == ("paused", "running")
    assert first.reason == "user"


async def test_a_resumed_run_waits_for_a_slot_and_then_trains_on(make, executor):
    manager = make(max_running=1)
    first, _ = await started(manager, executor)
    second, _ = await started(manager, executor)
    await manager.pause(first)
    await settle()
    await manager.resume(first)
    assert first.status == "queued"
    await manager.resume(first)
    executor.workers[second.id].say("finished")
    await settle()
    assert first.status == "running"
    assert states(first) == ["queued", "starting", "running", "paused", "queued", "running"]


async def test_resume_answers_when_the_run_trains(make, executor):
    manager = make(max_running=1)
    run, _ = await started(manager, executor)
    await manager.pause(run)
    await manager.resume(run)
    assert run.status == "running"


async def test_two_resumes_at_once_take_one_slot(make, executor):
    manager = make(max_running=2)
    run, _ = await started(manager, executor)
    await manager.pause(run)
    await asyncio.gather(manager.resume(run), manager.resume(run), manager.resume(run))
    assert run.status == "running"
    other, _ = await started(manager, executor)
    third, _ = await started(manager, executor)
    assert (other.status, third.status) == ("running", "queued")


async def test_two_resumes_of_a_run_that_must_wait_queue_it_once(make, executor):
    manager = make(max_running=1)
    first, _ = await started(manager, executor)
    second, _ = await started(manager, executor)
    await manager.pause(first)
    await settle()
    await asyncio.gather(manager.resume(first), manager.resume(first))
    executor.workers[second.id].say("finished")
    await settle()
    executor.workers[first.id].say("finished")
    third, _ = await started(manager, executor)
    assert third.status == "running"


async def test_a_run_that_starts_paused_needs_no_slot(make, executor):
    manager = make(max_running=1)
    busy, _ = await started(manager, executor)
    run, worker = await started(manager, executor, paused=True)
    assert worker.spec.paused
    assert run.status == "paused"
    executor.workers[busy.id].say("finished")
    other, _ = await started(manager, executor)
    assert other.status == "running"


async def test_pausing_a_queued_run_starts_it_paused(make, executor):
    manager = make(max_running=1)
    await started(manager, executor)
    run, _ = await started(manager, executor)
    await manager.pause(run)
    assert run.status == "paused"
    assert executor.workers[run.id].spec.paused


async def test_pausing_a_queued_run_that_has_a_worker_only_takes_it_from_the_queue(make, executor):
    manager = make(max_running=1)
    run, worker = await started(manager, executor)
    await manager.pause(run)
    other, _ = await started(manager, executor)
    await manager.resume(run)
    assert run.status == "queued"
    await manager.pause(run)
    assert run.status == "paused"
    executor.workers[other.id].say("finished")
    await settle()
    assert run.status == "paused"
    assert "resume" not in worker.names


async def test_pause_right_after_resume_wins(make, executor):
    manager = make(max_running=1)
    run, worker = await started(manager, executor)
    await manager.pause(run)
    worker.obeys = False
    resuming = asyncio.create_task(manager.resume(run))
    await settle()
    pausing = asyncio.create_task(manager.pause(run))
    await settle()
    worker.obeys = True
    for control in worker.heard[1:]:
        worker.obey(control)
    await asyncio.gather(resuming, pausing)
    assert run.status == "paused"
    other, _ = await started(manager, executor)
    assert other.status == "running"


async def test_resume_of_a_run_that_is_just_starting_paused(make, executor):
    manager = make(max_running=1)
    executor.gate.clear()
    run, _ = await started(manager, executor, paused=True)
    resuming = asyncio.create_task(manager.resume(run))
    await settle()
    executor.gate.set()
    await resuming
    assert run.status == "running"


async def test_a_run_that_fails_while_it_is_queued_keeps_no_slot(make, executor):
    manager = make(max_running=1)
    run, worker = await started(manager, executor)
    await manager.pause(run)
    other, _ = await started(manager, executor)
    await manager.resume(run)
    worker.say("failed", "a probe wrote a parameter")
    executor.workers[other.id].say("finished")
    third, _ = await started(manager, executor)
    assert third.status == "running"


async def test_too_many_living_runs_are_refused(make, executor):
    manager = make(max_running=1, max_live=2)
    first, _ = await started(manager, executor)
    await started(manager, executor)
    with pytest.raises(errors.TooManyRuns, match="2 runs are alive"):
        manager.create("tiny", {})
    await manager.stop(first)
    manager.create("tiny", {})


async def test_a_paused_run_that_was_abandoned_ends_when_too_many_are_alive(make, executor):
    manager = make(max_running=2, max_live=2)
    kept, _ = await started(manager, executor)
    watch(manager, kept)
    abandoned, _ = await started(manager, executor)
    manager.leave(abandoned, watch(manager, abandoned))
    await manager.pause(abandoned)
    manager.create("tiny", {})
    assert (abandoned.status, abandoned.reason) == ("stopped", "made-room")
    assert not kept.ended


async def test_paused_runs_that_nobody_ever_watched_make_room_too_but_never_a_watched_one(make, executor):
    manager = make(max_live=32)
    runs = [(await started(manager, executor, paused=True))[0] for _ in range(32)]
    for run in runs:
        executor.workers[run.id].say("paused")
    watch(manager, runs[0])
    manager.leave(runs[5], watch(manager, runs[5]))
    await started(manager, executor)
    assert [run for run in runs if run.ended] == [runs[5]]  # someone has seen it, and gone
    await started(manager, executor)
    assert [run for run in runs if run.ended] == [runs[1], runs[5]]
    assert (runs[1].status, runs[1].reason) == ("stopped", "made-room")


async def test_a_server_that_ends_begins_no_queued_runs(make, executor):
    manager = make(max_running=1)
    first, _ = await started(manager, executor)
    queued = [(await started(manager, executor))[0] for _ in range(3)]
    await manager.close()
    assert list(executor.workers) == [first.id]
    assert all(run.ended for run in queued)


# Ends


async def test_stop_ends_a_run_in_every_status(make, executor):
    manager = make(max_running=1)
    running, _ = await started(manager, executor)
    queued, _ = await started(manager, executor)
    await manager.stop(queued)
    assert (queued.status, queued.reason) == ("stopped", "user")
    paused, _ = await started(manager, executor, paused=True)
    await manager.resume(paused)
    assert paused.status == "queued"
    await manager.stop(paused)
    await manager.stop(running)
    assert {run.status for run in manager.runs.values()} == {"stopped"}
    with pytest.raises(errors.WrongState, match="the run is stopped"):
        await manager.stop(running)


async def test_stop_of_a_run_whose_start_is_under_way(make, executor):
    manager = make()
    executor.gate.clear()
    run, _ = await started(manager, executor)
    assert run.status == "starting"
    stopping = asyncio.create_task(manager.stop(run))
    await settle()
    executor.gate.set()
    await stopping
    assert run.status == "stopped"


async def test_a_run_stopped_before_its_start_was_even_tried(make):
    manager = make()
    run = manager.create("tiny", {})
    await manager.delete(run)
    await settle()
    assert run.status == "stopped"


async def test_deleting_a_run_that_is_starting_kills_its_worker(make, executor):
    manager = make()
    executor.gate.clear()
    run, _ = await started(manager, executor)
    await manager.delete(run)
    executor.gate.set()
    await settle()
    assert executor.workers[run.id].killed
    with pytest.raises(errors.UnknownRun):
        await manager.get(run.id)


async def test_a_run_that_does_not_answer_is_killed_by_stop(make, executor, monkeypatch):
    manager = make()
    run, worker = await started(manager, executor)
    worker.obeys = False
    monkeypatch.setattr(session, "ANSWER_WITHIN", 0.01)
    with pytest.raises(errors.NoAnswer, match="did not answer"):
        await manager.pause(run)
    assert run.status == "running"
    await manager.stop(run)
    assert worker.killed
    assert (run.status, run.reason) == ("stopped", "it did not answer and was killed")
    worker.say("running")  # what comes after the end is not heard
    assert run.status == "stopped"


async def test_a_lost_worker_fails_its_run_and_no_other(make, executor):
    manager = make(max_running=1)
    run, worker = await started(manager, executor)
    waiting, _ = await started(manager, executor)
    worker.train(5)
    worker.obeys = False
    asking = asyncio.create_task(manager.pause(run))
    await settle()
    worker.die()
    await settle()
    assert (run.status, run.reason) == ("failed", "the worker process was killed by signal 9")
    assert run.step == 5
    assert run.channel.tape.scalars()[0].tolist() == [0, 1, 2, 3, 4]
    assert waiting.status == "running"
    with pytest.raises(errors.WrongState, match="the run is failed"):
        await asking


async def test_a_worker_that_ends_after_its_last_word_changes_nothing(make, executor):
    manager = make()
    run, worker = await started(manager, executor)
    worker.say("finished")
    worker.die("the worker process ended with exit code 0")
    assert (run.status, run.reason) == ("finished", "")
    assert run.worker is None


async def test_the_late_end_of_an_earlier_worker_is_not_the_runs(make, executor):
    manager = make(recorded=True)
    run, first = await started(manager, executor)
    first.train(3)
    await manager.stop(run)
    resuming = asyncio.create_task(manager.resume(run))
    while run.status == "stopped" and not resuming.done():
        await asyncio.sleep(0)
    first.train()
    first.die("the worker process ended with exit code 0")
    await resuming
    second = executor.workers[run.id]
    assert second is not first
    assert run.worker is second
    assert run.status == "running"
    first.die("the worker process ended with exit code 0")
    assert run.worker is second
    second.say("finished")
    assert run.channel.tape.scalars()[0].tolist() == [0, 1, 2]


async def test_a_worker_that_is_up_only_after_its_run_was_ended_and_resumed_is_ended(make, executor):
    manager = make(recorded=True)
    executor.gate.clear()
    run, _ = await started(manager, executor)
    manager.sessions.kill(run, "stopped", "user")
    resuming = asyncio.create_task(manager.resume(run))
    while run.status == "stopped" and not resuming.done():
        await asyncio.sleep(0)
    await settle()
    executor.gate.set()
    await resuming
    first, second = executor.started
    assert first.killed
    assert not second.killed
    assert (run.worker, run.status) == (second, "running")


@pytest.mark.parametrize("failure", [OSError("no memory"), EOFError()])
async def test_a_worker_that_cannot_be_started_fails_its_run(make, executor, failure):
    executor.failure = failure
    run, _ = await started(make(), executor)
    assert run.status == "failed"
    assert run.reason.startswith("no worker could be started")


async def test_a_status_that_cannot_follow_fails_the_run_and_no_other(make, executor):
    manager = make()
    run, worker = await started(manager, executor)
    worker.say("starting")
    assert run.status == "failed"
    assert "running → starting" in run.reason
    assert worker.killed
    assert (await started(manager, executor))[0].status == "running"


async def test_close_ends_everything_even_what_is_starting(make, executor):
    manager = make()
    _, worker = await started(manager, executor)
    executor.gate.clear()
    late, _ = await started(manager, executor)
    closing = asyncio.create_task(manager.close())
    await settle()
    executor.gate.set()
    await closing
    assert worker.killed
    assert executor.workers[late.id].killed
    assert manager.runs == {}


async def test_the_oldest_ended_runs_are_forgotten_but_none_that_is_watched(make, executor):
    manager = make(keep_ended=2)
    runs = []
    for _ in range(5):
        run, worker = await started(manager, executor)
        worker.say("finished")
        runs.append(run)
        if len(runs) == 1:
            watch(manager, run)
    living, _ = await started(manager, executor)
    assert list(manager.runs.values()) == [runs[0], runs[3], runs[4], living]


# Knobs


async def test_knobs_are_recorded_when_the_worker_says_so(make, executor):
    manager = make()
    run, worker = await started(manager, executor)
    worker.train(7)
    applied = await manager.set_knobs(run, {"lr": 0.5})
    assert applied == Applied(7, {"lr": 0.5}, {"lr": 0.5, "word": "a", "size": 3})
    assert run.knobs["lr"] == 0.5
    assert run.knob_log == [(0, {"lr": 0.1, "word": "a", "size": 3}), (7, {"lr": 0.5})]


async def test_a_look_leaves_the_knobs_that_the_run_was_built_with(make, executor):
    manager = make()
    run, worker = await started(manager, executor)
    worker._deliver(LookChanged(1, 0, {"word": "b"}))
    assert run.knobs["word"] == "b"
    assert (run.built_with["word"], run.began_with["word"]) == ("a", "a")


async def test_knobs_the_run_refuses_are_an_error_and_change_nothing(make, executor):
    manager = make()
    run, worker = await started(manager, executor)
    worker.obeys = False
    asking = asyncio.create_task(manager.set_knobs(run, {"word": "no"}))
    await settle()
    params = {"reason": "refused", "message": "anything else"}
    refused = Refused("word", "word: anything else", params)
    worker._deliver(Reply(0, 0, worker.heard[0].reply_to, refused))
    with pytest.raises(errors.BadKnob, match="word: anything else") as raised:
        await asking
    assert (raised.value.field, raised.value.params) == ("word", params)
    assert run.knobs["word"] == "a"


async def test_commands_wait_until_a_starting_run_is_up(make, executor):
    manager = make()
    executor.gate.clear()
    run, _ = await started(manager, executor)
    setting = asyncio.create_task(manager.set_knobs(run, {"lr": 0.5}))
    pausing = asyncio.create_task(manager.pause(run))
    await settle()
    executor.gate.set()
    await asyncio.gather(setting, pausing)
    assert executor.workers[run.id].names == ["knobs", "pause"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (lambda manager, run: manager.step(run, 1), "running"),
        (lambda manager, run: manager.step(run, 1), "finished"),
        (lambda manager, run: manager.pause(run), "finished"),
        (lambda manager, run: manager.resume(run), "finished"),
        (lambda manager, run: manager.set_knobs(run, {}), "finished"),
        (lambda manager, run: manager.set_pace(run, 1.0), "finished"),
    ],
)
async def test_a_command_that_the_status_does_not_allow_is_refused(make, executor, command, status):
    manager = make()
    run, worker = await started(manager, executor)
    worker.say(status)
    with pytest.raises(errors.WrongState, match=f"the run is {status}; this needs") as refused:
        await command(manager, run)
    assert refused.value.params == {"status": status}


# Watching


async def test_workers_are_told_what_is_watched_and_only_when_that_changes(make, executor):
    manager = make()
    run, worker = await started(manager, executor)
    viewer = watch(manager, run, "weights")
    manager.watch(run, viewer, ["weights"], 30)
    other = watch(manager, run, "outputs", "weights")
    manager.leave(run, other)
    manager.leave(run, viewer)
    assert [control.arguments["panels"] for control in worker.heard] == [
        ("weights",),
        ("outputs", "weights"),
        ("weights",),
        (),
    ]


async def test_what_is_watched_before_the_worker_is_up_is_told_it(make, executor):
    manager = make(max_running=1)
    busy, _ = await started(manager, executor)
    early, _ = await started(manager, executor)
    watch(manager, early, "weights")
    executor.gate.clear()
    executor.workers[busy.id].say("finished")
    await settle()
    watch(manager, early, "outputs")
    executor.gate.set()
    await settle()
    worker = executor.workers[early.id]
    assert worker.spec.watch == ("weights",)
    assert worker.heard[0].arguments["panels"] == ("outputs", "weights")


async def test_an_unknown_panel_is_refused_naming_those_there_are(make, executor):
    manager = make()
    run, _ = await started(manager, executor)
    with pytest.raises(errors.UnknownPanel, match="tiny has no panel 'x'; it has loss, weights, outputs"):
        watch(manager, run, "x")


# Keeping house


@pytest.fixture
async def house(make, executor, monkeypatch, clock):
    """`await tick(seconds)` lets so much time pass, and the house be kept."""
    ticks = asyncio.Queue()
    sleep = asyncio.sleep
    keepers = []

    class Tick:
        sleep = staticmethod(lambda seconds: ticks.get())

        def __getattr__(self, name):
            return getattr(asyncio, name)

    def keep(manager):
        monkeypatch.setattr(duties, "asyncio", Tick())
        keepers.append(asyncio.create_task(manager._duties.pause_idle()))

    async def tick(seconds):
        clock.now += seconds
        ticks.put_nowait(None)
        for _ in range(30):
            await sleep(0)

    tick.keep = keep
    yield tick
    for keeper in keepers:
        keeper.cancel()


async def test_a_run_nobody_watches_is_paused_and_says_why(make, executor, house):
    manager = make(idle_pause=600)
    house.keep(manager)
    run, _ = await started(manager, executor)
    watched, _ = await started(manager, executor)
    watch(manager, watched)
    await house(599)
    assert run.status == "running"
    await house(2)
    assert (run.status, run.reason) == ("paused", "unwatched")
    assert watched.status == "running"


async def test_idle_time_counts_from_the_last_look(make, executor, house):
    manager = make(idle_pause=600)
    house.keep(manager)
    run, _ = await started(manager, executor)
    viewer = watch(manager, run)
    await house(5000)
    manager.leave(run, viewer)
    await house(599)
    assert run.status == "running"
    await house(2)
    assert run.status == "paused"


async def test_a_run_resumed_unwatched_gets_its_time_anew(make, executor, house):
    manager = make(idle_pause=600)
    house.keep(manager)
    run, _ = await started(manager, executor)
    await house(601)
    await manager.resume(run)
    await house(599)
    assert run.status == "running"


async def test_idle_pause_of_zero_means_never(make, executor, house):
    manager = make(idle_pause=0)
    house.keep(manager)
    run, _ = await started(manager, executor)
    await house(1e9)
    assert run.status == "running"


async def test_a_run_that_was_watched_and_left_makes_room_for_a_queued_one(make, executor, house):
    manager = make(max_running=1)
    house.keep(manager)
    abandoned, _ = await started(manager, executor)
    manager.leave(abandoned, watch(manager, abandoned))
    waiting, _ = await started(manager, executor)
    await house(0.4)
    assert waiting.status == "queued"
    await house(0.2)
    assert (abandoned.status, abandoned.reason) == ("paused", "made-room")
    assert waiting.status == "running"


async def test_a_run_that_was_never_watched_keeps_its_slot(make, executor, house):
    manager = make(max_running=1)
    house.keep(manager)
    run, _ = await started(manager, executor)
    waiting, _ = await started(manager, executor)
    await house(500)
    assert (run.status, waiting.status) == ("running", "queued")


async def test_a_run_whose_page_was_closed_before_it_could_watch_makes_room(make, executor, house):
    manager = make(max_running=1)
    house.keep(manager)
    orphan, _ = await started(manager, executor, viewed=True)
    waiting, _ = await started(manager, executor, viewed=True)
    await house(slots.EXPECTED - 0.1)
    assert waiting.status == "queued"
    await house(0.2)
    assert (orphan.status, orphan.reason) == ("paused", "made-room")
    assert waiting.status == "running"


async def test_no_more_runs_make_room_than_wait(make, executor, house):
    manager = make(max_running=3)
    house.keep(manager)
    runs = [(await started(manager, executor))[0] for _ in range(3)]
    for run in reversed(runs):
        manager.leave(run, watch(manager, run))
        await house(1)
    await house(5)
    waiting, _ = await started(manager, executor)
    assert [run.status for run in runs] == ["running", "running", "paused"]
    assert waiting.status == "running"


# Shares, where people have runs of their own


def place_of(run):
    waiting = run.channel.waiting
    return waiting.place, waiting.seconds


async def test_whoever_has_no_run_training_comes_first(make, executor):
    manager = make(max_running=2)
    greedy = [(await started(manager, executor, owner="greedy"))[0] for _ in range(2)]
    more = [manager.create("tiny", {}, owner="greedy") for _ in range(3)]
    other = manager.create("tiny", {}, owner="other")
    assert place_of(other)[0] == 1
    assert [place_of(run)[0] for run in more] == [2, 3, 4]
    executor.workers[greedy[0].id].say("finished")
    await settle()
    assert other.status == "running"
    assert {run.status for run in more} == {"queued"}


async def test_turns_go_round_and_fifty_runs_of_one_are_nobodys_wait(make, executor, house):
    manager = make(max_running=2, live_each=60, max_live=100, turn=20)
    house.keep(manager)
    greedy = [(await started(manager, executor, owner="greedy"))[0] for _ in range(2)]
    greedy += [manager.create("tiny", {}, owner="greedy") for _ in range(48)]
    others = [manager.create("tiny", {}, owner=f"learner {n}") for n in range(3)]
    trained = dict.fromkeys((run.owner for run in [*greedy, *others]), 0)
    waited = dict.fromkeys((run.owner for run in others), 0)
    for _ in range(400):
        await house(0.5)
        training = [run for run in [*greedy, *others] if run.status == "running"]
        assert len(training) <= 2
        for run in training:
            trained[run.owner] += 1
        for run in others:
            waited[run.owner] = 0 if run.status == "running" else waited[run.owner] + 1
            assert waited[run.owner] <= 2 * 2 * 20 + 8, "two turns and a little, in half seconds"
    assert max(trained.values()) < 1.5 * min(trained.values()), trained
    assert executor.workers[greedy[0].id].names.count("pause") >= 1


async def test_a_run_whose_turn_is_over_says_so_and_goes_on_by_itself(make, executor, house):
    manager = make(max_running=1, turn=20)
    house.keep(manager)
    first, _ = await started(manager, executor, owner="a")
    second = manager.create("tiny", {}, owner="b")
    await house(5)
    assert place_of(second) == (1, 15)
    await house(15.5)
    await settle()
    assert (first.status, first.reason) == ("queued", slots.TURN_ENDED)
    assert second.status == "running"
    await house(1)
    assert place_of(first) == (1, 19)
    executor.workers[second.id].say("finished")
    await settle()
    assert first.status == "running"
    await house(100)
    assert first.status == "running", "nobody waits"


async def test_a_run_that_is_paused_as_its_turn_ends_stays_paused(make, executor, house):
    manager = make(max_running=1, turn=20)
    house.keep(manager)
    first, worker = await started(manager, executor, owner="a")
    second = manager.create("tiny", {}, owner="b")
    await house(21)
    assert second.status == "running"
    await manager.pause(first)
    assert (first.status, first.reason) == ("paused", "user")
    executor.workers[second.id].say("finished")
    await settle()
    assert first.status == "paused"
    assert worker.names[-1] == "say"


async def test_on_a_server_that_asks_nobody_runs_end_no_turn(make, executor, house):
    manager = make(max_running=1, turn=20)
    house.keep(manager)
    first, _ = await started(manager, executor)
    second = manager.create("tiny", {})
    await house(100)
    assert (first.status, second.status) == ("running", "queued")
    assert place_of(second) == (1, None)


async def test_a_person_has_so_many_runs_alive_and_no_more(make, executor):
    manager = make(max_running=9, live_each=2)
    for owner in ("a", "b"):
        for _ in range(2):
            watch(manager, (await started(manager, executor, owner=owner))[0])
    with pytest.raises(errors.TooManyRuns, match="2 of your runs are alive") as refused:
        manager.create("tiny", {}, owner="a")
    assert refused.value.params == {"most": 2, "reason": "each"}
    manager.create("tiny", {}, owner="c")
    own = next(run for run in manager.runs.values() if run.owner == "a")
    manager.leave(own, next(iter(own.channel.viewers)))
    await manager.pause(own)
    manager.create("tiny", {}, owner="a")
    assert (own.status, own.reason) == ("stopped", "made-room")
