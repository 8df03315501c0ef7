"""A callback for `transformers.Trainer`: its training on Descent's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import TrainerCallback

from descent.callbacks.told import Told
from descent.watching import WatchedRun

SAID = ("epoch", "step", "loss", "learning_rate", "total_flos")  # of a log: told at each step, or of no use


class HuggingFace(TrainerCallback):  # type: ignore[misc]
    """Shows a `Trainer`'s training, and obeys the page: `Trainer(…, callbacks=[HuggingFace()])`.

    A step is one of the optimizer, however many batches are accumulated for it. Its loss is what the
    model's output has as `loss`; of a Trainer that computes another one, the logged losses are shown, so
    `logging_steps` says how often. Stop ends the training as `control.should_training_stop` does.
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

        The others are those of `descent.watch`; `name` is by default the model's class.
        """
        self._told = Told(name, url, serve, prepare)
        self._losses: list[
            tuple[Tensor, bool]
        ] = []  # of the batches of this step; whether they are its parts
        self._hook: Any = None

    @property
    def run(self) -> WatchedRun | None:
        """The run, while it trains."""
        return self._told.run

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: nn.Module | None = None,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **_: Any,
    ) -> None:
        """Begin to watch."""
        assert model is not None
        self._unhook()
        self._losses = []
        self._hook = model.register_forward_hook(self._hear, with_kwargs=True)
        optimizers = [_within(optimizer, "optimizer", Optimizer)]
        schedulers = [_within(lr_scheduler, "scheduler", LRScheduler)]
        self._told.begin(model, [one for one in optimizers if one], [one for one in schedulers if one])

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Tell the step, before the scheduler takes its own and the gradients are zeroed."""
        scalars: dict[str, Any] = self._told.rate()
        if self._losses:
            parts = all(part for _, part in self._losses)
            losses = [loss for loss, _ in self._losses]
            scalars["loss"] = sum(losses) if parts else sum(losses) / len(losses)
        self._losses = []
        if not self._told.step(scalars):
            control.should_training_stop = True
        return control

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Tell what else is logged, with the next step."""
        found = dict(logs or {})
        if "train_runtime" in found:  # the summary of a training that is over
            return
        if self._hook is not None and self._heard and "loss" in found:
            del found["loss"]
        self._told.later({name: value for name, value in found.items() if name not in SAID or name == "loss"})

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Training has ended."""
        self._unhook()
        self._told.end()

    _heard = False  # whether the model's output has the loss

    def _hear(self, model: nn.Module, given: Any, named: dict[str, Any], output: Any) -> None:
        """Note the loss of a pass that trains."""
        loss = output.get("loss") if isinstance(output, dict) else None
        if model.training and isinstance(loss, Tensor) and loss.requires_grad:
            self._heard = True
            self._losses.append((loss.detach().mean(), named.get("num_items_in_batch") is not None))

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
        self._hook = None


def _within(found: Any, name: str, kind: type) -> Any:
    """What Accelerate has wrapped; None if it is not of this kind."""
    while not isinstance(found, kind) or isinstance(getattr(found, name, None), kind):
        inner = getattr(found, name, None)
        if inner is None:
            return None
        found = inner
    return found
