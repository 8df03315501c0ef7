"""Where a token stands, as numbers: sinusoids that are added to it, and rotations of its queries and keys.

    ω_i = base^(−2i/d)
    PE(pos)_2i = sin(ω_i pos),  PE(pos)_2i+1 = cos(ω_i pos)
    PE(pos + k) = M_k PE(pos),  M_k one block [[cos ω_i k, sin ω_i k], [−sin ω_i k, cos ω_i k]] per pair
    rotary: (x_2i, x_2i+1) turned by the angle ω_i pos

Source: Vaswani et al. 2017, arXiv:1706.03762, §3.5; Su et al. 2021, arXiv:2104.09864, §3.2 and eq. 34.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frequencies(d: int, base: float) -> Tensor:
    """ω, (d/2,)."""
    return base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)


def sinusoids(positions: Tensor, d: int, base: float) -> Tensor:
    """PE of positions (T,): (T, d)."""
    angle = positions.cpu().double()[:, None] * frequencies(d, base)
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1).float().to(positions.device)


def shift_matrix(k: int, d: int, base: float) -> Tensor:
    """M_k, (d, d)."""
    angle = k * frequencies(d, base)
    blocks = [torch.tensor([[c, s], [-s, c]]) for c, s in zip(angle.cos(), angle.sin(), strict=True)]
    return torch.block_diag(*blocks).float()


def turned(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Vectors x (…, T, d) turned pair by pair by their positions (T,)."""
    sin, cos = sinusoids(positions, x.shape[-1], base).unflatten(1, (-1, 2)).unbind(2)  # (T, d/2) each
    first, second = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)
