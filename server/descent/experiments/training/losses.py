"""Losses are likelihoods.

Every loss is a guess about the noise in the data. Four networks fit the same points, each with the loss of
another kind of noise, and two more learn labels: see whose error bars keep their word.

A loss is the mean of −log p(y | x), less what no parameter can change. Each row below is one guess p:

    N(ŷ, σ²)             (y − ŷ)²/2σ² + log σ + ½ log 2π    → MSE = (1/N) Σ (y − ŷ)²,  best σ̂² = MSE
    Laplace(ŷ, b)        |y − ŷ|/b + log 2b                 → L1 = (1/N) Σ |y − ŷ|,  best b̂ = L1
    N(μ(x), σ(x)²)       the same with a second output,     → Gaussian NLL, σ(x) = ς + exp s(x)
    Laplace(μ(x), b(x))  which says how large the noise is  → Laplace NLL
    Categorical(ŷ)       −Σ_k y_k log ŷ_k, ŷ = softmax z    → cross-entropy, ∂/∂z = ŷ − y

A line ŷ = wx + b (no hidden units) has ∂MSE/∂w = −(2/N) Σ (y − ŷ) x and ∂MSE/∂b = −(2/N) Σ (y − ŷ).

Watch the two bands: a constant one is too wide where the noise is small, too narrow where it is large.

Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), §5.5.1, §6.2.1 and §6.2.2; for the learnt σ(x),
Nix and Weigend, "Estimating the mean and variance of the target probability distribution" (1994).
Departures: mean and spread share their hidden layer; ς = 10⁻³ keeps the likelihood finite. Every step sees
all points. Numbers are fitted by Adam or SGD, labels by SGD.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from descent.contract import Experiment, Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.noisy import REACH, draw, true_probability, true_sigma, truth
from descent.kit.extremes import extremes
from descent.kit.nn.likelihood import HALF_LOG_2PI, Density, gaussian, laplace, share_within
from descent.kit.nn.race import by_learner
from descent.kit.nn.traced import Gradients, alone
from descent.kit.reading import share_of
from descent.kit.text import figure, rough

THIRD = 2 / 3  # |x| beyond which the calibration looks
HELD_OUT = 1200  # points nobody is trained on, without outliers
EVERY = 10  # steps between two looks at them
COLUMNS = 160  # of a curve
DRAWN = 300  # training points drawn at most
PICKED = 60  # training points whose own cost and gradient are drawn
FLOOR = 1e-3  # ς, below which no learnt spread can fall

RegressorName = Literal["mse", "gaussian", "l1", "laplace"]
ClassifierName = Literal["cross-entropy", "squared"]
REGRESSORS: dict[RegressorName, str]
REGRESSORS = {"mse": "MSE", "gaussian": "Gaussian NLL", "l1": "L1", "laplace": "Laplace NLL"}
CLASSIFIERS: dict[ClassifierName, str] = {"cross-entropy": "cross-entropy", "squared": "squared error"}
# By the noise that is assumed: the one with a constant spread, and the one with a learnt one.
PAIRS: dict[str, tuple[RegressorName, RegressorName]]
PAIRS = {"Gaussian": ("mse", "gaussian"), "Laplace": ("l1", "laplace")}
LEARNT = ("gaussian", "laplace")  # those with a second output
SPREADS = ["truth", "constant", "learnt"]


class LossKnobs(Knobs):
    lr: float = rate(0.01, log=(1e-5, 10.0), typical=(0.001, 0.05), group="numbers")
    outliers: float = live(0.0, "Outliers", range=(0.0, 0.3), step=0.01, group="numbers", role="task")
    growth: float = live(
        0.7, "Growth of the noise", "g", range=(0.0, 1.0), step=0.05, group="numbers", role="task"
    )
    spread: float = live(0.2, "Noise", "s", range=(0.02, 1.0), step=0.01, group="numbers", role="task")
    noise: Literal["gaussian", "laplace"] = fixed(
        "gaussian", "Kind of noise", options={"gaussian": "Gaussian", "laplace": "Laplace"}, group="numbers"
    )
    optimizer: Literal["adam", "sgd"] = fixed(
        "adam", "Optimizer", options={"adam": "Adam", "sgd": "SGD"}, group="numbers"
    )
    lr_labels: float = rate(
        0.5, "Learning rate, labels", "η_c", log=(1e-4, 100.0), typical=(0.05, 2.0), group="labels"
    )
    conviction: float = fixed(
        4.0, "Conviction at the start", "z₀", range=(0.0, 12.0), step=0.5, group="labels"
    )
    curve: Literal["wave", "line"] = fixed(
        "wave", "Truth", options={"wave": "sin 2x", "line": "0.8x + 0.3"}, group="both"
    )
    points: int = fixed(400, "Training points", "N", log=(10, 2000), group="both", help="Of each task.")
    hidden: int = fixed(24, "Hidden units", range=(0, 64), group="both")


def network(hidden: int, outputs: int) -> nn.Sequential:
    """x (N, 1) → (N, outputs) through one hidden layer of tanh units, or straight where there are none."""
    if not hidden:
        return nn.Sequential(nn.Linear(1, outputs))
    return nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


def learnt_spread(out: Tensor) -> Tensor:
    """σ(x) or b(x), from what a network puts out: ς + exp s."""
    return FLOOR + out[:, 1].exp()


def regression_loss(name: RegressorName, out: Tensor, y: Tensor) -> Tensor:
    """What a regressor descends, of its outputs (N, 1 or 2) and the targets y (N,)."""
    r = y - out[:, 0]
    if name == "mse":
        return (r * r).mean()
    if name == "l1":
        return r.abs().mean()
    return (gaussian if name == "gaussian" else laplace)(r, learnt_spread(out)).mean()


def label_loss(name: ClassifierName, z: Tensor, y: Tensor) -> Tensor:
    """What a classifier descends, of its logits z (N, D) and the one-hot labels y (N, D)."""
    if name == "cross-entropy":
        return -(y * z.log_softmax(1)).sum(1).mean()  # −(1/N) Σ Σ_k y_k log ŷ_k
    return (y - z.softmax(1)).square().sum(1).mean()  # (1/N) Σ Σ_k (y_k − ŷ_k)²


class Losses(Experiment[LossKnobs]):
    """Four networks that fit numbers and two that learn labels, each with a loss of its own."""

    order = 6
    pace = 60.0
    after = ("mlp-digits",)
    minutes = 13
    level = 2
    invite = "Turn up the outliers and see whom they pull away."
    measures = {
        "loss/mse": Measure("loss", of=REGRESSORS["mse"], knobs=("lr",)),
        **{f"held/{name}": Measure("held-out", of, ("lr",)) for name, of in REGRESSORS.items()},
        **{f"labels/{name}": Measure("held-out", of, ("lr_labels",)) for name, of in CLASSIFIERS.items()},
    }
    steers = {"lr": "optimizer", "lr_labels": "label_optimizer"}
    presets = {
        "equal": Preset("The same noise everywhere", {"growth": 0.0, "spread": 0.4, "points": 2000}),
        "outliers": Preset("One point in seven is wrong", {"outliers": 0.15}),
        "laplace": Preset(
            "Laplace's noise", {"noise": "laplace", "growth": 0.0, "spread": 0.4, "points": 2000}
        ),
        "convinced": Preset("Confidently wrong", {"conviction": 12.0}),
        "line": Preset(
            "A line, by hand",
            {"curve": "line", "hidden": 0, "optimizer": "sgd", "lr": 0.02}
            | {"growth": 0.0, "spread": 0.4, "conviction": 0.0},
        ),
        "few": Preset("A likelihood without a floor", {"points": 15, "hidden": 64}),
    }

    def build(self, knobs: LossKnobs) -> None:
        """Draw x, noise and labels once, and the first weights of six networks."""
        generator = self.generator(-1)
        self.drawn = draw(knobs.points, knobs.curve, knobs.noise, generator, self.device)
        self.held = draw(HELD_OUT, knobs.curve, knobs.noise, generator, self.device)
        self._measure(knobs)
        self.regressors = {
            name: network(knobs.hidden, 2 if name in LEARNT else 1).to(self.device) for name in REGRESSORS
        }
        self.classifiers = {name: network(knobs.hidden, 2).to(self.device) for name in CLASSIFIERS}
        for model in self.classifiers.values():
            last = model[-1]
            assert isinstance(last, nn.Linear)
            with torch.no_grad():
                last.bias.add_(knobs.conviction * torch.tensor([-0.5, 0.5], device=self.device))
        fits = [p for model in self.regressors.values() for p in model.parameters()]
        labels = [p for model in self.classifiers.values() for p in model.parameters()]
        self.traced = Gradients([*fits, *labels])
        kind: Any = torch.optim.Adam if knobs.optimizer == "adam" else torch.optim.SGD
        self.axis = torch.linspace(-REACH, REACH, COLUMNS, device=self.device)[:, None]  # places along x
        self.optimizer = kind(fits, knobs.lr, fused=True)
        self.label_optimizer = torch.optim.SGD(labels, knobs.lr_labels, fused=True)

    def _measure(self, knobs: LossKnobs) -> None:
        """The targets under the noise as the knobs have it; held-out points have no outliers."""
        self.y = self.drawn.targets(knobs.curve, knobs.spread, knobs.growth, knobs.outliers)  # (N,)
        self.held_y = self.held.targets(knobs.curve, knobs.spread, knobs.growth)

    def changed(self, knobs: LossKnobs, names: set[str]) -> None:
        """Measure anew with other noise; tell the optimizers their rates."""
        if names & {"outliers", "growth", "spread"}:
            self._measure(knobs)
        super().changed(knobs, names)

    def step(self, knobs: LossKnobs) -> Scalars:
        """One step of all six, which share no parameter: each descends its own loss."""
        row = self._score(knobs) if self.step_index % EVERY == 0 else {}
        self.traced(alone(self._sum), self.drawn.x, self.y, self.drawn.labels, settings=())
        self.optimizer.step()
        self.label_optimizer.step()
        return row

    def _sum(self, x: Tensor, y: Tensor, labels: Tensor) -> Tensor:
        """The sum of all six losses: its gradients are theirs."""
        losses = [regression_loss(name, model(x), y) for name, model in self.regressors.items()]
        losses += [label_loss(name, model(x), labels) for name, model in self.classifiers.items()]
        return torch.stack(losses).sum()

    def _fit(self, name: RegressorName) -> Tensor:
        return regression_loss(name, self.regressors[name](self.drawn.x), self.y)

    def _label(self, name: ClassifierName) -> Tensor:
        return label_loss(name, self.classifiers[name](self.drawn.x), self.drawn.labels)

    @torch.no_grad()
    def _score(self, knobs: LossKnobs) -> dict[str, Tensor]:
        """The MSE as a likelihood, and −log p(y | x) per held-out point of every network and the truth."""
        r = self.y - self.regressors["mse"](self.drawn.x)[:, 0]
        mse, unit = (r * r).mean(), gaussian(r, torch.ones_like(r)).mean()  # σ = 1
        row = {"loss/mse": mse, "nll/unit": unit, "nll/affine": 0.5 * mse + HALF_LOG_2PI}
        for name in REGRESSORS:
            row[f"held/{name}"] = self._density(name, self.held.x).cost(self.held_y).mean()
        r = self.held_y - truth(self.held.x, knobs.curve)
        sigma = true_sigma(self.held.x, knobs.spread, knobs.growth)
        cost = gaussian(r, sigma) if knobs.noise == "gaussian" else laplace(r, sigma * math.sqrt(0.5))
        row["held/truth"] = cost.mean()
        for label, model in self.classifiers.items():
            row[f"labels/{label}"] = label_loss("cross-entropy", model(self.held.x), self.held.labels)
        p = true_probability(self.held.x, knobs.curve)
        row["labels/truth"] = -(self.held.labels * torch.stack([1 - p, p], 1).log()).sum(1).mean()
        return row

    def _density(self, name: RegressorName, x: Tensor) -> Density:
        """p(y | x) as a regressor's loss assumes it. A spread that is not learnt is the likeliest one."""
        out = self.regressors[name](x)
        if out.shape[1] == 2:
            spread = learnt_spread(out)
        else:
            r = self.y - self.regressors[name](self.drawn.x)[:, 0]
            best = (r * r).mean().sqrt() if name == "mse" else r.abs().mean()  # σ̂² = MSE, b̂ = L1
            spread = best.expand(len(x))
        return Density(name in ("mse", "gaussian"), out[:, 0], spread)

    def objectives(self, knobs: LossKnobs) -> Mapping[str, Objective]:
        """The loss of each network, on all points."""
        fits = {
            REGRESSORS[name]: Objective.of(model, self.optimizer, partial(self._fit, name))
            for name, model in self.regressors.items()
        }
        return fits | {
            CLASSIFIERS[name]: Objective.of(model, self.label_optimizer, partial(self._label, name))
            for name, model in self.classifiers.items()
        }

    @p.lines("Curve and error bars", size="hero")
    def bands(self, knobs: LossKnobs) -> p.Lines:
        """For either noise: the truth, and the centre and middle 95 % of p(y | x)."""
        f = truth(self.axis, knobs.curve)  # (COLUMNS,)
        found = [[self._density(name, self.axis) for name in pair] for pair in PAIRS.values()]
        centre = torch.stack([torch.stack([f, *(each.centre for each in pair)]) for pair in found])
        away = torch.stack([torch.stack([0 * f, *(each.reach(2) for each in pair)]) for pair in found])
        x, y = self.drawn.x[:DRAWN, 0], self.y[:DRAWN]
        margin = 0.1 * (y.max() - y.min()).item()
        picture = p.Lines(
            x=self.axis[:, 0],
            values=centre,  # (G, 3, COLUMNS)
            low=centre - away,
            high=centre + away,
            dots=torch.cat([p.Lines.dot(x, y, group=group) for group in range(len(PAIRS))]),
            groups=list(PAIRS),
            series=SPREADS,
            x_label="x",
            notes=[self._gaussian_note(), self._laplace_note()],
            y_ranges=[(y.min().item() - margin, y.max().item() + margin)] * len(PAIRS),
        )
        held = [
            share_of((y - each.centre).abs() < each.reach(2), each.centre)
            for each in (self._density(name, self.drawn.x[:DRAWN]) for name in PAIRS["Gaussian"])
        ]
        constant, learnt = (rough(100 * share) for share in held)
        text = "The constant Gaussian band holds {constant}% of the points, the learnt one {learnt}%."
        return p.says(picture, text, constant=constant, learnt=learnt)

    def _gaussian_note(self) -> str:
        """MSE as a likelihood, in numbers; of a line, its derivatives."""
        model = self.regressors["mse"]
        r = self.y - model(self.drawn.x)[:, 0]  # y − ŷ
        if len(model) > 1:
            mse, unit = (r * r).mean().item(), gaussian(r, torch.ones_like(r)).mean().item()
            return f"−(1/N) Σ log N(y; ŷ, 1) = {figure(unit)} = ½·MSE + ½ log 2π = ½·{figure(mse)} + 0.919"
        w, b = (parameter.item() for parameter in model.parameters())
        dw, db = -2 * (r * self.drawn.x[:, 0]).mean().item(), -2 * r.mean().item()
        line = f"ŷ = {figure(w)}x + {figure(b)}"
        return f"{line},  −(2/N) Σ (y − ŷ)x = {figure(dw)},  −(2/N) Σ (y − ŷ) = {figure(db)}"

    def _laplace_note(self) -> str:
        r = self.y - self.regressors["l1"](self.drawn.x)[:, 0]
        l1 = r.abs().mean()
        cost = figure(laplace(r, l1).mean().item())
        return f"−(1/N) Σ log Laplace(y; ŷ, b̂) = {cost} = 1 + log 2b̂,  b̂ = L1 = {figure(l1.item())}"

    @p.lines("Spread")
    def spreads(self, knobs: LossKnobs) -> p.Lines:
        """The standard deviation of p(y | x) along x."""
        sigma = true_sigma(self.axis, knobs.spread, knobs.growth)
        found = [[self._density(name, self.axis).sigma() for name in pair] for pair in PAIRS.values()]
        picture = p.Lines(
            x=self.axis[:, 0],
            values=torch.stack([torch.stack([sigma, *pair]) for pair in found]),
            groups=list(PAIRS),
            series=SPREADS,
            x_label="x",
        )
        ends = torch.stack([sigma, *found[0]])[:, -1]  # truth, constant, learnt
        if not ends.isfinite().all():
            return picture
        text = "At the right end σ is {truth}; the constant Gaussian says {constant}, the learnt {learnt}."
        truth, constant, learnt = map(rough, ends.tolist())
        return p.says(picture, text, truth=truth, constant=constant, learnt=learnt)

    affine = p.scalars(
        {"loss/mse": "MSE", "nll/unit": "−log N(y; ŷ, 1)", "nll/affine": "½ MSE + ½ log 2π"},
        "MSE is a likelihood",
    )

    held_out = p.scalars(
        by_learner("held", REGRESSORS) | {"held/truth": "truth"}, "−log p per held-out point", size="wide"
    )

    @p.lines("Labels")
    def probabilities(self, knobs: LossKnobs) -> p.Lines:
        """p(1 | x): the true one, and what either network says."""
        said = [model(self.axis).softmax(1)[:, 1] for model in self.classifiers.values()]
        z, y = self.classifiers["cross-entropy"](self.drawn.x), self.drawn.labels
        cost = figure(label_loss("cross-entropy", z, y).item())
        picture = p.Lines(
            x=self.axis[:, 0],
            values=torch.stack([true_probability(self.axis, knobs.curve), *said]),
            dots=p.Lines.dot(self.drawn.x[:DRAWN, 0], self.drawn.labels[:DRAWN, 1]),
            groups=["p"],
            series=["truth", *CLASSIFIERS.values()],
            x_label="x",
            notes=[f"−(1/N) Σᵢ Σₖ yₖ log ŷₖ = {cost}"],
            y_ranges=[(-0.05, 1.05)],
        )
        right = true_probability(self.axis, knobs.curve)
        away = [float((each - right).abs().mean()) for each in said]
        if not math.isfinite(sum(away)):
            return picture
        text = "On average cross-entropy is off by {entropy}, squared error by {squared}."
        return p.says(picture, text, entropy=rough(away[0]), squared=rough(away[1]))

    @p.lines("What does a residual cost?", size="wide")
    def residuals(self, knobs: LossKnobs) -> p.Lines:
        """−log p and ∂(−log p)/∂ŷ over ŷ − y: curves where the spread is constant, dots for single points."""
        x, y = self.drawn.x[:PICKED], self.y[:PICKED]
        curves, dots, constants = torch.full((2, 4, COLUMNS), math.nan), [], []
        found = {name: self._density(name, x) for name in REGRESSORS}
        far = max((density.centre - y).abs().max().item() for density in found.values())
        axis = torch.linspace(-far, far, COLUMNS, device=self.device)  # ŷ − y
        for series, (name, density) in enumerate(found.items()):
            cost, pull = _cost_and_pull(density, y)
            off = density.centre - y
            dots += [p.Lines.dot(off, v, series=series, group=g) for g, v in enumerate((cost, pull))]
            if name in ("mse", "l1"):
                constants.append(density.spread[0].item())
                constant = Density(density.is_gaussian, axis, density.spread[0].expand(COLUMNS))
                curves[0, series], curves[1, series] = _cost_and_pull(constant, torch.zeros_like(axis))
        sigma, b = constants
        picture = p.Lines(
            x=axis,
            values=curves,
            dots=torch.cat(dots),
            groups=["−log p", "∂(−log p)/∂ŷ"],
            series=list(REGRESSORS.values()),
            x_label="ŷ − y",
            notes=[
                f"(y − ŷ)²/2σ̂² + log σ̂ + 0.919,  σ̂ = {figure(sigma)}",
                f"MSE: (ŷ − y)/σ̂² = {figure(sigma**-2)}(ŷ − y),  L1: ±1/b̂ = ±{figure(1 / b)}",
            ],
        )
        text = "At a residual of {far} MSE pulls with {mse}, L1 with {one}."
        if not math.isfinite(far):
            return picture
        return p.says(picture, text, far=rough(far), mse=rough(far / sigma**2), one=rough(1 / b))

    @p.lines("How hard does a label pull?")
    def label_pull(self, knobs: LossKnobs) -> p.Lines:
        """∂L/∂z of the right label over its logit's lead: by formula (curves), by autograd (dots)."""
        y = self.drawn.labels[:PICKED]
        dots, leads = [], []
        for series, (name, model) in enumerate(self.classifiers.items()):
            with torch.enable_grad():
                z = model(self.drawn.x[:PICKED]).detach().requires_grad_()
                (gradient,) = torch.autograd.grad(len(y) * label_loss(name, z, y), z)
            leads.append((z.detach() * (2 * y - 1)).sum(1))  # z_right − z_wrong
            dots.append(p.Lines.dot(leads[-1], (gradient * y).sum(1), series=series))
        far = max(6.0, *(lead.abs().max().item() for lead in leads))
        axis = torch.linspace(-far, far, COLUMNS, device=self.device)
        y_hat = axis.sigmoid()  # ŷ of the right label, whose y is 1
        worst = leads[1].min().item()
        q = 1 / (1 + math.exp(-worst))
        slopes = figure(q - 1), figure(4 * (q - 1) * q * (1 - q))
        picture = p.Lines(
            x=axis,
            values=torch.stack([y_hat - 1, 4 * (y_hat - 1) * y_hat * (1 - y_hat)]),
            dots=torch.cat(dots),
            groups=["∂L/∂z"],
            series=["ŷ − y", "4(ŷ − y)ŷ(1 − ŷ)"],
            x_label="Δz",
            notes=["Δz = {}:  {}  |  {}".format(figure(worst), *slopes)],
        )
        if not math.isfinite(q):
            return picture
        text = "At Δz = {lead} cross-entropy pulls with {entropy}, squared error with {squared}."
        pulls = {"lead": rough(worst), "entropy": rough(1 - q), "squared": rough(4 * (1 - q) ** 2 * q)}
        return p.says(picture, text, **pulls)

    @p.bars("Are the error bars honest?", size="wide")
    def calibration(self, knobs: LossKnobs) -> p.Bars:
        """Shares in the middle parts of p(y | x) that should hold what ±1σ and ±2σ of a Gaussian do."""
        x = self.held.x[:, 0]
        parts = (x < -THIRD, x > THIRD)
        rows = [[share_within(k) for k in (1, 2) for _ in parts]]
        for name in REGRESSORS:
            density = self._density(name, self.held.x)
            off = (self.held_y - density.centre).abs()
            inside = [(off < density.reach(k)).float() for k in (1, 2)]
            rows.append([each[part].mean().item() for each in inside for part in parts])
        picture = p.Bars(
            values=torch.tensor(rows),
            labels=[f"±{k}σ, x {side}⅔" for k in (1, 2) for side in ("< −", "> ")],
            series=["expected", *REGRESSORS.values()],
            range=(0.0, 1.0),
        )
        apart = [max(abs(share - due) for share, due in zip(row, rows[0], strict=True)) for row in rows[1:]]
        found = extremes([100 * each for each in apart], list(REGRESSORS.values()))
        text = "{low} is off by {least} percentage points at most, {high} by {most}."
        return p.says(picture, text, **found) if found else picture

    label_cost = p.scalars(by_learner("labels", CLASSIFIERS) | {"labels/truth": "truth"}, "Held-out labels")


def _cost_and_pull(p: Density, y: Tensor) -> tuple[Tensor, Tensor]:
    """−log p of each y (N,), and its derivative by ŷ."""
    with torch.enable_grad():
        y_hat = p.centre.detach().requires_grad_()
        cost = Density(p.is_gaussian, y_hat, p.spread).cost(y)
        (pull,) = torch.autograd.grad(cost.sum(), y_hat)
    return cost.detach(), pull
