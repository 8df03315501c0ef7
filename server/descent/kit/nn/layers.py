"""The parameters of a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class PlaneNetwork(UniformLayers):
    """A multilayer perceptron; `sizes` are the units per layer, input and output included.

    Weights are stored (in, out), so that a layer is one `addmm` and its gradient needs no transpose.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        # The same parameters in a plain list: looking one up in a ParameterList takes as long as a matmul.
        self.layers = self.pairs()

    def forward(self, h: Tensor, activation: Callable[[Tensor], Tensor], dropout: float = 0.0) -> Tensor:
        """z (B, 1) for the features h (B, F). Hidden units are dropped only where `dropout` is given."""
        *hidden, (last_weight, last_bias) = self.layers
        for weight, bias in hidden:
            h = activation(torch.addmm(bias, h, weight))  # h_l = φ(h_{l−1} W_l + b_l)
            if dropout:
                h = F.dropout(h, dropout)
        return torch.addmm(last_bias, h, last_weight)

    def units(self, h: Tensor, activation: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """What each layer puts out for h (B, F), input first and z last: (B, units) each."""
        outputs = [h]
        for weight, bias in self.layers[:-1]:
            outputs.append(activation(torch.addmm(bias, outputs[-1], weight)))
        weight, bias = self.layers[-1]
        return [*outputs, torch.addmm(bias, outputs[-1], weight)]

    def put(self, layer: int, source: int, target: int, value: float) -> None:
        """Write one weight, of places that count from 1, where the network has it."""
        if not 1 <= layer <= len(self.weights):
            return
        weight = self.weights[layer - 1].data  # (in, out)
        if 1 <= source <= weight.shape[0] and 1 <= target <= weight.shape[1]:
            weight[source - 1, target - 1] = value


class Activated(nn.Module):
    """A network that is told its activation with each call, and one activation: a module of its own."""

    def __init__(self, network: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives for `x`."""
        return self.network(x, self.activation)
