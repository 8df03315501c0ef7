"""What the next token is drawn from: temperature, top-k and top-p.

    p_i ∝ exp(z_i / τ)                                        τ → 0: the likeliest alone
    top-k: of these, the k likeliest
    top-p: of these, the fewest likeliest whose sum reaches p ("nucleus")

What is left is divided by its sum. Source: Holtzman et al. 2019, "The Curious Case of Neural Text
Degeneration", arXiv:1904.09751, §3; top-k: Fan, Lewis, Dauphin 2018, arXiv:1805.04833, §5.4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sampled_from(z: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """The distribution (…, V) that logits (…, V) are drawn from; `top_k` 0 and `top_p` 1 leave all."""
    if temperature == 0:
        return F.one_hot(z.argmax(-1), z.shape[-1]).to(z.dtype)
    p, order = (z / temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
    if top_k:
        p = F.pad(p[..., :top_k], (0, max(0, p.shape[-1] - top_k)))
        p = p / p.sum(-1, keepdim=True)
    if top_p < 1:
        p = p * (p.cumsum(-1) - p < top_p)  # those before them do not reach it yet
        p = p / p.sum(-1, keepdim=True)
    return torch.zeros_like(p).scatter(-1, order, p)


def drawn_token(p: Tensor, draw: float) -> Tensor:
    """The token, (1,), at which the sum of p (V,) exceeds `draw`, a number from 0 to 1."""
    total = p.cumsum(-1)
    last = torch.count_nonzero(total < total[-1])  # where the sum is complete: rounding leads no further
    return torch.searchsorted(total, draw * total[-1:], right=True).clamp(max=last)
