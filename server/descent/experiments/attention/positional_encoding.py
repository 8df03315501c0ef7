"""Positional encoding.

Attention alone cannot tell one order of its words from another. Four ways to say where a token stands learn
the same task, which needs nothing but order; then the text gets longer than any they have seen.

    ω_i = base^(−2i/d),  PE(pos)_2i = sin(ω_i pos),  PE(pos)_2i+1 = cos(ω_i pos)
    PE(pos)·PE(pos + k) = Σ_i cos(ω_i k)          depends on the distance alone
    PE(pos + k) = M_k PE(pos)                     M_k turns each pair by ω_i k
    rotary: q_m·k_n = (R_m q)·(R_n k) = q·R_(n−m) k

Watch all but one learn it, and some of them forget it beyond the trained length.

Source: Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, §3.5; rotary: Su et al. 2021,
"RoFormer", arXiv:2104.09864, §3.2.
Departures: one layer of attention with two heads reads tokens of chance, without mask; each is to be answered
with the token some places before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.nn.positions import shift_matrix, sinusoids, turned
from descent.kit.nn.race import Race, by_learner, step_all
from descent.kit.reading import foremost, in_percent
from descent.kit.text import rough

WIDTH, HEADS, TOKENS = 32, 2, 8
BATCH = 32  # sequences per step
LONGEST = 64
LENGTHS = (8, 16, 24, 32, 48, 64)  # that are tried
TESTED = 32  # sequences of each
EVERY = 25  # steps from one test to the next
REACH = 100_000  # positions from which M is learnt
PAIRS = 64  # of them per step
FAR = 1e4  # a loss beyond is out
Scheme = Literal["none", "sinusoidal", "learnt", "rotary"]
SCHEMES: tuple[Scheme, ...] = ("none", "sinusoidal", "learnt", "rotary")
ALL: dict[str, str] = {**{scheme: scheme for scheme in SCHEMES}, "shift": "M"}


class PositionKnobs(Knobs):
    scheme: Scheme = live("sinusoidal", "Shown", options=SCHEMES, role="look")
    lr: float = rate(
        0.01, log=(1e-5, 1.0), typical=(1e-3, 0.02), help="How far a step of Adam goes, for all."
    )
    lr_shift: float = rate(0.3, "Learning rate of M", log=(1e-4, 10.0), typical=(0.05, 0.5))
    back: int = fixed(3, "Places back", "k", range=(1, 7))
    length: int = fixed(16, "Trained length", "L", range=(8, 48))
    base: int = fixed(10_000, "Base", log=(2, 100_000), typical=(100, 20_000))


class Placed(nn.Module):
    """Tokens (B, T) → logits (B, T, V), through one layer of attention."""

    def __init__(self, scheme: Scheme, base: float) -> None:
        super().__init__()
        self.scheme, self.base = scheme, base
        self.embedding = nn.Embedding(TOKENS, WIDTH)
        self.Q, self.K, self.V = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.readout = nn.Linear(WIDTH, TOKENS)
        if scheme == "learnt":
            self.places = nn.Parameter(torch.randn(LONGEST, WIDTH) / math.sqrt(2))  # as large as sinusoids

    def weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """softmax(qkᵀ/√d), (B, h, T, T), and the vectors x (B, T, d)."""
        x = self.embedding(tokens)
        positions = torch.arange(tokens.shape[1], device=x.device)
        if self.scheme == "sinusoidal":
            x = x + sinusoids(positions, WIDTH, self.base)
        if self.scheme == "learnt":
            x = x + self.places[: len(positions)]
        q, k = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in (self.Q, self.K))
        if self.scheme == "rotary":
            q, k = turned(q, positions, self.base), turned(k, positions, self.base)
        return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1), x

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the token k places back."""
        weights, x = self.weights(tokens)
        v = self.V(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        return self.readout((weights @ v).transpose(1, 2).flatten(2))


class PositionalEncoding(Race[PositionKnobs]):
    """Four encodings of a place on one task, and M_k learnt from pairs of places."""

    order = 5
    pace = 60.0
    after = ("self-attention",)
    minutes = 10
    level = 2
    invite = "Train on sequences of 8, and see who still reads sequences of 64."
    titles = ALL
    measures = {
        **{f"loss/{scheme}": Measure("loss", of=scheme, knobs=("lr",)) for scheme in reversed(SCHEMES)},
        "loss/shift": Measure("loss", of="M", knobs=("lr_shift",)),
    }
    steers = {"lr": "optimizers", "lr_shift": "shift_optimizer"}
    presets = {
        "short": Preset("Trained on 8", {"length": 8}),
        "long": Preset("Trained on 48", {"length": 48, "scheme": "learnt"}),
        "turned": Preset("Rotary, one place back", {"scheme": "rotary", "back": 1}),
        "too-large": Preset("Too large a step for M", {"lr_shift": 1.5}),
    }

    def build(self, knobs: PositionKnobs) -> None:
        """Four networks alike but for the places, and a matrix."""
        self.networks: dict[str, Placed] = {scheme: Placed(scheme, float(knobs.base)) for scheme in SCHEMES}
        for network in self.networks.values():
            network.load_state_dict(self.networks["none"].state_dict(), strict=False)
            network.to(self.device)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            scheme: torch.optim.Adam(network.parameters(), knobs.lr, fused=True)
            for scheme, network in self.networks.items()
        }
        noise = torch.randn(WIDTH, WIDTH, generator=self.generator(-2)) / math.sqrt(WIDTH)
        self.shift = nn.Linear(WIDTH, WIDTH, bias=False).to(self.device)  # M
        self.shift.weight.data.copy_(noise)
        self.shift_optimizer = torch.optim.SGD(self.shift.parameters(), knobs.lr_shift, fused=True)
        drawn = torch.randint(TOKENS, (TESTED, LONGEST), generator=self.generator(-1))
        self.test = drawn.to(self.device)
        self.racing = list(ALL)

    def _loss(self, name: str, knobs: PositionKnobs) -> Tensor:
        """On what the coming step draws."""
        generator = self.step_generator(self.step_index)
        tokens = torch.randint(TOKENS, (BATCH, knobs.length), generator=generator).to(self.device)
        if name == "shift":
            at = torch.randint(REACH, (PAIRS,), generator=generator).to(self.device)
            here, there = (sinusoids(places, WIDTH, knobs.base) for places in (at, at + knobs.back))
            return (self.shift(here) - there).square().sum(1).mean()  # E ‖M PE(pos) − PE(pos + k)‖²
        logits = self.networks[name](tokens)[:, knobs.back :]
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, : -knobs.back].flatten())

    def step(self, knobs: PositionKnobs) -> Scalars:
        """One step of each on the same sequences."""
        if not self.racing:
            return self.all_out()
        row = self._scores(knobs) if self.step_index % EVERY == 0 else {}
        optimizers = {**self.optimizers, "shift": self.shift_optimizer}
        return row | step_all(self.racing, lambda name: self._loss(name, knobs), optimizers, FAR)

    def _right(self, scheme: str, knobs: PositionKnobs, length: int) -> Tensor:
        """The share of test tokens that are answered right in sequences of a length."""
        tokens = self.test[:, :length]
        said = self.networks[scheme](tokens)[:, knobs.back :].argmax(2)
        return (said == tokens[:, : -knobs.back]).float().mean()

    @torch.no_grad()
    def _scores(self, knobs: PositionKnobs) -> dict[str, Tensor]:
        return {f"beyond/{scheme}": self._right(scheme, knobs, LONGEST) for scheme in SCHEMES}

    def objectives(self, knobs: PositionKnobs) -> Mapping[str, Objective]:
        """The losses of those that are not out."""
        of: dict[str, tuple[nn.Module, torch.optim.Optimizer]]
        of = {scheme: (self.networks[scheme], self.optimizers[scheme]) for scheme in SCHEMES}
        of["shift"] = self.shift, self.shift_optimizer
        return {ALL[name]: Objective.of(*of[name], partial(self._loss, name, knobs)) for name in self.racing}

    # What is shown

    @p.heatmap("Places as numbers", size="hero")
    def places(self, knobs: PositionKnobs) -> p.Heatmap:
        """(64, 32): PE, the learnt table, or the sines and cosines of the turns; 0 where there is nothing."""
        at = torch.arange(LONGEST, device=self.device)
        values = sinusoids(at, WIDTH, knobs.base) * (knobs.scheme == "sinusoidal")
        if knobs.scheme == "learnt":
            values = self.networks["learnt"].places.detach().nan_to_num()
        elif knobs.scheme == "rotary":  # each head turns its d/h components
            values = sinusoids(at, WIDTH // HEADS, knobs.base).repeat(1, HEADS)
        near, far = (float((values[0] - values[place]).norm()) for place in (1, -1))
        return p.says(
            p.Heatmap(
                values=values, scale="diverging", range=(-1.5, 1.5), x_label="component", y_label="place"
            ),
            "The first two places are {near} apart, the first and the last {far}.",
            near=rough(near),
            far=rough(far),
        )

    @p.lines("Right answers by length")
    def by_length(self, knobs: PositionKnobs) -> p.Lines:
        """The share of test tokens answered right, over the length of the sequence."""
        rows = [torch.stack([self._right(scheme, knobs, length) for length in LENGTHS]) for scheme in SCHEMES]
        picture = p.Lines(
            x=torch.tensor(LENGTHS).float(),
            values=torch.stack(rows),
            series=list(SCHEMES),
            x_label="length",
            marks=[[("L", float(knobs.length))]],
            y_ranges=[(0.0, 1.0)],
        )
        last = torch.stack(rows)[:, -1]
        best = foremost(last)
        if best is None:
            return picture
        text = "At length {length}, {best} is right most often: {percent}%."
        share = in_percent(float(last[best]))
        return p.says(picture, text, length=LENGTHS[-1], best=[*SCHEMES][best], percent=share)

    @p.lines("Closeness by distance")
    def closeness(self, knobs: PositionKnobs) -> p.Lines:
        """PE(pos)·PE(pos + k), the same of the learnt vectors on average, and q·R k of a mean token."""
        distance = torch.arange(-LONGEST + 1, LONGEST, device=self.device)
        fixed_ones = sinusoids(distance, WIDTH, knobs.base)[:, 1::2].sum(1)  # Σ cos ω_i k
        table = self.networks["learnt"].places[: knobs.length]
        products = table @ table.T
        learnt = [products.diagonal(int(k)).mean() for k in distance]  # NaN beyond the trained length
        rotary = self.networks["rotary"]
        x = rotary.embedding.weight.mean(0)
        q, k = (layer(x).view(HEADS, 1, -1) for layer in (rotary.Q, rotary.K))  # (h, 1, d/h)
        scores = (q * turned(k.expand(-1, len(distance), -1), distance, knobs.base)).sum(2)  # (h, distances)
        rows = torch.stack([fixed_ones, torch.stack(learnt), scores[0]])
        picture = p.Lines(
            x=distance.float(),
            values=rows[:, None],
            groups=["sinusoidal", "learnt", "rotary"],
            series=["product"],
            x_label="distance",
            marks=[[("−k", -float(knobs.back))]] * 3,
            notes=["Σ cos ω k", "PE·PE", "q·R k"],
        )
        below = (fixed_ones[LONGEST - 1 :] < fixed_ones[LONGEST - 1] / 2).nonzero()  # of k = 0, 1, …
        if not len(below):
            return picture
        text = "Of the sinusoids’ product with themselves half is lost by distance {k}."
        return p.says(picture, text, k=int(below[0]))

    @p.heatmap("Does it find the formula's M?", size="wide")
    def matrices(self, knobs: PositionKnobs) -> p.Heatmap:
        """Side by side, with a gap of two columns: (32, 66)."""
        closed = shift_matrix(knobs.back, WIDTH, knobs.base).to(self.device)
        gap = torch.zeros(WIDTH, 2, device=self.device)
        values = torch.cat([self.shift.weight.nan_to_num(), gap, closed], 1)
        return p.says(
            p.Heatmap(values=values.clamp(-1e6, 1e6), scale="diverging", range=(-1.0, 1.0)),
            "The learnt M (left) is at most {gap} off the formula's (right).",
            gap=rough(float((self.shift.weight - closed).abs().max())),
        )

    @p.attention("Where it looks", size="wide")
    def looks(self, knobs: PositionKnobs) -> p.Attention:
        """Weights of the two heads on a test sequence twice as long as those trained on, at most 32."""
        tokens = self.test[0, : min(2 * knobs.length, 32)]
        weights = self.networks[knobs.scheme].weights(tokens[None])[0]  # (1, h, T, T)
        names = [str(token) for token in tokens.tolist()]
        picture = p.Attention(weights=weights.nan_to_num(), queries=names, keys=names)
        last = weights[..., -1, :].amax(tuple(range(weights.dim() - 2)))  # (T,), of the head that looks most
        back, share = len(names) - 1 - int(last.argmax()), in_percent(float(last.max()))
        return p.says(picture, "The last place looks most {back} back: {percent}%.", back=back, percent=share)

    beyond = p.scalars(by_learner("beyond", {s: s for s in SCHEMES}), "Right at length 64")
    losses = p.scalars(by_learner("loss", ALL), "Losses", size="wide", log=True, smoothing=0.8)
