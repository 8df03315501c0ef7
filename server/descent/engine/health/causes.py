"""Causes of vanishing gradients, silent units and growing weights. The remedy follows from the cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from descent.contract import Knobs, Objective
from descent.engine.objectives.curvature import curvature_of, dot
from descent.engine.objectives.layers import layers_of
from descent.engine.objectives.optimizers import bound, rate_of

UPHILL = 0.9  # cosine of a step and the gradient above which it leads straight up
MOSTLY = 0.5  # share of the dead units whose weights are all 0
SATURATING = ("tanh", "sigmoid")


def activation_of(knobs: Knobs) -> str:
    """The hidden units' activation, as the knob `activation` has it; empty without one."""
    return str(getattr(knobs, "activation", ""))


def one_batch_says_nothing(knobs: Knobs, layer: Sequence[Tensor], most: int) -> bool:
    """Whether a layer is normalised (it has a scale and a shift) over so few examples that x̂ is but a sign,
    or 0.
    """
    size = getattr(knobs, "batch_size", None)
    return sum(part.ndim == 1 for part in layer) >= 2 and isinstance(size, int) and size <= most


def of_vanishing(knobs: Knobs, layers: Mapping[str, Sequence[Tensor]], layer: str, from_start: bool) -> str:
    """The cause: `batch`, `sigmoid`, `start` (first weights, or depth), or `rate` (weights thrown off)."""
    following = list(layers)[list(layers).index(layer) :]
    if any(one_batch_says_nothing(knobs, layers[name], 2) for name in following):
        return "batch"
    if activation_of(knobs) == "sigmoid":
        return "sigmoid"
    return "start" if from_start else "rate"


def of_silence(knobs: Knobs, objective: Objective, layer: str, dead: Tensor) -> str:
    """The cause of dead units, (units,): `batch`, `zeros` (no weights to or from), `saturated`, or `relu`."""
    layers = layers_of(objective)
    if one_batch_says_nothing(knobs, layers[layer], 1):
        return "batch"
    units = len(dead)
    names = list(layers)
    into = [part for part in layers[layer] if part.ndim == 2 and units in part.shape]
    onward = [part for part in layers[names[names.index(layer) + 1]] if part.ndim == 2]
    cut = torch.zeros_like(dead)
    for weight in into:
        cut |= _all_zero(weight, -1 if weight.shape[-1] == units else 0)
    for weight in onward:
        if units in weight.shape:
            cut |= _all_zero(weight, 0 if weight.shape[0] == units else -1)
    if (cut & dead).float().sum() >= MOSTLY * dead.float().sum():
        return "zeros"
    return "saturated" if activation_of(knobs) in SATURATING else "relu"


def _all_zero(weight: Tensor, axis: int) -> Tensor:
    """Along `axis`, whether all weights of that unit are exactly 0."""
    return (weight.detach() == 0).all(1 + axis if axis == 0 else 0)


def penalty_of(objective: Objective) -> tuple[float, float]:
    """The curvature that a penalty on the weights adds, and the most there is at this rate before it alone
    makes them grow. A rule that divides by the gradient's size is not driven by it, unless it decays weights
    beside the gradient.
    """
    optimizer = objective.optimizer
    group = optimizer.param_groups[0]
    decay = max(float(one.get("weight_decay", 0.0)) for one in optimizer.param_groups)
    if "betas" in group or "rho" in group or "alpha" in group or "lr_decay" in group:
        decoupled = isinstance(optimizer, torch.optim.AdamW) or group.get("decoupled_weight_decay", False)
        return (decay if decoupled else 0.0), 2 / max(rate_of(optimizer), 1e-30)
    return objective.penalty + decay, bound(optimizer)


def leads_uphill(objective: Objective, step: Sequence[Tensor]) -> bool:
    """Whether the coming step of plain descent goes along the gradient and not against it."""
    group = objective.optimizer.param_groups[0]
    if not isinstance(objective.optimizer, torch.optim.SGD) or group.get("momentum"):
        return False  # momentum may well carry a step uphill
    gradient = curvature_of(objective).gradient()
    lengths = dot(step, step) * dot(gradient, gradient)
    return lengths > 0 and dot(step, gradient) > UPHILL * lengths**0.5
