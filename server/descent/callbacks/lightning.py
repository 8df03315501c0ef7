"""A callback for Lightning's `Trainer`: its training on Descent's page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from descent.callbacks.told import Told
from descent.watching import WatchedRun
from descent.watching.link import say

PACKAGES = ("lightning.pytorch", "pytorch_lightning")  # one library by two names, with classes of their own


def _callback() -> Any:
    """The class of callbacks: of the package that the script has imported, or else that there is."""
    for name in PACKAGES:
        if name in sys.modules:
            return sys.modules[name].Callback
    try:
        return import_module(PACKAGES[0]).Callback
    except ModuleNotFoundError:
        return import_module(PACKAGES[1]).Callback


class Lightning(_callback()):  # type: ignore[misc]
    """Shows the training of a `LightningModule`, and obeys the page: `Trainer(…, callbacks=[Lightning()])`.

    A step is one of the optimizer, however many batches are accumulated for it. Told are the loss that
    `training_step` returns and all that the module logs. Stop ends the training as `trainer.should_stop`
    does, so not before `min_epochs` and `min_steps`.
    """

    def __init__(
        self,
        name: str = "",
        *,
        url: str = "",
        serve: bool = False,
        prepare: Callable[[WatchedRun], None] | None = None,
    ) -> None:
        """`prepare` is called with the run before the first step: `lambda run: run.look(batch)` and the like.

        The others are those of `descent.watch`; `name` is by default the module's class.
        """
        super().__init__()
        self._told = Told(name, url, serve, prepare)
        self._taken = 0  # steps of the optimizers so far
        self._losses: list[Tensor] = []  # of the batches of this step, each its share of the mean
        self._rate: dict[str, float] = {}
        self._logged: dict[str, Any] = {}  # what was told last, by name

    @property
    def run(self) -> WatchedRun | None:
        """The run, while it trains."""
        return self._told.run

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        self._taken, self._losses = trainer.global_step, []
        self._logged = dict(trainer.callback_metrics)  # of the check before training
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        schedulers = [one for one in schedulers if isinstance(one, LRScheduler)]
        self._told.begin(pl_module, trainer.optimizers, schedulers)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Note the learning rate: after the step, a scheduler has written that of the next one."""
        self._rate = self._told.rate()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell a step of the optimizer, if one was taken."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._losses.append(loss.detach())
        if trainer.global_step == self._taken:
            return
        self._taken = trainer.global_step
        self._told.later(self._fresh(trainer))
        scalars: dict[str, Any] = {**self._rate, **({"loss": sum(self._losses)} if self._losses else {})}
        self._losses = []
        if not self._told.step(scalars):
            trainer.should_stop = True
            least = (trainer.min_epochs or 0) > 1 or (trainer.min_steps or 0) > 0
            if least:
                say("stopped from the page; Lightning trains on until min_epochs and min_steps are reached")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Training has ended."""
        self._told.later(self._fresh(trainer))
        self._told.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Training has failed, or was interrupted."""
        self._told.end(exception)

    def _fresh(self, trainer: Any) -> dict[str, Any]:
        """What was logged since it was last asked: Lightning keeps the last value of everything."""
        now = dict(trainer.callback_metrics)
        fresh = {name: value for name, value in now.items() if self._logged.get(name) is not value}
        self._logged = now
        return fresh
