"""The life of runs: creating, queueing, watching, ending and evicting them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_core import PydanticCustomError
from sqlalchemy.exc import SQLAlchemyError

from descent import errors
from descent.contract.entry import Entry
from descent.engine.borrowed import Borrowed
from descent.engine.messages import Applied, Plan, Taken
from descent.protocol import Device, Diagnosis, FindingParams, Recording, RunInfo
from descent.registry import Registry, experiments
from descent.runs import knobs as knob_check
from descent.runs import tags
from descent.runs.borrowing import borrow, missing, no_run
from descent.runs.branching import Branching
from descent.runs.channel import Channel, Viewer
from descent.runs.devices import Devices
from descent.runs.duties import Duties
from descent.runs.history import History
from descent.runs.listing import NEWEST_FIRST, Order, titled
from descent.runs.recorder import Recorder
from descent.runs.run import RESUMABLE, Run
from descent.runs.scripts import Scripts
from descent.runs.session import Sessions, wrong_state
from descent.runs.sweeps import SweepRequest, Sweeps
from descent.runs.table import Range
from descent.runs.tags import one_line
from descent.runs.taking import Takings, What
from descent.runs.tape import Tape
from descent.settings import Settings
from descent.store.database import StoreError
from descent.store.store import Store
from descent.workers.executor import Executor

Sees = Callable[[str, bool], bool]


def everything(owner: str, shared: bool) -> bool:
    """Whoever asks may see it."""
    return True


def no_such_run(run_id: str) -> errors.UnknownRun:
    """The error for a run that is not there, or that is not for whoever asks."""
    return errors.UnknownRun(f"there is no run {run_id[:64]!r}", "run")


class RunManager:
    """The live and recently ended runs of this server, in the order they came."""

    def __init__(
        self,
        settings: Settings,
        executor: Executor,
        store: Store | None = None,
        registry: Registry | None = None,
    ) -> None:
        """`registry`: the available experiments, by default those that come with Descent."""
        self.settings = settings
        self.registry = experiments() if registry is None else registry
        self.runs: dict[str, Run] = {}
        self.history: History | None = None
        if store is not None:
            recorder = Recorder(
                store,
                frame_room=settings.frames_mb << 20,
                checkpoint_room=settings.checkpoints_mb << 20,
                scalar_room=settings.scalars_mb << 20,
                warn=self._tell_recording,
            )
            self.history = History(
                store, recorder, self.registry, settings.home / "tapes", tape_room=settings.tape_mb << 20
            )
        self.devices = Devices(settings, executor, self.runs)
        self.sessions = Sessions(settings, executor, self.runs, self.recorder, self.devices)
        self._sweeps = Sweeps(settings, executor)
        self._takings = Takings(settings, executor)
        self.scripts = Scripts(self.sessions, self.get, self._enter)
        self._duties = Duties(settings, self.runs, self.sessions, self.history)

    # Asking

    async def get(self, run_id: str) -> Run:
        """The run `run_id`, from the record if need be. Raises `UnknownRun`."""
        if run_id not in self.runs and self.history is not None:
            found = await self.history.load(run_id)
            if found is not None and run_id in self.runs:  # another request loaded it meanwhile
                found.channel.tape.close()
            elif found is not None:
                found.channel.recording = self.history.recorder.state
                self.runs[run_id] = found
                self._forget_oldest(found)
        try:
            return self.runs[run_id]
        except KeyError:
            raise no_such_run(run_id) from None

    @property
    def recorder(self) -> Recorder | None:
        """The recorder of runs; None if this server does not record."""
        return self.history.recorder if self.history else None

    @property
    def recorded_bytes(self) -> int | None:
        """What all that is recorded takes, of a minute ago; None before it is known."""
        return self._duties.recorded_bytes

    async def list_runs(
        self, *, limit: int, offset: int = 0, order: Order = NEWEST_FIRST, **which: Any
    ) -> list[RunInfo]:
        """A page of runs: unrecorded ones in memory, then recorded ones."""
        runs, _ = await self.list_page(limit=limit, offset=offset, order=order, **which)
        return runs

    async def list_page(
        self, *, limit: int, offset: int, order: Order, search: str = "", **which: Any
    ) -> tuple[list[RunInfo], int]:
        """The runs of `list_runs`, and how many there are on all pages. `search` finds titles, too."""
        which |= {"search": search, "titled": titled(self.registry, search)}
        if self.history is not None:
            await self.history.recorder.flush()
        fitting = [run for run in reversed(self.runs.values()) if run.recorded is None and run.fits(**which)]
        runs = order.sorted([run.info() for run in fitting], self.registry)
        found = {run.id: run for run in runs[offset : offset + limit]}
        total = len(runs)
        if self.history is not None:
            total += await asyncio.to_thread(lambda: self._history().store.count(**which))
            rest = {"limit": limit - len(found), "offset": max(0, offset - len(runs))}
            recorded = await self.history.runs(self.runs, order=order, **rest, **which)
            found |= {info.id: info for info in recorded}
        return list(found.values()), total

    async def tags(self, seen_by: str | None = None) -> list[str]:
        """Every tag that a run has, of those that are `seen_by` somebody."""
        found = {tag for run in self.runs.values() if run.fits(seen_by=seen_by) for tag in run.tags}
        if self.history is not None:
            await self.history.recorder.flush()
            found |= set(await asyncio.to_thread(self.history.store.tags, seen_by))
        return sorted(found, key=str.casefold)

    async def family(self, run: Run) -> list[RunInfo]:
        """The tree of branches a run belongs to, the oldest first."""
        return (self.history and await self.history.family(run.id, self.runs)) or [run.info()]

    async def frames_at(self, run: Run, panels: Sequence[str], step: int) -> list[bytes]:
        """The last picture of each panel at or before `step`."""
        if self.history is not None:
            return await self.history.frames_at(run, panels, step)
        latest = [run.channel.latest.get(panel) for panel in panels]
        return [frame.data for frame in latest if frame is not None and frame.step <= step]

    def begun_before(self, run: Run, asked: Range) -> Range:
        """The range with `since` set to the message after which to begin. Waits for the database."""
        if self.history is None or not asked.first:
            return asked
        return replace(asked, since=self.history.store.seq_before(run.id, asked.first))

    async def kept(self, run: Run) -> dict[str, Any]:
        """Steps of the recorded pictures and checkpoints."""
        return await self._history().kept(run)

    # Beginning

    def create(
        self,
        experiment: str,
        knobs: Mapping[str, Any],
        *,
        seed: int = 0,
        device: Device = "auto",
        paused: bool = False,
        max_steps: int | None = None,
        viewed: bool = False,
        borrowed: Mapping[str, Borrowed] | None = None,
        changes: Sequence[tuple[int, Mapping[str, Any]]] = (),
        until: int = 0,
        owner: str = "",
    ) -> Run:
        """A new run, queued, or starting if there is room. `viewed`: it is made to be watched; `borrowed`:
        what `borrow` gives; `changes`, `until`: see `Plan`, whose end is `paused`; `owner`: the id
        of whose it is.

        Raises `BadKnob`, also where a data set is not on this machine, `NoDevice` and `TooManyRuns`.
        """
        entry = self.registry.find(experiment)
        values = knob_check.check(entry, knobs)
        knob_check.need_data(entry, values, self.settings.data_folders)
        for knob, run in missing(entry, values, borrowed or {}).items():
            raise no_run(knob, run)
        plan = Plan(knob_check.planned_changes(entry, values, changes), until, pause=paused)
        among = self.devices.place(device)
        choice = self.devices.known(entry, values, among)
        return self._add(
            Run(
                id=(run_id := self._new_id(owner)),
                borrowed=borrowed or {},
                entry=entry,
                knobs=values,
                built_with=values,
                began_with=values,
                seed=seed,
                device=choice.among(among) if choice else among[0],
                among=among if len(among) > 1 else (),
                choice=choice,
                channel=Channel(self._tape(run_id)),
                max_steps=max_steps,
                pace=entry.cls.pace,
                start_paused=paused and not until,
                plan=plan,
                viewed=viewed,
                owner=owner,
            )
        )

    async def borrow(
        self, experiment: str, knobs: Mapping[str, Any], sees: Sees = everything
    ) -> Mapping[str, Borrowed]:
        """What a new run with these knobs takes of recorded ones, if whoever asks `sees` them.

        Raises `BadKnob`.
        """
        entry = self.registry.find(experiment)
        return await self._borrow(entry, knob_check.check(entry, knobs), {}, sees)

    async def _borrow(
        self, entry: Entry, knobs: Mapping[str, Any], have: Mapping[str, Borrowed], sees: Sees
    ) -> Mapping[str, Borrowed]:
        for knob, id in missing(entry, knobs, have).items():
            with contextlib.suppress(errors.UnknownRun):
                lender = await self.get(id)
                if not sees(lender.owner, lender.shared):
                    raise no_run(knob, id)
        return await borrow(self.history, entry, knobs, have)

    async def owned(self, ids: Sequence[str], commands: Callable[[str], bool]) -> list[str]:
        """Those of the runs that whoever asks `commands`, by their owner; unknown ids are passed over."""
        infos = await self._infos(ids)
        return [id for id in ids if id in infos and commands(infos[id].owner)]

    async def branch(
        self,
        parent: Run,
        step: int | None,
        knobs: Mapping[str, Any],
        *,
        paused: bool = False,
        viewed: bool = False,
        owner: str = "",
        sees: Sees = everything,
    ) -> Run:
        """A new run that continues `parent` from after `step` steps, with some knobs changed. It is
        `owner`'s, and borrows of runs that they may see.

        Raises `NotRecorded`, `BadField` for the step, `BadKnob`, `DifferentShape` where the knobs would make
        another model, `NoDevice` where the parent's is not here, `BadCheckpoint`, and `WorkerLost`.
        """
        parent.need_experiment()
        self.devices.need(parent)
        replay, damaged = await self._history().plan(parent, step)
        self._need_known(parent)
        branching = Branching.of(parent, replay, knobs)
        fields = branching.fields()
        knob_check.need_data(parent.entry, fields["knobs"], self.settings.data_folders)
        borrowed = await self._borrow(parent.entry, fields["knobs"], parent.borrowed, sees)
        run = self._add(
            Run(
                id=(run_id := self._new_id(owner)),
                channel=Channel(self._tape(run_id)),
                viewed=viewed,
                start_paused=True,  # going back needs no slot, and tells whether it can be done
                borrowed=borrowed,
                owner=owner,
                **fields,
            )
        )
        self._report_damaged(run, damaged)
        try:
            await self.sessions.settle(run)
        except errors.NoAnswer:  # a long replay
            self.sessions.spawn(self._resume_later(run, paused))
            return run
        if run.status == "failed":
            with contextlib.suppress(errors.NotWritten):
                await self.delete(run)
            raise branching.failure(run)
        if not paused:
            await self.resume(run)
        return run

    async def sweep(
        self, run: Run, step: int | None, order: SweepRequest, owner: str = ""
    ) -> AsyncIterator[bytes]:
        """Frames of somebody's sweep from a state of `run`; see `Sweeps.sweep`."""
        run.need_experiment()
        self.devices.need(run)
        return await self._sweeps.sweep(self._history(), run, step, order, owner)

    async def take(self, run: Run, step: int | None, what: What) -> Taken:
        """The weights or the model of `run` after `step` steps; see `Takings.take`."""
        run.need_experiment()
        self.devices.need(run)
        return await self._takings.take(self._history(), run, step, what)

    async def _resume_later(self, run: Run, paused: bool) -> None:
        await run.ready.wait()
        if not paused and run.status == "paused":
            await self.resume(run)

    def _history(self) -> History:
        if self.history is None:
            raise errors.NotRecorded("this server does not record runs (setting RECORD)", "run")
        return self.history

    def _report_damaged(self, run: Run, steps: Sequence[int]) -> None:
        if steps and run.replay is not None:
            params: FindingParams = {"steps": list(steps), "used": run.replay.step}
            seq = run.channel.last_seq + 1
            found = Diagnosis(seq=seq, step=run.step, code="checkpoint-damaged", params=params)
            run.channel.keep(seq, found.model_dump_json().encode(), binary=False)

    def _new_id(self, owner: str) -> str:
        """The id of a new run of somebody's, after making room for it. Raises `TooManyRuns`."""
        alive = [run for run in self.runs.values() if not run.ended]
        own = [run for run in alive if run.owner == owner]
        each, most = self.settings.live_each, self.settings.max_live
        if owner and len(own) >= each and not self._retire(own):
            raise errors.TooManyRuns(
                f"{each} of your runs are alive; stop one (setting LIVE_EACH)",
                "experiment",
                most=each,
                reason="each",
            )
        if len(alive) >= most and not self._retire(alive):
            raise errors.TooManyRuns(
                f"{most} runs are alive; stop one (setting MAX_LIVE)", "experiment", most=most
            )
        return secrets.token_hex(6)

    def _tape(self, run_id: str) -> Tape:
        if self.history is not None:
            return self.history.tape(run_id)
        return Tape(run_id, self.settings.home / "tapes", room=self.settings.tape_mb << 20)

    def _add(self, run: Run) -> Run:
        self._register(run)
        if run.start_paused:
            self.sessions.begin(run)
        else:
            self.sessions.slots.enter(run)
        self._forget_oldest()
        return run

    def _register(self, run: Run) -> None:
        run.knob_log.append((run.step, dict(run.began_with)))
        self.runs[run.id] = run
        if self.recorder:
            self.recorder.begin(run)
            run.channel.recording = self.recorder.state
        self.sessions.announce(run)

    def _enter(self, **fields: Any) -> Run:
        """A new run that trains elsewhere, and takes no slot. Raises `TooManyRuns`."""
        run = Run(
            id=(run_id := self._new_id(fields.get("owner", ""))),
            channel=Channel(self._tape(run_id)),
            **fields,
        )
        self._register(run)
        self._forget_oldest(run)
        return run

    def _retire(self, runs: Sequence[Run]) -> bool:
        """Stop the paused one unwatched for longest, to make room for a new one; whether there is one.

        Runs never watched yet come last: a viewer may be about to connect.
        """
        paused = [run for run in runs if run.status == "paused" and not run.watched and not run.own_loop]
        abandoned = sorted(paused, key=lambda run: (not run.ever_watched, run.unwatched_since))
        if abandoned:
            self.sessions.tell(abandoned[0], "stop", reason="made-room")
        return bool(abandoned)

    def _tell_recording(self, recording: Recording) -> None:
        for run in self.runs.values():
            run.channel.tell(recording)

    # Commanding

    async def set_knobs(self, run: Run, values: Mapping[str, Any]) -> Applied:
        """Set live knobs; returns the applied values. Raises `BadKnob`, `FixedKnob` and `BadSchedule`."""
        await self.sessions.need(run, "running", "paused")
        checked = knob_check.check(run.entry, values, before=run.knobs)
        reply = await self.sessions.ask(run, "knobs", knobs={name: checked[name] for name in values})
        assert isinstance(reply.answer, Applied), "a refusal is raised"
        return reply.answer

    async def pause(self, run: Run) -> None:
        """Pause after the current step; a queued run waits no longer."""
        await self.sessions.need(run, "running", "paused", "queued")
        if not self.sessions.slots.waits(run):
            await self.sessions.ask(run, "pause", reason="user")
            return
        self.sessions.slots.leave(run)
        if run.worker is not None:
            await self.sessions.ask(run, "say", status="paused", reason="user")
        else:
            run.start_paused = True
            self.sessions.begin(run)
            await self.sessions.settle(run)

    async def resume(self, run: Run) -> None:
        """Train on, at once or when a slot is free; an interrupted run from its recorded end."""
        if run.status in RESUMABLE:
            await self._revive(run)
            return
        await self.sessions.need(run, "running", "paused", "queued")
        if run.own_loop:  # it takes no slot
            await self.sessions.ask(run, "resume")
            return
        slots = self.sessions.slots
        if run.status == "paused" and not slots.waits(run) and not slots.granted(run):
            slots.enter(run)
            if slots.waits(run):
                await self.sessions.ask(run, "say", status="queued", reason="")
        if slots.granted(run):  # a repeated resume changes nothing; its answer comes once the run trains
            await self.sessions.ask(run, "resume")

    async def describe(self, run: Run, **described: Any) -> None:
        """Set a run's `name`, `starred` or `tags`. Raises `NotWritten`."""
        if "name" in described:
            described["name"] = one_line(described["name"])
        await self._describe({run.id: described})

    async def mark(
        self, ids: Sequence[str], *, starred: bool | None, add: Sequence[str], remove: Sequence[str]
    ) -> list[RunInfo]:
        """Star runs, add and remove tags; returns the runs, without those that there are not.

        Raises `BadField` where one would have too many tags, and `NotWritten`.
        """
        infos = await self._infos(ids)
        star = {} if starred is None else {"starred": starred}
        try:
            marks = {id: {"tags": tags.changed(info.tags, add, remove)} for id, info in infos.items()}
        except PydanticCustomError as error:
            raise errors.BadField(f"add_tags: {error.message()}", "add_tags", reason=error.type) from error
        await self._describe({id: mark | star for id, mark in marks.items()})
        return list((await self._infos(ids)).values())

    async def _infos(self, ids: Sequence[str]) -> dict[str, RunInfo]:
        recorded = [] if self.history is None else await self.history.some(ids)
        found = {info.id: info for info in recorded}
        return found | {id: self.runs[id].info() for id in ids if id in self.runs}

    async def _describe(self, described: Mapping[str, Mapping[str, Any]]) -> None:
        def take(values: Mapping[str, Mapping[str, Any]]) -> None:
            for id, fields in values.items():
                for name, value in fields.items():
                    setattr(self.runs[id], name, value)

        known = {id: fields for id, fields in described.items() if id in self.runs}
        before = {id: {name: getattr(self.runs[id], name) for name in fields} for id, fields in known.items()}
        take(known)
        try:
            if self.history is not None:
                await self.history.write(lambda store: store.set_each(described))
        except errors.NotWritten:
            take({id: fields for id, fields in before.items() if id in self.runs})
            raise

    async def _revive(self, run: Run) -> None:
        """Resume an ended run from its recorded end."""
        run.need_experiment()
        self.devices.need(run)
        recorder = self._history().recorder
        replay, damaged = await self._history().plan(run, None)
        self._need_known(run)
        if run.status not in RESUMABLE:  # another request was faster
            return
        knob_check.need_data(run.entry, run.built_with, self.settings.data_folders)
        if recorder.has_unwritten(run):
            raise errors.NotRecorded(
                f"the end of the run is not recorded yet ({recorder.state.reason})", "run"
            )
        run.replay = replace(replay, override=knob_check.looks(run.entry, run.knobs))
        run.step = replay.until
        run.start_paused = False
        run.ready = asyncio.Event()
        run.worker = None  # an old worker, if any, is ending
        recorder.begin(run)
        self._report_damaged(run, damaged)
        run.become("queued")
        self.sessions.announce(run)
        self.sessions.slots.enter(run)
        with contextlib.suppress(errors.NoAnswer):  # a long replay
            await self.sessions.settle(run)

    async def step(self, run: Run, steps: int) -> None:
        """Take some steps of a paused run."""
        await self.sessions.need(run, "paused")
        await self.sessions.ask(run, "step", steps=steps)

    async def set_pace(self, run: Run, steps_per_second: float | None) -> None:
        """Limit the steps per second."""
        await self.sessions.need(run, "running", "paused")
        await self.sessions.ask(run, "pace", steps_per_second=steps_per_second)

    async def stop(self, run: Run) -> None:
        """End the run; one that does not answer is killed."""
        if run.ended:
            raise wrong_state(run)
        if run.status == "queued" and run.worker is None:
            self.sessions.end(run, "stopped", "user")
            return
        if self.sessions.slots.waits(run):
            self.sessions.slots.leave(run)
        try:
            with contextlib.suppress(errors.WrongState):  # already ended
                await self.sessions.ask(run, "stop", reason="user")
        except errors.NoAnswer:
            self.sessions.kill(run, "stopped", "it did not answer and was killed")

    async def delete(self, run: Run) -> None:
        """End the run at once, and delete it and its record. Raises `NotWritten`."""
        await self.delete_all([run.id])

    async def delete_all(self, ids: Sequence[str]) -> None:
        """As `delete`, of several; unknown ids are passed over."""
        for id in ids:
            if id in self.runs:
                self._evict(self.runs[id])
        for other in self.runs.values():
            if other.parent in ids:
                other.parent = None
        if self.history is not None:
            await self.history.write(lambda store: store.delete(ids))

    def _evict(self, run: Run) -> None:
        """Drop the run from memory; its record stays."""
        if self.recorder:
            self.recorder.forget(run.id)
        self.sessions.kill(run, "stopped", "deleted")
        del self.runs[run.id]
        run.channel.close()
        run.channel.tape.close()

    def _need_known(self, run: Run) -> None:
        """Raises `UnknownRun` for a run that was evicted meanwhile."""
        if self.runs.get(run.id) is not run:
            raise errors.UnknownRun(f"the run {run.id} was let go meanwhile; ask again", "run")

    # Watching

    def join(self, run: Run, viewer: Viewer) -> None:
        """Add a viewer. Raises `TooManyViewers`."""
        everywhere = sum(len(other.channel.viewers) for other in self.runs.values())
        limits = {"viewers_per_run": len(run.channel.viewers), "viewers": everywhere}
        for setting, watching in limits.items():
            most = getattr(self.settings, setting)
            if watching >= most:
                of = "this run" if setting == "viewers_per_run" else "this server's runs"
                raise errors.TooManyViewers(
                    f"{most} viewers watch {of} already; try again later (setting {setting.upper()})",
                    "run",
                    most=most,
                    reason=setting.replace("_", "-"),
                )
        viewer.looked = run.channel.looked  # the initial description is at least as new
        run.channel.viewers.add(viewer)

    def leave(self, run: Run, viewer: Viewer) -> None:
        """Remove a viewer."""
        run.channel.leave(viewer)
        self.sessions.tell_watched(run)

    def watch(self, run: Run, viewer: Viewer, panels: Sequence[str], max_fps: float) -> None:
        """Set the panels a viewer has on screen. Raises `UnknownPanel`."""
        for panel in () if run.own_loop else panels:  # those of runs with one name may differ
            run.entry.panel(panel)
        viewer.panels = frozenset(panels)
        viewer.max_fps = max_fps
        viewer.wake.set()
        self.sessions.tell_watched(run)

    # Keeping house

    async def start(self) -> None:
        """Start the background tasks."""

        async def resume(run_id: str) -> None:
            await self.resume(await self.get(run_id))

        await self._duties.begin(resume)

    def _forget_oldest(self, spared: Run | None = None) -> None:
        ended = [r for r in self.runs.values() if r.ended and not r.channel.viewers and r is not spared]
        for run in ended[: max(0, len(ended) - self.settings.keep_ended)]:
            if self.recorder is None or not self.recorder.has_unwritten(run):
                self._evict(run)

    async def close(self) -> None:
        """Write what is unwritten, and end every worker. No run starts after this."""
        self.sessions.slots.close()
        self.scripts.close(self.runs.values())
        await self._duties.end()
        if self.history is not None:
            await self.history.recorder.flush(anyway=True)
            with contextlib.suppress(SQLAlchemyError, StoreError):
                await self.history.recorder.do(self.history.store.interrupt)
        for run in list(self.runs.values()):
            self._evict(run)
        await self.sessions.close()
        if self.history is not None:
            await self.history.recorder.close()
            self.history.store.close()
