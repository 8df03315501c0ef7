"""One objective descended at K learning rates at once: K copies of its parameters, one batched step.

The loss is computed for all copies by `torch.vmap`, its parameters exchanged for the copies while it runs;
autograd goes through that once. Copies of one group of parameters lie in one flat vector, so an optimizer's
update is a handful of operations, whatever the model. The updates are those of `torch.optim`, with a rate
per element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from descent.contract import Objective
from descent.engine import chance
from descent.engine.objectives.batched_loss import losses_at

Group = dict[str, Any]
State = dict[str, Tensor]


class CannotBatchError(Exception):
    """An objective or optimizer that has no batched step here; the message is the reason."""


class BatchedSteps:
    """K copies of an objective's parameters and of its optimizer's state.

    `rates`: (K,) for each of the optimizer's groups. Raises `CannotBatchError`.
    """

    def __init__(self, objective: Objective, rates: Sequence[Tensor]) -> None:
        self.copies = len(rates[0])
        self._update = rule_of(objective.optimizer)
        self._groups = [
            _Group(objective.optimizer, group, rate)
            for group, rate in zip(objective.optimizer.param_groups, rates, strict=True)
        ]
        self._originals = [p for group in self._groups for p in group.originals]
        self._leaves = [leaf for group in self._groups for leaf in group.leaves]
        self._ones = torch.ones(self.copies, dtype=rates[0].dtype, device=rates[0].device)
        if {*map(id, self._originals)} != {*map(id, objective.parameters)}:
            raise CannotBatchError("the optimizer's parameters are not the objective's")

    def losses(self, loss: Callable[[], Tensor]) -> Tensor:
        """L of each copy, (K,). Raises `CannotBatchError` where it draws from the global random numbers.

        Such draws would differ from those of a copy by itself. A generator made for the step, such as
        that of the mini-batches' order, gives every copy the same.
        """
        before = self._chance()
        found = losses_at(loss, self._originals, self._leaves, randomness="same")
        if not torch.equal(before, self._chance()):
            raise CannotBatchError("the loss draws from the global random numbers")
        return found

    def _chance(self) -> Tensor:
        own = chance.state_of(self._originals[0].device)
        return torch.get_rng_state() if own is None else own

    def step(self, loss: Callable[[], Tensor]) -> Tensor:
        """One step of each copy at its rate; the losses before it, (K,)."""
        with torch.enable_grad():
            losses = self.losses(loss)
            gradients = iter(torch.autograd.grad(losses, self._leaves, self._ones))
        for group in self._groups:
            flat = torch.cat([next(gradients).reshape(-1) for _ in group.leaves])
            group.step += 1
            with torch.no_grad():
                self._update(group, group.settings, group.state, flat)
        return losses.detach()

    def parameters(self, copy: int) -> list[Tensor]:
        """The parameters of one copy, in the order of the optimizer's groups."""
        return [leaf[copy].detach() for leaf in self._leaves]


class _Group:
    """The copies of one group of parameters: blocks (K, size of a parameter) one after the other."""

    def __init__(self, optimizer: Optimizer, group: Group, rate: Tensor) -> None:
        self.settings = group
        self.originals: list[Tensor] = list(group["params"])
        states = [optimizer.state.get(p, {}) for p in self.originals]
        self.step = float(_one(states, "step", 0.0))
        self.theta = _copies([p.detach() for p in self.originals], len(rate))
        self.rate = torch.cat([rate[:, None].expand(-1, p.numel()).reshape(-1) for p in self.originals])
        self.state = {key: self._laid_out(states, key, len(rate)) for key in needed(group, type(optimizer))}
        sizes = [len(rate) * p.numel() for p in self.originals]
        self.leaves = [
            block.view(len(rate), *p.shape).requires_grad_()
            for block, p in zip(self.theta.detach().split(sizes), self.originals, strict=True)
        ]

    def _laid_out(self, states: Sequence[Mapping[str, Any]], key: str, copies: int) -> Tensor:
        parts = []
        for state, p in zip(states, self.originals, strict=True):
            kept = state.get(key)
            parts.append(torch.zeros_like(p.detach()) if kept is None else kept.detach())
        return _copies(parts, copies)


def _copies(parts: Sequence[Tensor], copies: int) -> Tensor:
    return torch.cat([part.reshape(1, -1).expand(copies, -1).reshape(-1) for part in parts])


def _one(states: Sequence[Mapping[str, Any]], key: str, default: float) -> float:
    """The value of `key` that all states share. Raises `CannotBatchError` if they differ."""
    found = {float(state.get(key, default)) for state in states}
    if len(found) != 1:
        raise CannotBatchError(f"parameters of one group differ in {key}")
    return found.pop()


# The optimizers. θ, g and the state are flat, `rate` has an element for each.

MUST_BE_OFF = ("maximize", "amsgrad", "differentiable", "dampening")


def _sgd(group: _Group, settings: Group, state: State, g: Tensor) -> None:
    if decay := settings["weight_decay"]:
        g = g.add(group.theta, alpha=decay)
    if momentum := settings["momentum"]:
        buffer = state["momentum_buffer"].mul_(momentum).add_(g)  # b ← μb + g
        g = g.add(buffer, alpha=momentum) if settings["nesterov"] else buffer
    group.theta.addcmul_(g, group.rate, value=-1)


def _adagrad(group: _Group, settings: Group, state: State, g: Tensor) -> None:
    if decay := settings["weight_decay"]:
        g = g.add(group.theta, alpha=decay)
    total = state["sum"].addcmul_(g, g)
    slowed = 1 + (group.step - 1) * settings["lr_decay"]
    group.theta.addcdiv_(g * group.rate, total.sqrt().add_(settings["eps"]), value=-1 / slowed)


def _rmsprop(group: _Group, settings: Group, state: State, g: Tensor) -> None:
    if decay := settings["weight_decay"]:
        g = g.add(group.theta, alpha=decay)
    alpha = settings["alpha"]
    average = state["square_avg"].mul_(alpha).addcmul_(g, g, value=1 - alpha)
    if settings["centered"]:
        mean = state["grad_avg"].lerp_(g, 1 - alpha)
        average = average.addcmul(mean, mean, value=-1)
    root = average.sqrt().add_(settings["eps"])
    if momentum := settings["momentum"]:
        buffer = state["momentum_buffer"].mul_(momentum).addcdiv_(g, root)
        group.theta.addcmul_(buffer, group.rate, value=-1)
    else:
        group.theta.addcdiv_(g * group.rate, root, value=-1)


def _adam(group: _Group, settings: Group, state: State, g: Tensor) -> None:
    decay, (beta1, beta2) = settings["weight_decay"], settings["betas"]
    if decay and settings["decoupled_weight_decay"]:
        group.theta.addcmul_(group.theta, group.rate, value=-decay)
    elif decay:
        g = g.add(group.theta, alpha=decay)
    mean = state["exp_avg"].lerp_(g, 1 - beta1)
    square = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
    root = (square.sqrt() / math.sqrt(1 - beta2**group.step)).add_(settings["eps"])
    group.theta.addcdiv_(mean * group.rate, root, value=-1 / (1 - beta1**group.step))


Rule = Callable[[_Group, Group, State, Tensor], None]
RULES: Mapping[type[Optimizer], Rule] = {
    torch.optim.SGD: _sgd,
    torch.optim.Adagrad: _adagrad,
    torch.optim.RMSprop: _rmsprop,
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adam,
}


def rule_of(optimizer: Optimizer) -> Rule:
    """The optimizer's batched update. Raises `CannotBatchError` if it, or a setting, has none."""
    if type(optimizer) not in RULES:
        raise CannotBatchError(f"{type(optimizer).__name__} has no batched update")
    for group in optimizer.param_groups:
        for setting in MUST_BE_OFF:
            if group.get(setting):
                raise CannotBatchError(f"{setting} has no batched update")
    return RULES[type(optimizer)]


def needed(settings: Group, kind: type[Optimizer]) -> list[str]:
    """Names of the optimizer's state tensors per parameter with these settings."""
    if kind is torch.optim.SGD:
        return ["momentum_buffer"] if settings["momentum"] else []
    if kind is torch.optim.Adagrad:
        return ["sum"]
    if kind is torch.optim.RMSprop:
        centered = ["grad_avg"] if settings["centered"] else []
        return ["square_avg", *centered, *(["momentum_buffer"] if settings["momentum"] else [])]
    return ["exp_avg", "exp_avg_sq"]
