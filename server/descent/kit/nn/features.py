"""Networks whose features are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn


class Reader(nn.Module):
    """Pictures (B, C, H, W) → scores (B, classes), by way of features f (B, D) and a last layer V."""

    def __init__(self, layers: Sequence[nn.Module], last: nn.Linear) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.last = last

    def fresh(self, classes: int) -> Reader:
        """The same layers for other classes, from random weights."""
        other = Reader(list(deepcopy(self.features))[:-1], nn.Linear(self.last.in_features, classes))
        for module in other.features.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
        return other

    def forward(self, x: Tensor) -> Tensor:
        """V f(x)."""
        return self.last.forward(self.features(x))


@contextmanager
def used(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Networks in eval mode for a while."""
    modes = [network.training for network in networks]
    for network in networks:
        network.eval()
    yield
    for network, mode in zip(networks, modes, strict=True):
        network.train(mode)


def weights_of(modules: Sequence[nn.Module]) -> list[Tensor]:
    """All parameters of some modules."""
    return [weight for module in modules for weight in module.parameters()]


def principal_plane(h: Tensor) -> Tensor:
    """Vectors (N, D) along the two directions in which they vary most, each one's largest weight positive."""
    centred = h - h.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:2]  # (2, D)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return centred @ (axes * largest.sign()).T
