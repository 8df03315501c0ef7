"""Gradients through time.

An RNN, an LSTM and a GRU have to use what they read many steps ago. See how much of a gradient is left on its
way back, why the plain network learns nothing from far away, and what clipping and truncation change.

T numbers are read, D units remember, and the loss stands at the end alone:

    RNN:   h_t = tanh(W x_t + U h_{t−1} + b)
           ∂h_T/∂h_t = Π_{s>t} diag(1 − h_s²) U,  so ‖∂h_T/∂h_t‖ ≤ σ_max(U)^{T−t}
    LSTM:  c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t,  along c alone ∂c_T/∂c_t = Π_{s>t} diag(f_s)
    GRU:   h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}
    clipping by norm: g ← g min(1, θ/‖g‖);  by value: g_i ← max(−θ, min(θ, g_i))
    truncation to k steps: the gradient of the last k steps alone

The adding problem: T numbers from 0 to 1, of which two are marked, one in either half; wanted is their sum.
Recall: which of eight symbols came first, after T − 2 steps of noise.

Watch the curves of the RNN and of the LSTM part, the further back the more.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), Neural Computation 9(8), §5.4 (adding);
Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), arXiv:1211.5063,
§2 and §3.2 (clipping by norm); Jozefowicz, Zaremba, Sutskever, "An Empirical Exploration of Recurrent Network
Architectures" (2015), ICML (the forget gate's bias).
Departures: Adam, where these papers go down by the gradient alone; U starts orthogonal, times ρ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import Knobs, batch_of, fixed, live, rate
from descent.kit.extremes import extremes
from descent.kit.nn.gates import RECURRENT, Recurrent, signals
from descent.kit.nn.race import Race, by_learner, losses_by_learner
from descent.kit.nn.through_time import reach
from descent.kit.reading import in_percent
from descent.kit.text import rough

Name = Literal["rnn", "lstm", "gru"]
TITLES: dict[Name, str] = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
SYMBOLS = 8
FAR = 1e6  # a loss beyond is out
ASKED = 6  # sequences whose answers are shown
Clip = Literal["none", "norm", "value"]


class TimeKnobs(Knobs):
    # fmt: off
    lr: float = rate(0.01, log=(1e-5, 1.0), typical=(3e-3, 0.02), group="training")
    clip: Clip = live("norm", "Clipping", group="training",
        options={"none": "none", "norm": "by norm", "value": "by value"})
    threshold: float = live(1.0, "Threshold", "θ", log=(1e-3, 100.0), typical=(0.1, 10.0),
        when={"clip": ["norm", "value"]}, group="training")
    window: int = live(0, "Truncated to", "k", range=(0, 200), unit="steps", group="training", role="task")
    batch_size: int = batch_of(32, 128, group="training")
    task: Literal["adding", "recall"] = fixed("adding", "Task", group="task",
        options={"adding": "adding problem", "recall": "recall the first"})
    length: int = fixed(30, "Length", "T", range=(5, 200), unit="steps", group="task")
    hidden: int = fixed(32, "Units", "D", range=(2, 64), group="networks")
    radius: float = fixed(0.6, "Spectral radius of U", "ρ", range=(0.1, 2.0), step=0.05, group="networks")
    forget_bias: float = fixed(2.0, "Forget gate's bias", "b_f", range=(-2.0, 5.0), step=0.5,
        group="networks")
    # fmt: on


class Batch(NamedTuple):
    """Sequences (B, T, I), and the answers (B,): sums, or symbols."""

    inputs: Tensor
    answers: Tensor


def adding(n: int, length: int, generator: torch.Generator) -> Batch:
    """Numbers with two marks, one in either half; the answer is the sum of those marked."""
    numbers = torch.rand(n, length, generator=generator)
    half = length // 2
    first = torch.randint(half, (n,), generator=generator)
    second = half + torch.randint(length - half, (n,), generator=generator)
    marks = F.one_hot(first, length) + F.one_hot(second, length)
    return Batch(torch.stack([numbers, marks.float()], 2), (numbers * marks).sum(1))


def recall(n: int, length: int, generator: torch.Generator) -> Batch:
    """A symbol, noise, and at the end the sign that it is asked for."""
    symbols = torch.randint(SYMBOLS, (n,), generator=generator)
    inputs = torch.zeros(n, length, SYMBOLS + 2)
    inputs[:, 0, :SYMBOLS] = F.one_hot(symbols, SYMBOLS).float()
    inputs[:, 1:-1, SYMBOLS] = torch.randn(n, length - 2, generator=generator) / 2
    inputs[:, -1, SYMBOLS + 1] = 1
    return Batch(inputs, symbols)


class Network(nn.Module):
    """A recurrent layer, and an answer from its last h."""

    def __init__(self, layer: Recurrent, answers: int) -> None:
        super().__init__()
        self.layer = layer
        self.readout = nn.Linear(layer.hidden_size, answers)

    def forward(self, inputs: Tensor, window: int = 0) -> Tensor:
        """Answers (B, A) to sequences (B, T, I); the gradient goes back `window` steps, 0: all."""
        cut = max(0, inputs.shape[1] - window) if window else 0
        state = None
        if cut:
            with torch.no_grad():
                _, state = self.layer(inputs[:, :cut])
        h, _ = self.layer(inputs[:, cut:], state)
        answers: Tensor = self.readout(h[:, -1])
        return answers


def network(name: Name, knobs: TimeKnobs) -> Network:
    """A network as it starts: PyTorch's weights, but for the RNN's U and the LSTM's forget gate."""
    inputs, answers = (2, 1) if knobs.task == "adding" else (SYMBOLS + 2, SYMBOLS)
    layer: Recurrent = RECURRENT[name](inputs, knobs.hidden, batch_first=True)
    weights = dict(layer.named_parameters())
    with torch.no_grad():
        if name == "rnn":
            nn.init.orthogonal_(weights["weight_hh_l0"], gain=knobs.radius)
        if name == "lstm":
            for bias in ("bias_ih_l0", "bias_hh_l0"):  # of i, f, g, o; there are two, which add up
                weights[bias][knobs.hidden : 2 * knobs.hidden] = knobs.forget_bias / 2
    return Network(layer, answers)


def clip(gradients: list[Tensor], how: Clip, threshold: float) -> tuple[Tensor, Tensor]:
    """Clip gradients in place: their norm before, and the cosine of the angle by which that turned them."""
    before = torch.cat([gradient.flatten() for gradient in gradients])
    norm = before.norm()
    if how == "norm":
        torch._foreach_mul_(gradients, (threshold / norm.clamp(min=1e-30)).clamp(max=1.0))
    if how != "value":  # what is shortened as a whole keeps its direction exactly
        return norm, torch.ones_like(norm)
    torch._foreach_clamp_min_(gradients, -threshold)
    torch._foreach_clamp_max_(gradients, threshold)
    after = torch.cat([gradient.flatten() for gradient in gradients])
    return norm, F.cosine_similarity(before, after, dim=0)


class GradientThroughTime(Race[TimeKnobs]):
    """Three recurrent networks on one task with a long way back."""

    order = 1
    pace = 30.0
    after = ("rnn", "activations")
    minutes = 10
    level = 2
    invite = "Watch the loss of the three, and then how much of the gradient reaches the beginning."
    titles = TITLES
    measures = losses_by_learner(TITLES)
    steers = {"lr": "optimizers"}
    presets = {
        "orthogonal": Preset("Orthogonal, recall", {"task": "recall", "radius": 1.0, "forget_bias": 3.0}),
        "forget": Preset("The gate forgets", {"task": "recall", "radius": 1.0, "forget_bias": 0.0}),
        "exploding": Preset("It explodes", {"radius": 2.0, "clip": "none", "lr": 0.05}),
        "truncated": Preset("Truncated to ten steps", {"task": "recall", "window": 10}),
        "value": Preset("Clipped by value", {"clip": "value", "threshold": 0.02}),
    }

    def build(self, knobs: TimeKnobs) -> None:
        """Three networks, and sequences to look at."""
        self.networks = {name: network(name, knobs).to(self.device) for name in TITLES}
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), knobs.lr, fused=True)
            for name, net in self.networks.items()
        }
        self.racing = list(TITLES)
        self.shown = self._drawn(knobs, ASKED, -1)

    def _drawn(self, knobs: TimeKnobs, n: int, stream: int) -> Batch:
        draw = adding if knobs.task == "adding" else recall
        return Batch(*(part.to(self.device) for part in draw(n, knobs.length, self.generator(stream))))

    def _loss(self, name: Name, batch: Batch, knobs: TimeKnobs) -> Tensor:
        answers = self.networks[name](batch.inputs, knobs.window)
        if knobs.task == "adding":
            return F.mse_loss(answers[:, 0], batch.answers)
        return F.cross_entropy(answers, batch.answers)

    def step(self, knobs: TimeKnobs) -> Scalars:
        """One step of each network that is not out, its gradient clipped."""
        if not self.racing:
            return self.all_out()
        batch = self._drawn(knobs, knobs.batch_size, self.step_index)
        row: dict[str, Tensor] = {}
        for name in tuple(self.racing):
            loss, optimizer = self._loss(name, batch, knobs), self.optimizers[name]
            if not loss.item() <= FAR:
                self.racing.remove(name)
                continue
            optimizer.zero_grad()
            loss.backward()
            gradients = [w.grad for w in self.networks[name].parameters() if w.grad is not None]
            norm, cosine = clip(gradients, knobs.clip, knobs.threshold)
            optimizer.step()
            row |= {f"loss/{name}": loss.detach(), f"gradient/{name}": norm, f"direction/{name}": cosine}
        return row

    def objectives(self, knobs: TimeKnobs) -> Mapping[str, Objective]:
        """The loss of each network on the coming sequences."""
        batch = self._drawn(knobs, knobs.batch_size, self.step_index)

        def of(name: Name) -> Objective:
            return Objective.of(
                self.networks[name], self.optimizers[name], lambda: self._loss(name, batch, knobs)
            )

        return {TITLES[name]: of(name) for name in self.racing}

    @p.lines("What is left of a gradient", size="hero")
    def left(self, knobs: TimeKnobs) -> p.Lines:
        """RMS of ∂m_T/∂m_t by t on the first sequence shown; the RNN's bound, the LSTM's direct way."""
        inputs = self.shown.inputs[0]
        curves = [reach(self.networks[name].layer, inputs) for name in TITLES]  # (T + 1,) each
        back = torch.arange(knobs.length, -1, -1, device=self.device)  # T − t
        U = torch.as_tensor(self.networks["rnn"].layer.weight_hh_l0)
        largest = torch.linalg.matrix_norm(U, 2) if U.isfinite().all() else U.new_tensor(math.nan)
        f = signals(self.networks["lstm"].layer, inputs)["f"]  # (T, D)
        kept = f.flip(0).cumprod(0).flip(0).square().mean(1).sqrt()  # Π_{s>t} f_s for t = 0 to T − 1
        direct = torch.cat([kept, torch.ones_like(kept[:1])])
        values = torch.stack([*curves, largest**back, direct])
        places = [[*TITLES].index(name) for name in ("rnn", "lstm")]
        inside = (values > 1e-30) & values.isfinite()
        if knobs.window:
            inside[:3] &= back <= knobs.window
        rnn, lstm = (rough(float(torch.where(inside, values, math.nan)[place, 0])) for place in places)
        picture = p.Lines(
            x=torch.arange(knobs.length + 1).float(),
            values=torch.where(inside, values, math.nan),
            series=[*TITLES.values(), "σ_max(U)ᵀ⁻ᵗ", "∏ f"],
            x_label="t",
            y_log=True,
            y_ranges=[(1e-9, 1e3)],
            notes=[f"σ_max(U) = {rough(float(largest))}, f = {rough(float(f.mean()))}"],
        )
        text = "Of a gradient of 1, {rnn} reaches the first step in the RNN, {lstm} in the LSTM."
        return p.says(picture, text, rnn=rnn, lstm=lstm)

    losses = p.scalars(by_learner("loss", TITLES), "Loss", size="wide", log=True, smoothing=0.9)
    norms = p.scalars(by_learner("gradient", TITLES), "Norm of the gradient", log=True)
    directions = p.scalars(by_learner("direction", TITLES), "Direction kept by clipping", smoothing=0.9)

    @p.heatmap("The LSTM's forget gate", size="wide")
    def forgetting(self, knobs: TimeKnobs) -> p.Heatmap:
        """f_t of every unit, by step, on the first of the sequences shown."""
        f = signals(self.networks["lstm"].layer, self.shown.inputs[0])["f"]
        picture = p.Heatmap(values=f.T, x_label="t", y_label="unit", range=(0.0, 1.0))
        kept = in_percent(float(f.mean()))
        return p.says(picture, "Each step keeps {kept}% of a cell, on average.", kept=kept)

    @p.bars("Answers")
    def answers(self, knobs: TimeKnobs) -> p.Bars:
        """To six sequences: the sums beside the right ones, or the probability of the right symbol."""
        given = [self.networks[name](self.shown.inputs) for name in TITLES]  # (N, A) each
        if knobs.task == "adding":
            values, series = [self.shown.answers, *(answers[:, 0] for answers in given)], ["wanted"]
            found = extremes(
                [float((one - values[0]).abs().mean()) for one in values[1:]], [*TITLES.values()]
            )
            text = "On average {low} is off by {least}, {high} by {most}."
        else:
            right = self.shown.answers[:, None]
            values, series = [answers.softmax(1).gather(1, right)[:, 0] for answers in given], []
            found = extremes([float(100 * one.mean()) for one in values], [*TITLES.values()])
            text = "On average {high} gives the right symbol {most}%, {low} {least}%."
        picture = p.Bars(
            values=torch.stack(values).clamp(-2, 4),
            labels=[str(n + 1) for n in range(ASKED)],
            series=[*series, *TITLES.values()],
        )
        return p.says(picture, text, **found) if found else picture
