"""Learners trained side by side, each with an optimizer of its own; one that goes too far is out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

from torch import Tensor
from torch.nn import Module
from torch.optim import SGD, Optimizer

from descent.contract import Experiment, K, Measure, Scalars
from descent.kit.nn.lean import backward, update
from descent.kit.nn.traced import Gradients, alone

N = TypeVar("N", bound=str)


def by_learner(kind: str, titles: Mapping[N, str]) -> dict[str, str]:
    """The scalars `kind/<name>` of learners, with their titles."""
    return {f"{kind}/{name}": title for name, title in titles.items()}


def losses_by_learner(titles: Mapping[N, str]) -> dict[str, Measure]:
    """The meaning of the scalars `loss/<name>` of learners."""
    return {f"loss/{name}": Measure("loss", of=title) for name, title in titles.items()}


class Race(Experiment[K]):
    """Learners of one thing. One that goes too far is out for good; when all are, the run diverges."""

    titles: ClassVar[Mapping[Any, str]]  # of the learners, by name
    racing: list[Any]  # those that are not out, all by name or all by place in `titles`

    def all_out(self) -> Scalars:
        """The scalars of a step that nobody takes."""
        return {f"loss/{name}": math.nan for name in self.titles}

    def gone(self) -> list[bool]:
        """Whether each learner is out."""
        return [not {name, place} & {*self.racing} for place, name in enumerate(self.titles)]

    def out(self) -> list[str]:
        """Titles of the learners that are out."""
        return [title for title, gone in zip(self.titles.values(), self.gone(), strict=True) if gone]


class NetworkRace(Race[K]):
    """Networks that differ in one thing, each going down its own loss by plain gradient descent."""

    far: ClassVar[float]  # a loss beyond is out

    def line_up(self, networks: Mapping[Any, Module], lr: float) -> None:
        """Give every network an optimizer, and let all of them take part."""
        self.optimizers = {
            name: SGD(network.parameters(), lr, fused=True) for name, network in networks.items()
        }
        self.traced = {name: Gradients(list(network.parameters())) for name, network in networks.items()}
        self.racing = list(networks)

    @abstractmethod
    def coming(self) -> tuple[Tensor, ...]:
        """The coming mini-batch."""

    @abstractmethod
    def loss_of(self, name: Any, *batch: Tensor) -> Tensor:
        """A network's loss on a mini-batch, of which, and of the network, it is a function."""

    def step(self, knobs: K) -> Scalars:
        """One step of every network that is not out."""
        if not self.racing:
            return self.all_out()
        batch, row = self.coming(), {}
        for name in tuple(self.racing):
            loss = self.traced[name](alone(partial(self.loss_of, name)), *batch, settings=())
            if not loss.item() <= self.far:
                self.racing.remove(name)
                continue
            update(self.optimizers[name])
            row[f"loss/{name}"] = loss
        return row


def step_all(
    racing: list[N], loss_of: Callable[[N], Tensor], optimizers: Mapping[N, Optimizer], far: float
) -> dict[str, Tensor]:
    """One step of every network in `racing`: the losses before it, as `loss/<name>`.

    A network whose loss is not at most `far` takes no step, and leaves `racing` for good.
    """
    row = {}
    for name in tuple(racing):
        loss = loss_of(name)
        if not loss.item() <= far:
            racing.remove(name)
            continue
        backward(loss)
        update(optimizers[name])
        optimizers[name].zero_grad()
        row[f"loss/{name}"] = loss.detach()
    return row
