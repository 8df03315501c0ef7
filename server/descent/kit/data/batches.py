"""Which samples step n sees: a pure function of (seed, n), so that no iterator has state to save."""

from __future__ import annotations

from functools import lru_cache

import torch


def minibatch(seed: int, n: int, size: int, total: int) -> torch.Tensor:
    """The sample indices of step `n`, int64 (size,) or fewer at an epoch's end.

    Each epoch is a fresh permutation of `total` samples, cut into batches of `size` without replacement.
    """
    epoch, batch = divmod(n, batches_per_epoch(size, total))
    return _epoch(seed, epoch, min(size, total), total)[batch]


def batches_per_epoch(size: int, total: int) -> int:
    """How many batches one pass over `total` samples takes."""
    return -(-total // min(size, total))


@lru_cache(maxsize=4)
def _epoch(seed: int, epoch: int, size: int, total: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + epoch + 1) % 2**63)
    batches: tuple[torch.Tensor, ...] = torch.randperm(total, generator=generator).split(size)
    return batches
