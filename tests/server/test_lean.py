"""The lean step computes what torch's own methods compute, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.optim import Optimizer

from descent.kit.nn.lean import backward, update

OPTIMIZERS: list[Callable[..., Optimizer]] = [
    lambda p: torch.optim.SGD(p, 0.1, fused=True),
    lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, fused=True),
    lambda p: torch.optim.Adagrad(p, 0.1, fused=True),
    lambda p: torch.optim.RMSprop(p, 0.01, foreach=True),
    lambda p: torch.optim.Adam(p, 0.01, fused=True),
    lambda p: torch.optim.AdamW(p, 0.01, fused=True),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_lean_step_equals_torchs_own(make: Callable[..., Optimizer]) -> None:
    weights = []
    for lean in (False, True):
        torch.manual_seed(0)
        weight = torch.randn(4, 3, requires_grad=True)
        optimizer = make([weight])
        for _ in range(20):
            weight.grad = None
            objective = torch.tanh(torch.randn(5, 4) @ weight).square().mean()
            if lean:
                backward(objective)
                update(optimizer)
            else:
                objective.backward()
                optimizer.step()
        weights.append(weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
