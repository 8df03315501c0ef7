"""Several networks side by side, each with an optimizer of its own; one that diverges is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor
from torch.optim import Optimizer

from descent.kit.nn.lean import backward, update

N = TypeVar("N", bound=str)


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
