"""Eight optimizers, one network.

The same network, the same digits, the same mini-batches: eight rules turn the same gradients into eight
paths. Compare them by step and by second, on the loss surface that they really walk on.

With the gradient g = ∇L(θ) of a mini-batch, every operation elementwise, and buffers that start at 0:

    SGD        θ ← θ − η g                                    Robbins and Monro 1951
    Momentum   v ← μ v + g,  θ ← θ − η v                      Polyak 1964
    NAG        v ← μ v + g,  θ ← θ − η (g + μ v)              Nesterov 1983; Sutskever et al. 2013, §2
    Adagrad    s ← s + g²,  θ ← θ − η g / (√s + ε)            Duchi et al. 2011, §1
    Adadelta   s ← β₂ s + (1 − β₂) g²,  d = √(u + ε) / √(s + ε) · g,
               u ← β₂ u + (1 − β₂) d²,  θ ← θ − η d           Zeiler 2012, arXiv:1212.5701, algorithm 1
    RMSprop    v ← β₂ v + (1 − β₂) g²,  θ ← θ − η g / (√v + ε)
                                                              Hinton 2012, lecture 6e
    Adam       m ← μ m + (1 − μ) g,  v ← β₂ v + (1 − β₂) g²,
               θ ← θ − η m̂ / (√v̂ + ε), m̂ = m / (1 − μⁿ), v̂ = v / (1 − β₂ⁿ)
                                                              Kingma and Ba 2015, arXiv:1412.6980, algorithm 1
    AdamW      θ ← θ − η λ θ, then as Adam                    Loshchilov and Hutter 2019, algorithm 2

All but AdamW take weight decay into the gradient, g ← g + λ θ. The network has one hidden layer,
z = W₂ tanh(W₁ x + b₁) + b₂, and L is the cross-entropy of softmax(z).

Watch how much of a lead is the rate and how little the rule, until the inputs' scales differ.

Source: the papers above; the plane of the map is that of Li et al. 2018, arXiv:1712.09913, §7.
Departures: η stands outside v, and NAG follows the looked-ahead point, as in PyTorch; Adadelta's step is
scaled by η (1 in the paper). The momentum μ is also Adam's β₁, and one β₂ serves four rules.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from descent.contract import Knobs, Measure, Objective, Preset, Scalars, batch_of, by_layer, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import shuffled_digits
from descent.kit.extremes import extremes
from descent.kit.history import latest_rows, room_for_row
from descent.kit.nn.plane import Landscape, Plane, landscape_of, through
from descent.kit.nn.race import Race, by_learner
from descent.kit.nn.rules import NAG, SGD, Adadelta, Adagrad, Adam, AdamW, Momentum, RMSprop, Rule
from descent.kit.nn.stopwatch import Stopwatch
from descent.kit.reading import foremost, in_percent
from descent.kit.text import rough

PIXELS, HIDDEN, CLASSES = 64, 8, 10
TRAIN = 512  # digits; the other 1,285 are the test split
FAR = 1e4  # a racer whose loss is larger, or not finite, is out
RECORDED = 120  # points of each path; when there are as many, every other one is forgotten
LAST = 150  # steps of the one weight that is watched
GRID = 25  # samples along either side of the map
SAMPLED = 24  # points of each path that the map's plane is laid through
MAP_AT = (1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 60, 80, 100)  # recorded points at which it is laid anew


class Racer(NamedTuple):
    """A rule in the race: its name, its coefficients, and which knob each of them follows."""

    title: str
    rule: type[Rule]
    coefficients: Mapping[str, float] = {}
    tuned: Mapping[str, str] = {}

    @property
    def followed(self) -> list[str]:
        """The knobs behind its coefficients."""
        return ["beta2" if knob == "betas" else knob for knob in self.tuned.values()]


RACERS = {
    "sgd": Racer("SGD", SGD),
    "momentum": Racer("Momentum", Momentum, tuned={"momentum": "momentum"}),
    "nag": Racer("NAG", NAG, {"nesterov": True}, {"momentum": "momentum"}),
    "adagrad": Racer("Adagrad", Adagrad, {"eps": 1e-10}),
    "adadelta": Racer("Adadelta", Adadelta, {"eps": 1e-6}, {"rho": "beta2"}),
    "rmsprop": Racer("RMSprop", RMSprop, {"eps": 1e-8}, {"alpha": "beta2"}),
    "adam": Racer("Adam", Adam, {"eps": 1e-8}, {"betas": "betas"}),
    "adamw": Racer("AdamW", AdamW, {"eps": 1e-8}, {"betas": "betas"}),
}
NAMES = list(RACERS)
TITLES = {name: racer.title for name, racer in RACERS.items()}


def _rate(default: float, racer: str, typical: tuple[float, float]) -> Any:
    help = "Its own learning rate, times the one for all. Its buffers are kept when this changes."
    title, group = f"η of {TITLES[racer]}", "learning rates"
    return rate(default, title, "", log=(1e-5, 100.0), typical=typical, group=group, help=help)


class OptimizersKnobs(Knobs):
    lr: float = rate(1.0, "Learning rate, all", log=(0.01, 100.0), unit="×", typical=(0.1, 10.0))
    momentum: float = live(0.9, "Momentum", "μ", range=(0.0, 0.99), step=0.01, typical=(0.5, 0.95))
    beta2: float = live(0.99, "Memory of squares", "β₂", range=(0.0, 0.999), step=0.001, typical=(0.9, 0.999))
    weight_decay: float = live(0.0, "Weight decay", "λ", range=(0.0, 1.0), step=0.001, typical=(0.0, 0.1))
    batch_size: int = batch_of(64, TRAIN, help="Digits per step, the same for all.")
    spread: float = fixed(1.0, "Spread of scales", log=(1.0, 1000.0), unit="×")
    lr_sgd: float = _rate(2.0, "sgd", (0.1, 5.0))
    lr_momentum: float = _rate(0.3, "momentum", (0.01, 1.0))
    lr_nag: float = _rate(0.3, "nag", (0.01, 1.0))
    lr_adagrad: float = _rate(0.2, "adagrad", (0.01, 1.0))
    lr_adadelta: float = _rate(8.0, "adadelta", (1.0, 20.0))
    lr_rmsprop: float = _rate(0.03, "rmsprop", (1e-3, 0.1))
    lr_adam: float = _rate(0.05, "adam", (1e-3, 0.2))
    lr_adamw: float = _rate(0.05, "adamw", (1e-3, 0.2))

    @property
    def betas(self) -> tuple[float, float]:
        """Adam's β₁, β₂."""
        return self.momentum, self.beta2


def losses_of(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The loss of each network in θ (K, D) on all of x (N, 64) and y (N,): (K,)."""
    w1, b1, w2, b2 = theta.split([HIDDEN * PIXELS, HIDDEN, CLASSES * HIDDEN, CLASSES], 1)
    h = torch.tanh(x @ w1.view(-1, HIDDEN, PIXELS).mT + b1[:, None])  # (K, N, HIDDEN)
    z = h @ w2.view(-1, CLASSES, HIDDEN).mT + b2[:, None]  # (K, N, CLASSES)
    return z.logsumexp(2).mean(1) - z.gather(2, y.expand(len(z), -1)[..., None]).mean((1, 2))


class Optimizers(Race[OptimizersKnobs]):
    """The race. A racer whose loss is not finite is out; the run diverges when the last one is."""

    order = 4
    pace = 30.0
    titles, training_samples = TITLES, TRAIN
    after = ("descent-2d", "moving-average")
    minutes = 12
    level = 2
    invite = "Drag the learning rate η of all up and down: who breaks first, who never gets going?"
    measures = {
        f"loss/{name}": Measure("loss", of=racer.title, knobs=(f"lr_{name}", *racer.followed))
        for name, racer in RACERS.items()
    }
    presets = {
        "one-rate": Preset("One rate for all", {f"lr_{name}": 0.05 for name in NAMES}),
        "scales": Preset(
            "Pixels in unlike units",
            {"spread": 100.0, "lr_sgd": 4.0, "lr_momentum": 0.5, "lr_nag": 0.8, "lr_adagrad": 0.6}
            | {"lr_adadelta": 20.0, "lr_rmsprop": 0.07, "lr_adam": 0.1, "lr_adamw": 0.1},
        ),
        "no-momentum": Preset(
            "Without momentum, three are one",
            {"momentum": 0.0, "lr_sgd": 1.0, "lr_momentum": 1.0, "lr_nag": 1.0, "lr_adam": 0.03},
        ),
        "decay": Preset("Weight decay in and beside the gradient", {"weight_decay": 0.01}),
    }

    def build(self, knobs: OptimizersKnobs) -> None:
        """Eight copies of one network, and the digits with their pixels in units of different size."""
        pixels, labels = shuffled_digits(self.generator(-1))
        pixels = (pixels - pixels[:TRAIN].mean(0)) / pixels[:TRAIN].std()  # one unit for all
        units = knobs.spread ** -torch.rand(PIXELS, generator=self.generator(-2))
        inputs = (pixels * units).to(self.device)
        self.inputs, self.test_inputs = inputs[:TRAIN], inputs[TRAIN:]
        labels = labels.to(self.device)
        self.labels, self.test_labels = labels[:TRAIN], labels[TRAIN:]
        network = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES))
        self.models = [copy.deepcopy(network).to(self.device) for _ in NAMES]
        self.optimizers = [
            racer.rule(model.parameters(), lr=1.0, **racer.coefficients)
            for racer, model in zip(RACERS.values(), self.models, strict=True)
        ]
        self.changed(knobs, set())
        self.racing = list(range(len(NAMES)))
        self.clock = Stopwatch(len(NAMES), self.device)
        self.watched = int(pixels[:TRAIN].var(0).argmax())  # index in θ of unit 1's weight for that pixel
        theta = self._theta()  # (P, D)
        self.moved = torch.zeros_like(theta)  # Δθ of the last step
        self.glass = torch.full((LAST, len(NAMES), 3), math.nan, device=self.device)  # g, Δθ, η of one weight
        self.history = theta.new_zeros(RECORDED, *theta.shape)
        self.heights = theta.new_zeros(RECORDED, len(NAMES))  # the loss on the training set
        self.recorded, self.stride = 0, 1
        self._record(theta)

    def changed(self, knobs: OptimizersKnobs, names: set[str]) -> None:
        for i, (optimizer, racer) in enumerate(zip(self.optimizers, RACERS.values(), strict=True)):
            k = optimizer.param_groups[0]
            k["lr"] = knobs.lr * getattr(knobs, f"lr_{NAMES[i]}")
            k["weight_decay"] = knobs.weight_decay
            for coefficient, knob in racer.tuned.items():
                k[coefficient] = getattr(knobs, knob)

    def _batch(self, knobs: OptimizersKnobs) -> tuple[Tensor, Tensor]:
        chosen = coming_rows(self, knobs.batch_size, TRAIN)
        return self.inputs[chosen], self.labels[chosen]

    def step(self, knobs: OptimizersKnobs) -> Scalars:
        """One step of every racer on the same mini-batch. All losses are NaN once everybody is out."""
        if not self.racing:
            return self.all_out()
        x, y = self._batch(knobs)
        row: dict[str, float | Tensor] = {}
        before = self._theta()
        first = self.step_index % len(self.racing)  # takes longest, with all caches cold: each is it in turn
        for i in self.racing[first:] + self.racing[:first]:
            model, optimizer = self.models[i], self.optimizers[i]
            begin = self.clock.now()
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            middle = self.clock.now()
            optimizer.step()
            self.clock.note(i, middle - begin, self.clock.now() - middle)
            if loss <= FAR:
                row[f"loss/{NAMES[i]}"] = loss.detach()
            else:
                self.racing.remove(i)
        theta = self._theta()
        self.moved = theta - before
        self._look_closely()
        if (self.step_index + 1) % self.stride == 0:
            self._record(theta)
        return row or self.all_out()

    def objectives(self, knobs: OptimizersKnobs) -> Mapping[str, Objective]:
        """The loss of each racer on the coming mini-batch; weight decay is no part of it."""
        x, y = self._batch(knobs)

        def of(model: nn.Module, optimizer: Optimizer) -> Objective:
            layers = dict(zip(("layer 1", "layer 2"), by_layer(model).values(), strict=True))
            return Objective.of(model, optimizer, lambda: F.cross_entropy(model(x), y), layers)

        return {TITLES[NAMES[i]]: of(self.models[i], self.optimizers[i]) for i in self.racing}

    def _theta(self) -> Tensor:
        """Everybody's parameters, (P, D); NaN for who is out."""
        theta = torch.stack([parameters_to_vector(model.parameters()) for model in self.models]).detach()
        theta[self.gone()] = math.nan
        return theta

    @torch.no_grad()
    def _record(self, theta: Tensor) -> None:
        """Keep a point of every path."""
        n, self.stride = room_for_row(self.recorded, self.stride, self.history, self.heights)
        self.history[n], self.heights[n] = theta, self._losses(theta)
        self.recorded = n + 1

    def _losses(self, theta: Tensor) -> Tensor:
        """On the training set, of each θ (K, D): (K,)."""
        return losses_of(theta, self.inputs, self.labels)

    def _look_closely(self) -> None:
        """Keep g, Δθ and η of one weight."""
        here = self.glass[self.step_index % LAST]
        here.fill_(math.nan)
        for i in self.racing:
            gradient = next(self.models[i].parameters()).grad
            assert gradient is not None
            here[i, 0] = gradient.flatten()[self.watched]
            here[i, 1] = self.moved[i, self.watched]
            here[i, 2] = self.optimizers[i].param_groups[0]["lr"]

    def _laid_through(self, knobs: OptimizersKnobs) -> tuple[Hashable, Tensor]:
        """What tells the plane's points from others, and the points (T, P, D), as many as `MAP_AT` says."""
        count = max(n for n in MAP_AT if n <= self.recorded)
        known = self.history[:count, self.racing] if self.racing else self.history[:1]
        mark = float(known[-1].cpu().double().sum())
        return (self.seed, knobs.spread, count, self.stride, tuple(self.racing), mark), known

    def _plane(self, knobs: OptimizersKnobs) -> Plane:
        """The plane of the paths. It stays while they grow a little."""
        key, known = self._laid_through(knobs)
        every = math.ceil(len(known) / SAMPLED)
        return self.cached("plane", key, lambda: through(known[::every].flatten(0, 1)))

    def _map(self, knobs: OptimizersKnobs) -> Landscape:
        """The plane with the loss on it, which is computed when the plane is laid."""
        key, _ = self._laid_through(knobs)
        return self.cached("map", key, lambda: landscape_of(str(key), self._plane(knobs), self._losses, GRID))

    @p.contour("Paths on the loss surface", size="hero")
    def surface(self, knobs: OptimizersKnobs) -> p.Contour:
        """The map, and every path's points projected on it; heights are the loss at the points themselves."""
        laid, theta = self._map(knobs), self._theta()
        points = torch.cat([self.history[: self.recorded], theta[None]])  # (T, P, D)
        heights = torch.cat([self.heights[: self.recorded], self._losses(theta)[None]])  # (T, P)
        places = laid.plane.project(points)  # (T, P, 2)
        picture = p.Contour(
            values=laid.values,
            x=laid.plane.x,
            y=laid.plane.y,
            paths=places.transpose(0, 1),
            heights=heights.T,
            names=list(TITLES.values()),
            surface=laid.name,
            start=tuple(places[0, 0].tolist()),
            out=self.gone(),
        )
        found = extremes(heights[-1], picture.names)
        text = "{low} is lowest: loss {least} on all training digits; {high} is highest: {most}."
        return p.says(picture, text, **found) if found else picture

    @p.ranking("Standings")
    def standings(self, knobs: OptimizersKnobs) -> p.Ranking:
        """Training loss, share of test digits told right, and length of θ."""
        theta = self._theta()
        loss = self._losses(theta)
        said = torch.stack([model(self.test_inputs).argmax(1) for model in self.models])
        right = (said == self.test_labels).float().mean(1)
        right[self.gone()] = math.nan
        values = torch.stack([loss, 100 * right, theta.norm(dim=1)], 1)  # (P, 3)
        picture = p.Ranking(
            values=values,
            names=list(TITLES.values()),
            columns=["loss", "test %", "‖θ‖"],
            ranges=[(0.0, max(1e-6, float(column.nan_to_num().max()))) for column in values.T],
            sort=1,
        )
        found = extremes(values[:, 1], picture.names)
        text = "{high} reads most unseen digits right, {most}%; {low} fewest, {least}%."
        return p.says(picture, text, **found) if found else picture

    @p.histogram("How far each weight moved last")
    def moves(self, knobs: OptimizersKnobs) -> p.Histogram:
        """The distribution of log₁₀ |Δθ| over the weights of each racer."""
        lengths = dict(zip(TITLES.values(), self.moved.abs().cpu(), strict=True))
        moved = {title: length[length > 0].log10() for title, length in lengths.items()}
        picture = p.Histogram.of(moved, 36, (-6.0, 0.0))
        typical = [10 ** float(length.median()) if len(length) else math.nan for length in moved.values()]
        found = extremes(typical, list(moved))
        text = "{high} moves a typical weight furthest, by {most}; {low} least, by {least}."
        return p.says(picture, text, **found) if found else picture

    losses = p.scalars(by_learner("loss", TITLES), "Loss by step", size="wide", log=True, smoothing=0.9)

    @p.lines("How much of the paths the map shows")
    def shares(self, knobs: OptimizersKnobs) -> p.Lines:
        """The cumulated shares of the first principal components, in %."""
        shares = 100 * self._plane(knobs).shares[:10]
        first, second = shares[:2].tolist()
        picture = p.Lines(
            x=np.arange(1, len(shares) + 1),
            values=shares.cumsum(0)[None],
            groups=["%"],
            series=["%"],
            x_label="directions",
            marks=[[("map", 2)]],
            notes=[f"{first:.1f} % + {second:.1f} % = {first + second:.1f} %"],
            y_ranges=[(0.0, 105.0)],
        )
        text = "The map shows {percent}% of how far the paths spread."
        return p.says(picture, text, percent=in_percent(min(1.0, (first + second) / 100)))

    @p.lines("Loss by second", size="wide")
    def by_second(self, knobs: OptimizersKnobs) -> p.Lines:
        """The loss on the training set, by the seconds that so many steps of each racer take."""
        seconds = np.nan_to_num(self.clock.means().sum(1))  # (P,)
        steps = self.stride * np.arange(self.recorded)
        x = np.linspace(0, seconds.max() * steps[-1], 150 if seconds.max() * steps[-1] else 1)
        values = [
            np.interp(x, each * steps, heights, right=math.nan) if each else np.full_like(x, heights[0])
            for each, heights in zip(seconds, self.heights[: self.recorded].T.cpu().numpy(), strict=True)
        ]
        picture = p.Lines(
            x=x,
            values=np.array(values),
            groups=["loss"],
            series=list(TITLES.values()),
            x_label="s",
            y_log=True,
        )
        drawn = np.isfinite(values).sum(0)
        all_had = np.flatnonzero(drawn == drawn.max())[-1]  # seconds that everybody in the race has had
        found = extremes([row[all_had] for row in values], picture.series)
        text = "In {seconds} s of computing, {low} got lowest, to {least}; {high} got to {most}."
        return p.says(picture, text, seconds=rough(x[all_had]), **found) if found else picture

    @p.bars("Time of a step")
    def times(self, knobs: OptimizersKnobs) -> p.Bars:
        """Mean microseconds for the gradient and for the rule."""
        picture = p.Bars(
            values=1e6 * self.clock.means().T, labels=list(TITLES.values()), series=["gradient µs", "rule µs"]
        )
        found = extremes(picture.values[1].tolist(), picture.labels)
        text = "The quickest rule is {low}'s, with {least} µs; the slowest {high}'s, with {most} µs."
        return p.says(picture, text, **found) if found else picture

    @p.lines("One weight, step by step", size="wide")
    def weight(self, knobs: OptimizersKnobs) -> p.Lines:
        """g and −Δθ / η of one weight, and its rule with the numbers of the last step."""
        glass = latest_rows(self.glass, max(1, self.step_index))  # (T, P, 3)
        g, moved, rate = glass.unbind(2)  # (T, P)
        weights, numbers = [next(model.parameters()) for model in self.models], glass[-1].tolist()
        picture = p.Lines(
            x=np.arange(self.step_index - len(glass), self.step_index),
            values=torch.stack([g, -moved / rate], 0).permute(2, 0, 1),  # (P, 2, T)
            groups=list(TITLES.values()),
            series=["g", "−Δθ / η"],
            x_label="step",
            notes=[
                optimizer.last_step(weight, self.watched, *last)
                for optimizer, weight, last in zip(self.optimizers, weights, numbers, strict=True)
            ],
        )
        farthest = foremost(moved[-1].abs())
        if farthest is None:
            return picture
        text = "In the last step {name} moved it farthest, by {by}."
        return p.says(picture, text, name=picture.groups[farthest], by=rough(float(moved[-1, farthest])))

    @p.bars("Numbers kept per weight")
    def memory(self, knobs: OptimizersKnobs) -> p.Bars:
        """Elements of all buffers, for each parameter."""
        kept = [
            sum(b.numel() for state in optimizer.state.values() for b in state.values() if torch.is_tensor(b))
            for optimizer in self.optimizers
        ]
        parameters = self.moved.shape[1]
        picture = p.Bars(
            values=torch.tensor(kept)[None] / parameters, labels=list(TITLES.values()), range=(0.0, 2.0)
        )
        found = extremes([count / parameters for count in kept], picture.labels)
        text = "For each weight, {high} keeps {most} numbers, {low} keeps {least}."
        return p.says(picture, text, **found) if found else picture
