"""Transfer learning.

A network that has learnt to read some digits goes on to others, of which hardly any are labelled. Its
features are kept as they are, or trained further, beside a network that begins from nothing.

A network is its features f, all layers but the last, and a last layer V that scores the classes:

    source         min over f, V   −(1/B) Σ log softmax(V f(x))_y    many pictures of the source's classes
    frozen         min over V′     −(1/B) Σ log softmax(V′ f(x))_y   f stays the source's
    fine-tuning    min over f, V′  the same loss; f begins as the source's
    from scratch   min over f, V′  the same loss; f begins at random

The last three are trained side by side, each with n = 1, 5, 20 and 100 labelled pictures per class. Every
picture is taken under uneven light, from another side each time:

    x + a (u cos φ + v sin φ) + c,  u, v in ±1,  a ~ N(0, A²),  c ~ N(0, A²/4),  φ any angle

Watch the frozen features lead where labels are few, and lose the lead where they are many.

Source: Yosinski, Clune, Bengio, Lipson, "How transferable are features in deep neural networks?" (2014),
arXiv:1411.1792; Razavian et al., "CNN features off-the-shelf" (2014), arXiv:1403.6382. Forgetting: McCloskey
and Cohen, "Catastrophic interference in connectionist networks" (1989).
Departures: networks of two convolutions. Fetched pictures are brought to half their size, so that twelve
networks can be trained at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from descent.contract import Measure, Objective, Preset, Recorded, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, fixed, live, rate
from descent.kit.data.batches import minibatch
from descent.kit.data.few import Pictures, few_of_each, held_out, lit, pictures_of, resized
from descent.kit.data.images import GREY_SETS, transformed
from descent.kit.nn.features import Reader, neighbours_plane, principal_plane, used, weights_of
from descent.kit.nn.race import Race, by_learner, step_all
from descent.kit.reading import beside_their_own, foremost, in_percent

LABELS = (1, 5, 20, 100)  # n, labelled pictures per class
SHOWN = {"few": 1, "many": 3}  # places in it that have curves of their own
BATCH, SOURCE_BATCH = 32, 64
EVERY = 20  # steps between two looks at test pictures
TOGETHER = 128  # pictures that are scored at a time
POINTS = {"pca": 300, "t-sne": 200}  # pictures in the plane
FAR = 1e3  # a loss beyond is out

Name = Literal["frozen", "fine", "scratch"]
LEARNERS: Mapping[Name, str] = {"frozen": "frozen features", "fine": "fine-tuning", "scratch": "from scratch"}
SETS = {**GREY_SETS, "cifar-10": "CIFAR-10, 32 × 32"}
FETCHED = ("mnist", "fashion-mnist", "kmnist", "cifar-10")


class TransferKnobs(Knobs):
    labels: Literal["1", "5", "20", "100"] = live("5", "Labels per class", "n", role="look")
    plane: Literal["pixels", "frozen", "fine", "scratch"] = live(
        "frozen", "In the plane", options={"pixels": "pixels", **LEARNERS}, role="look"
    )
    laid: Literal["pca", "t-sne"] = live(
        "pca", "Laid out by", options={"pca": "PCA", "t-sne": "t-SNE"}, role="look"
    )
    lr_head: float = rate(1e-2, "Rate, frozen features", "η_V", log=(1e-4, 1.0), typical=(3e-3, 3e-2))
    lr_fine: float = rate(1e-3, "Rate, fine-tuning", "η_f", log=(1e-5, 1.0), typical=(3e-4, 3e-3))
    lr: float = rate(2e-3, "Rate, source and scratch", log=(1e-5, 1.0), typical=(5e-4, 1e-2))
    dataset: Literal["digits", "mnist", "fashion-mnist", "kmnist", "cifar-10"] = fixed(
        "digits", "Target", options=SETS, data=FETCHED
    )
    recorded: str = fixed("", "Source: a recorded run", max_length=32, recorded="cnn-images")
    source: Literal["classes", "digits", "mnist", "fashion-mnist", "kmnist", "cifar-10"] = fixed(
        "classes",
        "Source",
        options={"classes": "the target's other classes", **SETS},
        data=FETCHED,
        when={"recorded": [""]},
    )
    source_steps: int = fixed(300, "Steps on the source", log=(1, 2000), when={"recorded": [""]})
    light: float = fixed(4.0, "Uneven light", "A", range=(0, 6), step=0.5)
    shuffled: bool = fixed(False, "Shuffle the target's pixels")


def small(channels: int, side: int, classes: int) -> Reader:
    """Two convolutions with batch norm, each pooled, on pictures (B, channels, side, side)."""
    layers: list[nn.Module] = []
    for before, after in ((channels, 8), (8, 16)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return Reader(layers, nn.Linear(16 * (side // 4) ** 2, classes))


class TransferLearning(Race[TransferKnobs]):
    """A source, and three ways to go on from it for each number of labels."""

    order = 30
    pace = 100.0
    batch_size = BATCH
    after = ("cnn-images",)
    minutes = 10
    level = 2
    invite = "Compare the curves' two ends: who leads with one label, and who with a hundred?"
    titles = LEARNERS
    measures = {
        "loss/scratch": Measure("loss", of=LEARNERS["scratch"], knobs=("lr",)),
        "loss/frozen": Measure("loss", of=LEARNERS["frozen"], knobs=("lr_head",)),
        "loss/fine": Measure("loss", of=LEARNERS["fine"], knobs=("lr_fine",)),
    }
    steers = {"lr": "fresh", "lr_head": "head", "lr_fine": "tuning"}
    presets = {
        "even": Preset("Even light", {"light": 0.0}),
        "shuffled": Preset("An unlike target", {"shuffled": True}),
        "hasty": Preset("A source that learnt little", {"source_steps": 5}),
        "forgetting": Preset("Forgetting", {"lr_fine": 2e-2, "labels": "100", "plane": "fine"}),
    }

    def build(self, knobs: TransferKnobs) -> None:
        """The pictures of both tasks, and all networks. Raises `KnobError` where the tasks do not fit."""
        generator = self.generator(-1)
        lent = self.lent.get("recorded")
        self.transform = lent.knobs.transform if lent else "±1"
        source, target = self._tasks(knobs, lent, generator)
        train, test = held_out(source)
        self.source_train = train.to(self.device)
        self.source_test = self._seen(test, 0.0 if lent else knobs.light, generator)
        labelled, others = few_of_each(target, max(LABELS))
        self.labelled = self._seen(labelled, knobs.light, generator)
        self.test = self._seen(others, knobs.light, generator)
        if lent:
            *layers, last = lent.experiment.model.layers
            self.source = Reader(layers, last)
        else:
            _, channels, side, _ = source.pixels.shape
            self.source = small(channels, side, len(source.classes)).to(self.device)
        classes = len(target.classes)
        self.scratch = [self.source.fresh(classes).to(self.device) for _ in LABELS]
        self.fine = [self.source.fresh(classes).to(self.device) for _ in LABELS]
        self.heads = [deepcopy(tuned.last) for tuned in self.fine]
        self.head = Adam(weights_of(self.heads), knobs.lr_head, fused=True)
        self.tuning = Adam(weights_of(self.fine), knobs.lr_fine, fused=True)
        own = {"source": [self.source], "scratch": self.scratch}
        self.fresh = {name: Adam(weights_of(ones), knobs.lr, fused=True) for name, ones in own.items()}
        self.racing: list[Name] = list(LEARNERS)
        self.begins = 0 if lent else knobs.source_steps  # the first step on the target
        if lent:
            self._hand_over()
        with torch.no_grad(), used([self.source, *self.fine, *self.scratch]):
            self.accuracy = self._accuracies()  # (3, 4) by learner and number of labels

    def _tasks(
        self, knobs: TransferKnobs, lent: Recorded | None, generator: torch.Generator
    ) -> tuple[Pictures, Pictures]:
        """Source and target, the target's pictures as large as the source's."""
        target = pictures_of(knobs.dataset, self.data, generator, "dataset")
        if lent:
            run = lent.experiment
            source = Pictures(run.test.cpu().float(), run.test_y.cpu(), tuple(run.classes))
        elif knobs.source == knobs.dataset:
            raise KnobError("source", "it is the target itself; choose another set, or its other classes")
        elif knobs.source == "classes":
            half = len(target.classes) // 2
            source, target = target.of_classes(range(half)), target.of_classes(range(half, 2 * half))
        else:
            source = pictures_of(knobs.source, self.data, generator, "source")
        given, wanted = source.pixels.shape[1], target.pixels.shape[1]
        if given != wanted:
            raise KnobError(
                "recorded" if lent else "source",
                "its pictures have {given} colour channels, the target's {wanted}; choose one with as many",
                given=given,
                wanted=wanted,
            )
        side = source.pixels.shape[-1]
        size = (side // 2,) * 2 if side > 16 and not lent else (side,) * 2
        source, target = (Pictures(resized(t.pixels, size), t.labels, t.classes) for t in (source, target))
        if knobs.shuffled:
            order = torch.randperm(size[0] * size[1], generator=generator)
            target.pixels[:] = target.pixels.flatten(2)[:, :, order].view_as(target.pixels)
        return source, target

    def _seen(self, pictures: Pictures, light: float, generator: torch.Generator) -> Pictures:
        """The pictures under light, and as a network is given them."""
        pixels = transformed(lit(pictures.pixels, light, generator), self.transform)
        return Pictures(pixels, pictures.labels, pictures.classes).to(self.device)

    def step(self, knobs: TransferKnobs) -> Scalars:
        """A step of the source; once it has taken all of its steps, one of each network on the target."""
        n = self.step_index + 1
        if n <= self.begins:
            optimizer = self.fresh["source"]
            loss = self._source_loss(knobs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            row = {"loss/source": loss.detach()}
            if n == self.begins:
                self._hand_over()
        elif self.racing:
            row = step_all(self.racing, self._loss, self._optimizers(), FAR)
        else:
            return self.all_out()
        return row | self._evaluate() if n % EVERY == 0 or n == self.begins else row

    def _optimizers(self) -> Mapping[Name, Optimizer]:
        return {"frozen": self.head, "fine": self.tuning, "scratch": self.fresh["scratch"]}

    def _hand_over(self) -> None:
        """Freeze the source, and begin fine-tuning from its features."""
        self.source.eval()
        for tuned in self.fine:
            tuned.features.load_state_dict(self.source.features.state_dict())

    def _source_loss(self, knobs: TransferKnobs) -> Tensor:
        """On a mini-batch, each picture under a light of its own."""
        rows = minibatch(self.seed, self.step_index, SOURCE_BATCH, len(self.source_train.labels))
        batch = self.source_train.rows(rows.to(self.device))
        batch = self._seen(batch, knobs.light, self.step_generator(self.step_index))
        return F.cross_entropy(self.source(batch.pixels), batch.labels)

    def _loss(self, name: Name) -> Tensor:
        """The mean over the numbers of labels, each with a mini-batch of its own."""
        losses = []
        for place, n in enumerate(LABELS):
            rows = minibatch(self.seed, self.step_index, BATCH, n * len(self.test.classes))
            batch = self.labelled.rows(rows.to(self.device))
            losses.append(F.cross_entropy(self._scores(name, place, batch.pixels), batch.labels))
        return torch.stack(losses).mean()

    def _scores(self, name: Name, place: int, x: Tensor) -> Tensor:
        """Of a learner with its `place`-th number of labels: (B, classes)."""
        if name != "frozen":
            return (self.fine if name == "fine" else self.scratch)[place].forward(x)
        with torch.no_grad():
            h = self.source.features(x)
        return self.heads[place].forward(h)

    def objectives(self, knobs: TransferKnobs) -> Mapping[str, Objective]:
        """The source's loss; then those of the learners still in the race."""
        if self.step_index < self.begins:
            loss = partial(self._source_loss, knobs)
            return {"": Objective.of(self.source, self.fresh["source"], loss)}
        learnt: Mapping[Name, Sequence[nn.Module]]
        learnt = {"frozen": self.heads, "fine": self.fine, "scratch": self.scratch}
        found = {}
        for name in self.racing:
            layers = {f"n = {n}": weights_of([one]) for n, one in zip(LABELS, learnt[name], strict=True)}
            weights, optimizer = weights_of(learnt[name]), self._optimizers()[name]
            found[LEARNERS[name]] = Objective(partial(self._loss, name), weights, optimizer, layers)
        return found

    def _accuracies(self) -> Tensor:
        """On the target's test pictures, (3, 4)."""
        right = torch.zeros(len(LEARNERS), len(LABELS), device=self.device)
        for x, y in zip(self.test.pixels.split(TOGETHER), self.test.labels.split(TOGETHER), strict=True):
            h = self.source.features(x)
            for place in range(len(LABELS)):
                scores = [self.heads[place](h), self.fine[place](x), self.scratch[place](x)]
                right[:, place] += torch.stack([(s.argmax(1) == y).sum() for s in scores])
        return right / len(self.test.labels)

    def _kept(self, network: Reader) -> Tensor:
        """Accuracy on the source's test pictures of a network's features under the source's last layer."""
        scores = self.source.last(network.features(self.source_test.pixels))
        return (scores.argmax(1) == self.source_test.labels).float().mean()

    def _evaluate(self) -> dict[str, Tensor]:
        """Accuracies on test pictures, of the networks as they are used; before the race losses, too."""
        begun = self.step_index >= self.begins
        with torch.no_grad(), used([self.source, *self.fine, *self.scratch]):
            self.accuracy = self._accuracies()
            row = {"source/own": self._kept(self.source)}
            if begun:
                row |= {f"source/{kind}": self._kept(self.fine[place]) for kind, place in SHOWN.items()}
            else:
                row |= {f"loss/{name}": self._loss(name) for name in LEARNERS}
        for kind, place in SHOWN.items():
            row |= {f"{kind}/{name}": self.accuracy[i, place] for i, name in enumerate(LEARNERS)}
        return row

    # What is shown

    @p.lines("Accuracy by labels per class", size="hero")
    def curves(self, knobs: TransferKnobs) -> p.Lines:
        """At the last look at the target's test pictures."""
        picture = p.Lines(
            x=torch.tensor(LABELS, dtype=torch.float32),
            values=self.accuracy,
            series=list(LEARNERS.values()),
            x_label="n",
            x_log=True,
            y_ranges=[(0.0, 1.0)],
            marks=[[("n", float(knobs.labels))]],
            notes=["the source is being trained" if self.step_index < self.begins else ""],
        )
        accuracies = self.accuracy[:, LABELS.index(int(knobs.labels))]
        first = foremost(accuracies) if self.step_index > self.begins else None
        if first is None:
            return picture
        learner, percent = list(LEARNERS.values())[first], in_percent(float(accuracies[first]))
        text = "With n = {n} “{learner}” leads: {percent}% right."
        return p.says(picture, text, n=knobs.labels, learner=learner, percent=percent)

    @p.arrows("Features in the plane", size="wide")
    def features(self, knobs: TransferKnobs) -> p.Arrows:
        """Some of the target's test pictures by their features: two principal components, or t-SNE."""
        count = POINTS[knobs.laid]
        x = self.test.pixels[:count]
        place = LABELS.index(int(knobs.labels))
        networks = {"frozen": self.source, "fine": self.fine[place], "scratch": self.scratch[place]}
        h = x.flatten(1) if knobs.plane == "pixels" else networks[knobs.plane].features(x)
        at = principal_plane(h) if knobs.laid == "pca" else neighbours_plane(h)
        reach = 1.1 * at.abs().amax(0).clamp(min=1e-6)
        picture = p.Arrows(
            values=torch.zeros(0, 0),
            x=(-reach[0].item(), reach[0].item()),
            y=(-reach[1].item(), reach[1].item()),
            points=at,
            groups=self.test.labels[:count].to(torch.uint8),
            names=list(self.test.classes),
            pictures=p.Arrows.thumbnails(shown(x)),
        )
        beside = in_percent(beside_their_own(at, self.test.labels[:count]) if at.any() else math.nan)
        return p.says(picture, "{beside}% of the points lie next to one of their own class.", beside=beside)

    few = p.scalars(by_learner("few", LEARNERS), "5 labels per class")
    many = p.scalars(by_learner("many", LEARNERS), "100 labels per class")
    kept = p.scalars(
        {"source/own": "the source", "source/few": "tuned, 5 labels", "source/many": "tuned, 100 labels"},
        "What is left of the source",
    )
    losses = p.scalars(
        {"loss/source": "source", **by_learner("loss", LEARNERS)},
        "Loss",
        size="wide",
        log=True,
        smoothing=0.8,
    )

    @p.images("All that is labelled")
    def given(self, knobs: TransferKnobs) -> p.Images:
        """The target's labelled pictures, at most five of each class, as they are lit."""
        count = min(int(knobs.labels), 5) * len(self.test.classes)
        captions = [self.test.classes[y] for y in self.labelled.labels[:count].tolist()]
        picture = p.Images(
            pixels=shown(self.labelled.pixels[:count]),
            columns=len(self.test.classes),
            captions=captions,
        )
        text = "{all} pictures are labelled, {n} of each class; {others} others are for testing."
        everything = int(knobs.labels) * len(self.test.classes)
        return p.says(picture, text, all=everything, n=knobs.labels, others=len(self.test.labels))


def shown(x: Tensor) -> Tensor:
    """Pixels (N, H, W) or (N, H, W, 3) of pictures (N, C, H, W), each from its least value to its largest."""
    x = x.movedim(1, -1)
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    pixels = p.Images.to_pixels((x - low) / (high - low).clamp(min=1e-6), 0.0, 1.0)
    return pixels if x.shape[-1] == 3 else pixels[..., 0]
