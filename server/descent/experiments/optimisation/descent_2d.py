"""Descent on a loss surface.

Seven optimizers race downhill from one start on a loss of two parameters. Drag the start, turn up a
learning rate, and see which of them zigzags, overshoots, crawls, or flies off.

With the gradient g = ∇L(θ), every operation elementwise, and buffers that start at 0:

    SGD        θ ← θ − η g                                    Robbins and Monro 1951
    Momentum   v ← μ v + g,  θ ← θ − η v                      Polyak 1964
    NAG        v ← μ v + g,  θ ← θ − η (g + μ v)              Nesterov 1983; Sutskever et al. 2013, §2
    Adagrad    s ← s + g²,  θ ← θ − η g / (√s + ε)            Duchi et al. 2011, §1
    Adadelta   s ← ρ s + (1 − ρ) g²,  d = √(u + ε) / √(s + ε) · g,
               u ← ρ u + (1 − ρ) d²,  θ ← θ − η d             Zeiler 2012, arXiv:1212.5701, algorithm 1
    RMSprop    s ← ρ s + (1 − ρ) g²,  θ ← θ − η g / (√s + ε)  Hinton 2012, lecture 6e
    Adam       m ← β₁ m + (1 − β₁) g,  s ← β₂ s + (1 − β₂) g²,
               θ ← θ − η m̂ / (√ŝ + ε), m̂ = m / (1 − β₁ⁿ), ŝ = s / (1 − β₂ⁿ)
                                                              Kingma and Ba 2015, arXiv:1412.6980, algorithm 1

Each racer is an optimizer of `torch.optim` that owns its own θ. To second order, one step of SGD changes
the loss by

    ΔL = L(θ − ηg) − L(θ) ≈ −η‖g‖² + ½η² gᵀHg

so near a minimum it descends only while η < 2/λ_max(H). Watch SGD swing across the valley as η nears that.

Departures: η stands outside v, as in PyTorch, so that changing it takes effect at once; NAG is PyTorch's,
which follows the looked-ahead point; Adadelta's step is scaled by η (1 in the paper). All in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import pydantic
import torch
from torch import Tensor, nn, optim

from descent.contract import Knobs, Measure, Objective, Preset, Scalars, live, rate
from descent.contract import panels as p
from descent.kit.data.surfaces import Surface, SurfaceName, make_surface
from descent.kit.extremes import extremes
from descent.kit.history import latest_rows
from descent.kit.nn.race import Race, by_learner
from descent.kit.text import rough

TRAIL = 1500  # latest points of a path that are kept
GRID = 96  # samples along either side of the drawn surface
FAR = 50.0  # a racer beyond this on either axis is out; the surfaces are at most 10 wide
SETTLED_LOSS, SETTLED_STEP = 1e-20, 1e-12  # what is smaller is left out, or rounding would fill the charts

RacerName = Literal["sgd", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam"]
Coordinate = Annotated[float, pydantic.Field(ge=-6.0, le=6.0)]


@dataclass(frozen=True)
class Racer:
    """An optimizer in the race; `tuned` says which knob each entry of its parameter group follows."""

    title: str
    optimizer: Callable[..., optim.Optimizer]
    tuned: Mapping[str, str] = field(default_factory=dict)


RACERS: dict[RacerName, Racer] = {
    "sgd": Racer("SGD", optim.SGD),
    "momentum": Racer("Momentum", optim.SGD, {"momentum": "momentum"}),
    "nag": Racer("NAG", partial(optim.SGD, momentum=0.9, nesterov=True), {"momentum": "momentum"}),
    "adagrad": Racer("Adagrad", optim.Adagrad),
    "adadelta": Racer("Adadelta", optim.Adadelta, {"rho": "decay"}),
    "rmsprop": Racer("RMSprop", optim.RMSprop, {"alpha": "decay"}),
    "adam": Racer("Adam", optim.Adam),
}
NAMES = list(RACERS)
TITLES = {name: racer.title for name, racer in RACERS.items()}
PLAIN = NAMES.index("sgd")  # the one that the Taylor view follows


def _rate(default: float, racer: RacerName, typical: tuple[float, float]) -> Any:
    help = "Its own learning rate, times the one for all. Its buffers are kept when this changes."
    title, group = f"η of {TITLES[racer]}", "learning rates"
    return rate(default, title, "", log=(1e-5, 100.0), typical=typical, group=group, help=help)


class DescentKnobs(Knobs):
    # fmt: off
    surface: SurfaceName = live(
        "bowl", "Surface", "L", options={"bowl": "quadratic bowl", "rosenbrock": "Rosenbrock",
        "beale": "Beale", "himmelblau": "Himmelblau", "saddle": "saddle", "rastrigin": "Rastrigin"},
        role="task")
    condition: float = live(
        10.0, "Condition number", "κ", log=(1.0, 1000.0), typical=(1.0, 100.0), when={"surface": ["bowl"]},
        role="task")
    start: tuple[Coordinate, Coordinate] = live((-1.5, 2.0), "Start", "θ₀", role="task")
    lr: float = rate(1.0, "Learning rate, all", log=(0.01, 100.0), unit="×", typical=(0.1, 20.0))
    racers: list[RacerName] = live(
        list(RACERS), "Racers", options=TITLES, max_length=len(RACERS), role="task")
    noise: float = live(0.0, "Gradient noise", "σ", range=(0.0, 10.0), step=0.1)
    lr_sgd: float = _rate(5e-4, "sgd", (1e-4, 0.01))
    lr_momentum: float = _rate(5e-4, "momentum", (1e-4, 0.01))
    lr_nag: float = _rate(5e-4, "nag", (1e-4, 0.01))
    lr_adagrad: float = _rate(0.2, "adagrad", (0.01, 1.0))
    lr_adadelta: float = _rate(1.0, "adadelta", (0.1, 10.0))
    lr_rmsprop: float = _rate(0.01, "rmsprop", (1e-3, 0.1))
    lr_adam: float = _rate(0.03, "adam", (1e-3, 0.3))
    momentum: float = live(
        0.9, "Momentum", "μ", range=(0.0, 0.99), step=0.01, typical=(0.5, 0.95), group="coefficients")
    decay: float = live(
        0.9, "Decay", "ρ", range=(0.0, 0.999), step=0.001, typical=(0.9, 0.99), group="coefficients")
    # fmt: on


class Descent2D(Race[DescentKnobs]):
    """The race. A racer that flies off is out, its θ NaN; the run diverges when the last one is."""

    order = 1
    pace = 60.0
    titles = TITLES
    after = ("linear-regression",)
    minutes = 13
    level = 2
    invite = "Drag the start, then drag the learning rate η of all to the right until it breaks."
    measures = {
        f"loss/{name}": Measure("loss", of=racer.title, knobs=(f"lr_{name}", *racer.tuned.values()))
        for name, racer in RACERS.items()
    }
    presets = {
        "edge": Preset(
            "Just above 2/λ",
            {"start": (-2.0, 1.5), "racers": ["sgd", "momentum"], "lr_sgd": 0.0102, "lr_momentum": 0.0102},
        ),
        "ravine": Preset(
            "Ravine: momentum against SGD",
            {"condition": 100.0, "start": (-2.0, 1.5), "racers": ["sgd", "momentum", "nag"]}
            | {"lr_sgd": 0.0095, "lr_momentum": 0.003, "lr_nag": 0.003},
        ),
        "saddle": Preset("Saddle", {"surface": "saddle", "start": (-1.5, 0.001)}),
        "banana": Preset("Rosenbrock's valley", {"surface": "rosenbrock", "start": (-1.2, 1.0)}),
        "hilltop": Preset("Four minima", {"surface": "himmelblau", "start": (-0.27, -0.92)}),
        "rastrigin": Preset(
            "Rastrigin's many minima",
            {"surface": "rastrigin", "start": (4.5, -3.6), "lr_sgd": 0.003, "lr_momentum": 0.004}
            | {"lr_nag": 0.003, "lr_adagrad": 1.0, "lr_rmsprop": 0.1, "lr_adam": 0.5},
        ),
    }

    def build(self, knobs: DescentKnobs) -> None:
        """Put everybody who takes part at the start."""
        self._restart(knobs)

    def _restart(self, knobs: DescentKnobs) -> None:
        self.landscape: Surface = make_surface(knobs.surface, knobs.condition)
        self.values = self.landscape.grid(GRID)  # (GRID, GRID)
        nowhere = torch.full((TRAIL, len(NAMES), 2), math.nan, dtype=torch.float64, device=self.device)
        self.trail = nowhere  # (TRAIL, P, 2), a ring: row k % TRAIL holds the points after k steps
        self.race_steps = 0
        self.points = nn.ParameterList(point.clone() for point in nowhere[0])  # θ, NaN unless racing
        self.optimizers = [self._optimizer(i) for i in range(len(NAMES))]
        self.entered: list[RacerName] = list(knobs.racers)  # the knob as it was last
        self.racing = []  # those of them that are not out, by index in NAMES
        for name in dict.fromkeys(knobs.racers):
            self._enter(NAMES.index(name), knobs)
        self._tune(knobs)

    def _optimizer(self, i: int) -> optim.Optimizer:
        # Single-tensor steps: for two numbers they take two thirds of the time of `foreach`.
        return RACERS[NAMES[i]].optimizer([self.points[i]], lr=1.0, foreach=False)

    def _enter(self, i: int, knobs: DescentKnobs) -> None:
        with torch.no_grad():
            self.points[i].copy_(torch.tensor(knobs.start, dtype=torch.float64))
        self.trail[self.race_steps % TRAIL, i] = self.points[i].detach()
        self.racing.append(i)

    def _leave(self, i: int) -> None:
        with torch.no_grad():
            self.points[i].fill_(math.nan)
        self.trail[self.race_steps % TRAIL, i] = math.nan
        self.racing.remove(i)

    def changed(self, knobs: DescentKnobs, names: set[str]) -> None:
        """Start the race again where the surface or the start changed; otherwise keep all state."""
        if names & {"surface", "start"} or ("condition" in names and knobs.surface == "bowl"):
            self._restart(knobs)
            return
        for i, name in enumerate(NAMES):
            if name in knobs.racers and name not in self.entered:
                self.optimizers[i] = self._optimizer(i)
                self._enter(i, knobs)
            elif name in self.entered and name not in knobs.racers:
                if i in self.racing:
                    self._leave(i)
                self.trail[:, i] = math.nan
        self.entered = list(knobs.racers)
        self._tune(knobs)

    def _tune(self, knobs: DescentKnobs) -> None:
        """Write the knobs into the parameter groups; the optimizers' state is left as it is."""
        for i, optimizer in enumerate(self.optimizers):
            group = optimizer.param_groups[0]
            group["lr"] = self._lr(i, knobs)
            for entry, knob in RACERS[NAMES[i]].tuned.items():
                group[entry] = getattr(knobs, knob)

    @staticmethod
    def _lr(i: int, knobs: DescentKnobs) -> float:
        return float(knobs.lr * getattr(knobs, f"lr_{NAMES[i]}"))

    def step(self, knobs: DescentKnobs) -> Scalars:
        """One step of every racer. Empty with nobody entered, NaN losses once everybody is out."""
        if not self.racing:
            return {f"loss/{name}": math.nan for name in knobs.racers}
        points = list(self.points)
        before = torch.stack(points)  # (P, 2)
        losses = self.landscape.loss(before)  # (P,)
        # Each point appears in its own loss only, so the gradient of the sum holds all gradients.
        (gradients,) = torch.autograd.grad(losses.sum(), before)  # (P, 2)
        noisy = gradients
        if knobs.noise:
            noise = torch.randn(2, generator=self.generator(self.step_index), dtype=torch.float64)
            noisy = gradients + knobs.noise * noise.to(self.device)
        given = noisy.unbind()
        for i in self.racing:
            points[i].grad = given[i]
            self.optimizers[i].step()

        row: dict[str, float | Tensor] = {}
        with torch.no_grad():
            after = torch.stack(points)
            moved = after - before  # (P, 2)
            self.race_steps += 1
            self.trail[self.race_steps % TRAIL] = after
            heights, lengths, places = losses.tolist(), moved.norm(dim=1).tolist(), after.tolist()
            for i in tuple(self.racing):
                if heights[i] > SETTLED_LOSS:
                    row[f"loss/{NAMES[i]}"] = heights[i]
                if not all(abs(place) <= FAR for place in places[i]):
                    self._leave(i)
                elif lengths[i] > SETTLED_STEP:
                    row[f"step/{NAMES[i]}"] = lengths[i]
            if PLAIN in self.racing:
                row["taylor/predicted"] = gradients[PLAIN].dot(moved[PLAIN])  # ∇L · Δθ = −η‖∇L‖²
                row["taylor/actual"] = self.landscape.loss(after[PLAIN]) - losses[PLAIN]
        return row

    def gone(self) -> list[bool]:
        """Whether each racer took part and has flown off."""
        return [name in self.entered and i not in self.racing for i, name in enumerate(NAMES)]

    def objectives(self, knobs: DescentKnobs) -> Mapping[str, Objective]:
        """The height at each racer's point; noise in the gradient is no part of it."""

        def of(point: Tensor, optimizer: optim.Optimizer) -> Objective:
            return Objective(lambda: self.landscape.loss(point), [point], optimizer, {"θ": [point]})

        return {TITLES[NAMES[i]]: of(self.points[i], self.optimizers[i]) for i in self.racing}

    @p.contour("The race", size="hero", edits="start")
    def surface(self, knobs: DescentKnobs) -> p.Contour:
        """The surface, and the latest `TRAIL` points of every path."""
        paths = latest_rows(self.trail, self.race_steps + 1).transpose(0, 1)  # (P, T, 2)
        heights = self.landscape.loss(paths)
        picture = p.Contour(
            values=self.values,
            x=self.landscape.x,
            y=self.landscape.y,
            paths=paths,
            heights=heights,
            names=list(TITLES.values()),
            surface=self.landscape.name,
            minima=self.landscape.minima,
            start=knobs.start,
            out=self.gone(),
        )
        found = extremes(heights[:, -1], picture.names)
        text = "{low} is lowest now, at L = {least}; {high} is highest, at {most}."
        return p.says(picture, text, **found) if found else picture

    losses = p.scalars(by_learner("loss", TITLES), "Loss", size="wide", log=True)
    step_lengths = p.scalars(by_learner("step", TITLES), "Step length ‖Δθ‖", size="wide", log=True)
    taylor = p.scalars(
        {"taylor/predicted": "predicted −η‖∇L‖²", "taylor/actual": "actual ΔL"}, "SGD: ΔL foretold and actual"
    )

    @p.bars("Will SGD's next step go down?")
    def taylor_terms(self, knobs: DescentKnobs) -> p.Bars:
        """The Taylor terms of the loss change of the next step, without noise, and the change itself."""
        point, lr = self.points[PLAIN].detach(), self._lr(PLAIN, knobs)
        (gradient,), (hessian,) = self.landscape.derivatives(point[None])  # (2,), (2, 2)
        first = -lr * gradient.dot(gradient)
        second = 0.5 * lr**2 * gradient.dot(hessian @ gradient)
        actual = self.landscape.loss(point - lr * gradient) - self.landscape.loss(point)
        picture = p.Bars(
            values=torch.stack([first, second, first + second, actual])[None],
            labels=["−η‖∇L‖²", "½η²∇LᵀH∇L", "sum", "actual ΔL"],
        )
        if not first < 0 or not second.isfinite():
            return picture
        share = rough(100 * abs(float(second / first)))
        if second < 0:
            return p.says(
                picture, "The curvature adds {percent}% to the fall that the slope promises.", percent=share
            )
        return p.says(
            picture, "The curvature takes back {percent}% of the fall that the slope promises.", percent=share
        )

    @p.bars("Is η below its bound?")
    def bounds(self, knobs: DescentKnobs) -> p.Bars:
        """η beside the largest stable one on a quadratic of the Hessian's largest eigenvalue, at each θ."""
        names: tuple[RacerName, ...] = ("sgd", "momentum", "nag")
        chosen = [NAMES.index(name) for name in names]
        _, hessian = self.landscape.derivatives(torch.stack([self.points[i] for i in chosen]))  # (3, 2, 2)
        a, b, d = hessian[:, 0, 0], hessian[:, 0, 1], hessian[:, 1, 1]
        steepest = (a + d) / 2 + torch.hypot((a - d) / 2, b)  # λ_max of a symmetric 2×2 matrix
        mu = knobs.momentum
        factor = steepest.new_tensor([2, 2 * (1 + mu), 2 * (1 + mu) / (1 + 2 * mu)])
        rates = steepest.new_tensor([self._lr(i, knobs) for i in chosen])
        picture = p.Bars(
            values=torch.stack([rates, torch.where(steepest > 0, factor / steepest, math.nan)]),
            labels=[TITLES[name] for name in names],
            series=["η", "bound"],
            log=True,
        )
        shares = (100 * steepest * rates / factor).where(steepest > 0, math.nan).tolist()
        near = {
            name: share
            for i, name, share in zip(chosen, picture.labels, shares, strict=True)
            if i in self.racing
        }
        found = extremes([0, *near.values()], ["", *near])  # beside 0, one alone is the largest
        text = "{high} is nearest its bound: its η is {most}% of it."
        return p.says(picture, text, **found) if found else picture
