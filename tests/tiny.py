"""The smallest experiments that show what the engine and the server must do, and a way to run the engine."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from descent import wire
from descent.contract import Experiment, KnobError, Knobs, Measure, Objective, Scalars, fixed, live
from descent.contract.entry import Entry
from descent.contract.panels import Bars, Heatmap, bars, heatmap, panels_of, scalars
from descent.engine.budget import Budget
from descent.engine.inbox import Inbox
from descent.engine.loop import Loop
from descent.engine.messages import (
    Control,
    ControlName,
    Event,
    LookChanged,
    Output,
    PanelFrame,
    Reply,
    RunSpec,
    ScalarsFrame,
)
from descent.engine.objectives.effects import PANELS
from descent.lessons import Lesson
from descent.registry import Registry
from descent.workers.executor import Room
from descent.workers.worker import train


class TinyKnobs(Knobs):
    """Two live knobs and a fixed one."""

    lr: float = live(0.1, name="Learning rate", help="How far a step goes.", range=(0, 1e9), role="rate")
    word: str = live("a", name="Word", help="Anything but 'no'.", max_length=10)
    size: int = fixed(3, name="Size", help="Units.", range=(1, 10))


class Tiny(Experiment[TinyKnobs]):
    """A batch-normed linear unit on random inputs, with dropout: everything a careless look would disturb."""

    minutes = 5
    level = 1
    invite = "Press play."
    loss = scalars({"loss/train": "training"}, title="Loss", caption="It falls.")

    def build(self, knobs: TinyKnobs) -> None:
        self.changes: list[set[str]] = []
        self.model = nn.Sequential(nn.BatchNorm1d(knobs.size), nn.Dropout(0.5), nn.Linear(knobs.size, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), knobs.lr)

    def changed(self, knobs: TinyKnobs, names: set[str]) -> None:
        if knobs.word == "no":
            raise KnobError("word", "anything else")
        self.changes.append(names)

    def step(self, knobs: TinyKnobs) -> Scalars:
        self.optimizer.param_groups[0]["lr"] = knobs.lr
        x = torch.randn(8, knobs.size)
        loss = self.model(x).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach(), "lr": knobs.lr}

    @heatmap(title="Weights", caption="They shrink.", size="hero")
    def weights(self, knobs: TinyKnobs) -> Heatmap:
        return Heatmap(values=self.model[2].weight)

    @bars(title="Outputs", caption="They wander.")
    def outputs(self, knobs: TinyKnobs) -> Bars:
        torch.randn(3)
        np.random.rand()
        values = self.model(torch.randn(4, knobs.size)).T
        return Bars(values=values * knobs.lr, labels=list("abcd"))


class ParabolaKnobs(Knobs):
    lr: float = live(0.1, name="η", help="", range=(0, 10), role="rate")
    momentum: float = live(0.0, name="β", help="", range=(0, 1))


class Parabola(Experiment[ParabolaKnobs]):
    """L = ½ Σ cᵢ xᵢ²: everything about it is known. Its largest curvature is 4."""

    measures: ClassVar[Mapping[str, Measure]] = {"loss/train": Measure("loss")}

    curvature = torch.tensor([4.0, 1.0], dtype=torch.float64)

    def build(self, knobs: ParabolaKnobs) -> None:
        self.x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        self.optimizer = torch.optim.SGD([self.x], knobs.lr, momentum=knobs.momentum)

    def loss(self) -> torch.Tensor:
        return (self.curvature * self.x * self.x).sum() / 2

    def step(self, knobs: ParabolaKnobs) -> Scalars:
        self.optimizer.param_groups[0]["lr"] = knobs.lr
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach()}

    def objectives(self, knobs: ParabolaKnobs) -> dict[str, Objective]:
        return {"": Objective(self.loss, [self.x], self.optimizer, {"x": [self.x]})}


class EagerBudget(Budget):
    """Looks at every watched panel after every step."""

    def due_at(self, panel: str) -> float:
        return -inf

    def _plan(self) -> None:
        self.next_due = -inf if self.panels else inf


def entry_of(cls: type[Experiment[Any]], id: str = "tiny") -> Entry:
    """The registry's entry of an experiment that no file holds."""
    return Entry(id, "training", "Tiny", "A tiny experiment.", cls, panels_of(cls), {}, {})


TINY_KOREAN = {
    "title": "작은 실험",
    "knobs": {"lr": {"name": "학습률", "help": "걸음의 길이"}},
    "panels": {"loss": {"title": "손실", "caption": "줄어듭니다"}},
    "scalars": {"loss/train": "훈련"},
    "words": {"a": "가"},
}
LESSONS = {"en": Lesson("<p>Tiny.</p>", {}), "ko": Lesson("<p>작습니다.</p>", TINY_KOREAN)}
REGISTRY = Registry({"tiny": replace(entry_of(Tiny), lessons=LESSONS)})


class Said(list[Output]):
    """Everything a loop said."""

    def __repr__(self) -> str:
        return " ".join(
            f"{panel_of(output) or event_of(output).get('type', type(output).__name__)}@{output.step}"
            for output in self
        )

    def events(self, type: str) -> list[dict[str, Any]]:
        found = []
        for output in self:
            if isinstance(output, LookChanged):
                found.append({"type": "look", "step": output.step, "knobs": dict(output.knobs)})
            elif isinstance(output, Event):
                found.append(dict(output.event))
        return [event for event in found if event["type"] == type]

    @property
    def states(self) -> list[str]:
        return [event["status"] for event in self.events("state")]

    @property
    def steps(self) -> list[int]:
        frames = [wire.decode(output.payload) for output in self if isinstance(output, ScalarsFrame)]
        return [step for frame in frames for step in frame.arrays["step"].tolist()]

    def column(self, name: str) -> list[float]:
        frames = [wire.decode(output.payload) for output in self if isinstance(output, ScalarsFrame)]
        return [value for frame in frames for value in frame.arrays[name].tolist()]

    def pictures(self, panel: str) -> list[wire.Frame]:
        frames = [output for output in self if isinstance(output, PanelFrame)]
        return [wire.decode(frame.payload) for frame in frames if frame.panel == panel]

    @property
    def replies(self) -> dict[int, Reply]:
        return {output.reply_to: output for output in self if isinstance(output, Reply)}


def event_of(output: Output) -> Mapping[str, Any]:
    """What an event holds; nothing for other messages."""
    return output.event if isinstance(output, Event) else {}


def panel_of(output: Output) -> str:
    """Whose picture it is, if it is one."""
    return output.panel if isinstance(output, PanelFrame) else ""


class Script(Inbox):
    """Commands that arrive when the loop says something: the loop runs in one thread, and nothing is left
    to chance. A loop that would wait for ever is an error.
    """

    def wait(self, seconds: float | None) -> None:
        assert self.waiting or seconds is not None, "the loop waits, and nobody will wake it"
        super().wait(0 if seconds is None else min(seconds, 0.01))

    def tell(self, name: ControlName, reply_to: int | None = None, **arguments: Any) -> None:
        self.put(Control(name, arguments, reply_to))


def loop_of(
    cls: type[Experiment[Any]],
    *,
    inbox: Inbox | None = None,
    hear: Callable[[Output], None] = lambda output: None,
    effects: bool = False,
    **spec: Any,
) -> tuple[Loop, Said]:
    """A loop over `cls` and what it says, also told to `hear` as it is said.

    `effects`: with the panels on what the learning rate does.
    """
    said = Said()

    def emit(output: Output) -> None:
        said.append(output)
        hear(output)

    knobs = cls.knobs_type().model_dump(mode="json") | spec.pop("knobs", {})
    run_spec = RunSpec("run", "tiny", knobs, spec.pop("seed", 0), "cpu", **spec)
    entry = entry_of(cls)
    if effects:
        entry = replace(entry, panels={**entry.panels, **PANELS})
    return Loop(entry, run_spec, Script() if inbox is None else inbox, emit), said


class ThreadWorker:
    """A run in a thread of this process."""

    def __init__(
        self,
        cls: type[Experiment[Any]],
        spec: RunSpec,
        deliver: Callable[[Output], None],
        ended: Callable[[str], None],
    ) -> None:
        self._inbox = Inbox()
        self._entry = entry_of(cls)
        self._spec = spec
        self._deliver = deliver
        self._ended = ended
        self.pid = None
        threading.Thread(target=self._train, daemon=True).start()

    def send(self, control: Control) -> None:
        self._inbox.put(control)

    def kill(self) -> None:
        self._inbox.put(Control("stop"))

    def _train(self) -> None:
        train(self._entry, self._spec, self._inbox, self._deliver)
        self._ended("the thread has ended")


class ThreadExecutor:
    """Runs tiny experiments in threads: the real engine without the cost of a process."""

    def __init__(self, cls: type[Experiment[Any]] = Tiny) -> None:
        self._cls = cls

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def close(self) -> None:
        """There is nothing to let go of."""

    async def room(self, device: str, cores: int = 1) -> Room:
        return Room()

    async def start(
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> ThreadWorker:
        loop = asyncio.get_running_loop()

        def in_loop(callback: Callable[..., None], argument: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(callback, argument)

        return ThreadWorker(
            self._cls, spec, lambda output: in_loop(deliver, output), lambda cause: in_loop(ended, cause)
        )
