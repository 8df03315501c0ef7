"""Gradient check.

Backpropagation is written by hand here, and may hide a bug that you plant. The check needs no calculus: it
moves each parameter a little both ways, and compares the slope between the two points with what was written.

For every parameter θ_i of the loss f, with a small ε:

    two-sided: (f(θ + ε e_i) − f(θ − ε e_i)) / 2ε = ∂f/∂θ_i + O(ε²)
    one-sided: (f(θ + ε e_i) − f(θ)) / ε = ∂f/∂θ_i + O(ε)
    relative error of two vectors a and n: ‖a − n‖ / (‖a‖ + ‖n‖)

A smaller ε makes the O(…) smaller, but f is rounded to u = 1·10⁻¹⁶ of itself (float64) or 6·10⁻⁸ (float32),
and u/ε grows: the error falls, then rises, and is least near ε = ∛u. The network whose gradient is checked
has three layers, h_l = φ([h_{l−1}, 1] M_l), with M_l the weights and, in its last row, the biases:

    δ_3 = 2 (h_3 − y)/N ⊙ φ′,   δ_{l−1} = δ_l W_lᵀ ⊙ φ′,   ∂f/∂M_l = [h_{l−1}, 1]ᵀ δ_l

An error in δ_l runs on into all layers below, so the bug sits in the wrong layer that is nearest the output.

Source: Bishop, "Pattern Recognition and Machine Learning" (2006), §5.3.3; Goodfellow, Bengio, Courville,
"Deep Learning" (2016), §11.5. Departure: in use, one checks once; here all parameters, in every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn, optim

from descent.contract import Experiment, Knobs, Measure, Objective, Preset, Scalars, live, rate
from descent.contract import panels as p
from descent.kit.data.planar import circle, encode
from descent.kit.nn.activations import ACTIVATION_TITLES, ACTIVATIONS
from descent.kit.reading import times_as_large
from descent.kit.text import figure, rough

POINTS = 32
FEATURES = ("x1", "x2", "x1^2", "x2^2", "x1*x2", "sin x1")
SIZES = (len(FEATURES), 6, 6, 1)  # units per layer, inputs first: each unit has 6 weights and a bias
SHAPES = [(below + 1, units) for below, units in pairwise(SIZES)]  # of M_l
P = sum(rows * columns for rows, columns in SHAPES)  # parameters
SUBSCRIPTS = "₁₂₃"
WRONG = 1e-4  # a relative error beyond is taken for a bug
LEAST = 1e-13  # relative error that is drawn: below it, all is rounding
PRECISIONS = (torch.float64, torch.float32)
EPSILONS = torch.logspace(-11, 0, 23, dtype=torch.float64)

Activation = Literal["tanh", "sigmoid", "relu"]
Bug = Literal["none", "slope", "sign", "sum", "bias", "unit"]

SLOPES: Mapping[Activation, Callable[[Tensor], Tensor]] = {  # φ′(z), from h = φ(z)
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
    "relu": lambda h: (h > 0).to(h),
}


class CheckKnobs(Knobs):
    # fmt: off
    epsilon: float = live(1e-5, "Step of the check", "ε", log=(1e-12, 1.0), typical=(1e-6, 1e-4))
    bug: Bug = live(
        "slope", "Bug", options={"none": "none", "slope": "φ′ forgotten", "sign": "a minus too many",
        "sum": "sum in place of mean", "bias": "bias of one point only", "unit": "last unit left out"},
        group="bug")
    bug_layer: Literal[1, 2, 3] = live(
        2, "In layer", "l", options={"1": "1, next to the input", "2": "2", "3": "3, the output"},
        when={"bug": ["slope", "sign", "sum", "bias", "unit"]}, group="bug")
    parameter: int = live(0, "Parameter looked at", "i", range=(0, P - 1), role="look")
    lr: float = rate(
        0.1, log=(1e-4, 10.0), typical=(0.02, 0.5), group="network", help="Length of a step per slope.")
    activation: Activation = live("tanh", "Activation", "φ", options=ACTIVATION_TITLES, group="network")
    # fmt: on


def matrices(θ: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Of parameters θ (…, P), each layer's W (…, below, units) and b (…, 1, units)."""
    parts = θ.split([rows * columns for rows, columns in SHAPES], -1)
    for part, shape in zip(parts, SHAPES, strict=True):
        M = part.unflatten(-1, shape)
        yield M[..., :-1, :], M[..., -1:, :]


def forward(θ: Tensor, x: Tensor, activation: Activation) -> list[Tensor]:
    """h_0 to h_3 for θ (…, P) on x (N, 6): (…, N, units) each."""
    h = [x]
    for number, (W, b) in enumerate(matrices(θ), 1):
        φ = ACTIVATIONS[activation] if number < len(SHAPES) else torch.tanh
        h.append(φ(h[-1] @ W + b))
    return h


def loss_of(θ: Tensor, x: Tensor, y: Tensor, activation: Activation) -> Tensor:
    """f = (1/N) Σ (h_3 − y)²: θ (…, P) → (…)."""
    return (forward(θ, x, activation)[-1] - y).square().mean((-2, -1))


def by_hand(θ: Tensor, x: Tensor, y: Tensor, knobs: CheckKnobs) -> Tensor:
    """∂f/∂θ (P,), backpropagated line by line; wrong where the knobs plant a bug."""
    h = forward(θ, x, knobs.activation)
    N = len(x)
    δ = 2 * (h[-1] - y) / N  # ∂f/∂h_3
    found = []
    for number, (W, _) in reversed(list(enumerate(matrices(θ), 1))):
        bug = knobs.bug if number == knobs.bug_layer else "none"
        slope = SLOPES[knobs.activation] if number < len(SHAPES) else SLOPES["tanh"]
        if bug != "slope":
            δ = δ * slope(h[number])  # ∂f/∂z_l (N, units)
        dW, db = h[number - 1].T @ δ, δ.sum(0, keepdim=True)
        match bug:
            case "sign":
                dW = -dW
            case "sum":
                dW = N * dW
            case "bias":
                db = δ[:1]
            case "unit":
                dW, db = dW.clone(), db.clone()
                dW[:, -1] = db[:, -1] = 0
        found.append(torch.cat([dW, db]).flatten())
        δ = δ @ W.T  # ∂f/∂h_{l−1}
    return torch.cat(found[::-1])


def autograd(θ: Tensor, x: Tensor, y: Tensor, activation: Activation) -> Tensor:
    """∂f/∂θ (P,)."""
    with torch.enable_grad():
        θ = θ.detach().requires_grad_()
        (g,) = torch.autograd.grad(loss_of(θ, x, y, activation), θ)
    return g


class Differences(NamedTuple):
    """What stands for ∂f/∂θ: (…, P), in float64 whatever f was computed in."""

    two_sided: Tensor
    one_sided: Tensor


def differences(
    θ: Tensor, x: Tensor, y: Tensor, activation: Activation, ε: Tensor, dtype: torch.dtype
) -> Differences:
    """For each of ε (…), with everything computed in `dtype`."""
    θ, x, y = θ.to(dtype), x.to(dtype), y.to(dtype)
    steps = ε.to(dtype)[..., None, None] * torch.eye(P, dtype=dtype, device=θ.device)  # (…, P, P)
    here, ahead, behind = (loss_of(at, x, y, activation).double() for at in (θ, θ + steps, θ - steps))
    ε = ε[..., None]
    return Differences((ahead - behind) / (2 * ε), (ahead - here) / ε)


def relative_error(a: Tensor, n: Tensor) -> Tensor:
    """‖a − n‖ / (‖a‖ + ‖n‖) over the last dimension; 0 for two zeros."""
    error: Tensor = (a - n).norm(dim=-1) / (a.norm(dim=-1) + n.norm(dim=-1))
    return error.nan_to_num(0.0)


def blocks(θ: Tensor) -> list[Tensor]:
    """W_1, b_1, W_2, b_2, W_3, b_3 of a vector (P,), flat."""
    return [part.flatten() for pair in matrices(θ) for part in pair]


def suspect(errors: Sequence[float]) -> int:
    """The layer, from 1, where a bug sits that makes such errors of the six blocks; 0 for none.

    It is the wrong one nearest the output, for what is wrong there makes all below wrong.
    """
    return max((i // 2 + 1 for i, error in enumerate(errors) if error > WRONG), default=0)


class Network(nn.Module):
    """The parameters, one matrix M_l (below + 1, units) per layer."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for rows, columns in SHAPES:
            layer = nn.Module()
            layer.M = nn.Parameter(
                torch.randn(rows, columns, generator=generator, dtype=torch.float64) / 6**0.5
            )
            self.layers.append(layer)

    def forward(self) -> Tensor:
        """θ (P,)."""
        return torch.cat([M.flatten() for M in self.parameters()])

    def receive(self, g: Tensor) -> None:
        """Hand each M_l its part of the gradient g (P,)."""
        for M, part in zip(self.parameters(), g.split([M.numel() for M in self.parameters()]), strict=True):
            M.grad = part.view_as(M)


class GradientCheck(Experiment[CheckKnobs]):
    """A network trained by the derivatives under suspicion, and a twin trained by autograd's."""

    order = 8
    pace = 20.0
    after = ("linear-regression",)
    minutes = 11
    level = 2
    invite = (
        "A bug is planted: which layer is it in? Move it, choose another, or none, and see what stands up."
    )
    measures = {
        "loss/hand": Measure("loss", of="by hand", knobs=("bug", "bug_layer")),
        "loss/autograd": Measure("loss", of="autograd"),
    }
    presets = {
        "hidden": Preset("A bug that hides", {"bug": "bias", "bug_layer": 2}),
        "faster": Preset("A bug that learns faster", {"bug": "slope", "bug_layer": 3}),
        "minus": Preset("A minus too many", {"bug": "sign", "bug_layer": 2}),
        "single": Preset("In float32", {"bug": "none", "epsilon": 1e-6}),
        "kink": Preset("When the check is wrong", {"bug": "none", "activation": "relu", "epsilon": 0.003}),
    }

    def build(self, knobs: CheckKnobs) -> None:
        """Points of a disc and of the ring around it, and two equal networks."""
        generator = self.generator(-1)
        samples = circle(POINTS, 0.0, generator)
        self.x = encode(samples.points / 3, FEATURES).double().to(self.device)  # (N, 6)
        self.y = samples.labels.double().to(self.device)  # (N, 1)
        self.network = Network(generator).to(self.device)
        self.twin = Network(generator).to(self.device)
        self.twin.load_state_dict(self.network.state_dict())
        self.optimizer = optim.SGD(self.network.parameters(), knobs.lr)
        self.twin_optimizer = optim.SGD(self.twin.parameters(), knobs.lr)

    def changed(self, knobs: CheckKnobs, names: set[str]) -> None:
        for optimizer in (self.optimizer, self.twin_optimizer):
            optimizer.param_groups[0]["lr"] = knobs.lr

    def step(self, knobs: CheckKnobs) -> Scalars:
        """Check the derivatives, then go down by them; the twin goes down by autograd's."""
        with torch.no_grad():
            θ = self.network()
            right, hand = self._autograd(θ, knobs), by_hand(θ, self.x, self.y, knobs)
            double, single = (self._differences(knobs, dtype) for dtype in PRECISIONS)
            errors = torch.stack([*map(relative_error, blocks(hand), blocks(double.two_sided))])
            row: dict[str, float | Tensor] = {
                "loss/hand": loss_of(θ, self.x, self.y, knobs.activation),
                "loss/autograd": loss_of(self.twin(), self.x, self.y, knobs.activation),
                "check/hand": relative_error(hand, double.two_sided),
                "check/float64": relative_error(right, double.two_sided),
                "check/float32": relative_error(right, single.two_sided),
                "check/layer": float(suspect(errors.tolist())),
            }
            self.network.receive(hand)
            self.twin.receive(self._autograd(self.twin(), knobs))
        self.optimizer.step()  # θ ← θ − η ∂f/∂θ
        self.twin_optimizer.step()
        return row

    def objectives(self, knobs: CheckKnobs) -> Mapping[str, Objective]:
        """The loss of either network on all points."""

        def of(network: Network, optimizer: optim.Optimizer) -> Objective:
            def loss() -> Tensor:
                return loss_of(network(), self.x, self.y, knobs.activation)

            layers = {f"layer {number}": [M] for number, M in enumerate(network.parameters(), 1)}
            return Objective.of(network, optimizer, loss, layers)

        return {"by hand": of(self.network, self.optimizer), "autograd": of(self.twin, self.twin_optimizer)}

    def _autograd(self, θ: Tensor, knobs: CheckKnobs) -> Tensor:
        return autograd(θ, self.x, self.y, knobs.activation)

    def _differences(self, knobs: CheckKnobs, dtype: torch.dtype, ε: Tensor | None = None) -> Differences:
        """Of the network that is checked; for the ε of the knob, if none is given."""
        steps = self.x.new_tensor(knobs.epsilon) if ε is None else ε.to(self.device)
        return differences(self.network(), self.x, self.y, knobs.activation, steps, dtype)

    @p.lines("Which ε is best?", size="wide")
    def valley(self, knobs: CheckKnobs) -> p.Lines:
        """The relative error of all differences, by ε, and of what was written by hand."""
        θ = self.network()
        right, hand = self._autograd(θ, knobs), by_hand(θ, self.x, self.y, knobs)
        double, single = (self._differences(knobs, dtype, EPSILONS) for dtype in PRECISIONS)
        curves = [
            relative_error(hand, double.two_sided),
            relative_error(right, double.two_sided),
            relative_error(right, single.two_sided),
            relative_error(right, double.one_sided),
            relative_error(right, single.one_sided),
        ]
        picture = p.Lines(
            x=EPSILONS,
            values=torch.stack(curves).clamp(min=LEAST),
            series=["by hand", "two-sided", "two-sided, float32", "one-sided", "one-sided, float32"],
            x_label="ε",
            x_log=True,
            y_log=True,
            marks=[[("ε", knobs.epsilon)]],
            y_ranges=[(1e-12, 3.0)],
        )
        best = int(curves[1].argmin())
        return p.says(
            picture,
            "Two-sided is best at ε = {at}, off by {least}; by hand is off by {hand} there.",
            at=rough(float(EPSILONS[best])),
            least=rough(max(LEAST, float(curves[1][best]))),
            hand=rough(max(LEAST, float(curves[0][best]))),
        )

    @p.lines("f between the two points")
    def around(self, knobs: CheckKnobs) -> p.Lines:
        """f along one parameter, in either precision, with the line through the two points of the check."""
        θ, i = self.network(), knobs.parameter
        t = torch.linspace(-3, 3, 61, dtype=torch.float64, device=self.device)
        curves = []
        for dtype in PRECISIONS:
            places = θ.to(dtype).repeat(len(t), 1)
            places[:, i] += (knobs.epsilon * t).to(dtype)
            f = loss_of(places, self.x.to(dtype), self.y.to(dtype), knobs.activation).double()
            curves.append(f - f[30])  # t = 0 is in the middle
        exact = curves[0]
        slope = (exact[40] - exact[20]) / 2  # t = ±1
        middle = (exact[40] + exact[20]) / 2
        right, numeric = self._autograd(θ, knobs)[i].item(), slope.item() / knobs.epsilon
        picture = p.Lines(
            x=t,
            values=torch.stack([*curves, middle + slope * t]),
            series=["f", "float32", "slope"],
            x_label="t of θ + tε",
            notes=[f"Δf/2ε = {figure(numeric, 4)}, ∂f/∂θ = {figure(right, 4)}"],
            dots=p.Lines.dot(t[[20, 40]], exact[[20, 40]], series=2),
        )
        off = times_as_large(100 * float((curves[1] - exact).abs().max()), abs(float(2 * slope)))
        text = "In float32 f is off by up to {off}% of what it changes between the two points."
        return p.says(picture, text, off=off)

    @p.bars("Which layer is wrong?", log=True)
    def layers(self, knobs: CheckKnobs) -> p.Bars:
        """The relative error of the weights and of the biases of each layer, at the ε of the knob."""
        θ = self.network()
        numeric = blocks(self._differences(knobs, torch.float64).two_sided)
        gradients = [by_hand(θ, self.x, self.y, knobs), self._autograd(θ, knobs)]
        values = torch.stack([torch.stack([*map(relative_error, blocks(g), numeric)]) for g in gradients])
        found = suspect(values[0].tolist())
        names = [f"{letter}{SUBSCRIPTS[layer]}" for layer in range(len(SHAPES)) for letter in "Wb"]
        signs = [
            "" if error <= WRONG else "✗ " if i // 2 + 1 == found else "↓ "
            for i, error in enumerate(values[0].tolist())
        ]
        picture = p.Bars(
            values=values.clamp(min=LEAST),
            labels=[sign + name for sign, name in zip(signs, names, strict=True)],
            series=["by hand", "autograd"],
            range=(1e-12, 1.0),
            log=True,
        )
        if not gradients[0].isfinite().all():
            return picture
        if not found:
            return p.says(picture, "All layers agree with the differences: no bug shows.")
        text = "Layer {layer} is wrong, and nothing above it is: look for the bug there."
        return p.says(picture, text, layer=found)

    @p.heatmap("Error by parameter", size="hero")
    def parameters(self, knobs: CheckKnobs) -> p.Heatmap:
        """Of what was written by hand, against the two-sided differences."""
        errors = self._each(knobs)[0]
        shown = errors.clamp(min=LEAST).log10().round(decimals=1)
        parts = shown.split([rows * columns for rows, columns in SHAPES])
        picture = p.Heatmap(
            values=torch.cat([part.view(shape) for part, shape in zip(parts, SHAPES, strict=True)], 1),
            rows=[*(f"w{i}" for i in range(1, SIZES[0] + 1)), "b"],
            columns=[f"{layer}·{unit}" for layer, n in enumerate(SIZES[1:], 1) for unit in range(1, n + 1)],
            x_label="layer · unit",
            range=(-12.0, 0.0),
            annotate=True,
        )
        wrong = int((errors > WRONG).sum())
        if not errors.isfinite().all():
            return picture
        return p.says(picture, "{wrong} of {all} derivatives are wrong.", wrong=wrong, all=P)

    def _each(self, knobs: CheckKnobs) -> tuple[Tensor, Tensor]:
        """Of every single parameter the relative error, and by hand over differences, NaN for 0/0: (P,) each.

        A slope of no size beside the others has no digits to compare: it counts as a millionth of the most.
        """
        hand = by_hand(self.network(), self.x, self.y, knobs)
        numeric = self._differences(knobs, torch.float64).two_sided
        sizes = hand.abs() + numeric.abs()
        errors = (hand - numeric).abs() / sizes.clamp(min=1e-6 * sizes.max().clamp(min=1e-300))
        return errors, torch.where(numeric != 0, hand / numeric, math.nan)

    @p.ranking("Parameters, the worst first", edits="parameter")
    def worst(self, knobs: CheckKnobs) -> p.Ranking:
        """Every parameter: W₂31 leads from the third unit below to the first of layer 2."""
        errors, ratios = self._each(knobs)
        names = [
            f"W{SUBSCRIPTS[layer]}{row}{unit}" if row < rows else f"b{SUBSCRIPTS[layer]}{unit}"
            for layer, (rows, columns) in enumerate(SHAPES)
            for row in range(1, rows + 1)
            for unit in range(1, columns + 1)
        ]
        picture = p.Ranking(
            values=torch.stack([errors, ratios], 1),
            names=names,
            columns=["error", "ratio"],
            ranges=[(0.0, 1.0), (-2.0, 2.0)],
            ids=list(range(P)),
            chosen=knobs.parameter,
        )
        place = int(errors.argmax())
        if not ratios[place].isfinite():
            return picture
        text = "{name} is off most: by hand is {ratio} times the measured slope."
        return p.says(picture, text, name=names[place], ratio=rough(float(ratios[place])))

    losses = p.scalars({"loss/hand": "by hand", "loss/autograd": "autograd"}, "Loss", size="wide", log=True)
    checks = p.scalars(
        {
            "check/hand": "by hand",
            "check/float64": "autograd",
            "check/float32": "autograd, float32",
            "check/layer": "layer",
        },
        "Relative error, step by step",
        log=True,
    )
