"""A recurrent network, unrolled.

One set of weights is used again at every step of a sequence. What it reads and when it has to answer makes
five shapes: a digit recognised, drawn, seen moving, words tagged, letters reversed.

    h_t = tanh(W_x x_t + W_h h_{t−1} + b),  y_t = V h_t + c
    ∂L/∂W_h = Σ_t δ_tᵀ h_{t−1},  δ_t = ∂L/∂(W_x x_t + W_h h_{t−1} + b)

Watch the hidden state fill while it reads, and empty while it answers.

Source: Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990; the five shapes: Karpathy, "The
Unreasonable Effectiveness of Recurrent Neural Networks" (2015).
Departures: small tasks made here; Adam; several layers read each other's h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from descent.contract import Experiment, Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.read_and_say import SIDE, SILENT, TASKS, ManyToOne, OneToMany, OneToOne, Read
from descent.kit.nn.elman import Recurrence, by_step, unrolled_in_numpy
from descent.kit.nn.features import principal_plane
from descent.kit.nn.lean import update
from descent.kit.nn.traced import Gradients, alone
from descent.kit.reading import beside_their_own, foremost, how_many, in_percent
from descent.kit.text import rough

TESTED = 40  # held-out sequences
FULL = 0.9  # a unit beyond is near its end
EVERY = 20  # steps from one test to the next
SHAPES = {
    "one-to-one": "1:1 recognise a digit",
    "one-to-many": "1:n draw a digit",
    "many-to-one": "n:1 see a digit move",
    "aligned": "n:n tag words",
    "after-reading": "n→n reverse letters",
}
Shape = Literal["one-to-one", "one-to-many", "many-to-one", "aligned", "after-reading"]
SEQUENCES = ["one-to-many", "many-to-one", "aligned", "after-reading"]


class RNNKnobs(Knobs):
    # fmt: off
    lr: float = rate(5e-3, log=(1e-5, 1.0), typical=(1e-3, 0.02), help="Length of Adam's steps.")
    sample: int = live(0, "Test sequence", range=(0, TESTED - 1), role="look")
    shape: Shape = fixed("after-reading", "Shape", options=SHAPES)
    length: int = fixed(4, "Length", "T", range=(2, 12), when={"shape": SEQUENCES})
    hidden: int = fixed(48, "Hidden units", "D", range=(4, 96), step=4)
    layers: int = fixed(1, "Layers", range=(1, 3))
    first: Literal["zero", "learnt"] = fixed("zero", "First state", "h_0", options=("zero", "learnt"))
    batch: int = fixed(32, "Batch size", "B", range=(1, 128))
    # fmt: on


class Unrolled(nn.Module):
    """Layers of recurrence, and a linear map from the top one's h_t to what is said."""

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int, first: str) -> None:
        super().__init__()
        sizes = [inputs, *[hidden] * layers]
        self.layers = nn.ModuleList(Recurrence(size, hidden) for size in sizes[:-1])
        self.V = nn.Linear(hidden, outputs)
        self.h_0: Tensor  # (layers, D)
        if first == "learnt":
            self.h_0 = nn.Parameter(torch.zeros(layers, hidden))
        else:
            self.register_buffer("h_0", torch.zeros(layers, hidden))

    def forward(self, x: Tensor) -> Tensor:
        """y_t (T, B, O) of x (T, B, I)."""
        output: Tensor = self.V(self.unroll(x)[0][-1])
        return output

    def unroll(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Every layer's h_t, (T, B, D) each, and the arguments of tanh of the lowest, (B, D) each."""
        states: list[Tensor] = []
        lowest: list[Tensor] = []
        for layer, h_0 in zip(self.layers, self.h_0, strict=True):
            h, arguments = layer(states[-1] if states else x, h_0.expand(x.shape[1], -1))
            lowest = lowest or arguments
            states.append(h)
        return states, lowest


class RNN(Experiment[RNNKnobs]):
    """A vanilla recurrent network on one of five tasks."""

    order = 0
    pace = 120.0
    after = ("mlp-digits",)
    minutes = 10
    level = 2
    invite = "Choose another shape, and another test sequence: see when the network knows."
    steers = {"lr": "optimizer"}
    measures = {"loss/train": Measure("loss"), "acc/test": Measure("accuracy")}
    presets = {
        "tag": Preset("Words tagged", {"shape": "aligned", "length": 8}),
        "direction": Preset("Whereto does it move?", {"shape": "many-to-one", "hidden": 96, "lr": 2e-3}),
        "draw": Preset("A digit drawn", {"shape": "one-to-many", "length": 12, "sample": 3}),
        "once": Preset("A single step", {"shape": "one-to-one"}),
        "long": Preset("Ten letters reversed", {"length": 10}),
    }

    def build(self, knobs: RNNKnobs) -> None:
        """The task, and a network of its size."""
        self.task = TASKS[knobs.shape](knobs.length)
        outputs = len(self.task.names)
        self.model = Unrolled(self.task.inputs, knobs.hidden, outputs, knobs.layers, knobs.first)
        self.model.to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr, fused=True)
        self.traced = Gradients(list(self.model.parameters()))
        self.test = self.task.draw(TESTED, self.generator(-1), test=True).to(self.device)

    def _batch(self, n: int, knobs: RNNKnobs) -> Read:
        return self.task.draw(knobs.batch, self.step_generator(n)).to(self.device)

    def _loss(self, x: Tensor, said: Tensor, asked: Tensor) -> Tensor:
        return self.task.loss(self.model(x), Read(x, said, asked))

    def step(self, knobs: RNNKnobs) -> Scalars:
        """Adam on sequences that nobody has seen before."""
        example = self._batch(self.step_index, knobs)
        loss = self.traced(alone(self._loss), example.x, example.said, example.asked, settings=())
        row: dict[str, float | Tensor] = {"loss/train": loss}
        if self.step_index % EVERY == 0:
            row |= self._scores()
        update(self.optimizer)
        return row

    @torch.no_grad()
    def _scores(self) -> dict[str, float | Tensor]:
        """The share of right answers, and how far NumPy's lowest h_t are from torch's, at most."""
        states, _ = self.model.unroll(self.test.x)
        right = self.task.right(self.model.V(states[-1]), self.test)
        lowest: Recurrence = self.model.layers[0]  # type: ignore[assignment]
        weights = (lowest.W_x, lowest.W_h, lowest.b)
        h_0 = self.model.h_0[:1].expand(TESTED, -1)
        by_hand = unrolled_in_numpy(*(each.numpy(force=True) for each in (self.test.x, h_0, *weights)))
        apart = abs(by_hand - states[0].numpy(force=True)).max()
        return {"acc/test": right.float().mean(), "numpy/difference": float(apart)}

    def objectives(self, knobs: RNNKnobs) -> Mapping[str, Objective]:
        """The loss of the coming step."""
        example = self._batch(self.step_index, knobs)

        def loss() -> Tensor:
            return self.task.loss(self.model(example.x), example)

        return {"": Objective.of(self.model, self.optimizer, loss)}

    # What is shown

    def _one(self, knobs: RNNKnobs) -> Read:
        """The test sequence that is looked at, B = 1."""
        chosen = slice(knobs.sample, knobs.sample + 1)
        return Read(self.test.x[:, chosen], self.test.said[:, chosen], self.test.asked)

    def _read(self, knobs: RNNKnobs) -> list[str]:
        return [
            f"{t + 1}: {read}" if read != str(t + 1) else read
            for t, read in enumerate(self.task.read(self._one(knobs).x[:, 0]))
        ]

    @p.heatmap("What it says", size="hero")
    def says(self, knobs: RNNKnobs) -> p.Heatmap:
        """Probabilities of the answers (O, T), or the pen's place (2, T); the right ones are below."""
        one = self._one(knobs)
        output = self.model(one.x)[:, 0]  # (T, O)
        drawn = isinstance(self.task, OneToMany)
        answers = [
            f"{'' if read == SILENT else read} → {answer}".strip() if asked else read
            for read, answer, asked in zip(
                self.task.read(one.x[:, 0]), self.task.answer(one.said[:, 0]), one.asked.tolist(), strict=True
            )
        ]
        picture = p.Heatmap(
            values=(output if drawn else output.softmax(1)).T,
            rows=self.task.names,
            columns=answers,
            x_label="what is read → right answer",
            scale="diverging" if drawn else "sequential",
            range=(-1.0, 1.0) if drawn else (0.0, 1.0),
        )
        right = self.task.right(output[:, None], one)  # bool (asked steps, 1)
        text = "{right} of {all} answers to this sequence are right."
        return p.says(picture, text, right=how_many(right, output), all=right.numel())

    @p.heatmap("Hidden state, unrolled")
    def states(self, knobs: RNNKnobs) -> p.Heatmap:
        """h_t of the top layer, (D, T): columns are time."""
        h = self.model.unroll(self._one(knobs).x)[0][-1][:, 0]  # (T, D)
        columns = self._read(knobs)
        full = h[-1].abs() > FULL
        return p.says(
            p.Heatmap(
                values=h.T, columns=columns, x_label="what is read", y_label="unit", scale="diverging",
                range=(-1.0, 1.0),
            ),
            "At the end, {full} of {all} units are beyond ±{bound}.",
            full=how_many(full, h), all=len(full), bound=str(FULL),
        )  # fmt: skip

    @p.arrows("Which way does it go?")
    def path(self, knobs: RNNKnobs) -> p.Arrows:
        """The pen's way, said and right; of other shapes, h_t's way in the plane in which it moves most.

        A single step has no way: there every test digit's h_1 is a point.
        """
        one = self._one(knobs)
        pictures = one.x.new_zeros(0, 1, 1)
        mesh = one.x.new_zeros(1, 0, 2)
        if isinstance(self.task, OneToMany):
            said, right = self.model(one.x)[:, 0], one.said[:, 0]
            points, names = torch.cat([said, right]), ["said", "right"]
            groups = torch.arange(2).repeat_interleave(len(said))
            labels, mesh = [str(t + 1) for t in range(len(said))] + [""] * len(said), said[None]
        elif isinstance(self.task, OneToOne):
            points = principal_plane(self.model.unroll(self.test.x)[0][-1][0])
            groups, names, labels = self.test.said[0], list(self.task.names), [""] * TESTED
            pictures = self.test.x[0]
        else:
            points = principal_plane(self.model.unroll(one.x)[0][-1][:, 0])  # (T, 2)
            groups, names, labels = torch.zeros(len(points)), ["h_t"], self._read(knobs)
            mesh = points[None]
            pictures = one.x[:, 0] if isinstance(self.task, ManyToOne) else pictures
        reach = max(1.2, 1.15 * float(points.nan_to_num().abs().max()))
        picture = p.Arrows(
            values=points.new_zeros(0, 0),
            x=(-reach, reach),
            y=(-reach, reach),
            points=points,
            groups=groups.to(torch.uint8),
            names=names,
            labels=labels,
            mesh=mesh,
            pictures=p.Images.to_pixels(pictures.reshape(-1, SIDE, SIDE), 0) if len(pictures) else
            pictures.to(torch.uint8),
        )  # fmt: skip
        if isinstance(self.task, OneToOne):
            beside = in_percent(beside_their_own(points, groups) if points.any() else math.nan)
            text = "{beside}% of the points lie next to one of their own class."
            return p.says(picture, text, beside=beside)
        t = foremost(mesh[0].diff(dim=0).norm(dim=1))
        return picture if t is None else p.says(picture, "No step is longer than that to t = {t}.", t=t + 2)

    @p.images("The gradient of W_h, step by step", size="wide")
    def gradient(self, knobs: RNNKnobs) -> p.Images:
        """δ_tᵀ h_{t−1} of the lowest layer for each t, and their sum: T + 1 pictures of D × D."""
        with torch.enable_grad():
            states, arguments = self.model.unroll(self.test.x)
            loss = self.task.loss(self.model.V(states[-1]), self.test)
            before = [self.model.h_0[0].expand(TESTED, -1), *states[0].detach()[:-1]]
            terms = by_step(loss, arguments, before)  # (T, D, D)
        whole = torch.cat([terms, terms.sum(0, keepdim=True)])
        largest = whole.abs().amax().clamp(min=1e-12)
        sizes = terms.flatten(1).norm(dim=1)
        picture = p.Images(
            pixels=p.Images.signed((whole / largest).sign() * (whole / largest).abs().sqrt()),
            captions=[*(f"t = {t + 1}" for t in range(len(terms))), "Σ"],
        )
        text = "No step adds more to the gradient than t = {t}: a length of {size}."
        return p.says(picture, text, t=int(sizes.argmax()) + 1, size=rough(float(sizes.max())))

    losses = p.scalars({"loss/train": "training"}, "Loss", log=True, smoothing=0.7)
    right = p.scalars({"acc/test": "right"}, "Right answers")
    apart = p.scalars({"numpy/difference": "largest difference"}, "NumPy against torch", log=True)
