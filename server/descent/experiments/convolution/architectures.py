"""Classic architectures.

The classic networks, layer by layer, as formula and numbers. Small ones of each family race on the same
pictures: a deep plain network falls behind a shallow one, until shortcuts lead past its layers.

    side of a map: ⌊(n + 2p − f)/s⌋ + 1;  parameters: F(Cf² + 1);  multiply-adds: H′W′·F·Cf²
    plain      y = max(0, F(x)),       F: convolution, batch norm, ReLU, convolution, batch norm
    residual   y = max(0, F(x) + x)    the way back: ∂L/∂x = ∂L/∂y (∂F/∂x + 1), where y > 0
    Inception  y = [1×1(x), 3×3(1×1(x)), 5×5(1×1(x)), 1×1(pool(x))]
    dense      x_l = H([x_0, x_1, …, x_{l−1}]),  k more maps from each layer

Watch the training error: that of the deep plain network stays high, though it could copy the shallow one and
pass the rest on. Then its gradient before the first step, which grows from the last layer to the first.

Source: LeCun et al. 1998, §II.B; Krizhevsky et al. 2012; Simonyan and Zisserman 2015, arXiv:1409.1556;
Szegedy et al. 2014, arXiv:1409.4842; He et al. 2015, arXiv:1512.03385, §4.2 and figure 1; Huang et al. 2017,
arXiv:1608.06993. What each network here departs in is said in its class.
Departures: digits of 8×8 pixels, few channels, mini-batches of 32, no augmentation, no weight decay, and SGD
without momentum. Pictures of 28 pixels and more are halved by the first convolution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from descent.contract import Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import sklearn_digits
from descent.kit.data.images import GREY_SETS, labelled_images
from descent.kit.history import remembered
from descent.kit.nn.classic import VGG16, AlexNet, LeNet5
from descent.kit.nn.densely import DenseNet
from descent.kit.nn.inception import GoogLeNet, SmallInception
from descent.kit.nn.layout import LaidOut, laid_out
from descent.kit.nn.race import Race, by_learner, step_all
from descent.kit.nn.residual import BasicBlock, Bottleneck, ResNet, SmallResNet, kaiming
from descent.kit.reading import foremost, in_percent
from descent.kit.text import rough, subscript

BATCH = 32
CLASSES = 10
TEST_SHARE = 5  # one in so many of scikit-learn's digits is for testing
TESTED = 200  # test pictures that are tried, at most
LARGE = 16  # pixels along a side beyond which the first convolution halves a picture
FAR = 1e3  # a loss beyond is out
RECENT = 0.9  # weight of the past in the errors that are drawn
KEPT = 512  # of them

Racer = Literal["shallow", "plain", "residual", "inception", "dense"]
RACERS: Mapping[Racer, str] = {
    "shallow": "plain, 8 layers",
    "plain": "plain, deep",
    "residual": "residual, deep",
    "inception": "Inception",
    "dense": "DenseNet",
}
CHAINS: list[Racer] = ["shallow", "plain", "residual"]  # one convolution after the other


class Classic(NamedTuple):
    """A published network: channels and side of its pictures, and the smallest side that leaves a map."""

    title: str
    make: Callable[[], nn.Module]
    channels: int
    side: int
    least: int


Name = Literal[
    "lenet-5", "alexnet", "vgg-16", "googlenet", "googlenet-tv",
    "resnet-18", "resnet-34", "resnet-50", "densenet-121",
]  # fmt: skip
CLASSIC: Mapping[Name, Classic] = {
    "lenet-5": Classic("LeNet-5", LeNet5, 1, 32, 16),
    "alexnet": Classic("AlexNet", AlexNet, 3, 224, 63),
    "vgg-16": Classic("VGG-16", VGG16, 3, 224, 32),
    "googlenet": Classic("GoogLeNet", GoogLeNet, 3, 224, 1),
    "googlenet-tv": Classic("GoogLeNet, torchvision", lambda: GoogLeNet(torchvision=True), 3, 224, 17),
    "resnet-18": Classic("ResNet-18", lambda: ResNet(BasicBlock, (2, 2, 2, 2)), 3, 224, 1),
    "resnet-34": Classic("ResNet-34", lambda: ResNet(BasicBlock, (3, 4, 6, 3)), 3, 224, 1),
    "resnet-50": Classic("ResNet-50", lambda: ResNet(Bottleneck, (3, 4, 6, 3)), 3, 224, 1),
    "densenet-121": Classic("DenseNet-121", DenseNet, 3, 224, 29),
}


@lru_cache(maxsize=64)
def layers_of(name: Name, side: int = 0) -> tuple[LaidOut, ...]:
    """The layers of a classic network on pictures of this side; 0 for the paper's."""
    classic = CLASSIC[name]
    side = side or classic.side
    return tuple(laid_out(classic.make, (classic.channels, side, side)))


class ArchitectureKnobs(Knobs):
    # fmt: off
    shortcuts: bool = live(True, "Shortcuts")
    lr: float = rate(0.1, log=(1e-3, 10.0), typical=(0.02, 0.3))
    racer: Racer = live("residual", "Network examined", options=RACERS, role="look")
    network: Name = live(
        "resnet-18", "Classic network", options={name: of.title for name, of in CLASSIC.items()}, role="look")
    papers_size: bool = live(True, "Input size as in the paper", role="look")
    side: int = live(
        224, "Input size", "n", range=(8, 512), unit="px", when={"papers_size": [False]}, role="look")
    n: int = fixed(3, "Blocks per stage", "n", range=(1, 7))
    width: int = fixed(8, "Channels", range=(4, 16))
    growth: int = fixed(12, "Growth", "k", range=(1, 24))
    dataset: Literal["digits", "mnist", "fashion-mnist", "kmnist", "cifar-10"] = fixed(
        "digits", "Data set", options={**GREY_SETS, "cifar-10": "CIFAR-10, 32 × 32"},
        data=("mnist", "fashion-mnist", "kmnist", "cifar-10"))
    # fmt: on

    @model_validator(mode="after")
    def _leaves_a_map(self) -> ArchitectureKnobs:
        classic = CLASSIC[self.network]
        if not self.papers_size and self.side < classic.least:
            raise KnobError(
                "side",
                "a layer of {network} would shrink a picture of {side} × {side} below 1; use {least} or more",
                network=classic.title,
                side=self.side,
                least=classic.least,
            )
        return self


class Architectures(Race[ArchitectureKnobs]):
    """Classic networks laid out, and small ones of each family side by side."""

    order = 20
    pace = 20.0
    after = ("cnn-images", "batch-norm")
    minutes = 16
    level = 3
    invite = "Switch the shortcuts off, and watch the deep residual network become a plain one."
    batch_size = BATCH
    titles = RACERS
    measures = {
        f"loss/{name}": Measure("loss", of=title, knobs=("shortcuts",) if name == "residual" else ())
        for name, title in RACERS.items()
    }
    steers = {"lr": "optimizers"}
    presets = {
        "deepest": Preset("44 layers", {"n": 7}),
        "eight": Preset("8 layers", {"n": 1}),
        "without": Preset("44 layers, no shortcuts", {"n": 7, "shortcuts": False}),
        "small-steps": Preset("44 layers, smaller steps", {"n": 7, "lr": 0.02}),
        "one-map": Preset("DenseNet, one map a layer", {"n": 1, "growth": 1}),
        "lenet": Preset("LeNet-5 on 28 × 28", {"network": "lenet-5", "papers_size": False, "side": 28}),
        "vgg": Preset("VGG-16", {"network": "vgg-16"}),
        "inception": Preset("GoogLeNet", {"network": "googlenet"}),
        "densenet": Preset("DenseNet-121", {"network": "densenet-121"}),
    }

    def build(self, knobs: ArchitectureKnobs) -> None:
        """Read the pictures, make five networks. Raises `KnobError` where the chosen set cannot be read."""
        if knobs.dataset == "digits":
            digits = sklearn_digits(8)
            order = torch.randperm(len(digits), generator=self.generator(-1))
            pixels, labels = digits.images[order], digits.labels[order]
            test = len(labels) // TEST_SHARE
            self.test_x, self.x = pixels.to(self.device).split((test, len(labels) - test))
            self.test_y, self.y = labels.to(self.device).split((test, len(labels) - test))
        else:
            found = labelled_images(knobs.dataset, self.data)
            self.x, self.y = found.train.to(self.device), found.train_labels.to(self.device)
            self.test_x, self.test_y = found.test.to(self.device), found.test_labels.to(self.device)
        self.test_x, self.test_y = self.test_x[:TESTED], self.test_y[:TESTED]
        self.training_samples = len(self.y)
        colours, side = self.x.shape[1:3]
        shape = colours, knobs.width, CLASSES, 2 if side > LARGE else 1
        self.networks: dict[Racer, nn.Module] = {
            "shallow": SmallResNet(1, *shape),
            "plain": SmallResNet(knobs.n, *shape),
            "residual": SmallResNet(knobs.n, *shape),
            "inception": SmallInception(colours, 2 * knobs.width, *shape[2:]),
            "dense": DenseNet((2, 2, 2), knobs.growth, colours, CLASSES, small=True, stride=shape[-1]),
        }
        for network in self.networks.values():
            kaiming(network)
            network.to(self.device)
        self.networks["residual"].load_state_dict(self.networks["plain"].state_dict())
        self.optimizers = {
            name: SGD(network.parameters(), knobs.lr, fused=True) for name, network in self.networks.items()
        }
        self.racing = list(RACERS)
        self.recent = torch.full((len(RACERS),), math.nan, device=self.device)  # running means of the errors
        self.errors, self.stride = torch.empty(0, len(RACERS), device=self.device), 1
        self.first = self._norms(knobs)  # (3, 6n + 1), before any step
        for network in self.networks.values():
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.reset_running_stats()  # looking was no step

    def _scores(self, name: Racer, x: Tensor, knobs: ArchitectureKnobs) -> Tensor:
        """The scores (B, 10) of pictures (B, C, H, W)."""
        if x.dtype == torch.uint8:
            x = (x / 255 - 0.5) / 0.5
        network = self.networks[name]
        if isinstance(network, SmallResNet):
            return network(x, shortcuts=name == "residual" and knobs.shortcuts)
        return network(x)

    def _coming(self) -> tuple[Tensor, Tensor]:
        rows = coming_rows(self, BATCH, len(self.y))
        return self.x[rows], self.y[rows]

    def step(self, knobs: ArchitectureKnobs) -> Scalars:
        """One step of every network that is not out; its error is that on the mini-batch before it."""
        if not self.racing:
            return self.all_out()
        x, y = self._coming()
        errors: dict[Racer, Tensor] = {}

        def loss_of(name: Racer) -> Tensor:
            scores = self._scores(name, x, knobs)
            errors[name] = (scores.argmax(1) != y).float().mean()
            return F.cross_entropy(scores, y)

        row = step_all(self.racing, loss_of, self.optimizers, FAR)
        gone = self.recent.new_tensor(math.nan)
        now = torch.stack([errors[name] if name in self.racing else gone for name in RACERS])
        self.recent = torch.where(self.recent.isnan(), now, RECENT * self.recent + (1 - RECENT) * now)
        if self.step_index % self.stride == 0:
            self.errors, self.stride = remembered(self.errors, self.recent, self.stride, KEPT)
        return row

    def objectives(self, knobs: ArchitectureKnobs) -> Mapping[str, Objective]:
        """The loss of the network that is examined."""
        name, network = knobs.racer, self.networks[knobs.racer]
        x, y = self._coming()

        def loss() -> Tensor:
            return F.cross_entropy(self._scores(name, x, knobs), y)

        return {"": Objective.of(network, self.optimizers[name], loss)}

    def _norms(self, knobs: ArchitectureKnobs) -> Tensor:
        """‖∂L/∂W_l‖ of the chains' convolutions on the coming mini-batch: (3, 6n + 1), NaN for none."""
        x, y = self._coming()
        rows = []
        for name in CHAINS:
            network = self.networks[name].train()
            weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
            with torch.enable_grad():
                loss = F.cross_entropy(self._scores(name, x, knobs), y)
                norms = torch.stack([one.norm() for one in torch.autograd.grad(loss, weights)])
            rows.append(F.pad(norms, (0, 6 * knobs.n + 1 - len(norms)), value=math.nan))
        return torch.stack(rows)

    @p.lines("Training error", size="hero")
    def error(self, knobs: ArchitectureKnobs) -> p.Lines:
        """Share of the mini-batches misread, as a running mean."""
        steps = torch.arange(len(self.errors)) * self.stride
        picture = p.Lines(
            x=steps.float(),
            values=self.errors.t(),
            series=list(RACERS.values()),
            x_label="step",
            y_ranges=[(0.0, 1.0)],
        )
        plain, residual = self.errors[-1, 1:3].tolist() if len(self.errors) else (math.nan, math.nan)
        if math.isnan(plain + residual):
            return picture
        text = "Of the two deep ones, the plain misreads {plain}%, the residual {residual}%."
        return p.says(picture, text, plain=in_percent(plain), residual=in_percent(residual))

    @p.lines("The gradient, layer by layer", size="wide")
    def gradient(self, knobs: ArchitectureKnobs) -> p.Lines:
        """‖∂L/∂W_l‖ of the chains, now and before the first step; noted: first to last of the deep ones."""
        norms = torch.stack([self._norms(knobs), self.first])  # (2, 3, 6n + 1)
        last = subscript(norms.shape[2])
        ratios = (norms[:, 1:, 0] / norms[:, 1:, -1]).tolist()
        picture = p.Lines(
            x=torch.arange(1.0, norms.shape[2] + 1),
            values=torch.where(norms > 0, norms, math.nan),
            groups=["now", "before the first step"],
            series=[RACERS[name] for name in CHAINS],
            x_label="layer",
            y_log=True,
            notes=[f"‖∂W₁‖/‖∂W{last}‖ = {rough(plain)}, {rough(residual)}" for plain, residual in ratios],
        )
        times = ratios[1][0]
        if not math.isfinite(times):
            return picture
        text = "At the start, the deep plain network's first layer got {times} times the last one's gradient."
        return p.says(picture, text, times=rough(times))

    @p.bars("What each network costs", log=True)
    def totals(self, knobs: ArchitectureKnobs) -> p.Bars:
        """Millions of parameters and of multiply-adds, each network at its own size."""
        layers = [layers_of(name) for name in CLASSIC]
        counts = [[sum(one.parameters for one in of), sum(one.products for one in of)] for of in layers]
        picture = p.Bars(
            values=torch.tensor(counts, dtype=torch.float64).t() / 1e6,
            labels=[classic.title for classic in CLASSIC.values()],
            series=["M parameters", "M multiply-adds"],
            log=True,
        )
        largest = max(counts)
        mine = counts[list(CLASSIC).index(knobs.network)]
        shares = [in_percent(one / most) for one, most in zip(mine, largest, strict=True)]
        return p.says(
            picture,
            "{network} has {parameters}% of the parameters of {largest}, and {products}% of its work.",
            network=CLASSIC[knobs.network].title,
            largest=picture.labels[counts.index(largest)],
            parameters=shares[0],
            products=shares[1],
        )

    @p.bars("Test error")
    def tested(self, knobs: ArchitectureKnobs) -> p.Bars:
        """Share of test pictures misread, by network."""
        said = [self._scores(name, self.test_x, knobs).argmax(1) for name in RACERS]
        wrong = torch.stack([(one != self.test_y).sum() for one in said])
        shares = wrong[None] / len(self.test_y)
        return p.says(
            p.Bars(values=shares, labels=list(RACERS.values()), range=(0.0, 1.0)),
            "The best network misreads {least} of {all} pictures, the worst {most}.",
            least=int(wrong.min()),
            most=int(wrong.max()),
            all=len(self.test_y),
        )

    @p.blueprint("A classic network, layer by layer", size="wide")
    def classic(self, knobs: ArchitectureKnobs) -> p.Blueprint:
        """Sizes, parameters and multiply-adds of the network chosen."""
        classic = CLASSIC[knobs.network]
        side = classic.side if knobs.papers_size else knobs.side
        layers = layers_of(knobs.network, side)
        counts = [layer.parameters for layer in layers]
        picture = p.Blueprint(
            shapes=[(classic.channels, side, side), *(layer.shape for layer in layers)],
            names=[layer.name for layer in layers],
            types=[layer.type for layer in layers],
            formulas=[layer.formula for layer in layers],
            parameters=counts,
            products=[layer.products for layer in layers],
        )
        place = foremost(counts)
        return p.says(
            picture,
            "{layer} holds {share}% of the {total} parameters."
            if place is not None
            else "No layer holds more than {share}% of the {total} parameters.",
            layer="" if place is None else layers[place].name,
            share=in_percent(max(counts) / sum(counts)),
            total=f"{sum(counts):,}",
        )

    losses = p.scalars(by_learner("loss", RACERS), "Loss", size="wide", log=True, smoothing=0.9)
