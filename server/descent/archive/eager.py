"""Gradients as autograd gives them.

In a script this stands in for `kit/nn/traced.py`, whose gradients are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor


class Gradients:
    """Writes a loss's gradients into the parameters' `.grad`."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)

    def __call__(
        self, loss: Callable[..., tuple[Tensor, Tensor]], *inputs: Tensor, settings: Hashable
    ) -> Tensor:
        """The first of what `loss` returns; the gradients are those of the second, a scalar."""
        shown, objective = loss(*inputs)
        gradients = torch.autograd.grad(objective, self._parameters)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return shown.detach()


def alone(loss: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """A loss that is shown as it is."""

    def both(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        found = loss(*inputs)
        return found, found

    return both
