"""Activation functions.

Six networks start from the same weights and see the same points; only the function between their layers
differs. One cannot bend, one goes deaf ten layers down, and one can die.

With x in the plane, L hidden layers of equal width n, φ applied to each unit, and weights from N(0, 1/n),
which on average keep a vector's length:

    z_l = W_l h_{l−1} + b_l,  h_l = φ(z_l),  h_0 = x,  z = W_{L+1} h_L + b_{L+1},  loss = mean −log σ(yz)
    without φ:  z = W_{L+1} ⋯ W_2 W_1 x + c        one matrix, however many layers
    backwards:  δ_l = ∂L/∂z_l = φ′(z_l) ⊙ W_{l+1}ᵀ δ_{l+1},  ∂L/∂W_l = δ_l h_{l−1}ᵀ
    sigmoid:    σ′(z) = σ(z)(1 − σ(z)) ≤ ¼         so at most about ¼ of the gradient passes a layer, ¼ᴸ all

    none       φ(z) = z                      tanh        tanh z, φ′ = 1 − tanh²z
    sigmoid    1 / (1 + e^{−z})              ReLU        max(0, z)
    LeakyReLU  z or 0.01 z where z < 0       GELU        z Φ(z), Φ of the normal distribution

Watch how much of the gradient reaches the first layer, and which of the six learn anything at all.

Source: vanishing gradients: Hochreiter 1991; Glorot and Bengio 2010, §3; LeCun et al., "Efficient BackProp"
(1998), §4.4–4.6 on tanh and 1/n. ReLU: Nair and Hinton 2010; LeakyReLU: Maas et al. 2013, §2; GELU:
Hendrycks and Gimpel 2016, arXiv:1606.08415.
Departures: all six use the same weights, so that φ alone makes the difference; ReLU would do better still
with its own, see the experiment on initialisation. Plain mini-batch gradient descent. A network whose loss
leaves all bounds is out, the others go on.
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
from descent.kit.data.planar import CLASSIFICATION, EXTENT, grid
from descent.kit.extremes import extremes
from descent.kit.nn.race import NetworkRace, by_learner, losses_by_learner
from descent.kit.reading import share_of
from descent.kit.text import rough, subscript, superscript

WIDTH = 16  # n, units in each hidden layer
POINTS, BATCH = 400, 50
UNIT = EXTENT / 2  # of the plane, so that the inputs are of size 1
MAP = 64  # pixels along a side of a map
SHOWN = 4  # one in so many points is drawn on a map
ASLEEP = 1e-3  # a slope below this lets nothing through
FAR = 1e3  # a loss beyond is out

Name = Literal["none", "sigmoid", "tanh", "relu", "leaky", "gelu"]
ACTIVATIONS: Mapping[Name, Callable[[Tensor], Tensor]] = {
    "none": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky": F.leaky_relu,  # slope 0.01 below 0
    "gelu": F.gelu,
}
NAMES: list[Name] = list(ACTIVATIONS)
TITLES = dict(zip(NAMES, ("φ = z", "sigmoid", "tanh", "ReLU", "LeakyReLU", "GELU"), strict=True))


class ActivationKnobs(Knobs):
    activation: Name = live("relu", "Activation", "φ", options={**TITLES, "none": "none: φ = z"}, role="look")
    lr: float = rate(
        0.1, log=(1e-3, 30.0), typical=(0.03, 0.3), help="How far a step goes, in all six networks."
    )
    depth: int = fixed(10, "Hidden layers", "L", range=(1, 12))
    dataset: Literal["circle", "xor", "gauss"] = fixed(
        "circle", "Data set", options={"circle": "circle", "xor": "exclusive or", "gauss": "two clouds"}
    )


class Network(nn.Module):
    """x (B, 2) → z (B,), positive for the class +1."""

    def __init__(self, depth: int, phi: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        sizes = [2, *[WIDTH] * depth, 1]
        self.phi = phi
        self.layers = [nn.Linear(below, above) for below, above in pairwise(sizes)]
        self.registered = nn.ModuleList(self.layers)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)  # N(0, 1/n)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The answer alone."""
        h = x
        for layer in self.layers[:-1]:
            h = self.phi(layer(h))
        return self.layers[-1](h)[:, 0]

    def sums(self, x: Tensor) -> list[Tensor]:
        """z_l of all layers: (B, n) of each hidden one, and (B, 1)."""
        found = [self.layers[0](x)]
        for layer in self.layers[1:]:
            found.append(layer(self.phi(found[-1])))
        return found

    def product(self) -> tuple[Tensor, Tensor]:
        """A (2,) and c of the one layer Ax + c that all layers make if φ is left out."""
        weight, bias = torch.eye(2, device=self.layers[0].weight.device), self.layers[0].bias.new_zeros(2)
        for layer in self.layers:
            weight, bias = layer.weight @ weight, layer.weight @ bias + layer.bias
        return weight[0], bias[0]


def slope(phi: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """φ′ at each z."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        (found,) = torch.autograd.grad(phi(z).sum(), z)
    return found


def loss_of(z: Tensor, y: Tensor) -> Tensor:
    """Mean −log σ(yz), y = ±1."""
    return F.softplus(-y * z).mean()


def flow(network: Network, x: Tensor, y: Tensor) -> Tensor:
    """‖δ_l‖ = ‖∂L/∂z_l‖ of each layer, the output's last: (L + 1,)."""
    with torch.enable_grad():
        sums = network.sums(x)
        deltas = torch.autograd.grad(loss_of(sums[-1][:, 0], y), sums)
    return torch.stack([delta.norm() for delta in deltas])


class Activations(NetworkRace[ActivationKnobs]):
    """Six networks that differ in φ alone."""

    order = 1
    pace = 60.0
    training_samples, batch_size = POINTS, BATCH
    after = ("neural-playground",)
    minutes = 10
    level = 2
    invite = "Choose the sigmoid, and see what of its gradient is left at the first layer."
    far, titles = FAR, TITLES
    measures = losses_by_learner(TITLES)
    steers = {"lr": "optimizers"}
    presets = {
        "no-activation": Preset("No activation", {"activation": "none", "depth": 1, "lr": 0.3}),
        "sigmoid": Preset("Sigmoid, 10 layers", {"activation": "sigmoid"}),
        "one-sigmoid": Preset("Sigmoid, one layer", {"activation": "sigmoid", "depth": 1, "lr": 1.0}),
        "dead-relus": Preset("Dead ReLUs", {"activation": "relu", "depth": 2, "lr": 6.0}),
    }

    def build(self, knobs: ActivationKnobs) -> None:
        """Draw the points, and one set of weights for all."""
        drawn = CLASSIFICATION[knobs.dataset](POINTS, 0.0, self.generator(-1))
        self.x, self.y = (drawn.points / UNIT).to(self.device), drawn.labels[:, 0].to(self.device)
        self.plane = (grid(MAP) / UNIT).to(self.device)  # (MAP², 2)
        first = Network(knobs.depth, ACTIVATIONS["none"])
        self.networks = {name: Network(knobs.depth, phi) for name, phi in ACTIVATIONS.items()}
        for network in self.networks.values():
            network.load_state_dict(first.state_dict())
            network.to(self.device)
        self.line_up(self.networks, knobs.lr)

    def coming(self) -> tuple[Tensor, Tensor]:
        """The coming points (B, 2), and their classes (B,)."""
        rows = coming_rows(self, BATCH, POINTS)
        return self.x[rows], self.y[rows]

    def loss_of(self, name: Name, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """A network's loss on some points."""
        return loss_of(self.networks[name](x), y)

    def objectives(self, knobs: ActivationKnobs) -> Mapping[str, Objective]:
        """The loss of the network that is taken apart."""
        name, network = knobs.activation, self.networks[knobs.activation]
        layers = {f"W{subscript(i)}": list(layer.parameters()) for i, layer in enumerate(network.layers, 1)}

        def loss() -> Tensor:
            return self.loss_of(name, *self.coming())

        return {"": Objective.of(network, self.optimizers[name], loss, layers)}

    @p.lines("How much gradient reaches layer 1?", size="wide")
    def gradients(self, knobs: ActivationKnobs) -> p.Lines:
        """‖δ_l‖ / ‖δ_{L+1}‖ on all points, and ¼ to the power of the hidden layers between."""
        layers, last = torch.arange(1, knobs.depth + 2), knobs.depth + 1
        flows = torch.stack([flow(self.networks[name], self.x, self.y) for name in NAMES])  # (6, L + 1)
        shares = flows / flows[:, -1:]
        values = torch.cat([shares, 0.25 ** (last - layers).to(shares)[None]])
        values = torch.where(values.isfinite() & (values > 0), values, math.nan)
        left = values[NAMES.index(knobs.activation), 0].item()
        note = f"‖δ₁‖ / ‖δ{subscript(last)}‖ = {rough(left)}"
        if left == left:
            note += f" = {left ** (1 / knobs.depth):.3f}{superscript(knobs.depth)}"
        picture = p.Lines(
            x=layers,
            values=values,
            series=[*TITLES.values(), "¼ a layer"],
            x_label="l",
            y_log=True,
            notes=[note],
        )
        found = extremes(values[:-1, 0], picture.series[:-1])
        text = "Layer 1 gets {most} of the output's gradient with {high}, {least} with {low}."
        return p.says(picture, text, **found) if found else picture

    @p.images("Six networks", size="hero")
    def maps(self, knobs: ActivationKnobs) -> p.Images:
        """2σ(z) − 1 over the plane, with points on it."""
        answers = torch.stack([self.networks[name](self.plane) for name in NAMES])  # (6, MAP²)
        values = torch.tanh(answers / 2).nan_to_num().view(-1, MAP, MAP)
        picture = p.Images(pixels=self._coloured(values), columns=3, captions=list(TITLES.values()))
        said = torch.stack([self.networks[name](self.x) for name in NAMES])  # (6, POINTS)
        right = 100 * ((said > 0) == (self.y > 0)).float().mean(1)
        found = extremes(right, list(TITLES.values()))
        text = "{high} puts {most}% of the points on their side, {low} only {least}%."
        return p.says(picture, text, **found) if found else picture

    def _coloured(self, values: Tensor) -> Tensor:
        """Maps (N, MAP, MAP), lowest row first, as colours with points on them, highest row first."""
        blue, red = torch.tensor([[70.0, 130, 230], [225, 75, 60]], device=self.device)
        colours = values.clamp(min=0)[..., None] * blue + values.clamp(max=0).neg()[..., None] * red
        column, row = ((self.x[::SHOWN] * UNIT + EXTENT) / (2 * EXTENT) * MAP).long().clamp(0, MAP - 1).T
        pale = torch.tensor([[190.0, 215, 255], [255, 190, 180]], device=self.device)
        colours[:, row, column] = torch.where(self.y[::SHOWN, None] > 0, pale[0], pale[1])
        pixels: Tensor = colours.to(torch.uint8)
        return pixels.flip(1)

    @p.bars("Units that cannot learn")
    def asleep(self, knobs: ActivationKnobs) -> p.Bars:
        """As a share of all hidden units, by network."""
        shares = []
        for name, phi in ACTIVATIONS.items():
            units = torch.cat(self.networks[name].sums(self.x)[:-1], 1)  # (POINTS, L·n)
            shares.append((slope(phi, units).abs() < ASLEEP).all(0).float().mean())
        picture = p.Bars(values=torch.stack(shares)[None], labels=list(TITLES.values()), range=(0.0, 1.0))
        found = extremes(100 * torch.stack(shares), picture.labels)
        text = "{most}% of {high}'s units sleep, {least}% of {low}'s."
        return p.says(picture, text, **found) if found else picture

    @p.lines("The functions", size="wide")
    def functions(self, knobs: ActivationKnobs) -> p.Lines:
        """φ(z) and φ′(z) of all six, and of the chosen network's units on some points."""
        z = torch.linspace(-5, 5, 201)
        curves = torch.stack([torch.stack([phi(z), slope(phi, z)]) for phi in ACTIVATIONS.values()], 1)
        sums = self.networks[knobs.activation].sums(self.x[:: POINTS // 4])[:-1]
        units = torch.stack(sums)[..., ::4].flatten().clamp(-5, 5)  # (L·4·4,)
        phi, series = ACTIVATIONS[knobs.activation], NAMES.index(knobs.activation)
        heights = phi(units), slope(phi, units)
        dots = [p.Lines.dot(units, y, series=series, group=g) for g, y in enumerate(heights)]
        steepest = curves[1].amax(1)  # (6,)
        picture = p.Lines(
            x=z,
            values=curves,
            groups=["φ(z)", "φ′(z)"],
            series=["z", "σ", "tanh", "ReLU", "Leaky", "GELU"],
            x_label="z",
            dots=torch.cat(dots).nan_to_num(),
            y_ranges=[(-1.2, 2.4), (-0.2, 1.2)],
            notes=["", f"max φ′ = {steepest[series]:.3g}"],
        )
        every = torch.stack(sums)
        flat = share_of(slope(phi, every).abs() < ASLEEP, every)
        text = "Of the chosen network's sums, {percent}% lie where its function is flat."
        return p.says(picture, text, percent=rough(100 * flat))

    @p.lines("Are all layers one matrix?")
    def collapse(self, knobs: ActivationKnobs) -> p.Lines:
        """z at x₂ = 0, and Ax + c with A = W_{L+1} ⋯ W₁."""
        network = self.networks[knobs.activation]
        a, c = network.product()
        axis = torch.linspace(-EXTENT, EXTENT, 81, device=self.device) / UNIT
        x = torch.stack([axis, torch.zeros_like(axis)], 1)
        answers = torch.stack([network(x), x @ a + c])
        apart = (answers[0] - answers[1]).abs().max().item()
        name = "W₂W₁" if knobs.depth == 1 else f"W{subscript(knobs.depth + 1)}⋯W₁"
        picture = p.Lines(
            x=axis * UNIT,
            values=torch.where(answers.isfinite(), answers, math.nan),
            series=["network", "one matrix"],
            x_label="x₁",
            notes=[f"{name} = ({rough(float(a[0]))}, {rough(float(a[1]))}), max |Δ| = {rough(apart)}"],
        )
        if not math.isfinite(apart):
            return picture
        same = apart <= 1e-4 * (1e-6 + answers.abs().max().item())
        return p.says(
            picture,
            "Yes: both lines are the same." if same else "No: the network bends where a matrix cannot.",
        )

    losses = p.scalars(by_learner("loss", TITLES), "Loss", size="wide", log=True, smoothing=0.8)

    @p.histogram("Sums that reach the units, z")
    def sums(self, knobs: ActivationKnobs) -> p.Histogram:
        """z_l over all units and points, within three times their root mean square."""
        sums = self.networks[knobs.activation].sums(self.x)[:-1]
        wide = 3 * torch.stack(sums).nan_to_num().square().mean().sqrt().clamp(1e-3, 1e3).item()
        counts = torch.stack([torch.histc(z.nan_to_num(), bins=41, min=-wide, max=wide) for z in sums])
        edges = torch.linspace(-wide, wide, 42).expand(len(sums), 42)
        picture = p.Histogram(
            counts=counts, edges=edges, names=[f"z{subscript(i + 1)}" for i in range(len(sums))]
        )
        first, last = (float(z.std()) for z in (sums[0], sums[-1]))
        if not math.isfinite(first + last):
            return picture
        text = "The sums spread by {first} in the first hidden layer, by {last} in the last."
        return p.says(picture, text, first=rough(first), last=rough(last))
