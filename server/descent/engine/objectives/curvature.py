"""The effect of a step on a loss, by Taylor's series around its start.

    L(θ + Δθ) ≈ L(θ) + ∇L·Δθ + ½ Δθᵀ H Δθ

H, the Hessian, is never made: its products with a vector are differences of two gradients, which works
under fused kernels that cannot be differentiated twice, and on any device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from descent.contract import Objective
from descent.engine.objectives.batched_loss import losses_at
from descent.engine.objectives.optimizers import preconditioner

ROUNDING = 10 * torch.finfo(torch.float32).eps  # of a loss: a smaller change of it is not significant
AT_ONCE = 1 << 20  # numbers, in all copies of the parameters together, evaluated in one pass
Vector = list[Tensor]  # one tensor per parameter, shaped like it


@dataclass(frozen=True)
class Anatomy:
    """The change of a loss in one step: what the slope and the curvature predict, and what it is."""

    loss: float
    first: float  # ∇L·Δθ
    second: float  # ½ Δθᵀ H Δθ
    actual: float  # L(θ + Δθ) − L(θ)


@dataclass(frozen=True)
class WhatIf:
    """The loss after a step of each learning rate along one direction.

    `best`: the rate with the smallest loss; `critical`: where the loss is again what it was before. Each is
    NaN if it is nowhere within the rates, and where no rate lowers the loss by more than rounding.
    """

    rates: list[float]
    losses: list[float]
    before: float
    best: float
    critical: float
    lost_in_rounding: bool  # no rate lowers the loss by more than that


class Curvature:
    """Evaluates a loss around its parameters, which are restored afterwards."""

    def __init__(self, loss: Callable[[], Tensor], parameters: Sequence[Tensor]) -> None:
        self._objective = loss
        self._parameters = list(parameters)
        # The same random numbers for each look: a dropout mask is part of the loss.
        self._chance = torch.get_rng_state()

    def loss(self) -> float:
        """L(θ)."""
        return float(self._loss().detach())

    def gradient(self) -> Vector:
        """∇L(θ); zero for a parameter that the loss does not depend on."""
        with torch.enable_grad():
            found = torch.autograd.grad(self._loss(), self._parameters, allow_unused=True)
        return [
            torch.zeros_like(parameter) if g is None else g
            for parameter, g in zip(self._parameters, found, strict=True)
        ]

    @torch.no_grad()
    def product(self, vector: Vector) -> Vector:
        """H v, by the central difference of two gradients, relative error of about 1e-8 in float64."""
        length = norm(vector)
        if length == 0:
            return [torch.zeros_like(part) for part in vector]
        precision = torch.finfo(self._parameters[0].dtype).eps
        scale = 1 + norm(self._parameters) / math.sqrt(sum(part.numel() for part in vector))
        step = precision ** (1 / 3) * scale / length
        with self._moved(vector, step):
            ahead = self.gradient()
        with self._moved(vector, -step):
            behind = self.gradient()
        return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]

    @torch.no_grad()
    def around(self, step: Vector) -> tuple[Vector, Vector]:
        """∇L(θ) and ∇L(θ + Δθ)."""
        with self._moved(step, 1):
            after = self.gradient()
        return self.gradient(), after

    @torch.no_grad()
    def anatomy(self, step: Vector) -> Anatomy:
        """The change of the loss in the step Δθ, and its prediction."""
        before = self.loss()
        with self._moved(step, 1):
            after = self.loss()
        first = dot(self.gradient(), step)
        return Anatomy(before, first, dot(self.product(step), step) / 2, after - before)

    @torch.no_grad()
    def what_if(self, direction: Vector, rates: Sequence[float]) -> WhatIf:
        """The loss at θ + η·direction for each rate η, ascending."""
        before = self.loss()
        losses = self._at_once(direction, rates) or [self._at(direction, rate) for rate in rates]
        finite = [loss if math.isfinite(loss) else math.inf for loss in losses]
        lower = before - ROUNDING * abs(before)
        falls = next((i for i, loss in enumerate(finite) if loss < lower), None)
        if falls is None:
            return WhatIf(list(rates), losses, before, math.nan, math.nan, math.isfinite(before))
        at = min(range(len(rates)), key=finite.__getitem__)
        best = rates[at] if at < len(rates) - 1 else math.nan  # at the end it may be anywhere beyond
        return WhatIf(
            list(rates), losses, before, best, critical(rates[falls:], finite[falls:], before), False
        )

    @torch.no_grad()
    def sharpness(
        self,
        start: Vector | None = None,
        *,
        preconditioner: Vector | None = None,
        iterations: int = 20,
        tolerance: float = 1e-3,
    ) -> tuple[float, Vector]:
        """The Hessian's dominant eigenvalue and its eigenvector, by power iteration from `start`.

        With `preconditioner` P, a positive number per parameter, those of P^(-1/2) H P^(-1/2), which is what
        bounds the learning rate of an adaptive optimizer (Cohen et al. 2022). Ends when the eigenvalue
        changes by less than `tolerance` of itself.
        """
        roots = [p.sqrt() for p in preconditioner] if preconditioner else None
        vector = start or [torch.randn_like(parameter) for parameter in self._parameters]
        vector = _scaled(vector, 1 / (norm(vector) or 1))
        value = 0.0
        for _ in range(iterations):
            inner = [v / r for v, r in zip(vector, roots, strict=True)] if roots else vector
            image = self.product(inner)
            if roots:
                image = [v / r for v, r in zip(image, roots, strict=True)]
            before, value = value, dot(vector, image)
            length = norm(image)
            if length == 0 or not math.isfinite(length):
                break
            vector = _scaled(image, 1 / length)
            if abs(value - before) <= tolerance * abs(value):
                break
        return value, vector

    def _at(self, direction: Vector, rate: float) -> float:
        """The loss at θ + η·direction."""
        with self._moved(direction, rate):
            return self.loss()

    def _at_once(self, direction: Vector, rates: Sequence[float]) -> list[float]:
        """The losses at all rates in one batched pass; empty if the model is too large or unbatchable."""
        if len(rates) * sum(p.numel() for p in self._parameters) > AT_ONCE:
            return []
        factors = torch.tensor(rates, dtype=self._parameters[0].dtype, device=self._parameters[0].device)
        moved = [
            parameter.detach() + factors.view(-1, *[1] * parameter.ndim) * part
            for parameter, part in zip(self._parameters, direction, strict=True)
        ]
        kept = torch.get_rng_state()
        torch.set_rng_state(self._chance)
        try:
            losses: list[float] = losses_at(self._objective, self._parameters, moved).tolist()
        except (
            RuntimeError,
            NotImplementedError,
            ValueError,
            TypeError,
            IndexError,
        ):  # whatever vmap refuses
            return []
        finally:
            torch.set_rng_state(kept)
        middle = len(rates) // 2
        real = self._at(direction, rates[middle])
        return losses if math.isclose(losses[middle], real, rel_tol=1e-3, abs_tol=1e-6) else []

    def _loss(self) -> Tensor:
        kept = torch.get_rng_state()
        torch.set_rng_state(self._chance)
        try:
            return self._objective()
        finally:
            torch.set_rng_state(kept)

    @contextmanager
    def _moved(self, direction: Vector, length: float) -> Iterator[None]:
        """Context with the parameters at θ + length·direction."""
        kept = [parameter.detach().clone() for parameter in self._parameters]
        try:
            for parameter, part in zip(self._parameters, direction, strict=True):
                parameter.data.add_(part, alpha=length)
            yield
        finally:
            for parameter, before in zip(self._parameters, kept, strict=True):
                parameter.data.copy_(before)


def critical(rates: Sequence[float], losses: Sequence[float], before: float) -> float:
    """The first rate, between two neighbours on a logarithmic scale, where the loss rises over `before`."""
    for (low, under), (high, over) in pairwise(zip(rates, losses, strict=True)):
        if under <= before < over:
            share = (before - under) / (over - under) if math.isfinite(over) else 0.0
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return math.nan


def dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """Inner product of two vectors, in float64, on the CPU where their device has none."""

    def wide(part: Tensor) -> Tensor:
        part = part.detach()
        return (part if part.device.type in ("cpu", "cuda") else part.cpu()).double()

    pairs = zip(left, right, strict=True)
    return float(sum((wide(a) * wide(b)).sum().item() for a, b in pairs))


def norm(vector: Sequence[Tensor]) -> float:
    """Euclidean length."""
    return math.sqrt(dot(vector, vector))


def _scaled(vector: Vector, factor: float) -> Vector:
    return [part * factor for part in vector]


def curvature_of(objective: Objective) -> Curvature:
    """The curvature of an objective's loss around its parameters."""
    return Curvature(objective.loss, objective.parameters)


class Sharpness:
    """Sharpness of objectives by name, preconditioned as by their optimizers. Looks are warm-started."""

    def __init__(self) -> None:
        self._eigenvectors: dict[str, Vector] = {}

    def look(self, name: str, objective: Objective, *, first: int, then: int) -> float:
        """Dominant eigenvalue: `first` power iterations from scratch, `then` when warm-started."""
        start = self._eigenvectors.get(name)
        if start and [v.shape for v in start] != [p.shape for p in objective.parameters]:
            start = None
        value, self._eigenvectors[name] = curvature_of(objective).sharpness(
            start,
            preconditioner=preconditioner(objective.optimizer, objective.parameters),
            iterations=then if start else first,
        )
        return value
