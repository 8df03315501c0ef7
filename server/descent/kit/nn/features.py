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
    """Vectors (N, D) along the two directions in which they vary most, each one's largest weight positive.

    (N, 2); all at 0 where one is not finite, as of a network that has diverged.
    """
    if not h.isfinite().all():
        return h.new_zeros(len(h), 2)
    centred = h - h.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:2]  # (2, D)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return centred @ (axes * largest.sign()).T


def neighbours_plane(h: Tensor) -> Tensor:
    """Vectors (N, D) in the plane (N, 2) so that near ones stay near, by t-SNE from `principal_plane`.

    The same for the same vectors. Those that do not differ, and fewer than five, are as PCA lays them. At 200
    vectors it takes 0.2 s on one thread. Source: van der Maaten and Hinton, "Visualizing data using t-SNE"
    (2008).
    """
    from sklearn.manifold import TSNE  # loaded when first asked for: it takes a second
    from threadpoolctl import threadpool_limits

    begin = principal_plane(h)
    scale = begin[:, 0].std(correction=0)
    if len(h) < 5 or not scale > 0:
        return begin
    start = (begin / scale * 1e-4).cpu().numpy()
    perplexity = min(30.0, (len(h) - 1) / 3)
    with threadpool_limits(1):
        laid = TSNE(init=start, perplexity=perplexity, max_iter=500, random_state=0).fit_transform(
            h.cpu().numpy()
        )
    return torch.from_numpy(laid)
