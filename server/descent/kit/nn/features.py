"""Networks whose features are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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
