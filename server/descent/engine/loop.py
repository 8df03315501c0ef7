"""The engine: steps one experiment, applies commands between steps, looks when someone watches.

Independent of processes and sockets: commands come from an `Inbox`, output goes to `emit`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

import torch
from pydantic import ValidationError

from descent import wire
from descent.contract import Experiment, Finished, KnobError, Knobs
from descent.contract.entry import Entry
from descent.contract.panels import Picture
from descent.engine.build import build
from descent.engine.checkpoint import Checkpointer, CheckpointError
from descent.engine.clock import TrainingClock
from descent.engine.device import CPU
from descent.engine.health import Finding, Health
from descent.engine.inbox import Inbox
from descent.engine.inexact import Inexact
from descent.engine.knobs import KnobState, merged, refusal
from descent.engine.looking import Looking
from descent.engine.messages import (
    Applied,
    CheckpointTaken,
    Control,
    Event,
    LookChanged,
    Output,
    PanelFrame,
    Refused,
    Reply,
    RunSpec,
    ScalarsFrame,
)
from descent.engine.objectives.effects import Effects, GaveUp
from descent.engine.observe import ProbeWroteError, look, modules_of
from descent.engine.pace import Pace
from descent.engine.replay import CheckpointClock, go_back
from descent.engine.scalars import ScalarBatch
from descent.protocol import ENDED, Status

SCALAR_INTERVAL = 1 / 20  # seconds between two batches of scalars
UNWATCHED_INTERVAL = 1 / 4  # the same, while unwatched
LONGEST_BATCH = 4096  # steps
EXAMINED_EVERY = 1.0  # seconds between two looks at gradients and curvature, at least
EXAMINED_SOON = 0.25  # the same, where a loss climbs
EXAMINED_SHARE = 0.005  # of the run's time, at most
PATIENCE = 0.05  # seconds that a look at the rate's effects takes before a command breaks it off


def failure(spec: RunSpec, reason: str, refused: Refused | None) -> Output:
    """The last event of a run that could not even be built."""
    event = {"type": "state", "seq": spec.first_seq, "step": 0, "status": "failed", "reason": reason}
    return Event(spec.first_seq, 0, event | {"pace": spec.pace} | _refusal_of(refused))


def _refusal_of(refused: Refused | None) -> dict[str, Any]:
    """A state event's fields for a refused knob value."""
    return {} if refused is None else {"field": refused.knob, "params": dict(refused.params)}


class Loop:
    """One run, from build to end."""

    def __init__(self, entry: Entry, spec: RunSpec, inbox: Inbox, emit: Callable[[Output], None]) -> None:
        self.entry = entry
        self.spec = spec
        self.status: Status = "starting"
        self._inbox = inbox
        self._emit = emit
        self._seq = spec.first_seq - 1
        self._steps_left = 0  # of `step` commands
        self._looking = Looking(entry.panels, spec.probe_budget, spec.record_budget)
        self._until_checkpoint = CheckpointClock(spec.record_budget, at_once=spec.replay is not None)
        self._watched = False
        # On a busy machine looks and steps both take longer, so CPU time measures the share. A GPU's work is
        # in no thread's time.
        self._cost_clock = time.thread_time if spec.device == "cpu" else time.perf_counter
        self._flush_at = 0.0
        self._clock = TrainingClock()
        self._inexact = Inexact() if spec.device != CPU else None

        if spec.replay is None:
            self.experiment = self._build(spec.knobs)
            self._checkpointer = Checkpointer(self.experiment)
            self._knob_state = KnobState(self.experiment, spec.knobs)
        else:
            self.experiment, self._checkpointer, self._knob_state = go_back(
                self._build, spec.knobs, spec.replay
            )
        self._changes = [change for change in spec.plan.changes if change[0] >= self.step]  # to come
        self._until = spec.plan.until if spec.plan.until > self.step else None
        self._pace = Pace(spec.pace, self.experiment.opening, spec.opening)
        if self._until is not None:
            self._pace = Pace(None, self.experiment.opening, 0)  # as fast as it goes
        self._effects = Effects(self.experiment, self._checkpointer, pressed=self._pressed)
        self._break_off_at = inf
        self._health = self._new_health()
        self._examine_soon = 0.0
        self._examine_at = 0.0  # at once: the initial state tells causes apart
        self._batch = ScalarBatch(deferred=spec.device != "cpu")

    def _build(self, values: Mapping[str, Any]) -> Experiment[Any]:
        return build(self.entry, self.spec, values)

    def _new_health(self) -> Health:
        return Health(self.experiment, coming=self._effects.coming)

    @property
    def knobs(self) -> Knobs:
        """The knobs of the last step, or as they were set since."""
        return self._knob_state.knobs

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self.experiment.step_index

    def run(self) -> Status:
        """Train until the run ends; returns its final status."""
        self._watch(self.spec.watch, self.spec.max_fps)
        if self.spec.replay is not None:
            self._set_knobs(self.spec.replay.override)
            self._health = self._new_health()  # what a branch begins with is no change
        self._become("paused" if self.spec.paused else "running")
        if self.step == self.spec.max_steps:  # interrupted before it could report its end
            self._end("finished")
        while self.status not in ENDED:
            if self._inbox.waiting:
                self._obey()
            elif self.step >= self._planned_at:
                self._follow_plan()
            elif self._looking.waiting:
                self._look_at(self._looking.waiting.pop(0))
            elif self._until_checkpoint.left <= 0:
                self._keep()
            elif self.status == "running" and time.perf_counter() >= self._examine_at:
                self._examine()
            elif self.status == "paused" and not self._steps_left:
                self._inbox.wait(None)
            elif time.perf_counter() < self._pace.due(self.step):
                self._rest()
            else:
                self._train()
        return self.status

    def fail(self, reason: str, refused: Refused | None = None) -> None:
        """End the run because of an error, keeping the scalars up to it."""
        self.status = "failed"
        self._flush()
        self._become("failed", reason, **_refusal_of(refused))

    # Training

    def _train(self, most: float = inf) -> None:
        """Step until there is something else to do, or `most` steps were taken."""
        first = step = self.experiment.step_index
        paced = self._pace.at(first) is not None
        last = first + 1 if paced else first + min(most, LONGEST_BATCH, self._steps_left or inf)
        last = min(last, self.spec.max_steps or inf, self._planned_at)
        begin = time.perf_counter()
        interrupt_at = min(
            self._flush_at,
            self._looking.next_due,
            begin + self._until_checkpoint.left,
            self._examine_at,
        )
        experiment, knobs, commands = self.experiment, self.knobs, self._inbox.waiting
        take_step, keep, clock = experiment.step, self._batch.add, time.perf_counter
        knob_state, scheduled = self._knob_state, self._knob_state.scheduled
        now, finite, over = begin, True, None
        try:
            # Every microsecond in here is taken from training.
            while True:
                if scheduled:
                    finite = keep(knob_state.after_step(take_step(knob_state.for_next_step())))
                    if knob_state.pending:
                        last = step + 1
                else:
                    finite = keep(take_step(knobs))
                experiment.step_index = step = step + 1
                now = clock()
                if commands or now >= interrupt_at or step >= last or not finite:
                    break
        except Finished as reason:
            over = str(reason)
        self._until_checkpoint.trained(now - begin)
        if knob_state.pending and finite:
            with contextlib.suppress(KnobError, ValidationError):
                self._set_knobs(knob_state.pending)
        self._pace.took(step, now)
        if now >= self._flush_at or not finite or len(self._batch) >= LONGEST_BATCH:
            self._flush()
        self._looking.collect(now)
        if self._steps_left:
            self._steps_left -= step - first
            if not self._steps_left:
                self._flush()
                self._looking.collect_watched()
        if (over is not None or step == self.spec.max_steps) and self.status not in ENDED:
            self._end("finished", over or "")

    @property
    def _planned_at(self) -> float:
        """The step at which the plan has something to do."""
        return min(self._changes[0][0] if self._changes else inf, inf if self._until is None else self._until)

    def _follow_plan(self) -> None:
        """Do what is planned for this step. Raises `KnobError` where the experiment refuses a change."""
        while self._changes and self._changes[0][0] <= self.step:
            now = self._knob_state.dump()
            _, values = self._changes.pop(0)
            if merged(now, values) != now:  # a plateau that is followed has changed its knob by itself
                self._set_knobs(values)
        if self._until is not None and self.step >= self._until:
            self._until = None
            if self._pace.limit is None:
                self._pace.set(self.spec.pace)
            if self.spec.plan.pause:
                self._pause("")
            else:
                self._become(self.status)

    def _rest(self) -> None:
        """Until the next step is due, send waiting scalars and look at panels unseen since the last step."""
        now = time.perf_counter()
        until = self._pace.due(self.step)
        if len(self._batch):
            if now >= self._flush_at:
                self._flush()
            else:
                until = min(until, self._flush_at)
        until = min(until, self._looking.collect_unseen(self.step, now))
        if self.status not in ENDED:
            self._inbox.wait(until - now)

    def _flush(self) -> None:
        """Emit the collected scalars; end the run if one is not finite."""
        self._flush_at = time.perf_counter() + (SCALAR_INTERVAL if self._watched else UNWATCHED_INTERVAL)
        if not len(self._batch):
            return
        steps, columns, bad = self._batch.take(self.step)
        seq = self._next_seq()
        payload = wire.encode_scalars(self.spec.run, seq, steps, columns)
        self._emit(ScalarsFrame(seq, steps[-1], payload))
        if (now := time.perf_counter()) >= self._clock.due:
            self._clock.told(now)
            self._say_clock(now)
        if self._inexact and (inexact := self._inexact.news()):
            self._say("diagnosis", step=self.step, code="not-exact", params={"operations": inexact})
        if bad and self.status not in ENDED:
            self._diverge(steps[-1], bad)
        elif self.status == "running":
            self._tell(self._health.hear(steps, columns, self.knobs))
            if self._health.pressing:
                self._examine_at = min(self._examine_at, self._examine_soon)

    def _diverge(self, step: int, scalars: Mapping[str, float]) -> None:
        parameters = [
            name
            for module in modules_of(self.experiment)
            for name, parameter in module.named_parameters()
            if not torch.isfinite(parameter).all()
        ]
        rates = self.knobs.model_dump(mode="json", include=set(self.knobs.rates()))
        values = {name: str(value) for name, value in scalars.items()}
        params: dict[str, Any] = {"scalars": values, "parameters": parameters, "rates": rates}
        params |= self._health.last_word(self.knobs)
        self._say("diagnosis", step=step, code="non-finite", params=params)
        self._end("diverged", f"{', '.join(scalars)} is not finite at step {step}")

    # Health

    def _examine(self) -> None:
        begin = self._cost_clock()
        try:
            self._tell(self._health.examine(self._knob_state.for_next_step()))
        except Exception as error:  # a failing examination must not end the run
            self._examine_at = inf
            self._say("diagnosis", step=self.step, code="examination-failed", params={"error": str(error)})
            return
        self._examined(self._cost_clock() - begin)

    def _examined(self, spent: float) -> None:
        """Schedule the next examination, due and earliest, after one that took `spent` seconds."""
        now = time.perf_counter()
        self._examine_soon = now + max(EXAMINED_SOON, spent / EXAMINED_SHARE)
        self._examine_at = now + max(EXAMINED_EVERY, spent / EXAMINED_SHARE)

    def _tell(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            params = {**finding.params, "remedy": dict(finding.remedy)}
            self._say("diagnosis", step=self.step, code=finding.code, params=params)

    # Looking

    def picture(self, panel: str) -> Picture:
        """A panel's present picture. The experiment is left unchanged."""
        knobs = self._knob_state.for_next_step()
        if self.entry.panels[panel].coming:
            return self._effects.look(panel, knobs)
        return look(self.experiment, knobs, panel)

    def _pressed(self) -> bool:
        """Whether a command waits for a look that has taken long already."""
        return bool(self._inbox.waiting) and time.perf_counter() >= self._break_off_at

    def _look_at(self, panel: str) -> None:
        begin = self._cost_clock()
        if self._looking.may_give_up(panel):
            self._break_off_at = time.perf_counter() + PATIENCE
        try:
            picture = self.picture(panel)
            payload = wire.encode_picture(self.spec.run, self._seq + 1, self.step, panel, picture)
        except ProbeWroteError:
            raise
        except GaveUp:
            self._looking.gave_up(panel, time.perf_counter(), paused=self.status == "paused")
            return
        except Exception as error:
            self._looking.forget(panel)
            params = {"panel": panel, "error": f"{type(error).__name__}: {error}"}
            self._say("diagnosis", step=self.step, code="probe-failed", params=params)
            return
        finally:
            self._break_off_at = inf
        self._emit(PanelFrame(self._next_seq(), self.step, panel, payload))
        self._looking.seen(panel, self.step, self._cost_clock() - begin, time.perf_counter())

    def _watch(self, panels: Sequence[str], max_fps: float) -> None:
        self._watched = bool(panels)
        self._flush_at = 0.0  # at once
        self._looking.watch(panels, max_fps, time.perf_counter(), paused=self.status == "paused")

    def _keep(self) -> None:
        """Take a checkpoint, unless the run turns out to have diverged."""
        self._flush()
        if self.status in ENDED:
            return
        begin = self._cost_clock()
        self._knob_state.for_next_step()
        try:
            data = self._checkpointer.take()
        except CheckpointError as error:
            self._until_checkpoint.stop()
            self._say("diagnosis", step=self.step, code="checkpoint-failed", params={"error": str(error)})
            return
        self._emit(CheckpointTaken(self._seq, self.step, self._knob_state.dump(), data))
        self._until_checkpoint.spent(self._cost_clock() - begin)

    # Commands

    def _obey(self) -> None:
        while (control := self._inbox.take()) is not None:
            answer = self._apply(control)
            if control.reply_to is not None:
                self._emit(Reply(self._seq, self.step, control.reply_to, answer))
            if self.status in ENDED:
                return

    def _apply(self, control: Control) -> Applied | Refused | None:
        """Apply a command; returns the result of setting knobs."""
        arguments = control.arguments
        match control.name:
            case "watch":
                self._watch(arguments["panels"], arguments["max_fps"])
            case "knobs":
                try:
                    return self._set_knobs(arguments["knobs"])
                except (KnobError, ValidationError) as error:
                    return refusal(error)
            case "pace":
                self._pace.set(arguments["steps_per_second"])
                self._become(self.status)
            case "pause":
                self._pause(arguments.get("reason", ""))
            case "resume" if self.status == "paused":
                self._steps_left = 0
                self._become("running")
            case "step" if self.status == "paused":
                self._steps_left += arguments["steps"]
            case "stop":
                self._end("stopped", arguments.get("reason", ""))
            case "say":
                self._say_state(**arguments)
            case _:
                pass  # overtaken by another command
        return None

    def _pause(self, reason: str) -> None:
        training = self.status == "running" or self._steps_left
        self._steps_left = 0
        self._flush()
        if self.status == "running":
            self._become("paused", reason)
        if training:
            self._looking.collect_watched()

    def _set_knobs(self, values: Mapping[str, Any]) -> Applied:
        """Set knobs that were checked by the server against those of that moment.

        Raises `KnobError` and `ValidationError`.
        """
        self._flush()
        if self.status in ENDED or not values:
            return Applied(self.step, {}, self._knob_state.dump())
        before = self._knob_state.knobs
        applied = self._knob_state.set(values)
        looks = self.knobs.looks()
        if trained := {name: value for name, value in applied.changed.items() if name not in looks}:
            self._health.changed(before, self._knob_state.knobs)
            self._say(
                "knobs",
                step=self.step,
                knobs=trained,
                now=applied.knobs,
                steps_per_epoch=self.experiment.steps_per_epoch(self.knobs),
                epoch=self._knob_state.epoch,
            )
        if len(trained) < len(applied.changed):
            now = self.knobs.model_dump(mode="json", include=set(looks))
            self._emit(LookChanged(self._seq, self.step, now))
        self._looking.knobs_changed(time.perf_counter(), look=len(trained) < len(applied.changed))
        if self.status == "paused":
            self._looking.collect_watched()
        return applied

    # Status and events

    def _become(self, status: Status, reason: str = "", **fields: Any) -> None:
        now, ticked = time.perf_counter(), self._clock.ticks
        if status == "running":
            self._flush_at = now
            self._pace.begin(self.step)
            self._clock.goes(now)
        else:
            self._clock.stands(now)
        if ticked or self._clock.ticks:
            self._say_clock(now)
        self.status = status
        self._say_state(status=status, reason=reason, **fields)

    def _say_state(self, **fields: Any) -> None:
        each = self.experiment.steps_per_epoch(self.knobs)
        count = {"steps_per_epoch": each, "epoch": self._knob_state.epoch}
        self._say("state", step=self.step, pace=self._pace.limit, **count, **fields)

    def _say_clock(self, now: float) -> None:
        self._say("clock", step=self.step, seconds=round(self._clock.seconds(now), 3))

    def _end(self, status: Status, reason: str = "") -> None:
        """End the run: emit the last scalars, the last picture of every panel, then the final state."""
        self._flush()
        if self.status in ENDED:
            return  # the last scalars show that it diverged
        self.status = status
        with contextlib.suppress(ProbeWroteError):
            for panel in self._looking.at_the_end:
                self._look_at(panel)
        self._become(status, reason)

    def _say(self, type: str, **fields: Any) -> None:
        seq = self._next_seq()
        self._emit(Event(seq, self.step, {"type": type, "seq": seq, **fields}))

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq
