"""Learning rate.

One small network, one knob. From too small to good, to swinging, to flying apart: before each step Taylor's
formula says what η will do, and the curvature of the loss says where it ends.

Gradient descent wants L(θ + Δθ) < L(θ). Taylor's formula tells what a step Δθ = −η∇L brings:

    L(θ + Δθ) ≈ L(θ) + ∇L·Δθ + ½ ΔθᵀHΔθ = L(θ) − η‖∇L‖² + ½ η² ∇LᵀH∇L

The first term always promises a fall and grows with η; the second takes it back and grows with η². Along an
eigenvector of the Hessian H with eigenvalue λ the loss is a parabola, and a step multiplies the distance to
its bottom by 1 − ηλ: near 1 it creeps, below 0 it swings, below −1 it grows. So η has an edge at 2/λ_max.

The model: ŷ = Σ_j v_j tanh(w_j x + b_j) + c on N = 40 points, L = (1/N) Σ (ŷ − y)², all points in each step.
It is small enough for H to be exact, and large enough to do what networks do: just above the edge it does not
fly apart but moves to where the curvature is smaller, until 2/λ_max is η.

Source: LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", §5 (the regimes of η); Cohen, Kaur, Li, Kolter,
Talwalkar 2021, "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability", §2–3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn, optim

from descent.contract import Experiment, Knobs, Measure, Objective, Preset, Scalars, fixed, rate
from descent.contract import panels as p
from descent.kit.reading import foremost
from descent.kit.text import figure, rough, term

POINTS = 40
SPREAD, LEVEL = 0.5, 0.3  # standard deviations of the first w and b, and of the first v times √D
BLOWN = 1e30  # a loss beyond is on its way to infinity, and has no curvature worth telling
SAMPLES = 121  # along a drawn curve
LARGEST = 1e36  # that is drawn
DIRECTIONS = 8  # of largest curvature that are shown
PATIENCE = (50, 300)  # steps of the sweep over rates
RATES = tuple(torch.logspace(-6, 1, 43, dtype=torch.float64).tolist())

TARGETS = {"sine": torch.sin, "step": torch.sign, "tent": lambda x: 1 - 2 * x.abs() / 3}


class RateKnobs(Knobs):
    lr: float = rate(
        0.1, log=(1e-6, 10.0), typical=(0.01, 0.2), help="Length of a step per slope: Δθ = −η∇L."
    )
    target: Literal["sine", "step", "tent"] = fixed(
        "sine", "To be learned", options={"sine": "sine", "step": "step", "tent": "tent"}, group="model"
    )
    noise: float = fixed(0.1, "Noise", "σ", range=(0.0, 1.0), step=0.05, group="model")
    hidden: int = fixed(8, "Hidden units", "D", range=(1, 32), group="model")


def network(θ: Tensor, x: Tensor) -> Tensor:
    """ŷ = Σ_j v_j tanh(w_j x + b_j) + c: θ (…, 3D + 1) and x (N,) → (…, N)."""
    D = θ.shape[-1] // 3
    w, b, v, c = θ[..., None, :].split([D, D, D, 1], -1)  # (…, 1, D)
    return (v * torch.tanh(w * x[:, None] + b)).sum(-1) + c[..., 0]


def loss_of(θ: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(1/N) Σ (ŷ − y)²: θ (…, 3D + 1) → (…)."""
    return (network(θ, x) - y).square().mean(-1)


@lru_cache(maxsize=4)
def sweep(θ: tuple[float, ...], x: tuple[float, ...], y: tuple[float, ...]) -> Tensor:
    """The loss after `PATIENCE` steps from θ, with each of `RATES`: (2, R), at most `BLOWN`."""
    points, targets = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    places = torch.tensor(θ, dtype=torch.float64).expand(len(RATES), -1)  # (R, P)
    η = torch.tensor(RATES, dtype=torch.float64)[:, None]
    found = []
    for step in range(PATIENCE[-1] + 1):
        with torch.enable_grad():
            places = places.detach().requires_grad_()
            losses = loss_of(places, points, targets)  # (R,)
            (g,) = torch.autograd.grad(losses.sum(), places)
        if step in PATIENCE:
            found.append(torch.where(losses < BLOWN, losses, BLOWN).detach())
        places = places - η * g
    return torch.stack(found)


class Taylor(NamedTuple):
    """A loss and its derivatives at one place."""

    loss: Tensor
    g: Tensor  # ∇L (P,)
    H: Tensor  # (P, P)

    def terms(self, Δθ: Tensor) -> tuple[Tensor, Tensor]:
        """∇L·Δθ and ½ ΔθᵀHΔθ."""
        return self.g @ Δθ, 0.5 * Δθ @ self.H @ Δθ

    def curvatures(self) -> Tensor:
        """The eigenvalues of H, ascending: (P,), NaN where the loss has blown up."""
        if not self.H.isfinite().all():
            return torch.full_like(self.g, math.nan)
        return torch.linalg.eigvalsh(self.H)


def taylor(θ: Tensor, x: Tensor, y: Tensor) -> Taylor:
    """At θ (P,), exactly: a row of H is the gradient of one entry of ∇L."""
    with torch.enable_grad():
        θ = θ.detach().requires_grad_()
        loss = loss_of(θ, x, y)
        (g,) = torch.autograd.grad(loss, θ, create_graph=True)
        unit = torch.eye(len(θ), dtype=θ.dtype, device=θ.device)
        (H,) = torch.autograd.grad(g, θ, unit, is_grads_batched=True)
    return Taylor(loss.detach(), g.detach(), H)


class Network(nn.Module):
    """The network, with all its parameters in one vector θ (3D + 1,): w, b, v, c."""

    def __init__(self, θ: Tensor) -> None:
        super().__init__()
        self.θ = nn.Parameter(θ.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(N,) → (N,)."""
        return network(self.θ, x)


class LearningRate(Experiment[RateKnobs]):
    """Full-batch gradient descent, and what Taylor's formula said of each step before it was taken."""

    order = 2
    pace = 20.0
    after = ("linear-regression",)
    minutes = 10
    level = 2
    invite = "Drag the learning rate η to the right: the loss falls faster, then swings, then is gone."
    measures = {"loss/train": Measure("loss")}
    steers = {"lr": "optimizer"}
    presets = {
        "too-small": Preset("Too small", {"lr": 1e-5}),
        "good": Preset("Good", {"lr": 0.15}),
        "swinging": Preset("Swinging", {"lr": 0.35}),
        "diverging": Preset("Flying apart", {"lr": 1.0}),
    }

    def build(self, knobs: RateKnobs) -> None:
        """Points about the target, and a network that knows nothing of them."""
        generator = self.generator(-1)

        def normal(n: int) -> Tensor:
            return torch.randn(n, generator=generator, dtype=torch.float64)

        x = torch.linspace(-3, 3, POINTS, dtype=torch.float64)
        y = TARGETS[knobs.target](x) + knobs.noise * normal(POINTS)
        D = knobs.hidden
        parts = [SPREAD * normal(2 * D), LEVEL * D**-0.5 * normal(D), torch.zeros(1, dtype=torch.float64)]
        self.x, self.y = x.to(self.device), y.to(self.device)  # (N,)
        self.first = torch.cat(parts).to(self.device)  # (P,), where θ begins
        self.network = Network(self.first).to(self.device)
        self.optimizer = optim.SGD(self.network.parameters(), knobs.lr)

    def _loss(self, θ: Tensor) -> Tensor:
        return loss_of(θ, self.x, self.y)

    def step(self, knobs: RateKnobs) -> Scalars:
        """One step, with what Taylor's formula says of it and what it brings."""
        θ, here = self.network.θ, self._here()
        θ.grad = here.g
        self.optimizer.step()  # θ ← θ − η∇L
        row: dict[str, float | Tensor] = {"loss/train": here.loss, "rate/now": knobs.lr}
        if here.loss < BLOWN:
            row["taylor/first"], row["taylor/second"] = here.terms(-knobs.lr * here.g)
            row["taylor/actual"] = self._loss(θ.detach()) - here.loss
            row["rate/edge"] = 2 / here.curvatures()[-1]
        return row

    def _here(self) -> Taylor:
        return taylor(self.network.θ, self.x, self.y)

    def objectives(self, knobs: RateKnobs) -> Mapping[str, Objective]:
        """The loss on all points."""
        θ = self.network.θ
        return {"": Objective(lambda: self._loss(θ), [θ], self.optimizer, {"θ": [θ]})}

    @p.lines("Every rate, and this run", size="hero")
    def rates(self, knobs: RateKnobs) -> p.Lines:
        """The loss that 43 other runs from the same beginning arrive at, and that of this one."""
        found = sweep(*(tuple(part.tolist()) for part in (self.first, self.x, self.y)))
        start = self._loss(self.first).item()
        here = self._here()
        edge = 2 / here.curvatures()[-1].item()
        picture = p.Lines(
            x=torch.tensor(RATES, dtype=torch.float64),
            values=torch.cat([torch.full((1, len(RATES)), start), found]),
            series=["at the start", *(f"{steps} steps" for steps in PATIENCE)],
            x_label="η",
            x_log=True,
            y_log=True,
            marks=[[("η", knobs.lr), *([("2/λₘₐₓ", edge)] if 0 < edge < RATES[-1] else [])]],
            y_ranges=[(0.6 * found.min().item(), 4 * start)],
            dots=drawable(torch.tensor([[0, 0, knobs.lr, here.loss.item()]], dtype=torch.float64)),
        )
        if not here.loss < BLOWN:
            return picture
        best = int(found[-1].argmin())
        return p.says(
            picture,
            "In {steps} steps, η = {best} gets lowest: L = {least}. This run is at {now}.",
            steps=PATIENCE[-1],
            best=rough(RATES[best]),
            least=rough(float(found[-1, best])),
            now=rough(here.loss.item()),
        )

    @p.lines("What it has learned")
    def fit(self, knobs: RateKnobs) -> p.Lines:
        """ŷ over x, before and after the step."""
        θ = self.network.θ
        after = θ - knobs.lr * self._here().g
        x = torch.linspace(-3.2, 3.2, SAMPLES, dtype=torch.float64, device=self.device)
        dots = torch.stack([torch.zeros_like(self.x), -torch.ones_like(self.x), self.x, self.y], 1)
        picture = p.Lines(
            x=x,
            values=drawable(torch.stack([network(θ, x), network(after, x)])[None]),
            series=["now", "after the step"],
            x_label="x",
            y_ranges=[(-2.0, 2.0)],
            dots=dots,
        )
        now, then = (self._loss(place).sqrt().item() for place in (θ, after))
        if not max(now, then) < BLOWN:
            return picture
        text = "It misses the points by {now} (root mean square); after the coming step by {then}."
        return p.says(picture, text, now=rough(now), then=rough(then))

    @p.bars("Does it creep, swing or grow?")
    def factors(self, knobs: RateKnobs) -> p.Bars:
        """What a step multiplies the way to the bottom by, in the steepest directions."""
        λ = self._here().curvatures().flip(0)[:DIRECTIONS]  # (DIRECTIONS,)
        picture = p.Bars(
            values=drawable((1 - knobs.lr * λ)[None]),
            labels=[figure(value) for value in λ.tolist()],
            range=(-2.0, 1.25),
        )
        shown = 1 - knobs.lr * λ
        if not shown.isfinite().all():
            return picture
        swing, grow = int(((shown < 0) & (shown >= -1)).sum()), int((shown.abs() > 1).sum())
        text = "Of the {all} steepest directions, {swing} swing and {grow} grow."
        return p.says(picture, text, all=len(shown), swing=swing, grow=grow)

    edge = p.scalars({"rate/now": "η", "rate/edge": "2/λₘₐₓ"}, "Is η below the edge?", log=True)

    losses = p.scalars({"loss/train": "L"}, "Loss", size="wide", log=True)

    @p.lines("Where will the coming step land?", size="wide")
    def along(self, knobs: RateKnobs) -> p.Lines:
        """L(θ − η∇L) over η, with its tangent and its parabola at η = 0."""
        θ, here = self.network.θ, self._here()
        edge = 2 / here.curvatures()[-1].item()
        end = max(1.25 * knobs.lr, 2.2 * edge if 0 < edge < 10 else 0.0)
        η = torch.linspace(0, end, SAMPLES, dtype=torch.float64, device=self.device)
        true = self._loss(θ - η[:, None] * here.g)
        first, second = here.terms(-here.g)  # for η = 1
        slope = here.loss + η * first
        curve = slope + η**2 * second
        loss, fall, rise = here.loss.item(), knobs.lr * first.item(), knobs.lr**2 * second.item()
        after = self._loss(θ - knobs.lr * here.g).item()
        terms = [figure(fall), term(rise), figure(fall + rise), figure(after - loss)]
        best = foremost(-true)
        drop = max(loss - true.nan_to_num(math.inf).min().item(), 0.02 * loss)
        picture = p.Lines(
            x=η,
            values=drawable(torch.stack([true, slope, curve])[None]),
            series=["L(θ + Δθ)", "L + ∇L·Δθ", "L + ∇L·Δθ + ½ΔθᵀHΔθ"],
            x_label="η",
            marks=[[("η", knobs.lr), *([("2/λₘₐₓ", edge)] if 0 < edge <= end else [])]],
            notes=["∇L·Δθ + ½ΔθᵀHΔθ = {} + {} = {},  ΔL = {}".format(*terms)],
            y_ranges=[(loss - 1.4 * drop, loss + 1.6 * drop)] if loss < BLOWN else (),
            dots=drawable(
                torch.tensor(
                    [[0, 0, 0, loss], [0, 0, knobs.lr, after], [0, 2, knobs.lr, loss + fall + rise]],
                    dtype=torch.float64,
                )
            ),
        )
        if best is None:
            return picture
        text = "Of all steps along this line, one with η = {best} would bring L lowest: to {lowest}."
        return p.says(picture, text, best=rough(float(η[best])), lowest=rough(float(true[best])))

    promised = p.scalars(
        {"taylor/first": "∇L·Δθ", "taylor/second": "½ΔθᵀHΔθ", "taylor/actual": "ΔL"},
        "Taylor's two terms and the real ΔL",
    )


def drawable(values: Tensor) -> Tensor:
    """NaN for what is too large to be drawn."""
    return torch.where(values.abs() < LARGEST, values, math.nan)
