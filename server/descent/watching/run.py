"""The run of a script's own training loop: what `descent.watch` returns."""

from __future__ import annotations

import json
import queue
import re
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from descent.contract import Knobs
from descent.declared import Declaration, DeclaredKnob, DeclaredPanel, entry_of
from descent.declared.messages import LARGEST_FRAME, MOST_SCALARS, Hello
from descent.engine.inbox import Inbox
from descent.engine.messages import Applied, Control, Event, Output, PanelFrame, Refused, Reply, ScalarsFrame
from descent.lessons import read_lesson
from descent.protocol import ENDED, PANELS_AT_ONCE, Status
from descent.watching import pictures
from descent.watching.batch import Look
from descent.watching.charts import charts
from descent.watching.company import GO, HOLD, STOP, Company, is_distributed, meet
from descent.watching.link import ALONE, Link, Waiting, say
from descent.watching.loop import DrivenLoop, Own
from descent.watching.optimizers import Clipping, Steered, steered
from descent.watching.probes import Internals, Probe

T = TypeVar("T", bound="float | bool | str")

LAST_WORDS = 3.0  # seconds that the end of a script waits for what is still to be sent
COMPLAINTS = 5  # errors of a script's use of this that are told
REASON = 2000  # characters of a traceback


class Stopped(KeyboardInterrupt):
    """Someone has stopped the run on the page. Like Ctrl+C it passes by `except Exception`."""


class Knob:
    """A value that can be changed on the page: `value` is the present one."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"<knob {self.name} = {self.value!r}>"


class WatchedRun:
    """A run of one's own training loop. Nothing that it does raises into the loop, but `Stopped`."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        name: str,
        url: str,
        *,
        schedulers: Sequence[LRScheduler] = (),
        off: bool = False,
        follows: bool = False,
    ) -> None:
        """`off`: take part in nothing. `follows`: do what the first process of a group is told."""
        self.stopped = False
        self._off = off
        self._follows = follows
        self._company: Company | None = None
        self._met = False
        self._steers = True  # whether the page may move knobs
        self._complaints = 0
        self._name = _line(name) or "run"
        self._key = secrets.token_hex(16)
        self._scalars: dict[str, str] = {}  # as the script calls them → as they are told
        self._loop: DrivenLoop | None = None
        self._stale = False  # there is something to declare
        self._own_knobs: dict[str, Knob] = {}
        self._knobs: list[Steered] = []
        self._probes: list[Probe] = []
        self._looks: list[Probe] = []
        self._share = 0.05
        self._inbox = Inbox()
        self._told = ""  # the declaration last told
        self._welcomes: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._link: Link | None = None
        if off:
            return
        english = read_lesson("en", "watched")
        assert english is not None
        self._texts: Mapping[str, Any] = english.words
        self._model = model
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self._clipping = Clipping(optimizers)
        self._knobs = steered(optimizers, self._texts["knobs"], schedulers)
        if optimizers:
            self._knobs.append(self._clipping.knob(self._texts["knobs"]))
        if follows:
            return
        self._probes = Internals(model, self._texts["panels"]).probes()
        self._size = f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters"
        self._own = Own(entry_of(self._declaration()), model, device)
        self._link = Link(url, self._hello, self._greeted, self._hear, say)

    # What a script calls

    def step(self, **scalars: float | Tensor) -> None:
        """Tell the scalars of a step that was just taken, and obey what the page asks for.

        Call it after the optimizer's step and before the next `zero_grad`. Each scalar is a number or a
        tensor with one element; on a GPU it is read later, so that nothing waits for it. Raises `Stopped`
        where someone has stopped the run on the page, and nothing else.
        """
        if self._off:
            return
        if not self._met:
            self._meet()
        if self._follows:
            self._follow()
            return
        try:
            row = {self._scalars.get(name) or self._new(name): value for name, value in scalars.items()}
            if self._stale or self._loop is None:
                self._declare()
            loop = self._loop
            assert loop is not None
            if not self._welcomes.empty():
                self._share = self._welcomes.get()
                loop.declare(loop.entry, self._by_name(), self._share)
            loop.after_step(self._checked(row))
        except Exception:
            self._complain("run.step")
            self._tell_company(GO)
            return
        self._tell_company(STOP if loop.status in ENDED else GO)
        if loop.status in ENDED:
            self._over()

    def knob(
        self,
        name: str,
        value: T,
        *,
        ge: float | None = None,
        le: float | None = None,
        log: bool = False,
        options: Sequence[str] = (),
        help: str = "",
        changed: Callable[[Any], None] | None = None,
    ) -> Knob:
        """A knob of the script's own: read its `value` where it is used. It changes between two steps.

        A number needs its bounds `ge` and `le`, a text its `options`. `changed` is called with a new value,
        and may raise `ValueError` where it cannot be used.
        """
        knob = Knob(name, value)
        if self._off:
            return knob
        try:
            declared = DeclaredKnob(
                name=_identifier(name, [one.knob.name for one in self._knobs]),
                title=_line(name),
                help=_line(help)[:300],
                type="bool"
                if isinstance(value, bool)
                else "int"
                if isinstance(value, int)
                else "str"
                if isinstance(value, str)
                else "float",
                default=value,
                low=ge,
                high=le,
                log=log,
                options=list(options),
            )

            def write(new: Any) -> None:
                if changed is not None:
                    changed(new)
                knob.value = new

            if self._steers:
                self._knobs.append(Steered(declared, lambda: knob.value, write))
            self._stale = True
        except Exception:
            self._complain(f"run.knob({name!r})")
        return knob

    def look(self, batch: Any, tokens: Sequence[str] | None = None) -> None:
        """Show what the model makes of a batch: attention maps, states of recurrent layers, feature maps.

        `batch`: what `model` takes, a tensor, a tuple of arguments or a mapping of keyword arguments; shown
        is its first sample, whose positions have the names `tokens`.
        """
        if self._off or self._follows:
            return
        try:
            from descent.engine.observe import undisturbed

            with undisturbed(self._own):
                self._looks = Look(self._model, batch, tokens).probes(self._texts["panels"])
            if not self._looks:
                say("look(): the model has no nn.MultiheadAttention, recurrent layer or convolution to show")
            self._stale = True
        except Exception:
            self._complain("run.look")

    def images(self, name: str, make: Callable[[], Any]) -> None:
        """Show images (N, H, W), (N, C, H, W) or (N, H, W, C): `make` is called while somebody looks."""
        self._add(name, "images", make)

    def heatmap(self, name: str, make: Callable[[], Any]) -> None:
        """Show a matrix (R, C): `make` is called while somebody looks."""
        self._add(name, "heatmap", make)

    def text(self, name: str, make: Callable[[], Any]) -> None:
        """Show a text, or (tokens, values): `make` is called while somebody looks."""
        self._add(name, "text", make)

    def lines(self, name: str, make: Callable[[], Any]) -> None:
        """Show curves (n,) by name, or (x, curves): `make` is called while somebody looks."""
        self._add(name, "lines", make)

    def finish(self, status: Status = "finished", reason: str = "") -> None:
        """Say that training is over; the end of the script does so by itself."""
        if self._off:
            return
        try:
            if self._loop is not None:
                self._loop.finish(status, reason)
            if self._link is not None:
                self._link.close(LAST_WORDS)
        except Exception:
            self._complain("run.finish")
        self._off = True

    def __enter__(self) -> WatchedRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        self.ended_by(error)

    def ended_by(self, error: BaseException | None) -> None:
        """Finish, as what the script ended with says."""
        if error is None:
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            self.finish("stopped", "user")
        else:
            self.finish("failed", "".join(traceback.format_exception(error))[-REASON:])

    # In a distributed training

    def _meet(self) -> None:
        """At the first step: find the other processes."""
        self._met = True
        try:
            self._company = meet(self._name) if is_distributed() else None
        except Exception:
            self._complain("run.step")
        if self._company is not None:
            return
        if self._follows:
            self._off = True
        elif is_distributed():
            self._knobs, self._steers = [], False
            say(
                "the other processes of this training do not call run.step(): nothing can be set on the "
                "page, since a knob moved in one process alone would let their weights differ"
            )

    def _tell_company(self, what: int) -> None:
        moved, self._own.moved = self._own.moved, {}
        if self._company is not None:
            self._company.tell(what, moved)

    def _follow(self) -> None:
        """Do what the first process was told at this step."""
        if self._company is None:
            return
        writers = {one.knob.name: one.write for one in self._knobs}
        what = HOLD
        while what == HOLD:
            what, moved = self._company.hear()
            for name, value in moved.items():
                try:
                    writers[name](value)
                except Exception:
                    self._complain(f"knob {name!r}")
        if what == STOP:
            self._over()

    # Declaring

    def _new(self, name: str) -> str:
        """A scalar that was not there before, by the name it is told with."""
        told = _line(name) or "scalar"
        if len(set(self._scalars.values()) | {told}) > MOST_SCALARS:
            raise ValueError(f"{told}: there are {MOST_SCALARS} scalars already")
        self._scalars[name] = told
        self._stale = True
        return told

    def _checked(self, row: dict[str, Any]) -> dict[str, float | Tensor]:
        """The scalars as numbers, or tensors without dimensions."""
        for name, value in row.items():
            if type(value) is float:
                continue
            if isinstance(value, Tensor):
                if value.ndim:
                    row[name] = value.detach().reshape(())
            else:
                row[name] = float(value)
        return row

    def _add(self, name: str, kind: str, make: Callable[[], Any]) -> None:
        if self._off or self._follows:
            return
        try:
            picture, turn = pictures.KINDS[kind]
            taken = [probe.panel.name for probe in self._probes]
            panel = DeclaredPanel(name=_identifier(f"own_{name}", taken), kind=picture, title=_line(name))
            self._probes.append(Probe(panel, lambda: turn(make())))
            self._stale = True
        except Exception:
            self._complain(f"run.{kind}({name!r})")

    def _panels(self) -> list[DeclaredPanel]:
        shown = charts(self._scalars.values(), self._texts["panels"])
        first = [probe.panel for probe in self._looks]
        own = [probe.panel for probe in self._probes if probe.panel.name.startswith("own_")]
        rest = [probe.panel for probe in self._probes if not probe.panel.name.startswith("own_")]
        return [*shown[:1], *first, *own, *shown[1:], *rest][:PANELS_AT_ONCE]

    def _declaration(self) -> Declaration:
        return Declaration(
            name=self._name,
            model=self._size[:300],
            knobs=[one.knob for one in self._knobs],
            panels=self._panels(),
        )

    def _by_name(self) -> dict[str, Probe]:
        return {probe.panel.name: probe for probe in [*self._looks, *self._probes]}

    def _declare(self) -> None:
        """Say what there is; at the first step, begin."""
        assert self._link is not None
        declaration = self._declaration()
        entry = entry_of(declaration)
        self._own.writers = {one.knob.name: one.write for one in self._knobs}
        self._told = declaration.model_dump_json()
        self._stale = False
        if self._loop is None:
            self._own.become(entry)
            self._loop = DrivenLoop(entry, self._own, self._inbox, self._emit, self._is_alone)
            self._loop.declare(entry, self._by_name(), self._share)
            self._loop.begin()
            self._link.start()
        else:
            self._loop.declare(entry, self._by_name(), self._share)
            self._link.put(Waiting(json.dumps({"type": "declare", "declaration": json.loads(self._told)})))

    # Speaking with the server; some of it in the link's threads

    def _hello(self, run: str) -> str:
        declaration = Declaration.model_validate_json(self._told)
        device = self._own.device.type
        loop = self._loop
        step = loop.step if loop is not None and run else 0
        hello = Hello(declaration=declaration, key=self._key, run=run, step=step, device=device)
        return hello.model_dump_json()

    def _greeted(self, welcome: dict[str, Any], another: bool) -> list[str]:
        assert self._link is not None
        loop = self._loop
        assert loop is not None
        self._welcomes.put(float(welcome["probe_budget"]))
        if another:
            say(f"watch it at {self._link.url.rstrip('/')}{welcome['path']}")
        state = {"type": "state", "seq": 0, "step": loop.step, "status": loop.status, "reason": ""}
        return [] if loop.status in ENDED else [json.dumps(state)]

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("type") == "control":
            arguments = message.get("arguments", {})
            self._inbox.put(Control(message["name"], arguments, message.get("reply_to")))
        elif message.get("type") == "refused":
            say(f"the server refuses: {message.get('detail', '')}")

    def _is_alone(self) -> bool:
        """Whether a paused run waits for a server that does not come back; asked every second of a pause."""
        self._tell_company(HOLD)
        link = self._link
        if link is None or link.connected:
            return False
        if not link.over and time.monotonic() - link.lost_at < ALONE:
            return False
        say("paused from a page whose server is gone: training goes on")
        return True

    def _emit(self, output: Output) -> None:
        assert self._link is not None
        match output:
            case ScalarsFrame(_, step, payload):
                first = self._first
                self._first = step + 1
                self._link.put(Waiting(payload, first, step + 1 - first))
            case PanelFrame(_, _, panel, payload):
                if len(payload) > LARGEST_FRAME:
                    most = f"{LARGEST_FRAME} at most"
                    say(f"a picture of {panel} is too large to be shown: {len(payload)} bytes, {most}")
                else:
                    self._link.show(panel, payload)
            case Event(_, _, event):
                self._link.put(Waiting(json.dumps(event)))
                self._say_of(event)
            case Reply(_, step, reply_to, answer):
                self._link.put(Waiting(json.dumps(_answer(step, reply_to, answer))))
            case _:
                pass  # an engine of ours would say more

    _first = 0  # the first step of the scalars to come

    def _say_of(self, event: Mapping[str, Any]) -> None:
        """Tell whoever looks at the terminal what the page has done to the run, or what failed."""
        params = event.get("params", {})
        if event["type"] == "state" and event["status"] == "paused":
            say(f"paused from the page at step {event['step']}; go on from there")
        elif event["type"] == "diagnosis" and event["code"] == "non-finite":
            say(f"not finite at step {event['step']}: {', '.join(params['scalars'])}; training goes on")
        elif event["type"] == "diagnosis" and event["code"] == "probe-failed":
            say(f"the panel {params['panel']} failed ({params['error']}); training goes on")

    def _over(self) -> None:
        """The run was ended from the page."""
        self.stopped = True
        self.finish()
        raise Stopped("stopped from Descent's page")

    def _complain(self, where: str) -> None:
        """Tell an error of this, or of how it is used, and go on."""
        self._complaints += 1
        if self._complaints <= COMPLAINTS:
            last = traceback.format_exception_only(*sys.exc_info()[:2])[-1].strip()
            say(f"{where}: {_line(last, 400)}; training goes on")
        if self._complaints == COMPLAINTS:
            say("further errors are not told")


def _answer(step: int, reply_to: int, answer: Applied | Refused | None) -> dict[str, Any]:
    said: dict[str, Any] | None = None
    if isinstance(answer, Applied):
        said = {"changed": answer.changed, "knobs": answer.knobs}
    elif isinstance(answer, Refused):
        said = {"knob": answer.knob, "detail": answer.detail[:2000], "params": answer.params}
    return {"type": "answer", "reply_to": reply_to, "step": step, "answer": said}


def _line(text: str, most: int = 100) -> str:
    """A text as one printable line."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())[:most]


def _identifier(name: str, taken: Sequence[str]) -> str:
    """A name for JSON and Python that nothing else has."""
    slug = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")[:50]
    if not slug or not slug[0].isalpha() or slug in dir(Knobs) or slug == "schedules":
        slug = f"own_{slug}".rstrip("_")
    found, number = slug, 1
    while found in taken:
        number += 1
        found = f"{slug}_{number}"
    return found
