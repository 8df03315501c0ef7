"""Batch normalisation.

The same network twice, on the same digits, from the same weights: one plain, one that normalises every unit
over its mini-batch. Turn up the learning rate and see which of the two breaks.

For the values x of one unit over a mini-batch of B samples:

    μ_B = (1/B) Σ x,  σ²_B = (1/B) Σ (x − μ_B)²
    x̂ = (x − μ_B) / √(σ²_B + ε)
    y = γ x̂ + β                                        γ and β are learnt

and the activation receives y. Once trained, single samples have no batch, so the statistics are running ones:

    μ ← (1 − m) μ + m μ_B,  σ² ← (1 − m) σ² + m B/(B − 1) σ²_B

Watch the plain network's activations narrow or drift from layer to layer, where the normalised ones stay put.

Source: Ioffe and Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
Covariate Shift", arXiv:1502.03167, §3 (algorithms 1 and 2), §4.1 and figure 1 (activations over training).
Departures: running averages during training, as in PyTorch, instead of a pass over the training set after it;
m is the weight of the newest batch. A batch of one, which PyTorch refuses, is computed: it has σ²_B = 0, so
x̂ = 0, and with B/max(B − 1, 1) for B/(B − 1), which is 1/0, it feeds 0 to the running variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import shuffled_digits
from descent.kit.history import remembered
from descent.kit.nn.activations import ACTIVATION_TITLES, ACTIVATIONS, ActivationName
from descent.kit.text import rough

PIXELS, CLASSES = 64, 10
TRAIN = 1200  # of 1,797 digits; the others are the test split
TESTED_EVERY = 10  # steps
RATES = torch.logspace(-2.5, 1.5, 13)  # of the copies that are trained alongside
RACE = 200  # steps that the copies take
RECENT = 0.9  # weight of the past in the copies' losses
CEILING = 4.0  # a loss beyond, or none at all, is shown here; guessing has ln 10 = 2.30
REACH = 10.0  # of the axis on which activations are drawn, at most
KEPT = 256  # rows of the history of activations; then every other one is forgotten
SPAN, BINS = 4.0, 64  # the histograms reach from −SPAN to SPAN


class BatchNormKnobs(Knobs):
    lr: float = rate(0.1, log=(1e-4, 100.0), typical=(0.03, 1.0))
    batch_size: int = batch_of(
        64, 512, typical=(16, 256), help="Samples per step, over which a unit's mean and variance are taken."
    )
    momentum: float = live(0.1, "Momentum", "m", log=(1e-4, 1.0), typical=(0.01, 0.3))
    eps: float = live(1e-5, "Epsilon", "ε", log=(1e-8, 100.0), typical=(1e-6, 1e-3))
    activation: ActivationName = live("relu", "Activation", "φ", options=ACTIVATION_TITLES)
    depth: int = fixed(5, "Hidden layers", "L", range=(1, 6), help="Of each network.")
    width: int = fixed(32, "Width", range=(4, 64), step=4, help="Units per hidden layer.")
    gain: float = fixed(1.0, "Initial weights", "g", log=(0.05, 20.0), typical=(0.7, 1.5))


class BatchNorm(nn.Module):
    """Normalises each of `units` over the samples of a mini-batch; `copies` have statistics of their own."""

    gamma: Tensor
    beta: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, units: int, copies: int = 0) -> None:
        super().__init__()
        shape = (copies, 1, units) if copies else (units,)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))

    def forward(self, x: Tensor, eps: float, momentum: float = 0.0) -> Tensor:
        """y for x (…, B, units). In training mode the statistics are the batch's, and with a `momentum`
        they are added to the running ones; else they are the running ones.
        """
        if self.training:
            mu = x.mean(-2, keepdim=True)  # μ_B (…, 1, units)
            var = (x - mu).square().mean(-2, keepdim=True)  # σ²_B
            if momentum:
                self._remember(mu.detach(), var.detach(), x.shape[-2], momentum)
        else:
            mu, var = self.running_mean, self.running_var
        x_hat = (x - mu) / (var + eps).sqrt()  # x̂ = (x − μ_B) / √(σ²_B + ε)
        return self.gamma * x_hat + self.beta  # y = γ x̂ + β

    def _remember(self, mu: Tensor, var: Tensor, batch: int, momentum: float) -> None:
        unbiased = var * (batch / max(batch - 1, 1))  # B/(B − 1) σ²_B; 0 for a single sample
        self.running_mean.lerp_(mu.view_as(self.running_mean), momentum)  # μ ← (1 − m) μ + m μ_B
        self.running_var.lerp_(unbiased.view_as(self.running_var), momentum)


class Network(nn.Module):
    """A multilayer perceptron that begins with `weights`, plain or normalised before each activation.

    With `copies`, as many networks in one, each with parameters of its own: logits (copies, B, classes).
    """

    def __init__(self, weights: Sequence[Tensor], *, normalised: bool, copies: int = 0) -> None:
        super().__init__()
        self.weights, self.biases, self.norms = nn.ParameterList(), nn.ParameterList(), nn.ModuleList()
        for layer, weight in enumerate(weights, 1):
            self.weights.append(weight.repeat(copies, 1, 1) if copies else weight.clone())
            units = weight.shape[1]
            if normalised and layer < len(weights):
                self.norms.append(BatchNorm(units, copies))  # μ_B would take a bias away: β is the bias
            else:
                self.biases.append(torch.zeros((copies, 1, units) if copies else units))

    def norm(self, layer: int) -> BatchNorm:
        """Of a hidden layer, counted from 0 or from the last, −1."""
        return cast(BatchNorm, self.norms[layer])

    def signals(
        self, h: Tensor, knobs: BatchNormKnobs, momentum: float = 0.0
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Of digits h (…, B, pixels): x and y of each hidden layer (…, B, units), and the logits."""
        activation = ACTIVATIONS[knobs.activation]
        xs, ys = [], []
        for layer, weight in enumerate(self.weights[:-1]):
            xs.append(h @ weight if len(self.norms) else h @ weight + self.biases[layer])
            ys.append(self.norms[layer](xs[-1], knobs.eps, momentum) if len(self.norms) else xs[-1])
            h = activation(ys[-1])
        return xs, ys, h @ self.weights[-1] + self.biases[-1]

    def forward(self, h: Tensor, knobs: BatchNormKnobs, momentum: float = 0.0) -> Tensor:
        """The logits."""
        return self.signals(h, knobs, momentum)[-1]

    def layers(self) -> dict[str, list[Tensor]]:
        """The parameters of each layer."""
        found = {f"layer {i}": [weight] for i, weight in enumerate(self.weights, 1)}
        for i, norm in enumerate(self.norms, 1):
            found[f"layer {i}"] += [norm.gamma, norm.beta]
        for i, bias in enumerate(self.biases, len(self.norms) + 1):
            found[f"layer {i}"].append(bias)
        found["output"] = found.pop(f"layer {len(self.weights)}")
        return found


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of each mini-batch: logits (…, B, classes), labels (B,) or (…, B) → (…)."""
    chosen = labels.expand(logits.shape[:-1])[..., None]
    return -logits.log_softmax(-1).gather(-1, chosen)[..., 0].mean(-1)


def shown(loss: Tensor) -> Tensor:
    """A loss as far as the charts reach."""
    return loss.detach().nan_to_num(CEILING).clamp(max=CEILING)


def moments(received: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean and deviation of each network's y per layer, over samples and units: (2, networks, layers)."""
    flat = torch.stack([torch.stack([y.detach().flatten() for y in ys]) for ys in received])
    return torch.stack([flat.mean(-1), flat.std(-1, correction=0)])


class BatchNormalisation(Experiment[BatchNormKnobs]):
    """A plain and a normalised network; beside them, copies of both race at other learning rates."""

    order = 3
    pace = 60.0
    training_samples = TRAIN
    after = ("initialisation",)
    minutes = 13
    level = 2
    invite = "Drag the learning rate η to the right until one of the two networks breaks."
    measures = {
        "loss/plain": Measure("loss", of="plain"),
        "loss/bn": Measure("loss", of="batch norm", knobs=("momentum", "eps")),
        "acc/plain": Measure("accuracy", of="plain"),
        "acc/bn": Measure("accuracy", of="batch norm", knobs=("momentum", "eps")),
    }
    steers = {"lr": "optimizers"}
    presets = {
        "too-large": Preset("A rate that only one survives", {"lr": 1.0}),
        "sigmoid": Preset("Five layers of sigmoids", {"activation": "sigmoid", "lr": 1.0}),
        "small-weights": Preset("Initial weights too small", {"gain": 0.2}),
        "batch-of-two": Preset("Batches of two", {"batch_size": 2, "lr": 0.03}),
        "batch-of-one": Preset("Batches of one", {"batch_size": 1, "lr": 0.03}),
        "stale": Preset("Running averages that lag", {"momentum": 0.001}),
    }

    def build(self, knobs: BatchNormKnobs) -> None:
        """The digits, shuffled and split, and both networks from the same weights."""
        images, labels = shuffled_digits(self.generator(-1))
        self.images, self.labels = images.to(self.device), labels.to(self.device)  # (N, pixels), (N,)
        sizes = [PIXELS, *[knobs.width] * knobs.depth, CLASSES]
        self.initial = [torch.randn(n, m) * knobs.gain / math.sqrt(n) for n, m in pairwise(sizes)]
        self.plain = Network(self.initial, normalised=False).to(self.device)
        self.normalised = Network(self.initial, normalised=True).to(self.device)
        networks = self.plain, self.normalised
        self.optimizers = [torch.optim.SGD(network.parameters(), knobs.lr) for network in networks]
        self.moments = torch.empty(0, 2, 2, knobs.depth, device=self.device)  # (n, mean or deviation, …)
        self.stride = 1  # steps between two rows of it
        self._race_anew()

    def _race_anew(self) -> None:
        copies = [Network(self.initial, normalised=kind, copies=len(RATES)) for kind in (False, True)]
        self.copies = [network.to(self.device) for network in copies]
        self.raced = 0
        self.race_losses = torch.zeros(2, len(RATES), device=self.device)  # Σ of past ones, ever lighter

    def changed(self, knobs: BatchNormKnobs, names: set[str]) -> None:
        """Write η into the optimizers; start the copies anew where what they are told has changed."""
        super().changed(knobs, names)
        if names & {"batch_size", "eps", "activation"}:
            self._race_anew()

    def _batch(self, knobs: BatchNormKnobs) -> tuple[Tensor, Tensor]:
        """Digits (B, pixels) and labels of the coming step."""
        rows = coming_rows(self, knobs.batch_size, TRAIN)
        return self.images[rows], self.labels[rows]

    def step(self, knobs: BatchNormKnobs) -> Scalars:
        """The same mini-batch for both networks, and while they race for all copies."""
        images, labels = self._batch(knobs)
        row: dict[str, float | Tensor] = {}
        received = []
        networks = {"plain": self.plain, "bn": self.normalised}
        for (name, network), optimizer in zip(networks.items(), self.optimizers, strict=True):
            xs, ys, logits = network.signals(images, knobs, knobs.momentum)
            loss = losses(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            row[f"loss/{name}"] = shown(loss) if network is self.plain else loss.detach().clamp(max=CEILING)
            received.append(ys)
        if self.step_index % self.stride == 0:
            self.moments, self.stride = remembered(self.moments, moments(received), self.stride, KEPT)
        row |= self._unit(xs[-1].detach())
        if self.raced < RACE:
            self._race(images, labels, knobs)
        if self.step_index % TESTED_EVERY == 0:
            row |= self._test(knobs)
        return row

    def _race(self, images: Tensor, labels: Tensor, knobs: BatchNormKnobs) -> None:
        """One step of gradient descent for every copy, each at its own rate."""
        rates = RATES.to(self.device)[:, None, None]
        found = []
        for network in self.copies:
            parameters = list(network.parameters())
            loss = losses(network(images, knobs), labels)  # (copies,)
            # A copy's parameters are in its own loss only: the gradient of the sum holds all gradients.
            gradients = torch.autograd.grad(loss.sum(), parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.sub_(rates * gradient)
            found.append(shown(loss))
        self.race_losses = self.race_losses.lerp(torch.stack(found), 1 - RECENT)
        self.raced += 1

    def _unit(self, x: Tensor) -> dict[str, Tensor]:
        """Statistics of the first unit of the last hidden layer, for its x (B, units) in the batch."""
        norm = self.normalised.norm(-1)
        return {
            "unit/mean": x[:, 0].mean(),
            "unit/running-mean": norm.running_mean[0],
            "unit/beta": norm.beta[0].detach(),
            "unit/var": x[:, 0].var(correction=0),
            "unit/running-var": norm.running_var[0],
            "unit/gamma": norm.gamma[0].detach(),
        }

    @torch.no_grad()
    def _test(self, knobs: BatchNormKnobs) -> dict[str, Tensor]:
        """Losses and accuracies on the test split; by batches, digits that fill none are left out."""
        images, labels = self.images[TRAIN:], self.labels[TRAIN:]
        size = min(knobs.batch_size, len(labels))
        whole = len(labels) // size * size
        batches, answers = images[:whole].view(-1, size, PIXELS), labels[:whole].view(-1, size)
        by_batch = losses(self.normalised(batches, knobs), answers).mean()
        self.normalised.eval()
        plain, running = self.plain(images, knobs), self.normalised(images, knobs)
        self.normalised.train()
        return {
            "acc/plain": (plain.argmax(-1) == labels).float().mean(),
            "acc/bn": (running.argmax(-1) == labels).float().mean(),
            "test/batch": shown(by_batch),
            "test/running": shown(losses(running, labels)),
        }

    def out(self) -> list[str]:
        """The plain network, once it is no number any more."""
        return [] if self.plain.weights[-1].isfinite().all() else ["plain"]

    def objectives(self, knobs: BatchNormKnobs) -> Mapping[str, Objective]:
        """What the coming mini-batch's step descends. A network that is no number any more has none."""
        x, y = self._batch(knobs)

        def of(network: Network, optimizer: torch.optim.Optimizer) -> Objective:
            return Objective.of(network, optimizer, lambda: losses(network(x, knobs), y), network.layers())

        found = {"batch norm": of(self.normalised, self.optimizers[1])}
        if all(weight.isfinite().all() for weight in self.plain.weights):
            return {"plain": of(self.plain, self.optimizers[0]), **found}
        return found

    def _received(self, knobs: BatchNormKnobs) -> list[list[Tensor]]:
        """y of each hidden layer on the coming mini-batch, for the plain and the normalised network."""
        self.normalised.train()  # only while looking
        images, _ = self._batch(knobs)
        return [network.signals(images, knobs)[1] for network in (self.plain, self.normalised)]

    @p.histogram("What each activation receives", size="hero")
    def distributions(self, knobs: BatchNormKnobs) -> p.Histogram:
        """Histograms of y, what lies outside counted in the outermost bars; NaN is counted nowhere."""
        received: dict[str, Tensor] = {}
        for layer, (plain, normalised) in enumerate(zip(*self._received(knobs), strict=True), 1):
            received |= {f"layer {layer}, plain": plain, f"layer {layer}, batch norm": normalised}
        picture = p.Histogram.of(received, BINS, (-SPAN, SPAN))
        last = torch.stack(list(received.values())[-2:])
        if not last.isfinite().all():
            return picture
        plain, normalised = (float((y.abs() > SPAN).float().mean()) for y in last)
        text = "In the last layer {plain}% of plain values lie beyond the axis, {norm}% of batch norm's."
        return p.says(picture, text, plain=rough(100 * plain), norm=rough(100 * normalised))

    loss = p.scalars(
        {"loss/plain": "plain", "loss/bn": "batch norm"}, "Training loss", log=True, smoothing=0.8
    )
    accuracy = p.scalars({"acc/plain": "plain", "acc/bn": "batch norm"}, "Test accuracy")

    @p.lines("Which rates work?", size="wide")
    def tolerance(self, knobs: BatchNormKnobs) -> p.Lines:
        """The copies' losses, averaged over the last ten steps or so."""
        seen = 1 - RECENT**self.raced  # the weights of all past losses together
        plain, normalised = self.race_losses / seen if self.raced else self.race_losses * math.nan
        picture = p.Lines(
            x=RATES,
            values=torch.stack([plain, normalised, torch.full_like(plain, math.log(CLASSES))]),
            series=["plain", "batch norm", "guessing"],
            x_label="η",
            x_log=True,
            marks=[[("now", knobs.lr)]],
            notes=[f"n = {self.raced} / {RACE}"],
            y_ranges=[(0.0, CEILING)],
        )
        both = [int((found < math.log(CLASSES) / 2).sum()) for found in (plain, normalised)]
        text = "Of {all} rates, {plain} get below half of guessing plain, {norm} with batch norm."
        return p.says(picture, text, all=len(RATES), plain=both[0], norm=both[1]) if self.raced else picture

    train_eval = p.scalars(
        {"test/batch": "batch statistics", "test/running": "running statistics"},
        "Train mode, eval mode",
        log=True,
    )

    @p.lines("Activations over training", size="wide")
    def drift(self, knobs: BatchNormKnobs) -> p.Lines:
        """Mean ± deviation of y by step, one layer at a time; the coming mini-batch is the last."""
        depth = self.moments.shape[-1]
        history = torch.cat([self.moments, moments(self._received(knobs))[None]])
        history = history.where(history.isfinite(), math.nan)
        steps = [*range(0, self.stride * len(self.moments), self.stride), self.step_index]
        mean, deviation = history.permute(1, 3, 2, 0).flip(1)  # (layer, network, n) each, deepest first
        reach = (mean.abs() + deviation).nan_to_num(0).amax((1, 2)).clamp(1, REACH).tolist()
        picture = p.Lines(
            x=torch.tensor(steps, dtype=torch.float32),
            values=mean,
            low=mean - deviation,
            high=mean + deviation,
            groups=[f"layer {layer}" for layer in range(depth, 0, -1)],
            series=["plain", "batch norm"],
            x_label="step",
            y_ranges=[(-most, most) for most in reach],
        )
        plain, normalised = deviation[0, :, -1].tolist()
        if not math.isfinite(plain + normalised):
            return picture
        text = "The last layer's values spread by {plain} now, with batch norm by {norm}."
        return p.says(picture, text, plain=rough(plain), norm=rough(normalised))

    @p.lines("One unit, one batch")
    def unit(self, knobs: BatchNormKnobs) -> p.Lines:
        """x, x̂ and y in order of x; in the note, how the last x̂ comes about."""
        self.normalised.train()
        xs, ys, _ = self.normalised.signals(self._batch(knobs)[0], knobs)
        x, order = xs[-1][:, 0].sort()
        y, mu = ys[-1][order, 0], x.mean()
        var = x.var(correction=0) + knobs.eps
        x_hat = (x - mu) / var.sqrt()
        minus = f"− {mu:.2f}" if mu >= 0 else f"+ {-mu:.2f}"
        picture = p.Lines(
            x=torch.arange(1.0, len(x) + 1),
            values=torch.stack([x, x_hat, y]),
            series=["x", "x̂", "y"],
            notes=[f"x̂ = ({x[-1]:.2f} {minus}) / √{var:.2f} = {x_hat[-1]:.2f}".replace("-", "−")],
        )
        taken = {"mean": rough(float(mu)), "sigma": rough(float(x.std(correction=0)))}
        text = "What is normalised away: a mean of {mean} and a deviation of {sigma}."
        return p.says(picture, text, **taken)

    mean = p.scalars(
        {"unit/mean": "batch μ", "unit/running-mean": "running μ", "unit/beta": "β"}, "Mean of that unit"
    )
    variance = p.scalars(
        {"unit/var": "batch σ²", "unit/running-var": "running σ²", "unit/gamma": "γ"}, "Spread of that unit"
    )

    @p.histogram("γ and β")
    def learnt(self, knobs: BatchNormKnobs) -> p.Histogram:
        """Every γ and every β."""
        norms = [self.normalised.norm(layer) for layer in range(knobs.depth)]
        gammas, betas = [norm.gamma for norm in norms], [norm.beta for norm in norms]
        picture = p.Histogram.of({"γ": torch.cat(gammas), "β": torch.cat(betas)})
        text = "γ lies from {low} to {high}, β from {below} to {above}."
        ends = [rough(float(end)) for part in (gammas, betas) for end in torch.cat(part).aminmax()]
        if "–" in ends:
            return picture
        return p.says(picture, text, low=ends[0], high=ends[1], below=ends[2], above=ends[3])
