"""The knobs of a script's optimizers: read from their parameter groups, and written into them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from descent.declared import DeclaredKnob

MOST_GROUPS = 4  # parameter groups with knobs of their own; beyond, one learning rate moves all in proportion
BELOW, ABOVE = 1e-4, 1e3  # how far a learning rate's slider reaches, in multiples of what it is
LEAST_RATE = 1e-8
MOST_CLIP = 100.0

Group = dict[str, Any]


@dataclass(frozen=True)
class Steered:
    """A knob of the optimizers: how it is declared, read and written."""

    knob: DeclaredKnob
    read: Callable[[], float]
    write: Callable[[float], None]


def steered(optimizers: Sequence[Optimizer], texts: Mapping[str, Mapping[str, str]]) -> list[Steered]:
    """A knob for each parameter group's learning rate, momentum or betas, and weight decay.

    `texts`: name and help of each knob, by its name in the first group; those of later groups end in `_2`, ….
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    if len(groups) > MOST_GROUPS:
        return [_proportional(groups, texts)]
    found = []
    for number, group in enumerate(groups, 1):
        ending = "" if number == 1 else f"_{number}"
        title = f"Group {number}" if len(groups) > 1 else ""
        for name, low, high, log, read, write in _settings(group):
            value = read()
            knob = DeclaredKnob(
                name=name + ending,
                title=texts[name]["name"],
                help=texts[name]["help"],
                type="float",
                default=min(max(value, low), high),
                low=low,
                high=high,
                log=log,
                rate=name == "lr",
                group=title,
            )
            found.append(Steered(knob, read, write))
    return found


def _settings(
    group: Group,
) -> Iterator[tuple[str, float, float, bool, Callable[[], float], Callable[[float], None]]]:
    """Name, bounds, whether it is logarithmic, reader and writer of each setting that a group has."""

    def read(key: str) -> Callable[[], float]:
        return lambda: float(group[key])

    def write(key: str) -> Callable[[float], None]:
        def put(value: float) -> None:
            if isinstance(group[key], Tensor):  # a capturable optimizer's
                group[key].fill_(value)
            else:
                group[key] = value

        return put

    def beta(index: int) -> tuple[Callable[[], float], Callable[[float], None]]:
        def put(value: float) -> None:
            betas = list(group["betas"])
            betas[index] = value
            group["betas"] = tuple(betas)

        return lambda: float(group["betas"][index]), put

    if "lr" in group:
        yield "lr", *_range(float(group["lr"])), True, read("lr"), write("lr")
    if "momentum" in group:
        yield "momentum", 0.0, 0.999, False, read("momentum"), write("momentum")
    for index in range(min(2, len(group.get("betas", ())))):
        yield f"beta{index + 1}", 0.0, 0.99999, False, *beta(index)
    if "weight_decay" in group:
        most = max(1.0, 10 * float(group["weight_decay"]))
        yield "weight_decay", 0.0, most, False, read("weight_decay"), write("weight_decay")


def _range(rate: float) -> tuple[float, float]:
    """The ends of a learning rate's slider: powers of ten around what it is."""
    if not 0 < rate < math.inf:
        return LEAST_RATE, 1.0
    power = 10.0 ** math.floor(math.log10(rate))
    return max(power * BELOW, 1e-30), power * ABOVE


def _proportional(groups: Sequence[Group], texts: Mapping[str, Mapping[str, str]]) -> Steered:
    """One learning rate for many groups: that of the first, the others keep their ratio to it."""
    low, high = _range(float(groups[0]["lr"]))

    def write(value: float) -> None:
        before = float(groups[0]["lr"])
        for group in groups:
            now = value * float(group["lr"]) / before if before else value
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(now)
            else:
                group["lr"] = now

    knob = DeclaredKnob(
        name="lr",
        title=texts["lr"]["name"],
        help=texts["lr"]["help"],
        type="float",
        default=min(max(float(groups[0]["lr"]), low), high),
        low=low,
        high=high,
        log=True,
        rate=True,
    )
    return Steered(knob, lambda: float(groups[0]["lr"]), write)


class Clipping:
    """Clips the gradients right before the optimizers' steps; hooks are there only while it does."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = optimizers
        self._handles: list[Any] = []
        self.most = 0.0  # the longest gradient; 0: nothing is clipped

    def write(self, most: float) -> None:
        """Clip to this length from the next step on."""
        self.most = most
        if most and not self._handles:
            self._handles = [one.register_step_pre_hook(self._clip) for one in self._optimizers]
        elif not most:
            for handle in self._handles:
                handle.remove()
            self._handles = []

    def _clip(self, optimizer: Optimizer, *_: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.most)

    def knob(self, texts: Mapping[str, Mapping[str, str]]) -> Steered:
        """Its knob."""
        knob = DeclaredKnob(
            name="clip",
            title=texts["clip"]["name"],
            help=texts["clip"]["help"],
            type="float",
            default=0.0,
            low=0.0,
            high=MOST_CLIP,
        )
        return Steered(knob, lambda: self.most, self.write)
