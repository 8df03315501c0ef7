"""The engine: steps one experiment, applies commands between steps, looks when someone watches.

It knows no process and no socket: commands come from an `Inbox`, what it says goes to `emit`.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch

from descent import wire
from descent.engine.budget import Budget
from descent.engine.messages import Control, Output, RunSpec
from descent.engine.observe import ProbeWroteError, look, modules_of
from descent.engine.scalars import ScalarBatch
from descent.protocol import ENDED, Status
from descent.registry import Entry

SCALAR_INTERVAL = 1 / 30  # seconds between two batches of scalars
LONGEST_BATCH = 4096  # steps


class Inbox:
    """Commands on their way to the engine, put by one thread and taken by another."""

    def __init__(self) -> None:
        self._waiting: deque[Control] = deque()
        self._arrived = threading.Event()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, control: Control) -> None:
        """Hand a command to the engine, from any thread."""
        self._waiting.append(control)
        self._arrived.set()

    def take(self) -> Control | None:
        """The next command, if there is one."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def wait(self, seconds: float | None) -> None:
        """Sleep until a command arrives, at most so long."""
        if not self._waiting:
            self._arrived.wait(seconds)
        self._arrived.clear()


def failure(spec: RunSpec, reason: str) -> Output:
    """The last word of a run that could not even be built."""
    event = {"type": "state", "seq": spec.first_seq, "step": 0, "status": "failed", "reason": reason}
    return Output("event", spec.first_seq, 0, event=event | {"pace": spec.pace})


class Loop:
    """One run, from build to end."""

    def __init__(self, entry: Entry, spec: RunSpec, inbox: Inbox, emit: Callable[[Output], None]) -> None:
        self.entry = entry
        self.spec = spec
        self.status: Status = "starting"
        self._inbox = inbox
        self._emit = emit
        self._seq = spec.first_seq - 1
        self._steps_left: int | None = None  # of a `step` command
        self._pace = spec.pace
        self._next_step_at = 0.0
        self._budget = Budget(spec.probe_budget)
        self._flush_at = 0.0

        if spec.data:
            os.environ["DESCENT_DATA"] = spec.data
        self.knobs = self.entry.knobs_type.model_validate(dict(spec.knobs), strict=False)
        torch.manual_seed(spec.seed)
        self.experiment = self.entry.cls(spec.seed, torch.device(spec.device))
        self.experiment.build(self.knobs)
        self._batch = ScalarBatch(deferred=spec.device != "cpu")

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self.experiment.step_index

    def run(self) -> Status:
        """Train until the run ends, and say how it ended."""
        self._watch(self.spec.watch, self.spec.max_fps)
        self._become("paused" if self.spec.paused else "running")
        while self.status not in ENDED:
            if self._inbox:
                self._obey()
            elif self.status == "paused" and not self._steps_left:
                self._inbox.wait(None)
            elif self._pace is not None and (early := self._next_step_at - time.perf_counter()) > 0:
                self._between_steps(time.perf_counter())
                self._inbox.wait(min(early, max(0.0, self._next_glance() - time.perf_counter()) + 1e-4))
            else:
                self._train()
        return self.status

    def fail(self, reason: str) -> None:
        """End the run because of an error, keeping the scalars up to it."""
        self.status = "failed"
        self._flush()
        self._become("failed", reason)

    # Training

    def _train(self) -> None:
        step = self.step
        finite = self._batch.add(step, self.experiment.step(self.knobs))
        self.experiment.step_index = step + 1
        now = time.perf_counter()
        if self._pace is not None:
            # A late step does not make the following ones hurry by more than one interval.
            self._next_step_at = max(self._next_step_at + 1 / self._pace, now - 1 / self._pace)
        if not finite or now >= self._flush_at or len(self._batch) >= LONGEST_BATCH:
            self._flush()
        if now >= self._budget.next_due and self.status == "running":
            self._glance(now)
        if self.status in ENDED:
            return
        if self.spec.max_steps is not None and self.step >= self.spec.max_steps:
            self._end("finished")
        elif self._steps_left:
            self._steps_left -= 1
            if not self._steps_left:
                self._steps_left = None
                self._flush()
                self._look_at(self._budget.panels)

    def _between_steps(self, now: float) -> None:
        if len(self._batch) and now >= self._flush_at:
            self._flush()
        if now >= self._budget.next_due:
            self._glance(now)

    def _next_glance(self) -> float:
        return min(self._budget.next_due, self._flush_at if len(self._batch) else math.inf)

    def _flush(self) -> None:
        """Hand the collected scalars on; end the run if one is not finite."""
        self._flush_at = time.perf_counter() + SCALAR_INTERVAL
        if not len(self._batch):
            return
        steps, columns, bad = self._batch.take()
        seq = self._next_seq()
        payload = wire.encode_scalars(self.spec.run, seq, steps, columns)
        self._emit(Output("scalars", seq, steps[-1], payload=payload))
        if bad is not None and self.status not in ENDED:
            self._diverge(steps[bad], {name: values[bad] for name, values in columns.items()})

    def _diverge(self, step: int, row: Mapping[str, float]) -> None:
        parameters = [
            name
            for module in modules_of(self.experiment)
            for name, parameter in module.named_parameters()
            if not torch.isfinite(parameter).all()
        ]
        worst = {name: str(value) for name, value in row.items() if not math.isfinite(value)}
        learnt = {name: value for name, value in self.knobs.model_dump(mode="json").items() if "lr" in name}
        self._say(
            "diagnosis",
            step=step,
            code="non-finite",
            params={"scalars": worst, "parameters": parameters, "rates": learnt},
        )
        self._end("diverged", f"{', '.join(worst)} is not finite at step {step}")

    # Looking

    def _glance(self, now: float) -> None:
        """Look at the panel that is due, if its time has come."""
        panel = self._budget.due(now)
        if panel is not None:
            self._look_at([panel])

    def _look_at(self, panels: tuple[str, ...] | list[str]) -> None:
        for panel in panels:
            begin = time.perf_counter()
            try:
                picture = look(self.experiment, self.knobs, panel)
                seq = self._next_seq()
                payload = wire.encode_picture(self.spec.run, seq, self.step, panel, picture)
            except ProbeWroteError:
                raise
            except Exception as error:
                self._budget.forget(panel)
                message = f"{type(error).__name__}: {error}"
                self._say(
                    "diagnosis",
                    step=self.step,
                    code="probe-failed",
                    params={"panel": panel, "error": message},
                )
                continue
            self._emit(Output("panel", seq, self.step, payload=payload, panel=panel))
            now = time.perf_counter()
            self._budget.spent(panel, now - begin, now)

    def _watch(self, panels: tuple[str, ...] | list[str], max_fps: float) -> None:
        probed = [name for name in panels if self.entry.panels[name].kind != "scalars"]
        self._look_at(self._budget.watch(probed, max_fps, time.perf_counter()))

    # Commands

    def _obey(self) -> None:
        while (control := self._inbox.take()) is not None:
            self._apply(control)
            if control.reply_to is not None:
                self._emit(Output("reply", self._seq, self.step, reply_to=control.reply_to))
            if self.status in ENDED:
                return

    def _apply(self, control: Control) -> None:
        arguments = control.arguments
        match control.name:
            case "watch":
                self._watch(list(arguments["panels"]), arguments["max_fps"])
            case "knobs":
                self._set_knobs(arguments["knobs"])
            case "pace":
                self._pace = arguments["steps_per_second"]
                self._next_step_at = time.perf_counter()
                self._become(self.status, "")
            case "pause" if self.status == "running":
                self._flush()
                self._become("paused", arguments.get("reason", ""))
                self._look_at(self._budget.panels)
            case "resume" if self.status == "paused":
                self._steps_left = None
                self._become("running")
            case "step" if self.status == "paused":
                self._steps_left = (self._steps_left or 0) + arguments["steps"]
            case "stop":
                self._end("stopped", arguments.get("reason", ""))
            case "say":
                self._say("state", step=self.step, pace=self._pace, **arguments)
            case _:
                pass  # overtaken by another command, or by the end of the run

    def _set_knobs(self, values: Mapping[str, Any]) -> None:
        """The values are validated already, where the command came in."""
        before = self.knobs
        self.knobs = self.entry.knobs_type.model_validate({**before.model_dump(), **values}, strict=False)
        names = {name for name in values if getattr(before, name) != getattr(self.knobs, name)}
        if names:
            self._flush()
            self.experiment.changed(self.knobs, names)
        self._say(
            "knobs",
            step=self.step,
            knobs={name: self.knobs.model_dump(mode="json")[name] for name in values},
            steps_per_epoch=self.experiment.steps_per_epoch(self.knobs),
        )
        if self.status == "paused":
            self._look_at(self._budget.panels)

    # The run's status, and speaking

    def _become(self, status: Status, reason: str = "") -> None:
        if status == "running":
            self._next_step_at = self._flush_at = time.perf_counter()
        self.status = status
        self._say("state", step=self.step, status=status, reason=reason, pace=self._pace)

    def _end(self, status: Status, reason: str = "") -> None:
        """The last pictures, of every panel, then the last word."""
        self.status = status
        self._flush()
        with contextlib.suppress(ProbeWroteError):
            self._look_at([name for name, panel in self.entry.panels.items() if panel.kind != "scalars"])
        self._become(status, reason)

    def _say(self, type: str, **fields: Any) -> None:
        seq = self._next_seq()
        self._emit(Output("event", seq, self.step, event={"type": type, "seq": seq, **fields}))

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq
