"""The knobs of a script's optimizers: read from their parameter groups, and written into them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from descent.declared import DeclaredKnob

MOST_GROUPS = 4  # parameter groups with knobs of their own; beyond, one learning rate moves all in proportion
BELOW, ABOVE = 1e-4, 1e3  # how far a learning rate's slider reaches, in multiples of what it is
LEAST_RATE = 1e-8
MOST_CLIP = 100.0
RATES = ("lr", "base_lr")

Group = dict[str, Any]


@dataclass(frozen=True)
class Steered:
    """A knob of the optimizers: how it is declared, read and written."""

    knob: DeclaredKnob
    read: Callable[[], float | str]
    write: Callable[[Any], None]


@dataclass(frozen=True)
class Setting:
    """A setting of one parameter group: its name, its slider, and how it is read and written."""

    name: str
    low: float
    high: float
    log: bool
    read: Callable[[], float]
    write: Callable[[float], None]


def steered(
    optimizers: Sequence[Optimizer],
    texts: Mapping[str, Mapping[str, str]],
    schedulers: Sequence[LRScheduler] = (),
) -> list[Steered]:
    """A knob for each parameter group's learning rate, momentum or betas, and weight decay.

    Groups of one optimizer in which a setting has the same value share its knob. `texts`: name and help of
    each knob, by its name in the first group; those of later groups end in `_2`, …. `schedulers`: of these, a
    `LambdaLR` has its base rate moved, which it goes on multiplying.
    """
    groups = [(optimizer, group) for optimizer in optimizers for group in optimizer.param_groups]
    if len(groups) > MOST_GROUPS:
        rates = [_rate(group, schedulers) for _, group in groups if "lr" in group]
        return [_proportional(rates, texts)] if rates else []
    shared: dict[tuple[int, str, float], tuple[int, list[Setting]]] = {}
    for number, (optimizer, group) in enumerate(groups, 1):
        for setting in _settings(group, schedulers):
            alike = id(optimizer), setting.name, setting.read()
            shared.setdefault(alike, (number, []))[1].append(setting)
    return [
        Steered(
            _knob(settings[0], number, len(settings) < len(groups), texts), settings[0].read, _all(settings)
        )
        for number, settings in shared.values()
    ]


def _knob(setting: Setting, number: int, apart: bool, texts: Mapping[str, Mapping[str, str]]) -> DeclaredKnob:
    """The knob of a setting. `number`: of its group, which is told where it is `apart` from others."""
    return DeclaredKnob(
        name=setting.name if number == 1 else f"{setting.name}_{number}",
        title=texts[setting.name]["name"],
        help=texts[setting.name]["help"],
        type="float",
        default=min(max(setting.read(), setting.low), setting.high),
        low=setting.low,
        high=setting.high,
        log=setting.log,
        rate=setting.name in RATES,
        group=f"Group {number}" if apart else "",
    )


def _all(settings: Sequence[Setting]) -> Callable[[float], None]:
    def write(value: float) -> None:
        for setting in settings:
            setting.write(value)

    return write


def _settings(group: Group, schedulers: Sequence[LRScheduler]) -> Iterator[Setting]:
    """The settings that a group has."""

    def beta(index: int) -> tuple[Callable[[], float], Callable[[float], None]]:
        def put(value: float) -> None:
            betas = list(group["betas"])
            betas[index] = value
            group["betas"] = tuple(betas)

        return lambda: float(group["betas"][index]), put

    if "lr" in group:
        yield _rate(group, schedulers)
    if "momentum" in group:
        yield Setting("momentum", 0.0, 0.999, False, *_entry(group, "momentum"))
    for index in range(min(2, len(group.get("betas", ())))):
        yield Setting(f"beta{index + 1}", 0.0, 0.99999, False, *beta(index))
    if "weight_decay" in group:
        most = max(1.0, 10 * float(group["weight_decay"]))
        yield Setting("weight_decay", 0.0, most, False, *_entry(group, "weight_decay"))


def _entry(group: Group, key: str) -> tuple[Callable[[], float], Callable[[float], None]]:
    """Reader and writer of a group's entry."""

    def put(value: float) -> None:
        if isinstance(group[key], Tensor):  # a capturable optimizer's
            group[key].fill_(value)
        else:
            group[key] = value

    return lambda: float(group[key]), put


def _rate(group: Group, schedulers: Sequence[LRScheduler]) -> Setting:
    """The learning rate of a group; where a `LambdaLR` writes it, the base rate that this multiplies."""
    read, write = _entry(group, "lr")
    found = [
        (one, place)
        for one in schedulers
        if multiplies(one)
        for place, scheduled in enumerate(one.optimizer.param_groups)  # of a wrapped optimizer it may be
        if scheduled is group
    ]
    if not found:
        return Setting("lr", *_range(read()), True, read, write)
    lambdas, place = found[0]

    def put(value: float) -> None:
        lambdas.base_lrs[place] = group["initial_lr"] = value
        write(value * lambdas.lr_lambdas[place](lambdas.last_epoch))

    def base() -> float:
        return float(lambdas.base_lrs[place])

    return Setting("base_lr", *_range(base()), True, base, put)


def multiplies(scheduler: LRScheduler) -> TypeGuard[LambdaLR]:
    """Whether a scheduler writes a base rate times a factor of the step, whatever the rate was before."""
    return isinstance(scheduler, LambdaLR)


def _range(rate: float) -> tuple[float, float]:
    """The ends of a learning rate's slider: powers of ten around what it is."""
    if not 0 < rate < math.inf:
        return LEAST_RATE, 1.0
    power = 10.0 ** math.floor(math.log10(rate))
    return max(power * BELOW, 1e-30), power * ABOVE


def _proportional(rates: Sequence[Setting], texts: Mapping[str, Mapping[str, str]]) -> Steered:
    """One learning rate for many groups: that of the first, the others keep their ratio to it."""

    def write(value: float) -> None:
        before = rates[0].read()
        for rate in reversed(rates):
            rate.write(value * rate.read() / before if before else value)

    return Steered(_knob(rates[0], 1, False, texts), rates[0].read, write)


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

    def _clip(self, optimizer: Optimizer, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Clip, or where a closure computes the gradients have them clipped after it."""
        closure = named.get("closure") or next(iter(args[1:]), None)
        if closure is None:
            self._shorten(optimizer)
            return None

        def computed() -> Any:
            loss = closure()
            self._shorten(optimizer)
            return loss

        return args[:1], {**named, "closure": computed}

    def _shorten(self, optimizer: Optimizer) -> None:
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
