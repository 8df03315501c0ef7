"""Regularisation.

A large network learns 200 digits by heart, wrong labels and all, and gets worse on digits it has not seen.
Dropout, L1, L2 and early stopping each keep it from that, live, beside the same network without them.

One step on a mini-batch, h_0 being the pixels and m_l a fresh mask of zeros and ones for each hidden layer:

    h_l = relu(h_{l−1} W_l + b_l) ⊙ m_l / (1 − p),  P(m = 1) = 1 − p            inverted dropout
    objective = cross-entropy + λ₂ ½Σw² + λ₁ Σ|w|                               L2 and L1, of weights only
    w ← w − η (∂loss/∂w + λ₂ w)                                                 L2 pulls in proportion to w
    w ← sign(w) · max(|w| − ηλ₁, 0)                                             L1, as a proximal step

Early stopping keeps the weights of the lowest validation loss, and stops after `patience` epochs without a
lower one. Watch the gap between the two losses open, and what closes it.

Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
§4 and §10 (inverted); Goodfellow, Bengio, Courville, "Deep Learning" (2016), §7.1 (L2 and L1) and §7.8 (early
stopping, algorithm 7.1).
Departures: the input is not dropped. L1's plain subgradient is there for comparison: it leaves weights
trembling about 0 by ±ηλ₁, where the proximal step makes them exactly 0.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional as F

from descent.contract import Experiment, Finished, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import shuffled_digits
from descent.kit.history import remembered
from descent.kit.nn.early_stopping import MOST_PATIENT, EarlyStopping
from descent.kit.nn.layers import UniformLayers
from descent.kit.nn.lean import update
from descent.kit.nn.traced import Gradients, alone
from descent.kit.reading import share_of
from descent.kit.text import rough

PIXELS, SIDE, CLASSES = 64, 8, 10
VALIDATION, TEST = 400, 400  # digits of either split
KEPT = 512  # rows of the history of losses; then every other one is forgotten
LAYERS = ("layer 1", "layer 2", "output")
SPAN, BINS = 0.3, 61  # the histograms reach from −SPAN to SPAN; the middle one of so many bars is around 0
PICTURED = 4  # digits whose masks are shown
DRAWS = 400  # masks that are averaged
ORANGE, BLUE = [213, 94, 0], [0, 114, 178]  # of units that are dropped and kept


class RegularisationKnobs(Knobs):
    lr: float = rate(0.1, log=(1e-4, 10.0), typical=(0.03, 0.3), help="How far a step goes.")
    batch_size: int = batch_of(16, 200, typical=(8, 64), help="Training digits per step.")
    dropout: float = live(
        0.0, "Dropout", "p", range=(0.0, 0.95), step=0.05, typical=(0.2, 0.7), group="regularisation"
    )
    l2: float = live(
        0.0, "L2", "λ_2", range=(0.0, 0.1), step=0.001, typical=(0.005, 0.03), group="regularisation"
    )
    l1: float = live(
        0.0, "L1", "λ_1", range=(0.0, 0.01), step=0.0001, typical=(0.0003, 0.002), group="regularisation"
    )
    l1_step: Literal["proximal", "subgradient"] = live(
        "proximal", "L1 step", options=("proximal", "subgradient"), group="regularisation"
    )
    patience: int = live(
        20, "Patience", range=(0, MOST_PATIENT), unit="epochs", typical=(5, 50), group="early stopping"
    )
    stop_early: bool = live(False, "Stop early", group="early stopping")
    train_size: int = fixed(
        200, "Training digits", range=(50, 1000), step=50, help="The fewer, the easier to learn by heart."
    )
    noise: int = fixed(30, "Wrong labels", range=(0, 80), unit="%", step=5)
    width: int = fixed(256, "Width", range=(16, 512), step=16, help="Units of either hidden layer.")

    @model_validator(mode="after")
    def _patience_is_needed(self) -> RegularisationKnobs:
        if self.patience < 1:
            raise KnobError(
                "patience", "without any, training would stop before it has begun; choose at least 1 epoch"
            )
        return self


def draw_mask(shape: Sequence[int], p: float, generator: torch.Generator) -> Tensor:
    """1 where a unit stays, with probability 1 − p, and 0 where it is dropped."""
    return (torch.rand(tuple(shape), generator=generator) >= p).float()


def inverted_dropout(h: Tensor, mask: Tensor, p: float) -> Tensor:
    """h ⊙ m / (1 − p): its expectation over masks is h, so that nothing needs scaling without them."""
    return h * mask / (1 - p)


def l1_penalty(weights: Sequence[Tensor]) -> Tensor:
    """Σ|w|, whose subgradient is sign(w)."""
    return torch.stack([w.abs().sum() for w in weights]).sum()


def l2_penalty(weights: Sequence[Tensor]) -> Tensor:
    """½Σw², whose gradient is w."""
    return torch.stack([w.square().sum() for w in weights]).sum() / 2


def shrink(w: Tensor, threshold: float) -> Tensor:
    """sign(w) · max(|w| − t, 0), the proximal step of t|w|: what lies within ±t becomes exactly 0."""
    return w.sign() * (w.abs() - threshold).clamp(min=0)


class Network(UniformLayers):
    """A multilayer perceptron; `sizes` are the units per layer, input and output included."""

    def hidden(self, h: Tensor, layer: int) -> Tensor:
        """relu(h W + b) of hidden layer `layer`, before dropout."""
        return torch.relu(h @ self.weights[layer] + self.biases[layer])

    def forward(self, h: Tensor, masks: Sequence[Tensor] = (), p: float = 0.0) -> Tensor:
        """Logits (B, classes) of pixels (B, P); units are dropped only where masks (B, units) are given."""
        for layer in range(len(self.weights) - 1):
            h = self.hidden(h, layer)
            if masks:
                h = inverted_dropout(h, masks[layer], p)
        return h @ self.weights[-1] + self.biases[-1]


def splits(knobs: RegularisationKnobs) -> tuple[slice, slice, slice]:
    """Where the training, validation and test digits are."""
    train, seen = knobs.train_size, knobs.train_size + VALIDATION
    return slice(0, train), slice(train, seen), slice(seen, seen + TEST)


class Regularisation(Experiment[RegularisationKnobs]):
    """One network as regularised as the learner likes, and a twin that is not."""

    order = 4
    pace = 200.0
    after = ("mlp-digits",)
    minutes = 12
    level = 2
    invite = "Let the gap open, then raise dropout p to 0.7 or L2's λ₂ to 0.04."
    measures = {
        "objective/loss": Measure("loss"),
        "loss/train": Measure("loss"),
        "loss/validation": Measure("held-out"),
        "acc/train": Measure("accuracy"),
        "acc/validation": Measure("accuracy"),
    }
    steers = {"lr": "optimizers"}
    presets = {
        "dropout": Preset("Dropout", {"dropout": 0.7}),
        "l2": Preset("L2", {"l2": 0.04}),
        "l1": Preset("L1", {"l1": 0.001}),
        "early": Preset("Early stopping", {"stop_early": True}),
        "impatient": Preset("Too little patience", {"stop_early": True, "patience": 1}),
        "more-data": Preset("Five times the data", {"train_size": 1000}),
    }

    def build(self, knobs: RegularisationKnobs) -> None:
        """Three splits of the digits, wrong labels among the training ones, and both networks."""
        generator = self.generator(-1)
        images, labels = shuffled_digits(generator)
        self.images = images.to(self.device)  # (N, pixels): train, validation, test
        self.training_samples = knobs.train_size
        self.wrong = round(knobs.train_size * knobs.noise / 100)  # the first so many training digits
        labels[: self.wrong] += torch.randint(1, CLASSES, (self.wrong,), generator=generator)
        self.labels = (labels % CLASSES).to(self.device)
        self.model = Network([PIXELS, knobs.width, knobs.width, CLASSES]).to(self.device)
        self.twin = copy.deepcopy(self.model)
        self.best = copy.deepcopy(self.model)  # the weights of the lowest validation loss
        self.optimizers = [torch.optim.SGD(net.parameters(), knobs.lr) for net in (self.model, self.twin)]
        self.traced = [Gradients(list(net.parameters())) for net in (self.model, self.twin)]
        self.early = EarlyStopping()
        self.epochs = 0
        self.history = torch.empty(0, 3)  # training, validation, the twin's validation loss
        self.stride = 1  # epochs between two rows of it
        self._evaluate(knobs)

    def stopped(self, knobs: RegularisationKnobs) -> bool:
        """Whether early stopping has ended training."""
        return knobs.stop_early and self.early.stop(knobs.patience) is not None

    def _batch(self, knobs: RegularisationKnobs) -> tuple[Tensor, ...]:
        """Digits (B, pixels), labels, of the coming step; with dropout a mask per hidden layer (B, units)."""
        rows = coming_rows(self, knobs.batch_size, knobs.train_size)
        masks = []
        if knobs.dropout:
            generator = self.step_generator(self.step_index)
            shape = len(rows), knobs.width
            masks = [draw_mask(shape, knobs.dropout, generator).to(self.device) for _ in range(2)]
        return self.images[rows], self.labels[rows], *masks

    def _terms(self, knobs: RegularisationKnobs, images: Tensor, labels: Tensor, *masks: Tensor) -> Tensor:
        """The mini-batch's loss, λ₂ ½Σw² and λ₁ Σ|w|, (3,): together the objective."""
        loss = F.cross_entropy(self.model(images, masks, knobs.dropout), labels)
        weights, nothing = list(self.model.weights), torch.zeros((), device=self.device)
        l2 = knobs.l2 * l2_penalty(weights) if knobs.l2 else nothing
        l1 = knobs.l1 * l1_penalty(weights) if knobs.l1 else nothing
        return torch.stack([loss, l2, l1])

    def _descended(
        self, knobs: RegularisationKnobs, images: Tensor, labels: Tensor, *masks: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The terms, and what a step goes down of their sum: L1 not where it is taken apart."""
        terms = self._terms(knobs, images, labels, *masks)
        loss, l2, l1 = terms
        return terms, loss + l2 if knobs.l1_step == "proximal" else loss + l2 + l1

    def _twin_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.twin(images), labels)

    def step(self, knobs: RegularisationKnobs) -> Scalars:
        """One mini-batch; at the end of an epoch also every digit. Finished once early stopping stops."""
        if self.stopped(knobs):
            raise Finished(
                "Early stopping: patience has run out. Raise it or switch early stopping off, then branch, "
                "to go on."
            )
        images, labels, *masks = self._batch(knobs)
        settings = knobs.dropout, knobs.l2, knobs.l1, knobs.l1_step
        terms = self.traced[0](partial(self._descended, knobs), images, labels, *masks, settings=settings)
        self.traced[1](alone(self._twin_loss), images, labels, settings=())
        for optimizer in self.optimizers:
            update(optimizer)
        if knobs.l1 and knobs.l1_step == "proximal":
            with torch.no_grad():
                for w in self.model.weights:
                    w.copy_(shrink(w, knobs.lr * knobs.l1))
        names = "objective/loss", "objective/l2", "objective/l1"
        row: dict[str, float | Tensor] = dict(zip(names, terms, strict=True))
        if self.ends_epoch(knobs):
            self.epochs += 1
            row |= self._evaluate(knobs) | {"early/patience": float(knobs.patience)}
        return row

    @torch.no_grad()
    def _evaluate(self, knobs: RegularisationKnobs) -> dict[str, float | Tensor]:
        """Losses and accuracies after an epoch, without dropout; keeps the weights if they are the best."""
        train, validation, _ = splits(knobs)
        logits = self.model(self.images[: validation.stop])
        correct = (logits.argmax(1) == self.labels[: validation.stop]).float()
        losses = [F.cross_entropy(logits[split], self.labels[split]) for split in (train, validation)]
        losses.append(F.cross_entropy(self.twin(self.images[validation]), self.labels[validation]))
        self.last = losses[1].item()
        if self.early.see(self.epochs, self.last):
            for kept, parameter in zip(self.best.parameters(), self.model.parameters(), strict=True):
                kept.copy_(parameter)
        if self.epochs % self.stride == 0:
            latest = torch.stack(losses).cpu()
            self.history, self.stride = remembered(self.history, latest, self.stride, KEPT)
        row: dict[str, float | Tensor] = {
            "loss/train": losses[0],
            "loss/validation": losses[1],
            "loss/gap": losses[1] - losses[0],
            "acc/train": correct[train].mean(),
            "acc/validation": correct[validation].mean(),
            "early/waited": float(self.epochs - self.early.best_epoch),
        }
        if self.wrong:
            row["acc/wrong"] = correct[: self.wrong].mean()
        zeros = [(w == 0).float().mean() for w in self.model.weights]
        return row | dict(zip(("zeros/layer-1", "zeros/layer-2", "zeros/output"), zeros, strict=True))

    def objectives(self, knobs: RegularisationKnobs) -> Mapping[str, Objective]:
        """What the coming mini-batch's step descends, L1 included however it is taken."""
        batch = self._batch(knobs)
        layers = dict(zip(LAYERS, self.model.pairs(), strict=True))

        def loss() -> Tensor:
            return self._terms(knobs, *batch).sum()

        return {"": Objective.of(self.model, self.optimizers[0], loss, layers, knobs.l2)}

    @p.lines("Training and validation", size="hero")
    def curves(self, knobs: RegularisationKnobs) -> p.Lines:
        """Both losses and the twin's, by epoch; the best epoch, and where patience runs out."""
        train, validation, twin = self.history.t()  # (n,) each
        early, stop = self.early, self.early.stop(knobs.patience)
        marks = [("best", float(early.best_epoch))]
        if self.stopped(knobs):
            marks.append(("stop", float(self.epochs)))
        elif stop is not None:
            marks.append(("patience over", float(stop[0])))
        epoch, loss = stop[1:] if stop is not None else (early.best_epoch, early.best)
        nothing = torch.full_like(train, math.nan)
        picture = p.Lines(
            x=torch.arange(len(self.history)) * float(self.stride),
            values=torch.stack([train, validation, twin]),
            low=torch.stack([nothing, train, nothing]),
            high=torch.stack([nothing, validation, nothing]),
            dots=torch.tensor([[0.0, 1.0, early.best_epoch, early.best]]),
            series=["training", "validation", "validation, unregularised"],
            x_label="epoch",
            marks=[marks],
            notes=[f"L({epoch}) = {loss:.3f},  L({self.epochs}) = {self.last:.3f}"],
        )
        now = float(validation[-1] - train[-1])
        if not math.isfinite(now):
            return picture
        text = "Validation loss is {gap} above training loss; it was lowest in epoch {best}."
        below = "Validation loss is {gap} below training loss; it was lowest in epoch {best}."
        if now < 0:
            return p.says(picture, below, gap=rough(-now), best=early.best_epoch)
        return p.says(picture, text, gap=rough(now), best=early.best_epoch)

    gap = p.scalars({"loss/validation": "validation", "loss/train": "training", "loss/gap": "gap"}, "The gap")
    accuracy = p.scalars(
        {"acc/train": "training", "acc/validation": "validation", "acc/wrong": "wrong labels"}, "Accuracy"
    )

    @p.images("Dropout's masks", size="wide", above={"dropout": 0})
    def masks(self, knobs: RegularisationKnobs) -> p.Images:
        """The first hidden layer on digits of the coming mini-batch, units as pixels: four images a digit.

        Brightness is the root of h over the largest value shown.
        """
        pixels, _, *masks = self._batch(knobs)
        pixels = pixels[:PICTURED]
        h = self.model.hidden(pixels, 0)  # (N, units)
        mask = masks[0][:PICTURED] if masks else torch.ones_like(h)
        after = inverted_dropout(h, mask, knobs.dropout)
        brightest = after.amax().clamp(min=1e-6)
        side = math.ceil(math.sqrt(knobs.width))

        def square(values: Tensor) -> Tensor:
            """(N, units) → (N, side, side); what is left of the square is 0."""
            return F.pad(values, (0, side * side - knobs.width)).view(-1, side, side).cpu()

        def grey(values: Tensor) -> Tensor:
            """Values in [0, 1] (N, side, side) as pixels (N, side, side, 3)."""
            return p.Images.to_pixels(values, 0, 1)[..., None].repeat(1, 1, 1, 3)

        digit = F.interpolate(pixels.view(-1, 1, SIDE, SIDE), size=(side, side))[:, 0].cpu()
        coloured, kept = grey(square((after / brightest).sqrt())), square(mask) == 1
        dropped = ~kept & (square(torch.ones_like(mask)) == 1)
        coloured[dropped] = torch.tensor(ORANGE, dtype=torch.uint8)
        stencil = torch.where(dropped[..., None], torch.tensor(ORANGE), torch.tensor(BLUE)).to(torch.uint8)
        shown = [grey((digit + 1) / 2), grey(square((h / brightest).sqrt())), stencil, coloured]
        picture = p.Images(
            pixels=torch.stack(shown, 1).flatten(0, 1),
            columns=8,
            captions=["x", "h", "m", "h′"] * len(pixels),
        )
        text = "On the first digit {dropped} of {all} units are dropped, {silent} of the rest are 0 anyway."
        first = mask[0] == 0
        silent = int((~first & (h[0] == 0)).sum())
        return p.says(picture, text, dropped=int(first.sum()), all=knobs.width, silent=silent)

    @p.lines("Why multiply by 1/(1 − p)?", above={"dropout": 0})
    def expectation(self, knobs: RegularisationKnobs) -> p.Lines:
        """Running means over masks of z = (h ⊙ m) W + b with and without 1/(1 − p), for one digit."""
        dropout, generator = knobs.dropout, torch.Generator().manual_seed(self.seed)
        h = self.model.hidden(self.images[splits(knobs)[1]][:1], 0)  # (1, units)
        z = (h @ self.model.weights[1] + self.model.biases[1])[0]
        unit = int(z.argmax())
        w, b = self.model.weights[1][:, unit], self.model.biases[1][unit]
        mask = draw_mask((DRAWS, knobs.width), dropout, generator).to(self.device)
        count = torch.arange(1.0, DRAWS + 1, device=self.device)
        received = torch.stack([inverted_dropout(h, mask, dropout) @ w, (h * mask) @ w]) + b  # (2, DRAWS)
        means = received.cumsum(1) / count
        middle = float(z[unit])
        reach = max(float((means - middle).abs().amax()), abs(middle) / 2)
        picture = p.Lines(
            x=count,
            values=torch.cat([means, z[unit].expand(1, DRAWS)]),
            series=["scaled", "not scaled", "no dropout"],
            x_label="n",
            x_log=True,
            notes=[f"1 / (1 − {dropout:g}) = {1 / (1 - dropout):.2f}"],
            y_ranges=[(middle - 1.1 * reach, middle + 1.1 * reach)],
        )
        scaled, unscaled = means[:, -1].tolist()
        if not math.isfinite(scaled + unscaled + middle):
            return picture
        text = "Scaled, the average is {scaled}; not scaled {unscaled}; without dropout {z}."
        return p.says(picture, text, scaled=rough(scaled), unscaled=rough(unscaled), z=rough(middle))

    @p.histogram("Weights", size="wide")
    def weights(self, knobs: RegularisationKnobs) -> p.Histogram:
        """Each layer's weights on the same axis, what lies outside counted in the outermost bars."""
        weights = dict(zip(LAYERS, self.model.weights, strict=True))
        picture = p.Histogram.of(weights, BINS, (-SPAN, SPAN))
        first = self.model.weights[0]
        near = 100 * share_of(first.abs() < 2 * SPAN / BINS, first)
        text = "{percent}% of layer 1's weights lie within {width} of 0."
        return p.says(picture, text, percent=rough(near), width=rough(2 * SPAN / BINS))

    @p.bars("Best and last")
    def restored(self, knobs: RegularisationKnobs) -> p.Bars:
        """Cross-entropy on each split, for the weights of the best epoch and for the last ones."""
        losses = [
            F.cross_entropy(net(self.images[split]), self.labels[split])
            for net in (self.best, self.model)
            for split in splits(knobs)
        ]
        picture = p.Bars(
            values=torch.stack(losses).view(2, 3),
            labels=["training", "validation", "test"],
            series=["best weights", "last weights"],
        )
        best, last = (float(loss) for loss in (losses[2], losses[5]))
        if not math.isfinite(best + last):
            return picture
        text = "On unseen digits the best weights have loss {best}, the last ones {last}."
        return p.says(picture, text, best=rough(best), last=rough(last))

    waiting = p.scalars({"early/waited": "epochs waited", "early/patience": "patience"}, "Patience")
    objective = p.scalars(
        {"objective/loss": "loss", "objective/l2": "λ₂ ½Σw²", "objective/l1": "λ₁ Σ|w|"},
        "What is made small",
        smoothing=0.9,
    )
    zeros = p.scalars(
        {"zeros/layer-1": "layer 1", "zeros/layer-2": "layer 2", "zeros/output": "output"},
        "Weights that are 0",
        above={"l1": 0},
    )
