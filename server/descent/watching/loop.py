"""The engine, driven by someone else's training loop: called after each step, it steps nothing itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from descent.contract import Experiment, KnobError, Objective
from descent.contract.entry import Entry
from descent.contract.panels import Picture
from descent.declared import Watched
from descent.engine.health import Finding
from descent.engine.inbox import Inbox
from descent.engine.knobs import KEY, KnobState
from descent.engine.looking import Looking
from descent.engine.loop import LONGEST_BATCH, Loop
from descent.engine.messages import Applied, Control, LookChanged, Output, Refused, RunSpec
from descent.engine.observe import ProbeWroteError, undisturbed
from descent.engine.scalars import ScalarBatch
from descent.protocol import ENDED, Status
from descent.watching.checkpoints import Checkpoints, StateError
from descent.watching.objective import OwnEffects
from descent.watching.probes import Probe

WAYS_BACK = ("back", "healthy")  # of a finding: steps to go back to, where a state is kept
KEEPING_SHARE = 0.005  # of the time, for keeping states
FIRST_KEPT = 1.0  # seconds until the first state is kept, at least
OFTEN, SELDOM, AGE_SHARE = 1.0, 60.0, 0.02  # seconds between two states: of the run's age, within bounds
HELD_FOR = 1.0  # seconds between two looks whether a paused script still has a server


class Own(Watched):
    """The experiment of a script's model: what the engine asks of one, answered by the script's objects."""

    def __init__(self, entry: Entry, model: nn.Module, device: Any) -> None:
        super().__init__(0, device)
        self.model = model
        self.writers: dict[str, Callable[[Any], None]] = {}  # by knob
        self.readers: dict[str, Callable[[], Any]] = {}
        self.moved: dict[str, Any] = {}  # knobs written, until the other processes are told
        self.become(entry)

    def become(self, entry: Entry) -> None:
        """Have the knobs and measures of this entry."""
        self.__class__ = Own.having(entry.knobs_type, entry.cls.measures)

    def changed(self, knobs: Any, names: set[str]) -> None:
        """Write the knobs into the optimizers, or hand them to the script."""
        for name in names:
            self.writers[name](getattr(knobs, name))
            self.moved[name] = getattr(knobs, name)


class DrivenLoop(Loop):
    """A run whose steps someone else takes."""

    def __init__(
        self,
        entry: Entry,
        own: Own,
        inbox: Inbox,
        emit: Callable[[Output], None],
        *,
        alone: Callable[[], bool],
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """`alone`: whether there has been no server for so long that a paused script must not wait for it.
        `checkpoints`: where states are kept, if they are.
        """
        self._own = own
        self._alone = alone
        self._checkpoints = checkpoints
        self._keep_at = inf
        self._probes: dict[str, Probe] = {}
        self._prepared: set[str] = set()  # panels whose picture needs the step that is under way
        self._objective: Objective | None = None
        self._noted: list[Mapping[str, float]] = []  # the scalars of steps that are not in the batch yet
        self._serve_at = 0.0
        self._bad = False  # the last scalars were not finite
        self._on_screen: tuple[Sequence[str], float] = ((), 30.0)
        knobs = entry.knobs_type().model_dump(mode="json")
        device = own.device.type
        super().__init__(entry, RunSpec("", entry.id, knobs, 0, device), inbox, emit)
        self._batch = ScalarBatch(deferred=device != "cpu", ends=False)
        self._until_checkpoint.stop()

    def _build(self, values: Mapping[str, Any]) -> Experiment[Any]:
        return self._own

    def declare(
        self, entry: Entry, probes: Mapping[str, Probe], share: float, objective: Objective | None = None
    ) -> None:
        """Have these knobs and panels from now on; `share` of the time goes to watched panels. `objective`:
        of the panels on what the learning rate does, where there are any.
        """
        if objective is not None and objective is not self._objective:
            self._objective = objective
            self._effects = OwnEffects(self._own, objective, pressed=self._pressed)
        self._probes = dict(probes)
        values = {**entry.knobs_type().model_dump(mode="json"), **self._knob_state.dump()}
        same = entry.cls.measures == self.entry.cls.measures
        self.entry = entry
        self._own.become(entry)
        self._knob_state = KnobState(self._own, values)
        self._looking = Looking(entry.panels, share, 0.0)
        self._watch(*self._on_screen)
        if not same:
            self._health = self._new_health()

    def begin(self) -> None:
        """The script has begun to train."""
        self._become("running")
        self._begun = time.perf_counter()
        if self._checkpoints is not None:
            self._keep_at = self._begun + max(FIRST_KEPT, self._checkpoints.costs / KEEPING_SHARE)

    def after_step(self, row: Mapping[str, float | Tensor]) -> None:
        """Take in the scalars of a step, and do what is to be done before the next one."""
        if self._knob_state.scheduled:
            row = self._knob_state.after_step(row)
            if self._knob_state.pending:
                with contextlib.suppress(KnobError, ValidationError):
                    self._set_knobs(self._knob_state.pending)
        self._take_noted()
        self._batch.add(row)
        self.experiment.step_index += 1
        if (
            self._inbox.waiting
            or self._prepared
            or self.status != "running"
            or time.perf_counter() >= self._serve_at
            or len(self._batch) >= LONGEST_BATCH
        ):
            self._serve()
        if self._knob_state.scheduled:
            self._knob_state.for_next_step()

    def note(self, row: Mapping[str, float]) -> bool:
        """Take in a step's scalars, numbers all, where that is all there is to do; whether `serve` is due.

        Half of what a step costs: what a script's own work has driven out of the caches comes back slowly.
        """
        self._noted.append(row)
        full = len(self._noted) >= LONGEST_BATCH
        return full or time.perf_counter() >= self._serve_at or bool(self._inbox.waiting)

    @property
    def may_note(self) -> bool:
        """Whether the coming step may be noted: nothing follows it by itself, no GPU would be waited for."""
        return (
            self.status == "running"
            and not (self._knob_state.scheduled or self._prepared or self._steps_left)
            and self._own.device.type == "cpu"
        )

    def serve(self) -> None:
        """Do what is due after steps that were noted."""
        self._take_noted()
        self._serve()

    def _take_noted(self) -> None:
        noted, self._noted = self._noted, []
        self._batch.extend(noted)
        self.experiment.step_index += len(noted)

    def _flush(self) -> None:
        self._take_noted()
        super()._flush()

    def finish(self, status: Status, reason: str = "") -> None:
        """The script has ended."""
        if self.status not in ENDED:
            self._end(status, reason)

    def _serve(self) -> None:
        """Obey, look and send; wait where the learner has paused the run, or chosen a pace."""
        now = time.perf_counter()
        self._pace.took(self.step, now)
        for panel in sorted(self._prepared):
            self._look_at(panel)
        if now >= self._flush_at or len(self._batch) >= LONGEST_BATCH:
            self._flush()
            self._read_back()
        if now >= self._keep_at:
            self._keep()
        self._looking.collect(now)
        if self._steps_left:
            self._steps_left -= 1
            if not self._steps_left:
                self._flush()
                self._looking.collect_watched()
        while self.status not in ENDED:
            if self._inbox.waiting:
                self._obey()
            elif self._looking.waiting:
                self._look_at(self._looking.waiting.pop(0))
            elif self.status == "paused" and not self._steps_left:
                self._hold()
            elif time.perf_counter() < self._pace.due(self.step):
                self._rest()
            else:
                break
        paced = self._pace.at(self.step) is not None
        self._serve_at = 0.0 if paced else min(self._flush_at, self._looking.next_due)

    def _read_back(self) -> None:
        """Take over and show what the script has written into its settings itself, as its schedulers do.

        It is no change of a knob: nobody made it, and it may come at every step.
        """
        present, followed = self.knobs, self._knob_state.followed
        values = {name: read() for name, read in self._own.readers.items() if name not in followed}
        found = {name: value for name, value in values.items() if value != getattr(present, name)}
        if found:
            self._knob_state.found(found)
            self._emit(LookChanged(self._seq, self.step, found))

    def _hold(self) -> None:
        """Wait for a command; go on by itself where no server is left to send one."""
        self._inbox.wait(HELD_FOR)
        if self._alone():
            self._become("running", "alone")

    # Looking

    def picture(self, panel: str) -> Picture:
        """A panel's present picture, computed without disturbing the model."""
        if self.entry.panels[panel].coming:
            return super().picture(panel)
        with undisturbed(self.experiment):
            return self._probes[panel].look()

    def _watch(self, panels: Sequence[str], max_fps: float) -> None:
        self._on_screen = panels, max_fps
        super()._watch(panels, max_fps)
        self._serve_at = 0.0

    def _look_at(self, panel: str) -> None:
        """Look at a panel, or where its picture needs a whole step, prepare for that of the next one."""
        probe = self._probes[panel]
        if panel not in self._prepared and probe.prepare is not None:
            begin = self._cost_clock()
            try:
                probe.prepare()
            except Exception as error:
                self._forget(panel, error)
                return
            self._prepared.add(panel)
            self._looking.seen(panel, self.step, self._cost_clock() - begin, time.perf_counter())
            return
        self._prepared.discard(panel)
        try:
            super()._look_at(panel)
        except ProbeWroteError as error:
            self._forget(panel, error)

    def _forget(self, panel: str, error: Exception) -> None:
        self._looking.forget(panel)
        params = {"panel": panel, "error": f"{type(error).__name__}: {error}"}
        self._say("diagnosis", step=self.step, code="probe-failed", params=params)

    # States

    @property
    def kept_steps(self) -> list[int]:
        """The steps whose states are kept: the run can be put back there."""
        return [] if self._checkpoints is None else self._checkpoints.steps

    def _apply(self, control: Control) -> Applied | Refused | None:
        if control.name == "keep":
            why = self._kept()
            return Refused("step", why, {"reason": "state"}) if why else None
        if control.name == "back":
            return self._go_back(control.arguments["step"], control.arguments["knobs"])
        return super()._apply(control)

    def _keep(self) -> None:
        begin = time.perf_counter()
        if (why := self._kept()) and not self._bad:
            self._keep_at = inf
            self._say("diagnosis", step=self.step, code="checkpoint-failed", params={"error": why})
            return
        now = time.perf_counter()
        soon = min(max(OFTEN, AGE_SHARE * (now - self._begun)), SELDOM)
        self._keep_at = now + max(soon, (now - begin) / KEEPING_SHARE)

    def _kept(self) -> str:
        """Keep the present state; returns why not, if it is not kept."""
        self._flush()
        if self._checkpoints is None:
            return "no states are kept of this run"
        try:
            if self._bad or not self._checkpoints.finite:
                self._bad = True
                return "the state is lost: it is not finite"
            self._checkpoints.keep(self.step, self._knob_state.dump())
        except StateError as error:
            return str(error)
        self._say("kept", step=self.step, steps=self.kept_steps)
        return ""

    def _go_back(self, step: int, override: Mapping[str, Any]) -> Applied | Refused:
        """Put back the last state at or before `step`, in place, and set knobs.

        The count of steps goes on: what was told is kept, and what the script counts goes on, too.
        """
        self._flush()
        found = self._checkpoints.at(step) if self._checkpoints is not None else None
        if self._checkpoints is None or found is None:
            return Refused("step", f"no state at or before step {step} is kept", {"reason": "state"})
        before = self._knob_state.dump()
        then = _shifted({KEY: {}, **found.knobs}, self.step - found.step)
        try:
            self._checkpoints.put_back(found, self.step, lambda: self._knob_state.set(then))
        except StateError as error:
            with contextlib.suppress(KnobError, ValidationError):
                self._knob_state.set({KEY: {}, **before})
            return Refused("step", str(error), {"reason": "state"})
        with contextlib.suppress(KnobError, ValidationError):  # a function of the script's refuses them
            self._own.changed(self.knobs, set(then[KEY]))  # the state has the rate of the step before
            self._knob_state.set(override)
        now = self._knob_state.dump()
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        self._bad = False
        self._health = self._new_health()
        self._say("back", step=self.step, to=found.step)
        if changed:
            self._say("knobs", step=self.step, knobs=changed, now=now)
        self._say("kept", step=self.step, steps=self.kept_steps)
        self._looking.knobs_changed(time.perf_counter(), look=False)
        if self.status == "paused":
            self._looking.collect_watched()
        return Applied(self.step, changed, now)

    # What ends a run of ours, and not one that is only watched

    def _diverge(self, step: int, scalars: Mapping[str, float]) -> None:
        if not self._bad:
            params: dict[str, Any] = {"scalars": {name: str(value) for name, value in scalars.items()}}
            if steps := self.kept_steps:
                params["healthy"] = steps[-1]
            self._say("diagnosis", step=step, code="non-finite", params=params)
        self._bad = True

    def _tell(self, findings: Iterable[Finding]) -> None:
        self._bad = False
        for finding in findings:
            kept = bool(self.kept_steps)
            params = {name: value for name, value in finding.params.items() if kept or name not in WAYS_BACK}
            params["remedy"] = dict(finding.remedy)
            self._say("diagnosis", step=self.step, code=finding.code, params=params)

    def _end(self, status: Status, reason: str = "") -> None:
        """End the run without a last picture of each panel: the script's own end waits for this."""
        self._flush()
        if self.status not in ENDED:
            self._become(status, reason)


def _shifted(knobs: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Knobs whose schedules begin later: a state that is put back goes on where its schedules were."""
    schedules = {name: {**told, "start": told["start"] + steps} for name, told in knobs.get(KEY, {}).items()}
    return {**knobs, KEY: schedules}
