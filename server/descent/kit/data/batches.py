"""Which samples step n sees: a pure function of (seed, n), so that no iterator has state to save."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from descent.contract import Experiment, batches_per_epoch

__all__ = ["batches_per_epoch", "coming_rows", "minibatch"]


def coming_rows(experiment: Experiment[Any], size: int, total: int) -> torch.Tensor:
    """The sample indices of an experiment's coming step, on its device: see `minibatch`."""
    rows = minibatch(experiment.seed, experiment.step_index, size, total)
    return rows.to(experiment.device)


def minibatch(seed: int, n: int, size: int, total: int) -> torch.Tensor:
    """The sample indices of step `n`, int64 (size,) or fewer at an epoch's end.

    Each epoch is a fresh permutation of `total` samples, cut into batches of `size` without replacement. That
    of epoch k is drawn from `Experiment.generator(k)`.
    """
    epoch, batch = divmod(n, batches_per_epoch(size, total))
    return _epoch(seed, epoch, min(size, total), total)[batch]


@lru_cache(maxsize=4)
def _epoch(seed: int, epoch: int, size: int, total: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + epoch + 1) % 2**63)
    return torch.randperm(total, generator=generator).split(size)
