"""A multilayer perceptron reads digits.

Two layers of weights learn to read handwritten digits: each hidden unit looks for a pattern of strokes, and
the output adds up what they found. Draw a digit of your own and see which strokes speak for what.

An image x of D pixels, H hidden units, ten classes:

    z₁ = W₁x + b₁,  h = max(0, z₁),  z₂ = W₂h + b₂,  p = softmax(z₂)
    L = −(1/B) Σ log p_y                           cross-entropy of the right class y
    parameters = D·H + H + H·10 + 10               784·256 + 256 + 256·10 + 10 = 203 530
    z₂ = c + Jx,  J = W₂ diag(h > 0) W₁            so pixel i speaks with J_ki x_i for class k

Watch the test accuracy end below the training accuracy, and a scribble be read as a digit without a doubt.

Source: the two-layer perceptron 784-256-10 with which courses introduce MNIST; LeCun, Bottou, Bengio,
Haffner, "Gradient-Based Learning Applied to Document Recognition" (1998), §III.C.5, has 784-300-10. He
initialisation (2015, arXiv:1502.01852, §2.2), Adam (Kingma and Ba 2015, arXiv:1412.6980).
Departures: by default the digits are scikit-learn's real ones of 8×8 pixels, which need no download. One
in five digits is held out as the test set. Pixels are scaled to 0…1 and not standardised. A drawing is
brought to the size, the place and, for scikit-learn's, the slant and thickness of the data set's digits
before the network sees it; without that hardly any is read right (see `descent.kit.data.drawing`).
"""

from __future__ import annotations

import math
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
from descent.kit.data.digits import load_digits
from descent.kit.data.drawing import as_mnist, as_sklearn, check_drawing, ink_of
from descent.kit.data.images import CLASSES_OF, GREY_SETS
from descent.kit.data.own_images import own_digits
from descent.kit.measures import TRAIN_AND_TEST
from descent.kit.nn.traced import Gradients, alone
from descent.kit.reading import choices, how_many, most_alike
from descent.kit.text import rough

CLASSES = 10
PAD = 28  # pixels along a side of the drawing
TEST_SHARE = 5  # one in so many digits is for testing
HARDEST = 24  # test digits shown
UNITS_SHOWN = 48
ARM, MIDDLE = range(3, PAD - 3), range(PAD // 2 - 1, PAD // 2 + 1)
PLUS = "".join(
    "f" if (i in ARM and j in MIDDLE) or (i in MIDDLE and j in ARM) else "0"
    for i in range(PAD)
    for j in range(PAD)
)


class DigitsKnobs(Knobs):
    drawing: str = live("", "Your digit", max_length=PAD * PAD, canvas=(PAD, PAD), role="look")
    digit: int = live(0, "Test digit", range=(0, 299), when={"drawing": [""]}, role="look")
    lr: float = rate(2e-3, log=(1e-5, 1.0), typical=(3e-4, 1e-2), help="How far a step of Adam goes.")
    batch_size: int = batch_of(64, 512, typical=(16, 256), help="Training digits per step.")
    dataset: Literal["digits", "mnist", "fashion-mnist", "kmnist", "file"] = fixed(
        "digits",
        "Data set",
        options={**GREY_SETS, "file": "your own pictures"},
        data=("mnist", "fashion-mnist", "kmnist"),
    )
    file: str = fixed("", "Picture files", when={"dataset": ["file"]}, own="images", max_length=32)
    hidden: int = fixed(256, "Hidden units", "H", log=(1, 512), typical=(16, 256))
    share: int = fixed(100, "Training share", range=(1, 100), unit="%")

    @model_validator(mode="after")
    def _is_a_drawing(self) -> DigitsKnobs:
        check_drawing("drawing", self.drawing, PAD * PAD)
        if self.drawing and not self.drawing.strip("0"):
            raise KnobError("drawing", "it is blank; draw a digit, or clear it to see a test digit")
        return self


class Perceptron(nn.Module):
    """x (B, D) → z₂ (B, 10), by way of H hidden units."""

    def __init__(self, pixels: int, hidden: int, classes: int = CLASSES) -> None:
        super().__init__()
        self.first = nn.Linear(pixels, hidden)  # W₁ (H, D), b₁
        self.second = nn.Linear(hidden, classes)  # W₂ (10, H), b₂
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """z₂, whose softmax is p."""
        h = F.relu(self.first(x))  # (B, H)
        return self.second(h)  # (B, 10)

    def evidence(self, x: Tensor) -> Tensor:
        """What each pixel of one image x (D,) adds to each class: J_ki x_i, (10, D)."""
        awake = (self.first(x) > 0).to(x.dtype)  # (H,)
        jacobian: Tensor = (self.second.weight * awake) @ self.first.weight  # (10, D)
        return jacobian * x


class MLPDigits(Experiment[DigitsKnobs]):
    """A perceptron with one hidden layer on handwritten digits."""

    order = 0
    pace = 60.0
    after = ("neural-playground",)
    minutes = 9
    level = 2
    invite = "Draw a digit and see what the network makes of it."
    measures = TRAIN_AND_TEST
    steers = {"lr": "optimizer"}
    presets = {
        "no-digit": Preset("A plus sign", {"drawing": PLUS}),
        "few": Preset("71 digits to learn from", {"share": 5}),
        "bottleneck": Preset("Two hidden units", {"hidden": 2, "lr": 0.01}),
        "too-large": Preset("Too large a rate", {"lr": 0.3}),
    }

    def build(self, knobs: DigitsKnobs) -> None:
        """Split the digits, make the network. Raises `KnobError` where the chosen set cannot be read."""
        if knobs.dataset == "file":
            digits, self.classes = own_digits(knobs.file, self.data, 28)
        else:
            digits = load_digits(knobs.dataset, 8 if knobs.dataset == "digits" else 28, self.data)
            self.classes = list(CLASSES_OF[knobs.dataset])
        images, labels = (digits.images[:, 0] + 1) / 2, digits.labels  # (N, R, R) from 0 to 1
        order = torch.randperm(len(labels), generator=self.generator(-1))
        test = len(labels) // TEST_SHARE
        train = max(1, (len(labels) - test) * knobs.share // 100)
        self.side = images.shape[-1]
        x, y = images.flatten(1)[order].to(self.device), labels[order].to(self.device)  # (N, D), (N,)
        self.test_x, self.test_y = x[:test], y[:test]
        self.x, self.y = x[test : test + train], y[test : test + train]
        self.training_samples = len(self.y)
        self.model = Perceptron(self.side**2, knobs.hidden, len(self.classes)).to(self.device)
        self.start = [parameter.detach().clone() for parameter in self.model.parameters()]
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr)
        self.traced = Gradients(list(self.model.parameters()))

    def step(self, knobs: DigitsKnobs) -> Scalars:
        """One mini-batch; at the end of an epoch all digits are tried."""
        loss = self.traced(alone(self._loss), *self._coming(knobs), settings=())
        self.optimizer.step()
        row = {"loss/train": loss}
        if self.ends_epoch(knobs):
            row |= self._evaluate()
        return row

    def _coming(self, knobs: DigitsKnobs) -> tuple[Tensor, Tensor]:
        """The coming mini-batch: digits (B, D), and what they are (B,)."""
        rows = coming_rows(self, knobs.batch_size, len(self.y))
        return self.x[rows], self.y[rows]

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.model(x), y)

    def objectives(self, knobs: DigitsKnobs) -> Mapping[str, Objective]:
        """The cross-entropy of the coming mini-batch."""
        first, second = self.model.first, self.model.second
        layers = {"W₁": [first.weight, first.bias], "W₂": [second.weight, second.bias]}

        def loss() -> Tensor:
            return self._loss(*self._coming(knobs))

        return {"": Objective.of(self.model, self.optimizer, loss, layers)}

    @torch.no_grad()
    def _evaluate(self) -> dict[str, Tensor]:
        z, z_test = self.model(self.x), self.model(self.test_x)  # (N, 10) each
        return {
            "loss/test": F.cross_entropy(z_test, self.test_y),
            "acc/train": (z.argmax(1) == self.y).float().mean(),
            "acc/test": (z_test.argmax(1) == self.test_y).float().mean(),
        }

    def _seen(self, knobs: DigitsKnobs) -> Tensor:
        """The image x (D,) that is looked at: the drawing, treated as the data set's are, or a test digit."""
        if not knobs.drawing:
            return self.test_x[knobs.digit % len(self.test_x)]
        ink = ink_of(knobs.drawing, PAD, PAD).to(self.device)
        return (as_sklearn(ink) if knobs.dataset == "digits" else as_mnist(ink)).flatten()

    @p.images("What speaks for each digit", size="hero", holds=["drawing"])
    def evidence(self, knobs: DigitsKnobs) -> p.Images:
        """The image, and J_ki x_i for each class k, on one scale for all."""
        x = self._seen(knobs)
        probability = self.model(x[None])[0].softmax(0)
        image = p.Images.to_pixels(x, 0.0, 1.0).view(1, self.side, self.side, 1).expand(-1, -1, -1, 3)
        tiles = torch.cat([image, _signed(self.model.evidence(x), self.side)])  # (11, R, R, 3)
        captions = ["x", *(f"{k}: {100 * share:.0f} %" for k, share in enumerate(probability.tolist()))]
        picture = p.Images(pixels=tiles, columns=4, captions=captions)
        (most, more), (first, second) = (part.tolist() for part in probability.topk(2))
        if not math.isfinite(most):
            return picture
        return p.says(
            picture,
            "Most speaks for {first}, {most}%; next is {second}, {more}%.",
            first=self.classes[first],
            most=rough(100 * most),
            second=self.classes[second],
            more=rough(100 * more),
        )

    def exported(self, knobs: DigitsKnobs) -> tuple[nn.Module, Tensor]:
        """x (B, D) → z₂ (B, 10)."""
        return self.model, self.test_x[:2]

    @p.bars("Probabilities")
    def probabilities(self, knobs: DigitsKnobs) -> p.Bars:
        """p of the image that is looked at."""
        values = self.model(self._seen(knobs)[None]).softmax(1)
        picture = p.Bars(values=values, labels=self.classes, range=(0.0, 1.0))
        text = "As undecided as among {n} equally likely digits."
        return p.says(picture, text, n=choices(values[0]))

    @p.images("What it sees")
    def seen(self, knobs: DigitsKnobs) -> p.Images:
        """The drawing and what becomes of it, or a test digit; both blown up to 56×56."""
        seen = self._seen(knobs).view(self.side, self.side)
        if knobs.drawing:
            tiles = {"drawn": ink_of(knobs.drawing, PAD, PAD).to(self.device), "seen": seen}
        else:
            tiles = {f"y = {int(self.test_y[knobs.digit % len(self.test_y)])}": seen}
        pixels = [_enlarged(tile, 2 * PAD) for tile in tiles.values()]
        picture = p.Images(pixels=torch.stack(pixels), captions=list(tiles))
        text = "To the network it is {n} numbers, and {ink} of them are not 0."
        return p.says(picture, text, n=seen.numel(), ink=int((seen != 0).sum()))

    @p.images("Hardest test digits", size="wide")
    def hardest(self, knobs: DigitsKnobs) -> p.Images:
        """The test digits of the largest loss, red where they are misread."""
        z = self.model(self.test_x)
        loss = F.cross_entropy(z, self.test_y, reduction="none")
        rows = loss.topk(min(HARDEST, len(loss))).indices
        said, truth = z[rows].argmax(1), self.test_y[rows]
        ink = (self.test_x[rows] * 255).to(torch.uint8).view(-1, self.side, self.side, 1)
        pale = torch.where((said == truth)[:, None], 1.0, torch.tensor([1.0, 0.5, 0.45], device=self.device))
        captions = [
            f"{y} ✓" if y == k else f"{y} → {k}" for y, k in zip(truth.tolist(), said.tolist(), strict=True)
        ]
        picture = p.Images(pixels=(ink * pale[:, None, None]).to(torch.uint8), columns=8, captions=captions)
        wrong = int((z.argmax(1) != self.test_y).sum())
        text = "{wrong} of {all} test images are misread; the hardest has loss {loss}."
        worst = float(loss[rows[0]])
        if not math.isfinite(worst):
            return picture
        return p.says(picture, text, wrong=wrong, all=len(loss), loss=rough(worst))

    @p.heatmap("Confusion matrix")
    def confusion(self, knobs: DigitsKnobs) -> p.Heatmap:
        """Counts on the test set."""
        z = self.model(self.test_x)
        said = z.argmax(1)
        picture = p.Heatmap.confusion(self.test_y, said, self.classes, range=(0.0, 5.0))
        right = how_many(said == self.test_y, z)
        text = "{right} of {all} lie on the diagonal: they are read right."
        return p.says(picture, text, right=right, all=len(said))

    loss = p.scalars(
        {"loss/train": "training", "loss/test": "test"}, "Loss", size="wide", log=True, smoothing=0.9
    )
    accuracy = p.scalars({"acc/train": "training", "acc/test": "test"}, "Accuracy")

    @p.ranking("Parameters", size="wide")
    def parameters(self, knobs: DigitsKnobs) -> p.Ranking:
        """How many there are, and how far they have moved since the first step."""
        pixels, hidden = self.side**2, knobs.hidden
        names = [f"W₁: {pixels}·{hidden}", f"b₁: {hidden}", f"W₂: {hidden}·{len(self.classes)}"]
        names.append(f"b₂: {len(self.classes)}")
        rows = [
            (parameter.numel(), float((parameter - start).norm()))
            for parameter, start in zip(self.model.parameters(), self.start, strict=True)
        ]
        total = sum(count for count, _ in rows)
        moved = sum(length**2 for _, length in rows) ** 0.5
        values = torch.tensor([*rows, (total, moved)])
        picture = p.Ranking(
            values=values,
            names=[*names, "all"],
            columns=["count", "moved ‖Δθ‖"],
            ranges=[(0.0, float(total)), (0.0, max(moved, 1e-3))],
        )
        text = "{percent}% of all {total} parameters are in W₁."
        return p.says(picture, text, percent=rough(100 * rows[0][0] / total), total=total)

    @p.images("What units look for")
    def weights(self, knobs: DigitsKnobs) -> p.Images:
        """The first units' weights, each on a scale of its own."""
        rows = self.model.first.weight[:UNITS_SHOWN]  # (units, D)
        rows = rows / rows.abs().amax(1, keepdim=True).clamp(min=1e-12)
        picture = p.Images(pixels=_signed(rows, self.side), columns=min(8, len(rows)))
        pair = most_alike(rows)
        text = "Most alike are units {one} and {other}: their cosine is {cosine}."
        return p.says(picture, text, **pair) if pair else picture


def _signed(values: Tensor, side: int) -> Tensor:
    """Maps (N, D) as colours (N, side, side, 3): blue for positive, red for negative, black for 0."""
    strength = values.sign() * (values / values.abs().max().clamp(min=1e-12)).abs() ** 0.6  # faint ones show
    return p.Images.signed(strength).view(-1, side, side, 3)


def _enlarged(image: Tensor, side: int) -> Tensor:
    """An image (R, R) from 0 to 1 as bytes (side, side), each pixel a square."""
    times = side // len(image)
    pixels = image.repeat_interleave(times, 0).repeat_interleave(times, 1)
    return p.Images.to_pixels(pixels, 0.0, 1.0)
