"""The run of a script's own training loop: what `descent.watch` returns."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from descent.declared import entry_of
from descent.engine.observe import borrowed, undisturbed
from descent.protocol import ENDED, Status
from descent.watching.checkpoints import Checkpoints
from descent.watching.company import GO, HOLD, STOP, Company, is_distributed, meet
from descent.watching.link import say
from descent.watching.loop import DrivenLoop, Own
from descent.watching.names import line
from descent.watching.notebook import Shown
from descent.watching.offer import Knob, Offer
from descent.watching.talk import Talk

T = TypeVar("T", bound="float | bool | str")

LAST_WORDS = 3.0  # seconds that the end of a script waits for what is still to be sent
COMPLAINTS = 5  # errors of a script's use of this that are told
REASON = 2000  # characters of a traceback


class Stopped(KeyboardInterrupt):
    """Someone has stopped the run on the page. Like Ctrl+C it passes by `except Exception`."""


class WatchedRun:
    """A run of one's own training loop. Nothing that it does raises into the loop, but `Stopped`."""

    _offer: Offer
    _own: Own
    _talk: Talk

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        name: str,
        url: str,
        *,
        schedulers: Sequence[LRScheduler] = (),
        room: int = 0,
        off: bool = False,
        follows: bool = False,
    ) -> None:
        """`room`: bytes that checkpoints may take. `off`: take part in nothing. `follows`: do what the first
        process of a group is told.
        """
        self.stopped = False
        self._off = off
        self._follows = follows
        self._company: Company | None = None
        self._met = False
        self._complaints = 0
        self._share = 0.05
        self._notes: Callable[[dict[str, float]], bool] | None = None  # where nothing else is to be done
        self._loop: DrivenLoop | None = None
        self._place: Callable[[], tuple[str, str]] = lambda: ("", "")  # the server, and the run there
        self._checkpoints = Checkpoints(model, optimizers, room) if room and not off else None
        if off:
            return
        self._offer = Offer(model, optimizers, schedulers, name)
        if follows:
            return
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self._own = Own(entry_of(self._offer.declaration()), model, device)
        self._talk = Talk(url, device.type)
        self._place = lambda: self._talk.place
        for number, one in enumerate(schedulers, 1):
            self.state(f"scheduler {number}", one)

    # What a script calls

    def step(self, **scalars: float | Tensor) -> None:
        """Tell the scalars of a step that was just taken, and obey what the page asks for.

        Call it after the optimizer's step and before the next `zero_grad`. Each scalar is a number or a
        tensor with one element; on a GPU it is read later, so that nothing waits for it. Raises `Stopped`
        where someone has stopped the run on the page, and nothing else.
        """
        due = False
        if self._notes is not None:
            told = self._offer.scalars
            row = {}
            try:
                for name, value in scalars.items():
                    row[told[name]] = value.item() if isinstance(value, Tensor) else float(value)
            except Exception:  # it is told below
                pass
            else:
                due = self._notes(row)
                if not due:
                    return
        if self._off:
            return
        if not self._met:
            self._meet()
        if self._follows:
            if self._company is not None and self._company.follow(self._offer.writers, self._complain):
                self._over()
            return
        try:
            offer = self._offer
            found = {} if due else offer.row(scalars)
            if offer.stale or self._loop is None:
                self._declare()
            loop = self._loop
            assert loop is not None
            if not self._talk.shares.empty():
                self._share = self._talk.shares.get()
                loop.declare(loop.entry, offer.probes, self._share, offer.objective)
            if due:
                loop.serve()
            else:
                loop.after_step(found)
            self._notes = loop.note if self._company is None and loop.may_note else None
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
        with self._attempt(f"run.knob({name!r})"):
            if not self._off:
                told = {"low": ge, "high": le, "log": log, "options": list(options)}
                self._offer.add_knob(knob, changed, help=line(help, 300), **told)
        return knob

    def look(self, batch: Any, tokens: Sequence[str] | None = None) -> None:
        """Show what the model makes of a batch: attention maps, states of recurrent layers, feature maps.

        `batch`: what `model` takes, a tensor, a tuple of arguments or a mapping of keyword arguments; shown
        is its first sample, whose positions have the names `tokens`.
        """
        with self._attempt("run.look") as on:
            if on:
                with undisturbed(self._own):
                    found = self._offer.look(batch, tokens)
                if not found:
                    say("look(): the model has no attention, recurrent layer or convolution to show")

    def objective(self, loss: Callable[[], Tensor], optimizer: Optimizer | None = None) -> None:
        """Show what the learning rate does to a loss: what if it were another, sharpness, a step's anatomy.

        `loss` computes it anew, a tensor with one number, on the same batch each time: it is called some
        dozens of times a picture, while somebody looks, around the model's weights. `optimizer`: whose step
        is looked at, by default the first one given to `descent.watch`. A step of it is really taken, and
        taken back.
        """
        with self._attempt("run.objective") as on:
            if on and is_distributed():
                say("objective(): not in a distributed training, whose processes step together")
            elif on:
                with borrowed(self._own), torch.enable_grad():
                    self._offer.add_objective(loss, optimizer)

    def state(
        self,
        name: str,
        of: Any = None,
        *,
        get: Callable[[], Any] | None = None,
        put: Callable[[Any], object] | None = None,
    ) -> None:
        """Keep something more with each checkpoint, and put it back when the page goes back.

        `of` has `state_dict()` and `load_state_dict()`, as a scheduler of the learning rate has; or `get`
        gives what `put` takes: tensors, numbers, texts, and lists and dicts of them.
        """
        with self._attempt(f"run.state({name!r})"):
            if of is not None:
                get, put = of.state_dict, of.load_state_dict
            if get is None or put is None:
                raise TypeError(
                    "it takes an object with state_dict() and load_state_dict(), or get= and put="
                )
            if self._checkpoints is not None:
                self._checkpoints.add(str(name), get, put)

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

    def show(self, *panels: str, width: int | str = "100%", height: int = 420) -> Shown:
        """Panels in a notebook's output, by name, live; by default the first one.

        The server has to allow it: `descent serve --embed-in http://localhost:8888` with the notebook's
        address. `DESCENT_PUBLIC_URL` is the server's address where the browser has another one.
        """
        url, run = self._place()
        return Shown(url, run, panels, width, height)

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def finish(self, status: Status = "finished", reason: str = "") -> None:
        """Say that training is over; the end of the script does so by itself."""
        with self._attempt("run.finish") as on:
            if on:
                if self._loop is not None:
                    self._loop.finish(status, reason)
                self._talk.close(LAST_WORDS)
                if self._checkpoints is not None:
                    self._checkpoints.close()
        self._off = True

    def __enter__(self) -> WatchedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
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
            self._company = meet(self._offer.name) if is_distributed() else None
        except Exception:
            self._complain("run.step")
        if self._company is not None:
            return
        if self._follows:
            self._off = True
        elif is_distributed():
            self._offer.lock()
            say(
                "the other processes of this training do not call run.step(): nothing can be set on the "
                "page, since a knob moved in one process alone would let their weights differ"
            )

    def _tell_company(self, what: int) -> None:
        moved, self._own.moved = self._own.moved, {}
        if self._company is not None:
            self._company.tell(what, moved)

    def _is_alone(self) -> bool:
        """Asked every second of a pause: whether no server is left to end it."""
        self._tell_company(HOLD)
        return self._talk.is_alone()

    def _over(self) -> None:
        """The run was ended from the page."""
        self.stopped = True
        self.finish()
        raise Stopped("stopped from Descent's page")

    # Behind it

    def _add(self, name: str, kind: str, make: Callable[[], Any]) -> None:
        with self._attempt(f"run.{kind}({name!r})") as on:
            if on:
                self._offer.add_panel(name, kind, make)

    def _declare(self) -> None:
        """Say what there is; at the first step, begin."""
        offer, talk = self._offer, self._talk
        told = offer.declaration()
        entry = entry_of(told)
        self._own.writers, self._own.readers = offer.writers, offer.readers
        offer.stale = False
        begun = self._loop is not None
        if self._loop is None:
            self._own.become(entry)
            self._loop = talk.loop = DrivenLoop(
                entry, self._own, talk.inbox, talk.emit, alone=self._is_alone, checkpoints=self._checkpoints
            )
        self._loop.declare(entry, offer.probes, self._share, offer.objective)
        if not begun:
            self._loop.begin()
        talk.declare(told)

    @contextlib.contextmanager
    def _attempt(self, where: str) -> Iterator[bool]:
        """Context whose errors are told, and go no further; gives whether this process tells anything."""
        self._notes = None
        try:
            yield not self._off and not self._follows
        except Exception:
            self._complain(where)

    def _complain(self, where: str) -> None:
        """Tell an error of this, or of how it is used, and go on."""
        self._complaints += 1
        if self._complaints <= COMPLAINTS:
            last = traceback.format_exception_only(*sys.exc_info()[:2])[-1].strip()
            say(f"{where}: {line(last, 400)}; training goes on")
        if self._complaints == COMPLAINTS:
            say("further errors are not told")
