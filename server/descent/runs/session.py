"""Runs and their workers: starts workers, sends them commands, receives their output."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from descent import errors
from descent.engine.messages import (
    CheckpointTaken,
    Control,
    ControlName,
    Event,
    LookChanged,
    Measured,
    NotMeasured,
    NotTaken,
    Output,
    PanelFrame,
    Refused,
    Reply,
    RunSpec,
    ScalarsFrame,
    SweepDivided,
    SweepFrame,
    SweepRefused,
    Taken,
    Unplaced,
)
from descent.protocol import DeviceChosen, Looked, State, Status
from descent.runs.channel import Latest
from descent.runs.choices import Choice
from descent.runs.devices import Devices
from descent.runs.recorder import Recorder
from descent.runs.run import IllegalTransition, Run, now
from descent.runs.slots import TURN_ENDED, Slots
from descent.settings import Settings
from descent.workers.executor import Executor, Interruption

ANSWER_WITHIN = 10.0  # seconds; a command is applied after the step under way


class Sessions:
    """The traffic between the server's runs and their workers."""

    def __init__(
        self,
        settings: Settings,
        executor: Executor,
        runs: Mapping[str, Run],
        recorder: Recorder | None,
        devices: Devices,
    ) -> None:
        self.slots = Slots(
            settings.max_running,
            runs,
            turn=settings.turn,
            go=self._go,
            pause=self._make_room,
            wait=self._wait,
        )
        self.steps = 0  # that runs have taken since this server began
        self._settings = settings
        self._executor = executor
        self._recorder = recorder
        self._devices = devices
        self._reply_ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    # Starting

    def _go(self, run: Run) -> None:
        """Train with the run's worker, or start one."""
        if run.worker is not None:
            self.tell(run, "resume")
        else:
            self.begin(run)

    def _make_room(self, run: Run, reason: str) -> None:
        self.tell(run, "pause", reason=reason)

    def _wait(self, run: Run) -> None:
        """Have a run that has just paused say that it waits."""

        def say() -> None:
            if self.slots.waits(run):
                self.tell(run, "say", status="queued", reason=TURN_ENDED)

        asyncio.get_running_loop().call_soon(say)  # the pause is on its tape first

    def begin(self, run: Run) -> None:
        """Start a worker."""
        run.become("starting")
        self.announce(run)
        self.spawn(self._start(run))

    async def _start(self, run: Run) -> None:
        ready = run.ready  # a resumed run gets a new event: messages of this worker are then stale
        run.watching = run.channel.watched()
        if run.among and run.replay is None and not await self._settle_device(run):
            return
        spec = self._spec(run)
        run.replay = None  # it may be large

        def deliver(output: Output) -> None:
            if run.ready is ready:
                self.receive(run, output)

        def ended(why: str) -> None:
            if run.ready is ready:
                self._lost(run, why)

        try:
            worker = await self._executor.start(spec, deliver, ended)
        except (OSError, EOFError) as error:
            if not run.ended and run.ready is ready:
                self.end(run, "failed", f"no worker could be started: {error}")
            return
        if run.ended or run.ready is not ready:  # stopped or deleted meanwhile
            worker.kill()
            return
        run.worker = worker
        self.tell_watched(run)

    async def _settle_device(self, run: Run) -> bool:
        """Find the faster of the devices that a run may train on, and say which; False if it ended."""
        choice, among = run.choice, run.among
        if choice is None:
            choosing = asyncio.create_task(self._devices.choose(run.entry, self._spec(run), among))
            over = asyncio.create_task(run.ready.wait())
            await asyncio.wait({choosing, over}, return_when=asyncio.FIRST_COMPLETED)
            choosing.cancel()  # where the run has ended
            over.cancel()
            await asyncio.wait({choosing})
            if run.ended or choosing.cancelled():
                return False
            choice = choosing.result()
        run.device, run.among = choice.among(among), ()
        self._say_device(run, choice)
        return True

    def _say_device(self, run: Run, choice: Choice) -> None:
        """Tell viewers which device a run trains on, and why."""
        seq = run.channel.last_seq + 1
        said = DeviceChosen(
            seq=seq, step=run.step, device=run.device, rates=dict(choice.rates), failed=dict(choice.failed)
        )
        run.channel.keep(seq, said.model_dump_json().encode(), binary=False)
        self.changed(run)

    def _spec(self, run: Run) -> RunSpec:
        """What the run's next worker needs."""
        return RunSpec(
            run=run.id,
            experiment=run.entry.id,
            code=run.entry.code,
            knobs=run.built_with,
            seed=run.seed,
            streams=run.streams,
            borrowed=run.borrowed,
            device=run.device,
            paused=run.start_paused,
            max_steps=run.max_steps,
            pace=run.pace,
            opening=self._settings.opening if run.viewed else 0.0,
            probe_budget=self._settings.probe_budget,
            first_seq=run.channel.last_seq + 1,
            data=tuple(map(str, self._settings.data_folders)),
            cores=run.entry.cls.cores,
            memory_mb=self._settings.run_mb,
            watch=run.watching[0],
            max_fps=run.watching[1],
            record_budget=self._settings.record_budget if self._recorder else 0.0,
            replay=run.replay,
            plan=run.plan,
        )

    # Receiving

    def receive(self, run: Run, output: Output) -> None:
        """Take in what a run's worker says."""
        if run.ended:
            return
        before = run.step
        run.step = max(run.step, output.step + isinstance(output, ScalarsFrame))
        self.steps += run.step - before
        match output:
            case PanelFrame(seq, step, panel, payload):
                latest = Latest(seq, step, payload)
                run.channel.show(panel, latest)
                if self._recorder:
                    self._recorder.frame(run, panel, latest)
            case CheckpointTaken():
                if self._recorder:
                    self._recorder.checkpoint(run, output)
            case ScalarsFrame(seq, _, payload):
                run.channel.keep(seq, payload, binary=True)
                self.changed(run)
            case LookChanged(_, step, knobs):
                run.knobs = {**run.knobs, **knobs}  # it may share its dict with `built_with`
                run.channel.look(Looked(step=step, knobs=dict(knobs)))
                self.changed(run)
            case Event(seq, _, event):
                try:
                    self._note(run, event)
                except IllegalTransition as error:
                    self.kill(run, "failed", str(error))
                else:
                    run.channel.keep(seq, _json(event), binary=False)
                    self.changed(run)
            case Reply():
                _answer(run, output)
            case Unplaced(reason=reason):
                if run.status == "starting":
                    run.reason = reason
                    self.announce(run)
            case (
                SweepFrame()
                | SweepDivided()
                | SweepRefused()
                | Taken()
                | NotTaken()
                | Measured()
                | NotMeasured()
            ):
                raise AssertionError("what is measured is no run")

    def _note(self, run: Run, event: Mapping[str, Any]) -> None:
        """Update the run's record from its worker's event."""
        if event["type"] == "knobs":
            run.knobs = dict(event["now"])
            run.steps_per_epoch = event["steps_per_epoch"]
            run.knob_log.append((event["step"], dict(event["knobs"])))
        elif event["type"] == "kept":
            run.kept = tuple(event["steps"])
        elif event["type"] == "state":
            run.pace = event["pace"]
            run.steps_per_epoch = event.get("steps_per_epoch", run.steps_per_epoch)
            run.become(event["status"], event["reason"])
            if event.get("field"):
                run.refused = errors.BadKnob(event["reason"], event["field"], **event["params"])
            self.slots.heard(run)
            run.ready.set()
            if run.ended:
                self._release(run)
            self.slots.promote()

    def _lost(self, run: Run, why: str) -> None:
        """End the run, unless it has ended: its worker is gone."""
        run.worker = None
        if not run.ended:
            run.lost = True
            self.end(run, "interrupted" if isinstance(why, Interruption) else "failed", why)

    def begin_recording(self, run: Run) -> None:
        """Record a run that goes on."""
        if self._recorder:
            self._recorder.begin(run)

    def changed(self, run: Run) -> None:
        """Note that the run has said something, or is described anew."""
        run.updated_at = now()
        if self._recorder:
            self._recorder.changed(run)

    # Ending

    def kill(self, run: Run, status: Status, reason: str) -> None:
        """End a run at once, together with its worker if it has one."""
        if run.worker is not None:
            run.worker.kill()
        if not run.ended:
            self.end(run, status, reason)

    def end(self, run: Run, status: Status, reason: str) -> None:
        """End a run whose worker cannot report it."""
        run.become(status, reason)
        self.announce(run)
        self._release(run)
        self.slots.promote()

    def _release(self, run: Run) -> None:
        """Release an ended run's slot, everything that waits for it, and its pending replies."""
        self.slots.leave(run)
        run.ready.set()
        for reply in run.replies.values():
            if not reply.done():
                reply.set_exception(wrong_state(run))
        run.replies.clear()

    def announce(self, run: Run) -> None:
        """Send viewers the run's status when no worker does."""
        seq = run.channel.last_seq + 1
        state = State(
            seq=seq,
            step=run.step,
            status=run.status,
            reason=run.reason,
            pace=run.pace,
            steps_per_epoch=run.steps_per_epoch,
        )
        run.channel.keep(seq, state.model_dump_json().encode(), binary=False)
        self.changed(run)

    # Commands

    def tell(self, run: Run, name: ControlName, reply_to: int | None = None, **arguments: Any) -> None:
        """Send a command, if there is a worker."""
        if run.worker is not None:
            run.worker.send(Control(name, arguments, reply_to))

    async def ask(self, run: Run, name: ControlName, **arguments: Any) -> Reply:
        """Send a command, wait for the answer. Raises `BadKnob` for a refusal, `WrongState`, `NoAnswer` and
        `ScriptAway`.
        """
        await self.settle(run)
        if run.ended:
            raise wrong_state(run)
        if run.own_loop and run.worker is None:
            raise script_away(run)
        reply_to = next(self._reply_ids)
        reply = run.replies[reply_to] = asyncio.get_running_loop().create_future()
        self.tell(run, name, reply_to, **arguments)
        try:
            return await asyncio.wait_for(reply, ANSWER_WITHIN)
        except TimeoutError:
            raise _no_answer() from None
        finally:
            run.replies.pop(reply_to, None)

    async def need(self, run: Run, *statuses: Status) -> None:
        """Raises `WrongState` unless the run, once started, has one of these statuses."""
        await self.settle(run)
        if run.status not in statuses:
            raise wrong_state(run, *statuses)

    async def settle(self, run: Run) -> None:
        """Wait until a starting worker is ready. Raises `NoAnswer`."""
        if run.status == "starting":
            try:
                await asyncio.wait_for(run.ready.wait(), ANSWER_WITHIN)
            except TimeoutError:
                raise _no_answer() from None

    def tell_watched(self, run: Run) -> None:
        """Send the worker the panels that viewers have on screen."""
        run.ever_watched |= run.watched
        run.unwatched_since = time.monotonic()
        watched = run.channel.watched()
        if run.worker is not None and run.watching != watched:
            run.watching = watched
            self.tell(run, "watch", panels=watched[0], max_fps=watched[1])

    # Working

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a background task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the background tasks."""
        await asyncio.gather(*self._tasks)


def _answer(run: Run, reply: Reply) -> None:
    """Resolve the pending command that a worker's reply answers."""
    waiting = run.replies.pop(reply.reply_to, None)
    if waiting is None or waiting.done():
        return
    if isinstance(refused := reply.answer, Refused):
        waiting.set_exception(refused.error())
    else:
        waiting.set_result(reply)


def wrong_state(run: Run, *statuses: Status) -> errors.WrongState:
    """The error for a command that the run's status does not allow."""
    needed = f"; this needs one that is {' or '.join(statuses)}" if statuses else ""
    return errors.WrongState(f"the run is {run.status}{needed}", "status", status=run.status)


def script_away(run: Run) -> errors.ScriptAway:
    """The error for a command to a script that is not connected."""
    return errors.ScriptAway(f"the script of the run {run.id} is not connected now", "run")


def _no_answer() -> errors.NoAnswer:
    return errors.NoAnswer(f"the run did not answer within {ANSWER_WITHIN:g} s", "run")


def _json(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
