"""A convolutional network reads pictures.

Convolution, activation and pooling take turns, and a dense layer scores the classes. Put the layers together
yourself, show the network a picture, and watch every layer's maps of it form while it trains.

A convolution of the maps a (C, H, W) with filters w (F, C, k, k), moved by s, padded by p:

    x = (pixel − 0.5) / 0.5                                  the transform to −1 … 1
    z_fij = b_f + Σ_c Σ_uv w_fcuv a_c,si+u−p,sj+v−p          one unit: patch times kernel, over all channels
    h = max(0, z),  m = the largest h of each window         ReLU, then pooling
    side of a map: ⌊(n + 2p − k)/s⌋ + 1;  parameters: F(Ck² + 1)
    P = softmax(V flatten(m) + c),  L = −(1/B) Σ log P_y

Watch the first filters turn from noise into edges, and the mistakes become ones that you might make, too.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition" (1998), §II.
Grad-CAM: Selvaraju et al. 2017, arXiv:1610.02391, eq. 1 and 2; saliency: Simonyan et al. 2014,
arXiv:1312.6034, §3; occlusion: Zeiler and Fergus 2014, arXiv:1311.2901, §4.2. The layout of the maps follows
CNN Explainer (Wang et al. 2021, arXiv:2004.15004). He initialisation: arXiv:1502.01852.
Departures: one picture in five is held out for testing. A drawing is first brought to the size and place of
the data set's digits (see `descent.kit.data.drawing`), then moved, turned and scaled as the knobs say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import sklearn_digits
from descent.kit.data.drawing import as_mnist, as_sklearn, check_drawing, colours_of, ink_in, placed
from descent.kit.data.images import CLASSES_OF, GREY_SETS, transformed
from descent.kit.data.own_images import OWN_SIDE, chosen_images
from descent.kit.measures import TRAIN_AND_TEST
from descent.kit.nn.inside import exciting, filters_of, maps_of, reasons_of, window_of
from descent.kit.nn.stack import (
    MOST_ROWS,
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Layers,
    Network,
    Pooling,
    listed,
    planned,
)
from descent.kit.reading import choices, how_many, in_percent, mix_up

CLASSES = 10
GREY = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "kmnist": (1, 28, 28)}
SHAPES = {
    **GREY,
    "cifar-10": (3, 32, 32),
    "file": (3, OWN_SIDE, OWN_SIDE),
}  # channels, height and width of a picture
PAD = 28  # pixels along a side of the drawing
TEST_SHARE = 5  # one in so many of scikit-learn's digits is for testing
TESTED, TRIED = 2000, 1000  # test and training pictures that are measured on, at most
WORST = 24  # test pictures shown
TOGETHER = 128  # pictures that are scored at a time
SEARCHED = 200  # test pictures in which a channel's patches are looked for


def block(filters: int, *between: Layers, kernel: int = 3) -> list[Layers]:
    """A convolution that keeps a map's size, and an activation."""
    return [Conv(filters=filters, kernel=kernel, padding=kernel // 2), *between, Activation()]


SCHEME = [*block(8), Pooling(), *block(16), Pooling()]
LENET = [*block(6, kernel=5), Pooling(), *block(16, kernel=5), Pooling(), Dense(units=120), Activation()]
LENET += [Dense(units=84), Activation()]
PAIRS = [*block(16, BatchNorm()), *block(16, BatchNorm()), Pooling()]
PAIRS += [*block(32, BatchNorm()), *block(32, BatchNorm()), Pooling(), Dropout(share=0.5)]
STROKE = "".join(
    "f" if i in range(4, PAD - 4) and j in (PAD // 2 - 1, PAD // 2) else "0"
    for i in range(PAD)
    for j in range(PAD)
)


class ImagesKnobs(Knobs):
    picture: str = live(
        "", "Your picture", max_length=3 * PAD * PAD, canvas=(PAD, PAD), upload=True, role="look"
    )
    index: int = live(0, "Test picture", range=(0, 299), when={"picture": [""]}, role="look")
    shift_x: float = live(0.0, "Shift →", range=(-50, 50), step=1, unit="%", role="look")
    shift_y: float = live(0.0, "Shift ↓", range=(-50, 50), step=1, unit="%", role="look")
    turn: float = live(0.0, "Turn", range=(-180, 180), step=1, unit="°", role="look")
    zoom: float = live(1.0, "Size", log=(0.25, 4), role="look")
    unit: tuple[int, int, int, int] = live((1, 0, 3, 3), "Unit", role="look")
    lr: float = rate(2e-3, log=(1e-5, 1.0), typical=(3e-4, 1e-2), help="How far a step of Adam goes.")
    batch_size: int = batch_of(64, 512, typical=(16, 256), help="Training pictures per step.")
    dataset: Literal["digits", "mnist", "fashion-mnist", "kmnist", "cifar-10", "file"] = fixed(
        "digits",
        "Data set",
        options={**GREY_SETS, "cifar-10": "CIFAR-10, 32 × 32", "file": "your own pictures"},
        data=("mnist", "fashion-mnist", "kmnist", "cifar-10"),
    )
    file: str = fixed("", "Picture files", when={"dataset": ["file"]}, own="images", max_length=32)
    transform: Literal["±1", "0–1", "0–255"] = fixed("±1", "Pixels from")
    layers: list[Layers] = fixed(
        SCHEME, "Layers", max_length=MOST_ROWS, inputs={"dataset": SHAPES}, outputs=CLASSES
    )

    @model_validator(mode="after")
    def _fits(self) -> ImagesKnobs:
        check_drawing("picture", self.picture, PAD * PAD, 3 * PAD * PAD)
        if self.picture and len(set(self.picture)) == 1:
            raise KnobError("picture", "it is blank; draw something, or clear it to see a test picture")
        planned(self.layers, SHAPES[self.dataset], CLASSES, "layers")
        return self


class CNNImages(Experiment[ImagesKnobs]):
    """A network of the learner's own layers on pictures of ten classes."""

    order = 10
    pace = 60.0
    after = ("convolution", "mlp-digits")
    minutes = 11
    level = 2
    invite = "Click a pixel of a map, and see what it is made of. Then take a layer away."
    measures = TRAIN_AND_TEST
    steers = {"lr": "optimizer"}
    presets = {
        "lenet": Preset("LeNet's layers", {"layers": listed(LENET)}),
        "pairs": Preset("Convolutions in pairs", {"layers": listed(PAIRS)}),
        "one-filter": Preset("One filter", {"layers": listed([*block(1), Pooling()])}),
        "raw": Preset("Pixels from 0 to 255", {"transform": "0–255"}),
        "moved": Preset("A stroke moved aside", {"picture": STROKE, "shift_x": -35.0}),
    }

    def build(self, knobs: ImagesKnobs) -> None:
        """Read the pictures, make the network. Raises `KnobError` where the chosen set cannot be read."""
        if knobs.dataset == "digits":
            self.classes = list(CLASSES_OF["digits"])
            digits = sklearn_digits(8)
            order = torch.randperm(len(digits), generator=self.generator(-1))
            pixels = ((digits.images[order] + 1) * 127.5).round().to(torch.uint8)
            sizes = len(order) // TEST_SHARE, len(order) - len(order) // TEST_SHARE
            (test, train), (test_y, y) = pixels.split(sizes), digits.labels[order].split(sizes)
        else:
            found = chosen_images(knobs.dataset, knobs.file, self.data, self.generator(-1), classes=2)
            self.classes = list(found.classes)
            train, y = found.train, found.train_labels
            test, test_y = found.test[:TESTED], found.test_labels[:TESTED]
        self.train, self.y = train.to(self.device), y.to(self.device)
        self.test, self.test_y = test.to(self.device), test_y.to(self.device)
        self.training_samples = len(self.y)
        self.test_scores = torch.empty(0, len(self.classes), device=self.device)  # (N, K), last epoch's
        self.model = Network(knobs.layers, SHAPES[knobs.dataset], len(self.classes)).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr, fused=True)

    def step(self, knobs: ImagesKnobs) -> Scalars:
        """One mini-batch; at the end of an epoch test pictures are tried."""
        loss = self._loss(knobs)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        row = {"loss/train": loss.detach()}
        if self.ends_epoch(knobs):
            row |= self._evaluate(knobs)
        return row

    def _loss(self, knobs: ImagesKnobs) -> Tensor:
        rows = coming_rows(self, knobs.batch_size, len(self.y))
        return F.cross_entropy(self.model(transformed(self.train[rows], knobs.transform)), self.y[rows])

    def objectives(self, knobs: ImagesKnobs) -> Mapping[str, Objective]:
        """The cross-entropy of the coming mini-batch."""
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs))}

    @torch.no_grad()
    def _evaluate(self, knobs: ImagesKnobs) -> dict[str, Tensor]:
        self.model.eval()
        train, test = (self._scored(pictures, knobs) for pictures in (self.train[:TRIED], self.test))
        self.model.train()
        self.test_scores = test
        return {
            "loss/test": F.cross_entropy(test, self.test_y),
            "acc/train": (train.argmax(1) == self.y[:TRIED]).float().mean(),
            "acc/test": (test.argmax(1) == self.test_y).float().mean(),
        }

    def _scored(self, pictures: Tensor, knobs: ImagesKnobs) -> Tensor:
        """The scores (N, 10) of pictures (N, C, H, W), some at a time: their maps then stay in the cache."""
        parts = [transformed(part, knobs.transform) for part in pictures.split(TOGETHER)]
        return torch.cat([self.model(x) for x in parts])

    def exported(self, knobs: ImagesKnobs) -> tuple[nn.Module, Tensor]:
        """Pictures (B, C, H, W), transformed as the knob says, → scores (B, 10)."""
        return self.model, transformed(self.test[:2], knobs.transform)

    def _seen(self, knobs: ImagesKnobs) -> Tensor:
        """x (1, C, H, W) that is looked at: drawn or of the test set, then moved."""
        if knobs.picture:
            pixels = 255 * drawn(colours_of(knobs.picture, PAD, PAD).to(self.device), knobs.dataset)
        else:
            pixels = self.test[knobs.index % len(self.test)].float()
        shift = (knobs.shift_x / 100, knobs.shift_y / 100)
        return transformed(placed(pixels, shift, knobs.turn, knobs.zoom)[None], knobs.transform)

    @p.maps("What each layer makes of it", size="hero", edits="unit")
    def maps(self, knobs: ImagesKnobs) -> p.Maps:
        """The picture, what each layer makes of it, and the probabilities."""
        x = self._seen(knobs)
        picture, chances = maps_of(self.model, x, self.classes, knobs.unit), self.model(x).softmax(1)[0]
        said, share = self.classes[int(chances.argmax())], in_percent(float(chances.amax()))
        if knobs.picture:
            return p.says(picture, "It is taken for “{said}” ({percent}%).", said=said, percent=share)
        truth = self.classes[int(self.test_y[knobs.index % len(self.test_y)])]
        text = "It is taken for “{said}” ({percent}%); the truth is “{truth}”."
        return p.says(picture, text, said=said, percent=share, truth=truth)

    @p.bars("Probabilities")
    def probabilities(self, knobs: ImagesKnobs) -> p.Bars:
        """P of the picture that is looked at."""
        values = self.model(self._seen(knobs)).softmax(1)
        picture = p.Bars(values=values, labels=self.classes, range=(0.0, 1.0))
        text = "As undecided as among {n} equally likely classes."
        return p.says(picture, text, n=choices(values[0]))

    def _scores(self, knobs: ImagesKnobs) -> Tensor:
        """Those of all test pictures at the last epoch's end; before the first, as they are."""
        if len(self.test_scores):
            return self.test_scores
        return self.cached("scores", self.step_index, lambda: self._scored(self.test, knobs))

    @p.convolution("The window at work", size="wide")
    def window(self, knobs: ImagesKnobs) -> p.Convolution:
        """How the picked channel is made of the maps below."""
        return window_of(self.model, self._seen(knobs), knobs.unit)

    @p.images("Filters")
    def filters(self, knobs: ImagesKnobs) -> p.Images:
        """The kernels of the picked convolution."""
        return filters_of(self.model, knobs.unit)

    @p.images("Why it says so", size="wide")
    def reasons(self, knobs: ImagesKnobs) -> p.Images:
        """For the class that the picture is taken for. Covered is black."""
        x = self._seen(knobs)
        black, white = (float(transformed(torch.tensor(end), knobs.transform)) for end in (0.0, 255.0))
        picture = p.Images.to_pixels(x[0], black, white)
        return reasons_of(self.model, x, picture, self.classes, black)

    @p.images("What excites the channel most", size="wide")
    def exciting(self, knobs: ImagesKnobs) -> p.Images:
        """Patches of test pictures."""
        pictures = self.test[:SEARCHED]
        x, y = transformed(pictures, knobs.transform), self.test_y[:SEARCHED]
        return exciting(self.model, x, pictures, y, self.classes, knobs.unit)

    @p.images("Worst mistakes", size="wide")
    def mistakes(self, knobs: ImagesKnobs) -> p.Images:
        """The test pictures of the largest loss, red where they are misread."""
        scores = self._scores(knobs)
        loss = F.cross_entropy(scores, self.test_y, reduction="none")
        rows = loss.topk(min(WORST, len(loss))).indices
        said, truth = scores[rows].argmax(1), self.test_y[rows]
        pixels = self.test[rows].movedim(1, -1)  # (N, H, W, C)
        pale = torch.where((said == truth)[:, None], 1.0, torch.tensor([1.0, 0.5, 0.45], device=self.device))
        names = [
            (self.classes[y], self.classes[k]) for y, k in zip(truth.tolist(), said.tolist(), strict=True)
        ]
        captions = [f"{y} ✓" if y == k else f"{y} → {k}" for y, k in names]
        tiles = (pixels * pale[:, None, None]).to(torch.uint8)
        wrong = how_many(scores.argmax(1) != self.test_y, scores)
        text = "{wrong} of {all} test pictures are misread."
        picture = p.Images(pixels=tiles, columns=8, captions=captions)
        return p.says(picture, text, wrong=wrong, all=len(scores))

    @p.heatmap("Confusion matrix")
    def confusion(self, knobs: ImagesKnobs) -> p.Heatmap:
        """Counts on the test set."""
        scores = self._scores(knobs)
        picture = p.Heatmap.confusion(self.test_y, scores.argmax(1), self.classes, range=(0.0, 5.0))
        most = mix_up(self.test_y, scores.argmax(1), self.classes) if scores.isfinite().all() else None
        text = "Mixed up most often: “{truth}” read as “{said}”, {count} times."
        return p.says(picture, text, **most) if most else picture

    loss = p.scalars(
        {"loss/train": "training", "loss/test": "test"}, "Loss", size="wide", log=True, smoothing=0.9
    )
    accuracy = p.scalars({"acc/train": "training", "acc/test": "test"}, "Accuracy")


def drawn(colours: Tensor, dataset: str) -> Tensor:
    """A drawing or a picture (3, H, W) as one of a data set's (C, H', W'), both from 0 to 1."""
    channels, *size = SHAPES[dataset]
    if channels == 3:
        return F.interpolate(colours[None], size, mode="bilinear")[0]
    ink = ink_in(colours)
    if dataset == "fashion-mnist":  # its pictures fill the frame
        return ink[None]
    if not ink.any():
        return torch.zeros(channels, *size, device=ink.device)
    return (as_sklearn if dataset == "digits" else as_mnist)(ink)[None]
