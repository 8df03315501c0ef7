"""What an optimizer's settings and state say of its steps: rate, bound on the curvature, divisor."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.optim import Optimizer


def rate_of(optimizer: Optimizer) -> float:
    """The optimizer's learning rate."""
    return float(optimizer.param_groups[0]["lr"])


def bound(optimizer: Optimizer) -> float:
    """The curvature above which the optimizer's steps diverge on a quadratic.

    Plain descent: 2/η. Momentum β: 2(1 + β)/η; Nesterov's: 2(1 + β)/(η(1 + 2β)). Adam, whose momentum is
    an average: 2(1 + β₁)/(η(1 − β₁)), 38/η by default (Cohen et al. 2022).
    """
    group = optimizer.param_groups[0]
    rate = rate_of(optimizer)
    if not rate:
        return math.inf
    if "betas" in group:
        beta = float(group["betas"][0])
        return 2 * (1 + beta) / ((1 - beta) * rate)
    beta = float(group.get("momentum", 0))
    if group.get("nesterov"):
        return 2 * (1 + beta) / ((1 + 2 * beta) * rate)
    return 2 * (1 + beta) / rate


def stable_rate(optimizer: Optimizer, sharpness: float) -> float:
    """The learning rate above which its steps diverge on a quadratic of that sharpness: 2/λ for plain
    descent; NaN where none is known.
    """
    limit = rate_of(optimizer) * bound(optimizer)
    return limit / sharpness if sharpness > 0 else math.nan


def preconditioner(optimizer: Optimizer, parameters: Sequence[Tensor]) -> list[Tensor] | None:
    """The divisor of an adaptive optimizer's steps, per parameter; None if there is none (yet).

    Adam: √v̂ + ε; RMSprop: √v + ε; Adagrad: √(sum of squares) + ε; Adadelta: √(v + ε) / √(u + ε).
    """
    group = optimizer.param_groups[0]
    found = []
    for parameter in parameters:
        state = optimizer.state.get(parameter, {})
        if "exp_avg_sq" in state and "betas" in group:
            unbiased = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
        elif "acc_delta" in state:
            eps = group["eps"]
            found.append((state["square_avg"] + eps).sqrt() / (state["acc_delta"] + eps).sqrt())
            continue
        elif "square_avg" in state and "alpha" in group:
            unbiased = state["square_avg"]
        elif "sum" in state:
            unbiased = state["sum"]
        else:
            return None
        found.append(unbiased.sqrt() + group["eps"])
    return found


def is_yet_to_rescale(optimizer: Optimizer, parameters: Sequence[Tensor]) -> bool:
    """Whether it is an adaptive one that has taken no step."""
    adaptive = {"betas", "alpha", "rho"} & set(optimizer.param_groups[0])
    return bool(adaptive) and preconditioner(optimizer, parameters) is None
