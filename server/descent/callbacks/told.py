"""What the callbacks share: the run that begins and ends with a training, and what waits to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from descent.watching import Stopped, WatchedRun, watch
from descent.watching.link import say
from descent.watching.optimizers import multiplies

RATE = "learning_rate"  # the scalar of what a scheduler writes


class Told:
    """A training that is watched: a run of it, and scalars measured between two steps."""

    def __init__(
        self, name: str, url: str, serve: bool, prepare: Callable[[WatchedRun], None] | None
    ) -> None:
        self.run: WatchedRun | None = None
        self._name, self._url, self._serve, self._prepare = name, url, serve, prepare
        self._waiting: dict[str, Any] = {}
        self._optimizers: Sequence[Optimizer] = ()
        self._scheduled = False

    def begin(
        self, model: nn.Module, optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler]
    ) -> None:
        """Training begins; a run that has not ended by then was left by an error."""
        self.end()
        self._waiting, self._optimizers, self._scheduled = {}, optimizers, bool(schedulers)
        for scheduler in schedulers:
            if not multiplies(scheduler) and not isinstance(scheduler, ReduceLROnPlateau):
                say(
                    f"{type(scheduler).__name__} writes the learning rate, too. One moved on the page holds "
                    "until it does so next: who writes last wins"
                )
        name = self._name or type(model).__name__
        self.run = watch(model, optimizers, scheduler=schedulers, name=name, url=self._url, serve=self._serve)
        if self._prepare is not None:
            self._prepare(self.run)

    def rate(self) -> dict[str, float]:
        """The learning rate of the coming step, where a scheduler writes it."""
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        return {RATE: float(groups[0]["lr"])} if self._scheduled and groups else {}

    def later(self, scalars: Mapping[str, Any]) -> None:
        """Tell these with the next step, such as are numbers."""
        for name, value in scalars.items():
            if isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1):
                self._waiting[name] = value

    def step(self, scalars: Mapping[str, Any]) -> bool:
        """Tell a step that was taken, and obey the page; False once it has stopped the run."""
        if self.run is None:
            return True
        row, self._waiting = {**self._waiting, **scalars}, {}
        try:
            self.run.step(**row)
        except Stopped:
            return False
        return True

    def end(self, error: BaseException | None = None) -> None:
        """Training has ended. What was measured after its last step is told as one more."""
        run, self.run = self.run, None
        if run is None:
            return
        if self._waiting and error is None and not run.stopped:
            self.run = run
            self.step({})
            self.run = None
        run.ended_by(error)
