"""Neural playground.

A small network learns a pattern of points in the plane while every unit, weight and gradient is on show.
Change the rate, the optimizer or the loss as it trains, or draw points of your own.

Layer l of L on a mini-batch of B points, h_0 being the features of a point:

    h_l = φ(h_{l−1} W_l + b_l),  z = h_{L−1} W_L + b_L
    squared error = (1/B) Σ (ŷ − y)², with ŷ = tanh z for classes y = ±1 and ŷ = z in regression
    cross-entropy = (1/B) Σ −log σ(yz), and the map shows 2σ(z) − 1 = tanh(z/2)
    objective = loss + λ Σ|w| (L1) or loss + λ ½Σw² (L2), summed over the weights, not the biases

Watch the hidden units' maps add up to the decision map, and what too large a rate does to them.

Source: Smilkov, Carter, Sculley, Viégas, Wattenberg, "Direct-Manipulation Visualization of Deep Networks"
(2017), known as TensorFlow Playground. Dropout is inverted (Srivastava et al. 2014, §10); with AdamW, L2 is
decoupled from the gradient (Loshchilov and Hutter 2019, algorithm 2).
Departures: the squared error has no ½, so the same η goes twice as far; parameters start uniform within
±1/√(units below); L1 is a plain subgradient and does not stop a weight at zero. Optimizers, momentum,
dropout and cross-entropy are additions.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field as Item
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from descent.contract import Experiment, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import batches_per_epoch
from descent.kit.data.columns import own_table
from descent.kit.data.own_plane import PlaneData, made_plane, own_plane
from descent.kit.data.planar import (
    CLASSIFICATION,
    EXTENT,
    FEATURE_LABELS,
    PATTERNS,
    Feature,
    Samples,
    ShuffledBatches,
    check_labels,
    encode,
    grid,
    pictured,
)
from descent.kit.measures import TRAIN_AND_TEST
from descent.kit.nn.activations import ACTIVATIONS
from descent.kit.nn.layers import Activated, PlaneNetwork
from descent.kit.nn.lean import backward, lean_optimizer, tune_optimizer, update
from descent.kit.nn.traced import Gradients
from descent.kit.reading import how_many, in_percent, strongest
from descent.kit.text import rough

SAMPLES = 500  # points in a data set, training and test together
UNIT_MAP = 16  # cells along a side of a unit's map
SMALL = 0.1  # of a weight, within which it hardly counts

Batch = tuple[Tensor, Tensor]  # inputs and targets
Units = Annotated[int, Item(ge=1, le=32)]
Point = Annotated[list[Annotated[float, Item(ge=-EXTENT, le=EXTENT)]], Item(min_length=3, max_length=3)]

Place = Annotated[int, Item(ge=0, le=32)]  # from 1; 0 for none
Value = Annotated[float, Item(ge=-10, le=10)]
OWN: Mapping[str, list[str]] = {"dataset": ["file", "file-regression"]}  # knobs that matter for a file


class PlaygroundKnobs(Knobs):
    # fmt: off
    lr: float = rate(
        0.03, log=(1e-5, 10.0), typical=(0.001, 0.3), group="training", help="How far a step goes.")
    optimizer: Literal["sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adamw"] = live(
        "sgd", "Optimizer", options={"sgd": "SGD", "momentum": "Momentum", "nag": "Nesterov (NAG)",
        "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}, group="training")
    momentum: float = live(
        0.9, "Momentum", "μ", range=(0.0, 0.99), step=0.01, when={"optimizer": ["momentum", "nag"]},
        group="training")
    loss: Literal["squared-error", "cross-entropy"] = live(
        "squared-error", "Loss", options={"squared-error": "squared error", "cross-entropy": "cross-entropy"},
        group="training", role="task")
    regularisation: Literal["none", "l1", "l2"] = live(
        "none", "Regularisation", options={"none": "none", "l1": "L1", "l2": "L2"}, group="training")
    regularisation_rate: float = live(
        0.001, "Regularisation rate", "λ", log=(1e-5, 10.0), typical=(0.001, 0.1),
        when={"regularisation": ["l1", "l2"]}, group="training")
    dataset: Literal[
        "circle", "xor", "gauss", "spiral", "plane", "multi-gauss", "file", "file-regression"
    ] = fixed(
        "spiral", "Data set", pictures=pictured(PATTERNS),
        options={"circle": "circle", "xor": "exclusive or", "gauss": "two clouds",
        "spiral": "spiral", "plane": "plane (regression)", "multi-gauss": "six hills (regression)",
        "file": "your own table", "file-regression": "your own table (regression)"}, group="data")
    file: str = fixed("", "Your table", when=OWN, own="table", max_length=32, group="data")
    x1_column: str = fixed("", "Column x₁", when=OWN, column_of="file", max_length=200, group="data")
    x2_column: str = fixed("", "Column x₂", when=OWN, column_of="file", max_length=200, group="data")
    label_column: str = fixed("", "Label column", when=OWN, column_of="file", max_length=200, group="data")
    one_class: str = fixed("", "Class +1", when={"dataset": ["file"]}, max_length=200, group="data")
    noise: int = fixed(
        0, "Noise", range=(0, 50), unit="%", group="data", when={"dataset": list(PATTERNS)},
        help="How far the data stray from the pattern.")
    train_ratio: int = fixed(50, "Training share", range=(10, 90), unit="%", step=10, group="data")
    points: list[Point] = live([], "Points of your own", max_length=500, group="data", role="task")
    batch_size: int = batch_of(10, 500, typical=(1, 30), group="data", help="Training points per step.")
    features: list[Feature] = fixed(
        ["x1", "x2"], "Features", options=FEATURE_LABELS, max_length=len(FEATURE_LABELS), group="network")
    hidden: list[Units] = fixed([8, 8], "Hidden layers", max_length=6, group="network")
    activation: Literal["tanh", "relu", "sigmoid", "linear"] = live(
        "tanh", "Activation", "φ",
        options={"tanh": "tanh", "relu": "ReLU", "sigmoid": "sigmoid", "linear": "linear"}, group="network")
    weight: tuple[Place, Place, Place, Value] = live((0, 0, 0, 0.0), "Set a weight", group="network")
    dropout: float = live(0.0, "Dropout", "p", range=(0.0, 0.9), step=0.05, group="network")
    # fmt: on

    @property
    def classifies(self) -> bool:
        """Whether the labels are classes, −1 and +1."""
        return self.dataset in CLASSIFICATION or self.dataset == "file"

    @model_validator(mode="after")
    def _fit_together(self) -> PlaygroundKnobs:
        if not self.features:
            raise KnobError("features", "choose at least one, or the network sees nothing")
        if len(set(self.features)) < len(self.features):
            raise KnobError("features", "name each feature once")
        if self.loss == "cross-entropy" and not self.classifies:
            raise KnobError(
                "loss", "this data set is regression; choose squared error, or a data set with classes"
            )
        check_labels(self.points, "points", self.classifies)
        return self


def loss_of(z: Tensor, y: Tensor, knobs: PlaygroundKnobs) -> Tensor:
    """The mean loss of z (B, 1) against the labels y (B, 1)."""
    if knobs.loss == "cross-entropy":
        return F.softplus(-y * z).mean()  # −log σ(yz)
    return F.mse_loss(prediction(z, knobs), y)


def prediction(z: Tensor, knobs: PlaygroundKnobs) -> Tensor:
    """What z says on the labels' scale: within ±1 for classes, z itself in regression."""
    if not knobs.classifies:
        return z
    return torch.tanh(z / 2 if knobs.loss == "cross-entropy" else z)


def penalty(network: PlaneNetwork, knobs: PlaygroundKnobs) -> Tensor:
    """λΣ|w| or λ½Σw² over all weights."""
    w = parameters_to_vector([weight for weight, _ in network.layers])
    return knobs.regularisation_rate * (w.abs().sum() if knobs.regularisation == "l1" else w.dot(w) / 2)


def tune(optimizer: Optimizer, knobs: PlaygroundKnobs) -> None:
    """Write the live knobs into the optimizer's settings; its moments stay."""
    decay = knobs.regularisation_rate if knobs.regularisation == "l2" else 0.0
    tune_optimizer(optimizer, knobs.optimizer, knobs.lr, knobs.momentum, decay)


def descend(network: PlaneNetwork, optimizer: Optimizer, batch: Batch, knobs: PlaygroundKnobs) -> Tensor:
    """Take one optimisation step on `batch`; returns the loss before it, without the penalty."""
    loss, objective = losses(network, batch, knobs)
    for weight, bias in network.layers:
        weight.grad = bias.grad = None
    backward(objective)
    update(optimizer)
    return loss.detach()


def losses(network: PlaneNetwork, batch: Batch, knobs: PlaygroundKnobs) -> tuple[Tensor, Tensor]:
    """The loss on `batch`, and what is descended: it and the penalty."""
    inputs, targets = batch
    loss = loss_of(network(inputs, ACTIVATIONS[knobs.activation], knobs.dropout), targets, knobs)
    if penalised(knobs):
        return loss, loss + penalty(network, knobs)
    return loss, loss


def penalised(knobs: PlaygroundKnobs) -> tuple[str, float] | tuple[()]:
    """The penalty that the loss holds, and λ."""
    if knobs.regularisation == "l1" or (knobs.regularisation == "l2" and knobs.optimizer != "adamw"):
        return knobs.regularisation, knobs.regularisation_rate
    return ()


class NeuralPlayground(Experiment[PlaygroundKnobs]):
    """A multilayer perceptron that learns points of the plane."""

    order = -1
    after = ("linear-regression",)
    minutes = 13
    level = 1
    invite = "Drag η to the right until it breaks."
    measures = TRAIN_AND_TEST
    # fmt: off
    presets = {
        "spiral": Preset(
            "A spiral in 1,000 steps", {"dataset": "spiral", "features": ["x1", "x2", "sin x1", "sin x2"],
            "optimizer": "adam", "lr": 0.01}
        ),
        "dead-relus": Preset(
            "Dead ReLUs", {"dataset": "circle", "activation": "relu", "hidden": [16, 16],
            "optimizer": "momentum", "lr": 0.3}
        ),
        "too-large": Preset("Too large a rate", {"dataset": "circle", "lr": 3.0}),
        "edge": Preset("The edge of stability", {"dataset": "plane", "hidden": [], "lr": 0.05}),
        "overfitting": Preset(
            "Overfitting: much noise, few points", {"dataset": "xor", "noise": 50, "train_ratio": 10,
            "hidden": [32, 32], "optimizer": "adam", "lr": 0.003}
        ),
        "vanishing": Preset(
            "The vanishing gradient",
            {"dataset": "circle", "activation": "sigmoid", "hidden": [8, 8, 8, 8, 8]},
        ),
        "sparse": Preset(
            "L1 selects features", {"dataset": "circle", "features": list(FEATURE_LABELS), "hidden": [4],
            "regularisation": "l1", "regularisation_rate": 0.01}
        ),
    }
    # fmt: on

    def build(self, knobs: PlaygroundKnobs) -> None:
        """Draw the data set and the first weights."""
        generator = self.generator(-1)
        self.source = self._source(knobs, generator)
        drawn = self.source.samples
        order = torch.randperm(len(drawn.points), generator=generator)
        self.samples = Samples(drawn.points[order], drawn.labels[order])
        self._split(knobs)
        self.side = 72 if sum(knobs.hidden) <= 48 else 50  # a map costs at most 1.5 ms
        self.plane = encode(grid(self.side), knobs.features).to(self.device)  # (side², F)
        self.small_plane = encode(grid(UNIT_MAP), knobs.features).to(self.device)  # (UNIT_MAP², F)
        self.model = PlaneNetwork([len(knobs.features), *knobs.hidden, 1]).to(self.device)
        self.model.put(*knobs.weight)
        self.traced = Gradients([*self.model.weights, *self.model.biases])
        self._new_optimizer(knobs)

    def _source(self, knobs: PlaygroundKnobs, generator: torch.Generator) -> PlaneData:
        if knobs.dataset in PATTERNS:
            return made_plane(knobs.dataset, SAMPLES, knobs.noise / 100, generator)
        columns = (knobs.x1_column, knobs.x2_column, knobs.label_column)
        table = own_table(knobs.file, self.data)
        return own_plane(table, columns, knobs.one_class, knobs.classifies, SAMPLES, generator)

    def _new_optimizer(self, knobs: PlaygroundKnobs) -> None:
        self.optimizer = lean_optimizer(knobs.optimizer, [*self.model.weights], [*self.model.biases])
        tune(self.optimizer, knobs)

    def changed(self, knobs: PlaygroundKnobs, names: set[str]) -> None:
        """Take over live knobs; only a new optimizer loses the old one's moments."""
        if "points" in names:
            self._split(knobs)
        if "weight" in names:
            self.model.put(*knobs.weight)
        if "optimizer" in names:
            self._new_optimizer(knobs)
        tune(self.optimizer, knobs)

    def steps_per_epoch(self, knobs: PlaygroundKnobs) -> float:
        trained = len(self.samples.points) * knobs.train_ratio // 100 + len(knobs.points)
        return batches_per_epoch(knobs.batch_size, trained)

    def step(self, knobs: PlaygroundKnobs) -> Scalars:
        """One mini-batch; at the end of an epoch also every training and test point."""
        batch = self.batches.batch(self.step_index, knobs.batch_size)
        settings = (
            None if knobs.dropout else (knobs.activation, knobs.loss, knobs.classifies, *penalised(knobs))
        )
        row = {"loss/train": self.traced(lambda *b: losses(self.model, b, knobs), *batch, settings=settings)}
        update(self.optimizer)
        if (self.step_index + 1) % self.batches.per_epoch(knobs.batch_size) == 0:
            row |= self._evaluate(knobs)
        return row

    def exported(self, knobs: PlaygroundKnobs) -> tuple[nn.Module, Tensor]:
        """Features (B, F) → z (B, 1), whose sign is the class."""
        return Activated(self.model, ACTIVATIONS[knobs.activation]), self.inputs[:2]

    def objectives(self, knobs: PlaygroundKnobs) -> Mapping[str, Objective]:
        """What the coming mini-batch's step descends."""
        batch = self.batches.batch(self.step_index, knobs.batch_size)
        layers = {f"layer {i}": layer for i, layer in enumerate(self.model.layers, 1)}
        in_loss = knobs.regularisation == "l2" and knobs.optimizer != "adamw"
        decay = knobs.regularisation_rate if in_loss else 0.0

        def loss() -> Tensor:
            return losses(self.model, batch, knobs)[1]

        return {"": Objective.of(self.model, self.optimizer, loss, layers, decay)}

    @torch.no_grad()
    def _evaluate(self, knobs: PlaygroundKnobs) -> dict[str, Tensor]:
        z = self.model(self.inputs, ACTIVATIONS[knobs.activation])
        train = self.train_count
        row = {"loss/test": loss_of(z[train:], self.targets[train:], knobs)}
        if knobs.classifies:
            correct = (z * self.targets > 0).float()
            row |= {"acc/train": correct[:train].mean(), "acc/test": correct[train:].mean()}
        return row

    def _split(self, knobs: PlaygroundKnobs) -> None:
        """Lay the points out as training set, the learner's own, test set."""
        count = len(self.samples.points)
        train = count * knobs.train_ratio // 100
        own = torch.tensor(knobs.points, dtype=torch.float32).reshape(-1, 3)
        counts = torch.tensor([train, len(own), count - train])
        self.split = torch.tensor([0, 2, 1], dtype=torch.uint8).repeat_interleave(counts)  # as in `Field`
        points, labels = self.samples.points, self.samples.labels
        self.points = torch.cat([points[:train], own[:, :2], points[train:]])
        self.inputs = encode(self.points, knobs.features).to(self.device)
        self.targets = torch.cat([labels[:train], own[:, 2:], labels[train:]]).to(self.device)
        self.train_count = train + len(own)
        self.batches = ShuffledBatches(
            self.inputs[: self.train_count], self.targets[: self.train_count], self.seed
        )

    @p.graph("Network", size="hero", edits="weight", shows="decision_map")
    def network(self, knobs: PlaygroundKnobs) -> p.Graph:
        """Every unit's map, weight and bias."""
        *below, z = self.model.units(self.small_plane, ACTIVATIONS[knobs.activation])
        maps = torch.cat([*below, prediction(z, knobs)], 1)  # (UNIT_MAP², units)
        picture = p.Graph(
            layers=[layer.shape[1] for layer in (*below, z)],
            weights=torch.cat([weight.t().flatten() for weight in self.model.weights]),
            biases=torch.cat([torch.zeros(len(knobs.features), device=self.device), *self.model.biases]),
            maps=maps.t().reshape(-1, UNIT_MAP, UNIT_MAP),
            labels=[FEATURE_LABELS[name] for name in knobs.features],
        )
        last = self.model.weights[-1].flatten()
        names = [str(unit + 1) for unit in range(len(last))] if knobs.hidden else picture.labels
        found = strongest(last, names)
        text = "The output heeds unit {name} of the last hidden layer most: w = {weight}."
        if not knobs.hidden:
            text = "The output heeds {name} most: w = {weight}."
        return p.says(picture, text, **found) if found else picture

    @p.field_map("Decision map", size="pair", edits="points")
    def decision_map(self, knobs: PlaygroundKnobs) -> p.Field:
        """The prediction over the plane, with every point."""
        z = self.model(self.plane, ACTIVATIONS[knobs.activation])
        picture = p.Field(
            values=prediction(z, knobs).view(self.side, self.side),
            x=(-EXTENT, EXTENT),
            y=(-EXTENT, EXTENT),
            points=self.points,
            labels=self.targets.flatten(),
            split=self.split,
            boundary=0.0 if knobs.classifies else None,
            axes=self.source.axes,
            units=self.source.units,
            remarks=self.source.remarks,
        )
        if not knobs.classifies:
            return picture
        seen = slice(self.train_count)
        z = self.model(self.inputs[seen], ACTIVATIONS[knobs.activation])
        return p.says(
            picture,
            "{right} of {all} training points lie on the side of their colour.",
            right=how_many((z > 0) == (self.targets[seen] > 0), z),
            all=self.train_count,
        )

    loss = p.scalars({"loss/train": "training", "loss/test": "test"}, "Loss", size="wide", smoothing=0.9)
    accuracy = p.scalars({"acc/train": "training", "acc/test": "test"}, "Accuracy")

    @p.heatmap("Confusion matrix")
    def confusion(self, knobs: PlaygroundKnobs) -> p.Heatmap:
        """Counts on the test split by true and predicted class, or fifth of [−1, 1] in regression."""
        z = self.model(self.inputs[self.train_count :], ACTIVATIONS[knobs.activation])
        names = self.source.classes
        edges = torch.linspace(-1, 1, len(names) + 1, device=self.device)[1:-1]
        truth = torch.bucketize(self.targets[self.train_count :], edges)
        said = torch.bucketize(prediction(z, knobs), edges)
        picture = p.Heatmap.confusion(truth, said, names)
        text = "{right} of {all} test points lie on the diagonal."
        return p.says(picture, text, right=how_many(truth == said, z), all=len(truth))

    @p.bars("Gradient flow", log=True)
    def gradients(self, knobs: PlaygroundKnobs) -> p.Bars:
        """‖∇W‖ and ‖ΔW‖/‖W‖ of each layer in the next step, which a copy of network and optimizer takes."""
        network, optimizer = copy.deepcopy((self.model, self.optimizer))
        with torch.enable_grad():
            descend(network, optimizer, self.batches.batch(self.step_index, knobs.batch_size), knobs)
        norms, ratios = [], []
        for old, new in zip(self.model.weights, network.weights, strict=True):
            assert new.grad is not None
            norms.append(new.grad.norm())
            ratios.append((new - old).norm() / old.norm().clamp(min=1e-12))
        picture = p.Bars(
            values=torch.stack([torch.stack(norms), torch.stack(ratios)]),
            labels=_layer_names(knobs),
            series=["‖∇W‖", "‖ΔW‖ / ‖W‖"],
            log=True,
        )
        if len(norms) == 1 or not norms[0] > 0:
            return picture
        return p.says(
            picture,
            "The first layer hears {share}% of what the output hears.",
            share=rough(100 * float(norms[0] / norms[-1].clamp(min=1e-30))),
        )

    @p.histogram("Weights")
    def weights(self, knobs: PlaygroundKnobs) -> p.Histogram:
        """The distribution of each layer's weights."""
        every = torch.cat([weight.flatten() for weight in self.model.weights])
        near = in_percent(float((every.abs() < SMALL).float().mean() + 0 * every.sum()))
        picture = p.Histogram.of(dict(zip(_layer_names(knobs), self.model.weights, strict=True)), bins=30)
        return p.says(picture, "{near}% of the weights are within {width} of 0.", near=near, width=str(SMALL))


def _layer_names(knobs: PlaygroundKnobs) -> list[str]:
    return [*(f"layer {number}" for number in range(1, len(knobs.hidden) + 1)), "output"]
