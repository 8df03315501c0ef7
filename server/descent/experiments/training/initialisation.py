"""Weight initialisation.

Six networks of ten layers are the same but for the size of their first random weights. Too small, and the
signal dies on its way; too large, and it explodes; just right, and training begins at once.

A layer's weights are drawn from N(0, σ²), with n_in units below and n_out in it:

    zeros      σ = 0                        small      σ = 0.01        large     σ = 1
    g√(1/n)    σ = g √(1/n_in)              LeCun et al. 1998, §4.6, for g = 1
    Xavier     σ = √(2/(n_in + n_out))      Glorot and Bengio 2010, eq. 12
    He         σ = √(2/n_in)                He et al. 2015, eq. 10

Why these: with z_l = W_l h_{l−1} and h_l = φ(z_l),

    forwards    Var z_l = n_in σ² E[h²_{l−1}],   backwards   E[δ²_{l−1}] = n_out σ² E[δ_l²] E[φ′²]
    tanh near 0: h ≈ z, so n σ² = 1 keeps both;  ReLU: E[h²] = ½ Var z, so n σ² = 2 does
    after ten layers a factor c per layer has become c¹⁰

Watch the curves of the large chart: flat ones learn, and the steeper they are, the later, or never.

Source: as above; the experiments follow Glorot and Bengio 2010, §4.2, and He et al. 2015, §2.2.
Departures: Xavier's is the normal form, not the uniform one. Digits of 8×8 pixels, standardised and times
0.2, so that tanh begins near 0, where the derivation holds. No biases: they would learn where no signal
arrives, and hide that none does. Plain mini-batch gradient descent. A network whose loss leaves all bounds
is out, the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Knobs, Objective, Preset, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import shuffled_digits
from descent.kit.extremes import extremes
from descent.kit.nn.activations import ACTIVATION_TITLES, ACTIVATIONS, ActivationName
from descent.kit.nn.race import NetworkRace, by_learner, losses_by_learner
from descent.kit.text import rough, subscript

DEPTH = 10  # hidden layers
CLASSES = 10
SIDE = 8  # of an image
BATCH = 64
TEST_SHARE = 5  # one in so many digits is for testing
SCALE = 0.2  # of the standardised pixels
SHOWN = 128  # training digits that the panels look at
UNITS_SHOWN = 20
FAR = 1e3  # a loss beyond is out

Scheme = Literal["zeros", "small", "large", "own", "xavier", "he"]
TITLES: Mapping[Scheme, str] = {
    "zeros": "zeros",
    "small": "small",
    "large": "large",
    "own": "g√(1/n)",
    "xavier": "Xavier",
    "he": "He",
}
SCHEMES: list[Scheme] = list(TITLES)


class InitKnobs(Knobs):
    # fmt: off
    scheme: Scheme = live(
        "he", "Initialisation", options={"zeros": "zeros", "small": "small: σ = 0.01",
        "large": "large: σ = 1", "own": "g√(1/n)", "xavier": "Xavier", "he": "He"}, role="look")
    lr: float = rate(
        0.05, log=(1e-4, 10.0), typical=(0.01, 0.2), help="How far a step goes, in all six networks.")
    activation: ActivationName = fixed("relu", "Activation", "φ", options=ACTIVATION_TITLES)
    width: int = fixed(100, "Units per layer", "n", range=(8, 200))
    gain: float = fixed(1.0, "Gain", "g", log=(0.1, 10.0), typical=(0.7, 2.0))
    # fmt: on


def deviation(scheme: Scheme, below: int, above: int, gain: float = 1.0) -> float:
    """σ of the weights between `below` = n_in and `above` = n_out units."""
    match scheme:
        case "zeros":
            return 0.0
        case "small":
            return 0.01
        case "large":
            return 1.0
        case "own":
            return gain * math.sqrt(1 / below)
        case "xavier":
            return math.sqrt(2 / (below + above))
        case "he":
            return math.sqrt(2 / below)


class Network(nn.Module):
    """x (B, 64) → logits (B, 10), through ten hidden layers of equal width."""

    def __init__(self, width: int, phi: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        sizes = [SIDE**2, *[width] * DEPTH, CLASSES]
        self.phi = phi
        self.layers = [nn.Linear(below, above, bias=False) for below, above in pairwise(sizes)]
        self.registered = nn.ModuleList(self.layers)

    def initialise(self, scheme: Scheme, gain: float, generator: torch.Generator) -> Network:
        """Draw the weights: for each scheme the same numbers, times its σ."""
        with torch.no_grad():
            for layer in self.layers:
                above, below = layer.weight.shape
                numbers = torch.randn(above, below, generator=generator)
                layer.weight.copy_(numbers * deviation(scheme, below, above, gain))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        h = x
        for layer in self.layers[:-1]:
            h = self.phi(layer(h))
        return self.layers[-1](h)

    def signals(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """h_l of the hidden layers, and the gradients δ_l = ∂L/∂z_l: (B, n) each."""
        with torch.enable_grad():
            sums, outputs, h = [], [], x
            for layer in self.layers[:-1]:
                sums.append(layer(h))
                h = self.phi(sums[-1])
                outputs.append(h)
            loss = F.cross_entropy(self.layers[-1](h), y)
            deltas = torch.autograd.grad(loss, sums)
        return [output.detach() for output in outputs], list(deltas)


class Initialisation(NetworkRace[InitKnobs]):
    """Six networks that differ in the size of their first weights alone."""

    order = 2
    pace = 30.0
    after = ("activations",)
    minutes = 10
    level = 2
    invite = "Choose another initialisation and compare its histograms with those of He."
    batch_size = BATCH
    far, titles = FAR, TITLES
    measures = losses_by_learner(TITLES)
    steers = {"lr": "optimizers"}
    presets = {
        "small": Preset("Too small", {"scheme": "small"}),
        "large": Preset("Too large", {"scheme": "large"}),
        "zeros": Preset("Zeros: all units alike", {"scheme": "zeros", "activation": "sigmoid"}),
        "tanh": Preset("Xavier and tanh", {"scheme": "xavier", "activation": "tanh"}),
        "gain": Preset("Twice what it takes", {"scheme": "own", "gain": 2.83}),
    }

    def build(self, knobs: InitKnobs) -> None:
        """Split the digits, make six networks."""
        pixels, labels = shuffled_digits(self.generator(-1))  # (N, 64), (N,)
        pixels = pixels - pixels.mean(0)
        x = (SCALE * pixels / pixels.square().mean().sqrt()).to(self.device)
        y = labels.to(self.device)
        test = len(y) // TEST_SHARE
        self.test_x, self.test_y, self.x, self.y = x[:test], y[:test], x[test:], y[test:]
        phi = ACTIVATIONS[knobs.activation]
        self.networks = {scheme: Network(knobs.width, phi) for scheme in SCHEMES}
        for scheme, network in self.networks.items():
            network.initialise(scheme, knobs.gain, self.generator(-2)).to(self.device)
        self.training_samples = len(self.y)
        self.line_up(self.networks, knobs.lr)
        self.first = self._spreads()  # (2, 6, DEPTH), before any step

    def coming(self) -> tuple[Tensor, Tensor]:
        """The coming digits (B, D), and what they are (B,)."""
        rows = coming_rows(self, BATCH, len(self.y))
        return self.x[rows], self.y[rows]

    def loss_of(self, name: Scheme, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """A network's cross-entropy on some digits."""
        return F.cross_entropy(self.networks[name](x), y)

    def objectives(self, knobs: InitKnobs) -> Mapping[str, Objective]:
        """The loss of the network that is taken apart."""
        scheme, network = knobs.scheme, self.networks[knobs.scheme]
        layers = {f"W{subscript(i)}": list(layer.parameters()) for i, layer in enumerate(network.layers, 1)}

        def loss() -> Tensor:
            return self.loss_of(scheme, *self.coming())

        return {"": Objective.of(network, self.optimizers[scheme], loss, layers)}

    def _spreads(self) -> Tensor:
        """Standard deviations of h_l and of δ_l over units and digits: (2, 6, DEPTH)."""
        found = []
        for scheme in SCHEMES:
            outputs, deltas = self.networks[scheme].signals(self.x[:SHOWN], self.y[:SHOWN])
            values = torch.stack([torch.stack(outputs), torch.stack(deltas)]).flatten(2)  # (2, DEPTH, B·n)
            unit = values.abs().amax(2, keepdim=True).clamp(min=1e-30)  # the squares of some are no floats
            found.append((values / unit).std(2) * unit[..., 0])
        return torch.stack(found, 1)

    @p.lines("Does the signal survive?", size="hero")
    def signal(self, knobs: InitKnobs) -> p.Lines:
        """std of h_l and δ_l by layer and scheme, now and before the first step."""
        spreads = torch.cat([self._spreads(), self.first])  # (4, 6, DEPTH)
        spreads = torch.where(spreads.isfinite() & (spreads > 0), spreads, math.nan)
        own = spreads[:, SCHEMES.index(knobs.scheme)]  # (4, DEPTH)
        names = [f"std h{subscript(DEPTH)} / std h₁", f"std δ₁ / std δ{subscript(DEPTH)}"] * 2
        kept = own[:, -1] / own[:, 0]
        kept[1::2] = 1 / kept[1::2]  # δ goes from the last layer to the first
        size = rough(deviation(knobs.scheme, knobs.width, knobs.width, knobs.gain))
        picture = p.Lines(
            x=torch.arange(1, DEPTH + 1),
            values=spreads,
            groups=["activations h", "gradients δ", "h at the start", "δ at the start"],
            series=list(TITLES.values()),
            x_label="l",
            y_log=True,
            notes=[f"σ = {size}, {name} = {rough(c)}" for name, c in zip(names, kept.tolist(), strict=True)],
        )
        text = "With {scheme}, the last layer keeps {forward} times h₁; δ₁ is {back} times the last δ."
        forward, back = kept[:2].tolist()
        if not math.isfinite(forward + back):
            return picture
        return p.says(picture, text, scheme=TITLES[knobs.scheme], forward=rough(forward), back=rough(back))

    @p.histogram("Activations")
    def activations(self, knobs: InitKnobs) -> p.Histogram:
        """h_l over all units and digits."""
        outputs, _ = self.networks[knobs.scheme].signals(self.x[:SHOWN], self.y[:SHOWN])
        picture = _layers(outputs, "h", low=-1 if knobs.activation == "tanh" else 0)
        first, last = (rough(float(outputs[layer].abs().mean())) for layer in (0, -1))
        text = "On average |h| is {first} in the first layer and {last} in the last."
        return p.says(picture, text, first=first, last=last)

    @p.histogram("Gradients")
    def gradients(self, knobs: InitKnobs) -> p.Histogram:
        """δ_l over all units and digits."""
        _, deltas = self.networks[knobs.scheme].signals(self.x[:SHOWN], self.y[:SHOWN])
        first, last = (rough(float(deltas[layer].abs().mean())) for layer in (0, -1))
        text = "On average |δ| is {last} in the last layer and {first} in the first."
        return p.says(_layers(deltas, "δ", low=-1), text, first=first, last=last)

    losses = p.scalars(by_learner("loss", TITLES), "Loss", size="wide", log=True, smoothing=0.8)

    @p.bars("Accuracy")
    def accuracy(self, knobs: InitKnobs) -> p.Bars:
        """On the test set, by scheme."""
        shares = [
            (self.networks[scheme](self.test_x).argmax(1) == self.test_y).float().mean() for scheme in SCHEMES
        ]
        picture = p.Bars(values=torch.stack(shares)[None], labels=list(TITLES.values()), range=(0.0, 1.0))
        found = extremes(100 * torch.stack(shares), list(TITLES.values()))
        text = "{high} reads {most}% of the test digits right, {low} {least}%."
        return p.says(picture, text, **found) if found else picture

    @p.bars("Are the first weights large enough?", log=True)
    def sizes(self, knobs: InitKnobs) -> p.Bars:
        """σ of each scheme beside √(2/n) for ReLU, else √(1/n)."""
        needed = math.sqrt((2 if knobs.activation == "relu" else 1) / knobs.width)
        found = [deviation(scheme, knobs.width, knobs.width, knobs.gain) or math.nan for scheme in SCHEMES]
        picture = p.Bars(
            values=torch.tensor([found, [needed] * len(SCHEMES)]),
            labels=list(TITLES.values()),
            series=["σ", "needed"],
            log=True,
        )
        text = "{scheme} draws weights of {percent}% of the size that {phi} needs."
        times = found[SCHEMES.index(knobs.scheme)] / needed
        if not math.isfinite(times):
            return picture
        titles = {"scheme": TITLES[knobs.scheme], "phi": ACTIVATION_TITLES[knobs.activation]}
        return p.says(picture, text, percent=rough(100 * times), **titles)

    @p.bars("Do the units differ?")
    def different(self, knobs: InitKnobs) -> p.Bars:
        """Distinct columns of h₁, by scheme."""
        phi, layers = ACTIVATIONS[knobs.activation], [self.networks[scheme].layers[0] for scheme in SCHEMES]
        counts = [len(phi(layer(self.x[:SHOWN])).T.unique(dim=0)) for layer in layers]
        picture = p.Bars(values=torch.tensor([counts]).float(), labels=list(TITLES.values()))
        text = "With {scheme}, {count} of {all} units in layer 1 differ."
        count = counts[SCHEMES.index(knobs.scheme)]
        return p.says(picture, text, scheme=TITLES[knobs.scheme], count=count, all=knobs.width)

    @p.images("First weights")
    def weights(self, knobs: InitKnobs) -> p.Images:
        """The first units' weights, all on one scale."""
        found = self.networks[knobs.scheme].layers[0].weight[:UNITS_SHOWN]  # (units, 64)
        rows, sigma = found.nan_to_num(), rough(float(found.std(correction=0)))
        pixels = p.Images.signed(rows / rows.abs().max().clamp(min=1e-12))
        picture = p.Images(pixels=pixels.view(-1, SIDE, SIDE, 3), columns=5)
        most = rough(float(found.abs().max()))
        return p.says(picture, "Their σ is {sigma}, and the largest is {most}.", sigma=sigma, most=most)


def _layers(signals: list[Tensor], symbol: str, low: int, bins: int = 41) -> p.Histogram:
    """All layers over one range, from `low` to 1 times a few medians of the layer with the largest."""
    # Wide: histc knows no numbers as small as some.
    values = [signal[signal != 0].cpu().double() for signal in signals]
    medians = [float(value.abs().median()) for value in values if len(value)]
    wide = min(1e30, max(1e-30, *(4 * median for median in medians if median < math.inf), 0.0))
    counts = [torch.histc(value / wide, bins=bins, min=low, max=1) for value in values]
    edges = (torch.linspace(low, 1, bins + 1, dtype=torch.float64) * wide).float()
    return p.Histogram(
        counts=torch.stack(counts).float(),
        edges=edges.expand(len(values), bins + 1),
        names=[f"{symbol}{subscript(i + 1)}" for i in range(len(values))],
    )
