"""Why a network says what it says of a picture: saliency, Grad-CAM, occlusion.

`score` maps a batch to one number each, such as the score of a class before the softmax; it must not mix
what is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]


def gradient(x: Tensor, score: Score) -> Tensor:
    """∂score/∂x, shaped like x (B, …). No parameter's gradient is touched."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(score(x).sum(), x)
    return found


def saliency(x: Tensor, score: Score) -> Tensor:
    """How much each pixel of x (B, C, H, W) matters: max over channels of |∂score/∂x|, (B, H, W).

    Simonyan, Vedaldi, Zisserman 2014, arXiv:1312.6034, §3.1.
    """
    return gradient(x, score).abs().amax(1)


def grad_cam(maps: Tensor, score: Score) -> Tensor:
    """Where in the maps A (B, K, H, W) lies what speaks for the class: (B, H, W), not negative.

        α_k = mean over places of ∂score/∂A_k,  L = max(0, Σ_k α_k A_k)

    `score` is the rest of the network, from the maps on. Selvaraju et al. 2017, arXiv:1610.02391, eq. 1, 2.
    """
    weights = gradient(maps, score).mean((2, 3), keepdim=True)  # α, (B, K, 1, 1)
    return (weights * maps.detach()).sum(1).clamp(min=0)


def occlusion(x: Tensor, score: Score, side: int, stride: int, fill: float) -> Tensor:
    """How much the score of x (C, H, W) falls when a square is covered, by its place: (H', W').

    The square has the value `fill`. Zeiler and Fergus 2014, arXiv:1311.2901, §4.2.
    """
    _, height, width = x.shape
    rows, columns = ((size - side) // stride + 1 for size in (height, width))
    covered = x.expand(rows * columns, -1, -1, -1).clone()
    for place in range(rows * columns):
        top, left = (at * stride for at in divmod(place, columns))
        covered[place, :, top : top + side, left : left + side] = fill
    return (score(x[None]) - score(covered)).view(rows, columns)
