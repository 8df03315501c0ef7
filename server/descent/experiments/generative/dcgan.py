"""DCGAN: two convolutional networks against each other.

A generator G draws digits out of noise and a discriminator D tells them from real ones. Each is the
other's loss: change one learning rate while they train and watch the balance tip.

Radford, Metz and Chintala 2015, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", arXiv:1511.06434, §3 (architecture guidelines), §4 (training), §6.1 (walking in the
latent space), on the game of Goodfellow et al. 2014, arXiv:1406.2661, §3 and its non-saturating G loss:

    L_D = −log D(x) − log(1 − D(G(z)))        L_G = −log D(G(z))        z ~ N(0, I)

One step is one update of D (or `d_steps` of them), then one of G. At the equilibrium G draws the data's
own distribution, D says ½ everywhere, L_D = 2 log 2 ≈ 1.39 and L_G = log 2 ≈ 0.69.

Departures from the paper:
- z is standard normal, not uniform, and images are 16, 28 or 32 pixels wide instead of 64: two or three
  strided layers, not four, and far fewer channels. Those of 28, MNIST's own, begin at 7×7 instead of 4×4.
- The paper's data are rooms, faces and ImageNet. Of CIFAR-10, in colour, the first 20,000 pictures are used,
  and for 28 pixels their middle.
- D's batch norm keeps no running statistics: it normalises by the batch it is given in probes as in
  training, so what the panels show is the D that teaches G. G's panels use its running statistics.
- D sees real and generated images in separate batches, each with its own statistics, as is common practice.
- The update of G reuses the batch that D has just judged, as PyTorch's own example does.
- Real images are drawn with replacement. Labels of real images can be smoothed (Salimans et al. 2016, §3.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from descent.contract import Experiment, Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.own_images import real_pictures
from descent.kit.reading import how_many, in_percent
from descent.kit.text import rough

SAMPLES = 64  # fixed noise vectors behind most panels
COUNTED_EVERY, REFERENCES = 10, 2000  # steps between two counts of the kinds drawn; real pictures they go by
WALK = (4, 12)  # rows and images per row of the latent walk


class DCGANKnobs(Knobs):
    lr_g: float = rate(1e-3, "Learning rate of G", "η_G", log=(1e-6, 0.1), typical=(2e-4, 2e-3))
    lr_d: float = rate(5e-4, "Learning rate of D", "η_D", log=(1e-6, 0.1), typical=(1e-4, 1e-3))
    beta1: float = live(0.5, "Momentum of Adam", "β₁", range=(0.0, 0.95), step=0.05, typical=(0.0, 0.6))
    smoothing: float = live(0.0, "Label smoothing", "α", range=(0.0, 0.5), step=0.05, typical=(0.0, 0.2))
    d_steps: int = live(
        1, "D updates per step", "k", range=(1, 5), help="Updates of D before each update of G."
    )
    batch: int = live(64, "Batch size", "B", range=(8, 256), step=8)
    walk: int = live(0, "Latent walk", range=(0, 99), role="look")
    dataset: Literal["digits", "mnist", "fashion-mnist", "kmnist", "cifar-10", "file"] = fixed(
        "digits",
        "Data set",
        options={
            **{"digits": "scikit-learn digits", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"},
            **{"kmnist": "KMNIST", "cifar-10": "CIFAR-10, in colour", "file": "your own pictures"},
        },
        data=("mnist", "fashion-mnist", "kmnist", "cifar-10"),
    )
    file: str = fixed("", "Picture files", when={"dataset": ["file"]}, own="images", max_length=32)
    resolution: Literal[16, 28, 32] = fixed(
        16, "Resolution", unit="px", options={"16": "16 × 16", "28": "28 × 28", "32": "32 × 32"}
    )
    latent: int = fixed(
        16, "Latent size", "Z", range=(2, 128), help="Components of z, the noise that becomes an image."
    )
    width: int = fixed(32, "Width", "C", range=(8, 64), step=8)


def smallest(resolution: int) -> int:
    """The side S from which G's maps are doubled to R, and to which D's are halved: 4, or 7 for 28."""
    return 7 if resolution % 7 == 0 else 4


class Generator(nn.Sequential):
    """z (B, Z) → image (B, C', R, R) in (-1, 1): a projection to S×S, then doubled until R."""

    def __init__(self, latent: int, width: int, resolution: int, colours: int = 1) -> None:
        side = smallest(resolution)
        channels = width * resolution // (2 * side)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent, 1, 1)),
            nn.ConvTranspose2d(latent, channels, side, bias=False),  # (B, channels, S, S)
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        while channels > width:
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels // 2),
                nn.ReLU(),
            ]
            channels //= 2
        layers += [nn.ConvTranspose2d(width, colours, 4, stride=2, padding=1), nn.Tanh()]  # (B, C', R, R)
        super().__init__(*layers)


class Discriminator(nn.Sequential):
    """image (B, C', R, R) → logit (B,) of being real: halved until S×S, then read out."""

    def __init__(self, width: int, resolution: int, colours: int = 1) -> None:
        layers: list[nn.Module] = [nn.Conv2d(colours, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels, side = width, smallest(resolution)
        while 2 * side * channels < width * resolution:
            layers += [
                nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(2 * channels, track_running_stats=False),
                nn.LeakyReLU(0.2),
            ]
            channels *= 2
        layers += [nn.Conv2d(channels, 1, side), nn.Flatten(0)]  # (B, channels, S, S) → (B,)
        super().__init__(*layers)


def shown(images: torch.Tensor) -> torch.Tensor:
    """Pixels (N, R, R) or, in colour, (N, R, R, 3), of images (N, C', R, R) in [-1, 1]."""
    pixels = p.Images.to_pixels(images)
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.movedim(1, -1)


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02) (§4); batch norm's scale from N(1, 0.02), as in the authors' code."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """L_D of the logits on real and generated images; real ones are labelled 1 − `smoothing`."""
    # −log σ(a) = softplus(−a), −log(1 − σ(a)) = softplus(a)
    on_real = (1 - smoothing) * F.softplus(-real) + smoothing * F.softplus(real)
    return on_real.mean() + F.softplus(fake).mean()


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """L_G = −log D(G(z)), of the logits on generated images."""
    return F.softplus(-fake).mean()


def mean_distance(pictures: torch.Tensor) -> torch.Tensor:
    """Mean L2 distance over all pairs of `pictures` (B, …)."""
    return torch.pdist(pictures.flatten(1)).mean()


def between(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Mean L2 distance from each of `real` to each of `fake`, both (B, …)."""
    return torch.cdist(real.flatten(1), fake.flatten(1)).mean()


def effective_number(labels: torch.Tensor) -> torch.Tensor:
    """exp of the entropy of the shares of `labels` (N,): k, where k kinds are equally common."""
    shares = labels.unique(return_counts=True)[1] / len(labels)
    entropy: torch.Tensor = -(shares * shares.log()).sum()
    return entropy.exp()


def nearest(samples: torch.Tensor, pictures: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """L2 distances and indices, (S, k) each, of the `k` pictures nearest to each sample, nearest first."""
    distances = torch.cdist(samples.flatten(1), pictures.flatten(1))  # (S, N)
    found = distances.topk(k, largest=False)
    return found.values, found.indices


def slerp(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Spherical interpolation from `a` to `b` (…, Z) at `t` (T,) in [0, 1] → (…, T, Z).

    A straight line between two normal vectors would pass much nearer to 0 than any z that G was trained
    on (White 2016, arXiv:1609.04468).
    """
    cosine = F.cosine_similarity(a, b, dim=-1)[..., None]
    angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()  # (…, 1)
    from_a, from_b = torch.sin((1 - t) * angle) / angle.sin(), torch.sin(t * angle) / angle.sin()  # (…, T)
    return from_a[..., None] * a[..., None, :] + from_b[..., None] * b[..., None, :]


class DCGAN(Experiment[DCGANKnobs]):
    """G and D, their two optimizers, and what can be seen of the game."""

    after = ("gan-2d", "cnn-images", "batch-norm")
    minutes = 17
    level = 3
    invite = (
        "Once digits appear, drag the learning rate of D to its left end: G runs ahead and the samples "
        "melt into a few shapes."
    )
    measures = {
        "distance": Measure("loss"),
        "loss/d": Measure("loss", of="D", knobs=("lr_d", "d_steps", "smoothing"), rival=True),
        "loss/g": Measure("loss", of="G", knobs=("lr_g",), rival=True),
    }
    presets = {
        "d-too-strong": Preset("D too strong", {"lr_g": 2e-5, "lr_d": 2e-3}),
        "mode-collapse": Preset("Mode collapse", {"lr_g": 1e-3, "lr_d": 2e-5}),
        "g-too-fast": Preset("G too fast", {"lr_g": 0.1}),
        "momentum-0.9": Preset("Adam's usual β₁ = 0.9", {"beta1": 0.9, "lr_g": 2e-3, "lr_d": 2e-3}),
        "two-numbers": Preset("A latent space of two numbers", {"latent": 2}),
    }

    @p.flow("Who feeds whom", size="wide")
    def game(self, knobs: DCGANKnobs) -> p.Flow:
        """Four of the fixed samples and four real pictures, with losses and mean verdicts on all 64."""
        real, fake = self.digits.images[self.examples], self.G(self.noise)
        on_real, on_fake = self.D(real), self.D(fake)
        loss_d, loss_g = discriminator_loss(on_real, on_fake, knobs.smoothing), generator_loss(on_fake)
        boxes = [
            ("z", (0, 0), "N(0, I)"),
            ("G", (1, 0), f"L(G) {float(loss_g):.2f}"),
            ("G(z)", (2, 0), ""),
            ("x", (2, 1), ""),
            ("D", (3, 0.5), f"L(D) {float(loss_d):.2f}"),
            ("D(G(z))", (4, 0), f"{float(on_fake.sigmoid().mean()):.2f}"),
            ("D(x)", (4, 1), f"{float(on_real.sigmoid().mean()):.2f}"),
        ]
        names, places, notes = zip(*boxes, strict=True)
        picture = p.Flow(
            names=names,
            places=places,
            notes=notes,
            arrows=[(0, 1), (1, 2), (2, 4), (3, 4), (4, 5), (4, 6)],
            back=[(5, 1)],
            shows=[0, 0, 4, 4, 0, 0, 0],
            pictures=shown(torch.cat([fake[:4], real[:4]])),
        )
        fooled = how_many(on_fake > 0, on_fake)
        return p.says(picture, "D takes {fooled} of {all} samples for real.", fooled=fooled, all=len(fake))

    losses = p.scalars({"loss/d": "L(D)", "loss/g": "L(G)"}, "Losses")
    discriminator = p.scalars({"d/real": "D(x)", "d/fake": "D(G(z))"}, "What D believes")
    diversity = p.scalars(
        {"diversity": "samples / real", "distance": "from real (energy)"}, "Distance between samples"
    )
    kinds = p.scalars({"kinds": "kinds drawn"}, "Kinds drawn")

    def build(self, knobs: DCGANKnobs) -> None:
        """Raises `KnobError` where the chosen set cannot be read."""
        found, self.classes = real_pictures(knobs.dataset, knobs.file, knobs.resolution, self.data)
        self.digits = found.to(self.device)
        size = knobs.width, knobs.resolution, self.digits.images.shape[1]
        self.G = Generator(knobs.latent, *size).apply(initialise).to(self.device)
        self.D = Discriminator(*size).apply(initialise).to(self.device)
        self.optimizer_g = torch.optim.Adam(self.G.parameters(), knobs.lr_g, (knobs.beta1, 0.999))
        self.optimizer_d = torch.optim.Adam(self.D.parameters(), knobs.lr_d, (knobs.beta1, 0.999))
        self.noise = torch.randn(SAMPLES, knobs.latent).to(self.device)
        self.examples = torch.randperm(len(self.digits))[:SAMPLES].to(self.device)  # real, for the panels
        self.spread = float(mean_distance(self.digits.images[:500]))

    def changed(self, knobs: DCGANKnobs, names: set[str]) -> None:
        for optimizer, lr in ((self.optimizer_g, knobs.lr_g), (self.optimizer_d, knobs.lr_d)):
            for group in optimizer.param_groups:
                group["lr"], group["betas"] = lr, (knobs.beta1, 0.999)

    def step(self, knobs: DCGANKnobs) -> Scalars:
        """`k` updates of D, then one of G. The scalars of D are those of its last update, before it.

        `distance` is the energy distance of generated images from real ones, in units of E‖x − x′‖:
        (2 E‖x − G‖ − E‖G − G′‖) / E‖x − x′‖ − 1, or 0 where G draws the data's own distribution
        (Székely and Rizzo 2013).
        """
        generator = self.generator(self.step_index)
        for _ in range(knobs.d_steps):
            real, z = self._draw(knobs, generator)
            fake = self.G(z)  # (B, C', R, R)

            on_real, on_fake = self.D(real), self.D(fake.detach())  # (B,) logits
            loss_d = discriminator_loss(on_real, on_fake, knobs.smoothing)
            self.optimizer_d.zero_grad()
            loss_d.backward()
            self.optimizer_d.step()

        loss_g = generator_loss(self.D(fake))
        self.optimizer_g.zero_grad()
        loss_g.backward(inputs=list(self.G.parameters()))  # spares the gradients of D
        self.optimizer_g.step()
        apart = mean_distance(fake.detach()) / self.spread
        row = {
            "loss/d": loss_d.detach(),
            "loss/g": loss_g.detach(),
            "d/real": on_real.detach().sigmoid().mean(),
            "d/fake": on_fake.detach().sigmoid().mean(),
            "distance": 2 * between(real, fake.detach()) / self.spread - apart - 1,
            "diversity": apart,
        }
        if self.step_index % COUNTED_EVERY == 0:
            _, rows = nearest(fake.detach(), self.digits.images[:REFERENCES], 1)
            row["kinds"] = effective_number(self.digits.labels[rows[:, 0]])
        return row

    def _draw(self, knobs: DCGANKnobs, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Real pictures (B, C', R, R), and noise (B, Z)."""
        rows = torch.randint(len(self.digits), (knobs.batch,), generator=generator).to(self.device)
        z = torch.randn(knobs.batch, knobs.latent, generator=generator).to(self.device)
        return self.digits.images[rows], z

    def objectives(self, knobs: DCGANKnobs) -> Mapping[str, Objective]:
        """Each network's loss on the coming digits and noise, the other one as it is now."""
        real, z = self._draw(knobs, self.generator(self.step_index))

        def loss_d() -> torch.Tensor:
            with torch.no_grad():
                fake = self.G(z)
            return discriminator_loss(self.D(real), self.D(fake), knobs.smoothing)

        def loss_g() -> torch.Tensor:
            return generator_loss(self.D(self.G(z)))

        return {
            "D": Objective.of(self.D, self.optimizer_d, loss_d),
            "G": Objective.of(self.G, self.optimizer_g, loss_g),
        }

    @p.images("Samples", size="hero", filmstrip=True)
    def samples(self, knobs: DCGANKnobs) -> p.Images:
        """G of the fixed noise."""
        fake = self.G(self.noise)
        return p.says(
            p.Images(pixels=shown(fake), columns=8),
            "Two samples differ by {percent}% of what two real pictures do.",
            percent=rough(100 * float(mean_distance(fake)) / self.spread),
        )

    @p.images("Latent walk", size="wide")
    def latent_walk(self, knobs: DCGANKnobs) -> p.Images:
        """Each row goes from one stop to the next, where the row below begins."""
        rows, columns = WALK
        stops = torch.randn(rows + 1, knobs.latent, generator=torch.Generator().manual_seed(knobs.walk))
        z = slerp(stops[:-1], stops[1:], torch.linspace(0, 1, columns))  # (rows, columns, Z)
        pictures = self.G(z.flatten(0, 1).to(self.device))
        jumps = pictures.view(rows, columns, -1).diff(dim=1).abs().mean(2) / 2
        return p.says(
            p.Images(pixels=shown(pictures), columns=columns),
            "The largest jump between neighbours changes a pixel by {jump} on average (white is 1).",
            jump=rough(float(jumps.max())),
        )

    @p.images("Are there such real pictures?")
    def neighbours(self, knobs: DCGANKnobs) -> p.Images:
        """Two samples per row, each followed by its three neighbours."""
        fake = self.G(self.noise[:6])
        distances, rows = nearest(fake, self.digits.images, 3)
        pictures = torch.cat([fake[:, None], self.digits.images[rows]], dim=1)  # (6, 4, C', R, R)
        captions = [text for row in distances.tolist() for text in ("G(z)", *(f"{d:.1f}" for d in row))]
        return p.says(
            p.Images(pixels=shown(pictures.flatten(0, 1)), columns=8, captions=captions),
            "The closest is {least} from a real picture; two real ones are {apart} apart on average.",
            least=rough(float(distances.min())),
            apart=rough(self.spread),
        )

    @p.bars("Classes")
    def coverage(self, knobs: DCGANKnobs) -> p.Bars:
        """Classes of the 64 samples' nearest neighbours, beside those of the data."""
        samples = self.G(self.noise)
        _, rows = nearest(samples, self.digits.images, 1)
        sources = {"samples": self.digits.labels[rows[:, 0]], "real": self.digits.labels}
        shares = [labels.bincount(minlength=len(self.classes)) / len(labels) for labels in sources.values()]
        drawn = shares[0].tolist()
        return p.says(
            p.Bars(values=torch.stack(shares), labels=self.classes, series=list(sources)),
            "{kinds} of {all} classes are drawn, none more often than {name}: {percent}%.",
            kinds=how_many(shares[0] > 0, samples),
            all=len(drawn),
            name=self.classes[drawn.index(max(drawn))],
            percent=in_percent(max(drawn)),
        )

    @p.histogram("Can D tell them apart?")
    def verdicts(self, knobs: DCGANKnobs) -> p.Histogram:
        """D(x) and D(G(z)) over the same 20 bins of 0…1, real and generated in batches of their own."""
        real, fake = self.D(self.digits.images[self.examples]), self.D(self.G(self.noise))
        return p.says(
            p.Histogram.of({"D(x)": real.sigmoid(), "D(G(z))": fake.sigmoid()}, 20, (0, 1)),
            "D is right about {real} of {all} real pictures and {fake} of {all} samples.",
            real=how_many(real > 0, real),
            fake=how_many(fake <= 0, fake),
            all=len(real),
        )
