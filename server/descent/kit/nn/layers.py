"""The parameters of a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class UniformLayers(nn.Module):
    """Weights W (below, above) and biases b (above,) of each layer, uniform within ±1/√below at first.

    `sizes` are the units per layer, input and output included. With `members`, as many networks in one:
    W (members, below, above) and b (members, 1, above).
    """

    def __init__(self, sizes: Sequence[int], members: int = 0) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for below, above in pairwise(sizes):
            bound = below**-0.5
            weight = (members, below, above) if members else (below, above)
            bias = (members, 1, above) if members else (above,)
            self.weights.append(torch.empty(weight).uniform_(-bound, bound))
            self.biases.append(torch.empty(bias).uniform_(-bound, bound))

    def pairs(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """W and b of each layer."""
        return list(zip(self.weights, self.biases, strict=True))


class Activated(nn.Module):
    """A network that is told its activation with each call, and one activation: a module of its own."""

    def __init__(self, network: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives for `x`."""
        return self.network(x, self.activation)
