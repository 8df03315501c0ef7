"""Autoencoders: pictures by way of a few numbers.

A network must give back the picture it is shown, though all of it has to pass through a few numbers: its
code. See what PCA does with as many, what depth adds, and which codes one can draw new digits from.

An encoder f turns a picture x into a code z of k numbers, and a decoder g turns that into x̂:

    z = f(x),  x̂ = g(z),  L = ‖x − x̂‖²                         plain; linear: f(x) = W(x − x̄) + b, g alike
    L = ‖x − g(f(x + n))‖²,  n ~ N(0, s²I)                      denoising
    L = ‖x − x̂‖² + λ‖z‖₁,  z ≥ 0                                sparse
    L = ‖x − g(μ + σ ⊙ ε)‖² / 2σₓ² + β KL                       variational: (μ, log σ²) = f(x), ε ~ N(0, I)
    KL(N(μ, σ²) ‖ N(0, I)) = −½ Σ (1 + log σ² − μ² − σ²)

Watch the linear one come to PCA's error and stop, and the deep one pass it.

Sources: Hinton and Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks", Science
313; Baldi and Hornik 1989, "Neural Networks and Principal Component Analysis"; Vincent et al. 2008,
"Extracting and Composing Robust Features with Denoising Autoencoders", §2.3; Goodfellow, Bengio and
Courville 2016, "Deep Learning", §14.2.1 (sparse); Kingma and Welling 2013, arXiv:1312.6114, §3, appendix B;
Higgins et al. 2017, "beta-VAE", eq. 4.
Departures: ReLU and Adam, where Hinton and Salakhutdinov have logistic units pretrained layer by layer;
Gaussian noise, where Vincent et al. set pixels to 0; pixels are normal with σₓ = ¼, where Kingma and
Welling's of MNIST are Bernoulli's, and what depends on no weight is left out of the loss. Of the larger
data sets 4,000 pictures are for training and 1,000 for testing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import shuffled_digits
from descent.kit.data.images import CLASSES_OF, GREY_SETS
from descent.kit.data.own_images import chosen_images, in_grey
from descent.kit.nn.lean import lean_optimizer, update
from descent.kit.nn.traced import Gradients
from descent.kit.reading import beside_their_own, how_many, in_percent
from descent.kit.text import rough

TRAINED, TESTED = 4000, 1000  # pictures of a larger set
TEST_SHARE = 5  # one in so many of scikit-learn's digits is for testing
PIXEL_VARIANCE = 0.25**2  # σₓ² of the variational decoder
MEASURED_EVERY = 20  # steps between two measurements on all pictures
NEAR = 5  # degrees between two directions that count as one
POINTS, JUDGED = 400, 200  # codes shown, pictures whose main directions are found
FIELD = 32  # cells of the ground along a side
GRID, WALK = 12, 12  # decoded pictures along a side, and in a row

TOO_LONG_A_CODE = "{have} pictures to train on give no {code} main directions; make the code shorter"

Kind = Literal["plain", "linear", "denoising", "sparse", "variational"]
DataSet = Literal["digits", "mnist", "fashion-mnist", "kmnist", "file"]
# What the loss is made of besides the error, as it is told.
MADE_OF = {"sparse": ("l1", "active"), "variational": ("kl",)}
DEEP = ("plain", "denoising", "sparse", "variational")


class AutoencoderKnobs(Knobs):
    lr: float = rate(2e-3, log=(1e-5, 1.0), typical=(3e-4, 1e-2))
    batch_size: int = batch_of(64, 2048, typical=(16, 256))
    noise: float = live(0.3, "Noise", "s", range=(0.0, 1.0), step=0.05, role="task")
    sparsity: float = live(0.03, "Sparsity", "λ", log=(1e-4, 10.0), when={"kind": ["sparse"]}, role="task")
    beta: float = live(
        1.0, "Weight of KL", "β", log=(0.01, 100.0), when={"kind": ["variational"]}, role="task"
    )
    first: int = live(0, "From", range=(0, 199), role="look")
    last: int = live(1, "To", range=(0, 199), role="look")
    kind: Kind = fixed("plain", "Kind", options=("plain", "linear", "denoising", "sparse", "variational"))
    code: int = fixed(2, "Code size", "k", log=(1, 32))
    depth: int = fixed(2, "Hidden layers", range=(1, 4), when={"kind": DEEP})
    width: int = fixed(128, "Hidden units", "H", log=(4, 256), typical=(32, 256), when={"kind": DEEP})
    dataset: DataSet = fixed(
        "digits",
        "Data set",
        options={**GREY_SETS, "file": "your own pictures"},
        data=("mnist", "fashion-mnist", "kmnist"),
    )
    file: str = fixed("", "Picture files", when={"dataset": ["file"]}, own="images", max_length=32)


def layers(below: int, hidden: list[int], above: int) -> list[nn.Module]:
    """(B, below) → (B, above) by ReLU layers of so many units."""
    modules: list[nn.Module] = []
    for units in hidden:
        modules += [nn.Linear(below, units), nn.ReLU()]
        below = units
    return [*modules, nn.Linear(below, above)]


class Autoencoder(nn.Module):
    """x (B, D) from 0 to 1 → x̂ (B, D), by way of a code (B, k)."""

    mean: Tensor
    f: nn.Module
    g: nn.Module

    def __init__(self, kind: Kind, mean: Tensor, code: int, hidden: list[int]) -> None:
        super().__init__()
        self.kind, pixels = kind, len(mean)
        self.register_buffer("mean", mean)  # x̄ (D,) of the training pictures
        if kind == "linear":
            self.f, self.g = nn.Linear(pixels, code), nn.Linear(code, pixels)
            return
        out = layers(pixels, hidden, 2 * code if kind == "variational" else code)
        self.f = nn.Sequential(*out, nn.ReLU()) if kind == "sparse" else nn.Sequential(*out)
        self.g = nn.Sequential(*layers(code, hidden[::-1], pixels), nn.Sigmoid())

    def encode(self, x: Tensor) -> Tensor:
        """z, or its mean μ where it is drawn."""
        z: Tensor = self.f(x - self.mean)
        return z.chunk(2, 1)[0] if self.kind == "variational" else z

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ² of z given x, (B, k) each."""
        mean, log_variance = self.f(x - self.mean).chunk(2, 1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """x̂ of a code."""
        x: Tensor = self.g(z)
        return x + self.mean if self.kind == "linear" else x

    def forward(self, x: Tensor) -> Tensor:
        """x̂, of the mean code."""
        return self.decode(self.encode(x))


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """‖x − y‖² of pictures (B, D), mean over them."""
    return (x - y).square().sum(1).mean()


def kl_from_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)) of codes (B, k), each with its μ and log σ² → (B,)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)


def elbo_loss(model: Autoencoder, x: Tensor, epsilon: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """−ELBO of x (B, D) with β times its KL, but for a constant; and that KL. ε (B, k) is standard normal."""
    mean, log_variance = model.posterior(x)
    z = mean + (log_variance / 2).exp() * epsilon  # μ + σ ⊙ ε: the gradient reaches μ and σ
    kl = kl_from_standard(mean, log_variance).mean()
    return squared_error(x, model.decode(z)) / (2 * PIXEL_VARIANCE) + beta * kl, kl


def principal(x: Tensor, k: int) -> Tensor:
    """The directions in which x (N, D) varies most, (D, k), orthonormal."""
    device, x = x.device, x.cpu().double()  # not every device has float64
    x = x - x.mean(0)
    r = torch.linalg.qr(x, mode="r").R  # has x's right singular vectors, and is small
    directions: Tensor = torch.linalg.svd(r, full_matrices=False).Vh[:k]
    return directions.T.float().to(device)


def principal_angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles in degrees between the spans of orthonormal a and b, both (D, k): (k,), smallest first."""
    cosines = torch.linalg.svdvals(a.cpu().double().T @ b.cpu().double())
    return cosines.clamp(max=1).acos().rad2deg().float()


class Autoencoders(Experiment[AutoencoderKnobs]):
    """One autoencoder of the kind chosen, beside PCA with as many numbers."""

    order = -2
    pace = 100.0
    after = ("mlp-digits",)
    minutes = 12
    level = 2
    invite = "Choose the variational kind, and raise β until all digits melt into one."
    steers = {"lr": "optimizer"}
    measures = {
        "loss/train": Measure("loss"),
        "error/test": Measure("held-out"),
    }
    presets = {
        "linear": Preset("Linear is PCA", {"kind": "linear", "batch_size": 2048, "lr": 0.02}),
        "denoising": Preset("Noise taken away", {"kind": "denoising", "code": 16}),
        "sparse": Preset("Few of many", {"kind": "sparse", "code": 32, "sparsity": 0.03}),
        "variational": Preset("Codes to draw from", {"kind": "variational"}),
        "collapse": Preset("β too large", {"kind": "variational", "beta": 20.0}),
    }

    def build(self, knobs: AutoencoderKnobs) -> None:
        """Split the pictures, find PCA, make the network. Raises `KnobError` where a set cannot be read."""
        self.x, self.test_x, self.test_y = (part.to(self.device) for part in self._pictures(knobs))
        self.side = int(self.x.shape[1] ** 0.5)
        self.training_samples = len(self.x)
        noise = torch.randn(self.test_x.shape, generator=self.generator(-2))
        self.test_noise = noise.to(self.device)  # times s, on the test pictures
        self.shown = torch.stack([(self.test_y == y).nonzero()[0, 0] for y in range(len(self.classes))])

        mean = self.x.mean(0)
        self.components = principal(self.x, knobs.code)  # (D, k)
        centred = self.x - mean
        self.pca_error = squared_error(centred, centred @ self.components @ self.components.T)

        hidden = [knobs.width] * knobs.depth
        self.model = Autoencoder(knobs.kind, mean, knobs.code, hidden).to(self.device)
        self.optimizer = lean_optimizer("adam", list(self.model.parameters()), [])
        self.traced = Gradients(list(self.model.parameters()))
        self.changed(knobs, set())

    def _pictures(self, knobs: AutoencoderKnobs) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures to train on and to test with, (N, D) from 0 to 1, and the classes of the latter."""
        if knobs.dataset == "digits":
            self.classes = list(CLASSES_OF["digits"])
            x, labels = shuffled_digits(self.generator(-1))
            test = len(x) // TEST_SHARE
            return (x[test:] + 1) / 2, (x[:test] + 1) / 2, labels[:test]
        images = chosen_images(knobs.dataset, knobs.file, self.data, self.generator(-1))
        self.classes = list(images.classes)
        pixels = images.train[:TRAINED], images.test[:TESTED]
        if knobs.dataset == "file":
            if len(pixels[0]) <= knobs.code:
                raise KnobError("code", TOO_LONG_A_CODE, have=len(pixels[0]), code=knobs.code)
            pixels = in_grey(pixels[0], 28), in_grey(pixels[1], 28)
        x, test_x = (part.flatten(1) / 255 for part in pixels)
        return x, test_x, images.test_labels[:TESTED].clone()

    def step(self, knobs: AutoencoderKnobs) -> Scalars:
        """One mini-batch; now and then all pictures are tried."""
        settings = knobs.noise, knobs.sparsity, knobs.beta
        shown = self.traced(partial(self._loss, knobs), *self._batch(knobs), settings=settings)
        update(self.optimizer)
        row = dict(zip(("loss/train", *MADE_OF.get(knobs.kind, ())), shown, strict=True))
        if self.step_index % MEASURED_EVERY == 0:
            row |= self._measure(knobs)
        return row

    def _batch(self, knobs: AutoencoderKnobs) -> tuple[Tensor, Tensor]:
        """x (B, D) of the coming step, and the normal numbers that it takes, if any: (B, D or k)."""
        x = self.x[coming_rows(self, knobs.batch_size, len(self.x))]
        drawn = {"denoising": x.shape[1], "variational": knobs.code}.get(knobs.kind, 0)
        generator = self.step_generator(self.step_index)
        return x, torch.randn(len(x), drawn, generator=generator).to(self.device)

    def _loss(self, knobs: AutoencoderKnobs, x: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """L beside what it is made of (`MADE_OF`), in a row; L."""
        made_of: list[Tensor] = []
        match knobs.kind:
            case "denoising":
                loss = squared_error(x, self.model(x + knobs.noise * drawn))
            case "sparse":
                z = self.model.encode(x)
                size = z.abs().sum(1).mean()  # ‖z‖₁
                loss = squared_error(x, self.model.decode(z)) + knobs.sparsity * size
                made_of = [size, (z > 0).float().mean()]
            case "variational":
                loss, kl = elbo_loss(self.model, x, drawn, knobs.beta)
                made_of = [kl]
            case _:
                loss = squared_error(x, self.model(x))
        return torch.stack([loss, *made_of]), loss

    @torch.no_grad()
    def _measure(self, knobs: AutoencoderKnobs) -> dict[str, Tensor]:
        noisy = self.test_x + knobs.noise * self.test_noise
        return {
            "error/train": squared_error(self.x, self.model(self.x)),
            "error/test": squared_error(self.test_x, self.model(self.test_x)),
            "error/noisy": squared_error(self.test_x, self.model(noisy)),
            "error/pca": self.pca_error.clone(),
        }

    def exported(self, knobs: AutoencoderKnobs) -> tuple[nn.Module, Tensor]:
        """Pictures x (B, D) from 0 to 1 → x̂ (B, D)."""
        return self.model, self.test_x[:2]

    def objectives(self, knobs: AutoencoderKnobs) -> Mapping[str, Objective]:
        """The loss of the coming mini-batch, with the noise of that step."""
        batch = self._batch(knobs)
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs, *batch)[1])}

    def _tiles(self, pictures: Tensor) -> Tensor:
        """Pictures (N, D) as bytes (N, side, side)."""
        return p.Images.to_pixels(pictures, 0.0, 1.0).view(-1, self.side, self.side)

    def _plane(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The plane of codes that is shown: its middle (k,), its axes (2, k), and on them the test codes
        (N, 2) and how far it reaches (2,).

        A code of two numbers is its own plane; of a larger one it is that of the two directions in which the
        test codes vary most; of a single number it is a line.
        """
        z = self.model.encode(self.test_x)  # (N, k)
        middle = z.mean(0)
        if z.shape[1] == 1:
            axes = z.new_tensor([[1.0], [0.0]])
        elif z.shape[1] == 2:
            axes = torch.eye(2, device=self.device)
        else:
            axes = principal(z, 2).T
        at = (z - middle) @ axes.T
        return middle, axes, at, 2.2 * at.std(0).clamp(min=1e-3)

    @p.images("Through the code and back", size="hero")
    def reconstructions(self, knobs: AutoencoderKnobs) -> p.Images:
        """A test picture of each class, what comes back, and both again with noise."""
        x = self.test_x[self.shown]
        noisy = x + knobs.noise * self.test_noise[self.shown]
        rows = torch.cat([x, self.model(x), noisy, self.model(noisy)])
        off = (rows.view(4, *x.shape)[1::2] - x).abs().mean((1, 2)).tolist()
        captions = [text for name in ("x", "→ x̂", "x + n", "→ x̂") for text in (name, *[""] * (len(x) - 1))]
        return p.says(
            p.Images(pixels=self._tiles(rows), columns=len(x), captions=captions),
            "A pixel comes back {clean} off on average, {noisy} with noise (white is 1).",
            clean=rough(off[0]),
            noisy=rough(off[1]),
        )

    error = p.scalars(
        {"error/train": "training", "error/test": "test", "error/noisy": "test, noisy", "error/pca": "PCA"},
        "Error per picture",
        log=True,
    )

    @p.arrows("Codes by class")
    def codes(self, knobs: AutoencoderKnobs) -> p.Arrows:
        """By class; the ground is ‖∂x̂/∂z‖ along the plane, by differences between its cells."""
        middle, axes, at, reach = self._plane()
        pictures = self.model.decode(middle + self._lattice(FIELD, reach) @ axes)
        pictures = pictures.view(FIELD, FIELD, -1)  # row 0 at the lowest y
        cell = [2 * float(length) / FIELD for length in reach.flip(0)]
        slopes = torch.gradient(pictures, spacing=cell, dim=(0, 1))
        steepness = sum(slope.square().sum(2) for slope in slopes).sqrt()  # type: ignore[union-attr]
        (left, low), (right, high) = (middle @ axes.T - reach).tolist(), (middle @ axes.T + reach).tolist()
        most = max(float(steepness.max()), 1e-6)
        picture = p.Arrows(
            values=steepness,
            x=(left, right),
            y=(low, high),
            points=(at + middle @ axes.T)[:POINTS],
            groups=self.test_y[:POINTS].to(torch.uint8),
            names=self.classes,
            range=(-most, most),
            pictures=p.Arrows.thumbnails(self._tiles(self.test_x[:POINTS])),
        )
        beside = in_percent(beside_their_own(at[:POINTS], self.test_y[:POINTS]))
        return p.says(picture, "{beside}% of the codes lie next to one of their own class.", beside=beside)

    def _lattice(self, cells: int, reach: Tensor) -> Tensor:
        """Centres of cells × cells within ±reach, (cells², 2), x fastest and the lowest y first."""
        axis = (torch.arange(cells, device=self.device) + 0.5) / cells * 2 - 1
        return torch.cartesian_prod(axis, axis).flip(1) * reach

    @p.images("Codes decoded")
    def decoded(self, knobs: AutoencoderKnobs) -> p.Images:
        """x̂ of places evenly spread over the plane of codes, the highest y above."""
        middle, axes, _, reach = self._plane()
        pictures = self.model.decode(middle + self._lattice(GRID, reach) @ axes)
        rows = self._tiles(pictures).view(GRID, GRID, self.side, self.side).flip(0)
        return p.says(
            p.Images(pixels=rows.flatten(0, 1), columns=GRID),
            "Going by the test picture nearest to each, these show {n} of {all} classes.",
            n=len(self.test_y[torch.cdist(pictures, self.test_x).argmin(1)].unique())
            if pictures.isfinite().all()
            else "–",
            all=len(self.classes),
        )

    @p.images("From one picture to another", size="wide")
    def walk(self, knobs: AutoencoderKnobs) -> p.Images:
        """Decoded from the line between two codes; below, the two pictures themselves mixed."""
        ends = self.test_x[[knobs.first % len(self.test_x), knobs.last % len(self.test_x)]]  # (2, D)
        t = torch.linspace(0, 1, WALK, device=self.device)[:, None]
        a, b = self.model.encode(ends)
        pictures = torch.cat([self.model.decode((1 - t) * a + t * b), (1 - t) * ends[0] + t * ends[1]])
        captions = ["z", *[""] * (WALK - 1), "x", *[""] * (WALK - 1)]
        decoded, mixed = pictures.view(2, WALK, -1)[:, WALK // 2]
        names = [self.classes[self.test_y[place % len(self.test_y)]] for place in (knobs.first, knobs.last)]
        return p.says(
            p.Images(pixels=self._tiles(pictures), columns=WALK, captions=captions),
            "From {first} to {last}: halfway, the two rows differ by {gap} a pixel (white is 1).",
            first=names[0],
            last=names[1],
            gap=rough(float((decoded - mixed).abs().mean())),
        )

    @p.bars("Does it find what PCA finds?")
    def angles(self, knobs: AutoencoderKnobs) -> p.Bars:
        """Between PCA's directions and as many main directions of what the test pictures come back as."""
        back = self.model(self.test_x[:JUDGED])
        if back.isfinite().all():
            found = principal_angles(principal(back, knobs.code), self.components)
        else:
            found = torch.full((knobs.code,), torch.nan)
        picture = p.Bars(
            values=found[None],
            labels=[f"θ{i}" for i in range(1, knobs.code + 1)],
            range=(0.0, 90.0),
            note=f"max θ = {float(found.max()):.2f}°",
        )
        near = how_many(found < NEAR, found)
        text = "{near} of {all} directions are within {width}° of PCA’s."
        return p.says(picture, text, near=near, all=knobs.code, width=NEAR)

    loss = p.scalars(
        {"loss/train": "L", "kl": "KL", "l1": "‖z‖₁", "active": "active"}, "Loss", log=True, smoothing=0.9
    )
