"""GANs in the plane.

Two small networks play the game of Goodfellow in two dimensions, where all of it can be seen: what D says of
every place, where G bends its noise to, and the arrow along which D pulls each sample.

D puts out a number a(x); the paper's D(x) is its sigmoid. With x from the data and z from noise:

    L_D = −log D(x) − log(1 − D(G(z)))                                   minimax, non-saturating
    L_G = log(1 − D(G(z)))  or  −log D(G(z))
    L_D = ½(a(x) − 1)² + ½a(G(z))²,  L_G = ½(a(G(z)) − 1)²               least squares
    L_D = a(G(z)) − a(x) + λ(‖∇a(x̂)‖ − 1)²,  L_G = −a(G(z))              Wasserstein

Watch the samples slide along their arrows, crowd on some modes and leave others out.

Sources: Goodfellow et al. 2014, arXiv:1406.2661, §3, algorithm 1; Mao et al. 2017, arXiv:1611.04076, eq. 9;
Arjovsky, Chintala and Bottou 2017, arXiv:1701.07875, algorithm 1; Gulrajani et al. 2017, arXiv:1704.00028,
algorithm 1. The pictures of D's surface and G's manifold follow Kahng et al. 2018, "GAN Lab".
Departures: Adam for all of them, where Arjovsky et al. take RMSprop (β₁ = 0 is that, but for the correction
of its start); weights are clipped after each update, biases too, as in their code. The data have no end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Literal, get_args

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.clouds import (
    CLOUD_EXTENT,
    CLOUD_PAD,
    CLOUDS,
    CloudName,
    LargeSample,
    heart,
    large_sample,
    sample_cloud,
)
from descent.kit.data.drawing import is_drawing
from descent.kit.nn.lean import lean_optimizer, update
from descent.kit.nn.traced import Gradients
from descent.kit.reading import how_many, in_percent
from descent.kit.text import rough

SHOWN, PULLED = 500, 150  # samples shown, and with an arrow
JUDGED, COUNTED = 4096, 2048  # samples that scalars and the panel of cells go by
MEASURED_EVERY = 10  # steps between two counts
SIDE, MESH = 48, 17  # cells of D's field, lines of G's grid, along a side
ARROW = 0.1  # of the plane, for a gradient of 1
ENDS = (-CLOUD_EXTENT, CLOUD_EXTENT)  # of both axes
LOGIT_ENDS = (-8.0, 8.0)  # of the axis of `pull`

Loss = Literal["minimax", "non-saturating", "least-squares", "wasserstein-clip", "wasserstein-penalty"]
OBJECTIVES = {
    "minimax": "minimax", "non-saturating": "non-saturating", "least-squares": "least squares",
    "wasserstein-clip": "Wasserstein, clipped", "wasserstein-penalty": "Wasserstein, penalty",
}  # fmt: skip
WASSERSTEIN = ("wasserstein-clip", "wasserstein-penalty")


class GanKnobs(Knobs):
    objective: Loss = live("non-saturating", "Loss", options=OBJECTIVES, role="task")
    distribution: CloudName = live("ring-of-8", "Distribution", options=CLOUDS, role="task")
    drawing: str = live(
        heart(), "Your drawing", max_length=CLOUD_PAD**2, canvas=(CLOUD_PAD, CLOUD_PAD), role="task",
        when={"distribution": ["drawn"]},
    )  # fmt: skip
    lr_g: float = rate(1e-3, "Learning rate of G", "η_G", log=(1e-6, 0.1), typical=(2e-4, 3e-3))
    lr_d: float = rate(1e-3, "Learning rate of D", "η_D", log=(1e-6, 0.1), typical=(2e-4, 3e-3))
    d_steps: int = live(1, "D updates per step", "k", range=(0, 10))
    g_steps: int = live(1, "G updates per step", range=(0, 10))
    clip: float = live(0.1, "Clipping", "c", log=(1e-3, 1.0), when={"objective": ["wasserstein-clip"]})
    penalty: float = live(
        0.1, "Gradient penalty", "λ", log=(1e-3, 100.0), when={"objective": ["wasserstein-penalty"]}
    )
    beta1: float = live(0.0, "Momentum of Adam", "β₁", range=(0.0, 0.95), step=0.05, typical=(0.0, 0.6))
    batch: int = batch_of(128, 512, typical=(32, 256))
    noise: Literal["normal", "uniform"] = fixed(
        "normal", "Noise", options={"normal": "normal", "uniform": "uniform"}
    )
    latent: Literal[1, 2] = fixed(2, "Latent size", "Z", options={"1": "1", "2": "2"})
    width: int = fixed(64, "Hidden units", "H", log=(1, 128), typical=(16, 128))
    layers: int = fixed(2, "Hidden layers", "L", range=(1, 5))

    @model_validator(mode="after")
    def _fit_together(self) -> GanKnobs:
        if not self.d_steps + self.g_steps:
            raise KnobError(
                "g_steps", "G and D are both frozen; give one of them at least one update per step"
            )
        if not is_drawing(self.drawing) or len(self.drawing) not in (0, CLOUD_PAD**2):
            raise KnobError(
                "drawing",
                "it must hold {wanted} digits, each 0 to 9 or a to f; clear it and draw again",
                wanted=CLOUD_PAD**2,
            )
        return self


def perceptron(below: int, width: int, layers: int, above: int, activation: nn.Module) -> nn.Sequential:
    """(B, below) → (B, above) by so many hidden layers."""
    sizes = [below, *[width] * layers]
    hidden = [m for i, o in pairwise(sizes) for m in (nn.Linear(i, o), activation)]
    return nn.Sequential(*hidden, nn.Linear(width, above))


def discriminator_loss(real: Tensor, fake: Tensor, objective: Loss) -> Tensor:
    """L_D of a(x) and a(G(z)), both (B,); without the penalty."""
    match objective:
        case "minimax" | "non-saturating":  # −log σ(a) = softplus(−a), −log(1 − σ(a)) = softplus(a)
            return F.softplus(-real).mean() + F.softplus(fake).mean()
        case "least-squares":
            return (real - 1).square().mean() / 2 + fake.square().mean() / 2
        case _:
            return fake.mean() - real.mean()


def generator_loss(fake: Tensor, objective: Loss) -> Tensor:
    """L_G of a(G(z)), (B,)."""
    match objective:
        case "minimax":
            return -F.softplus(fake).mean()  # log(1 − D)
        case "non-saturating":
            return F.softplus(-fake).mean()  # −log D
        case "least-squares":
            return (fake - 1).square().mean() / 2
        case _:
            return -fake.mean()


def gradient_penalty(D: nn.Module, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """(‖∇a(x̂)‖ − 1)² at x̂ = εx + (1 − ε)G(z), ε = `share` (B, 1); real and fake (B, 2)."""
    with torch.enable_grad():
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
        return (slope.norm(dim=1) - 1).square().mean()


class Gan2d(Experiment[GanKnobs]):
    """G and D, their optimizers, and what can be seen of the game in the plane."""

    order = -1
    after = ("neural-playground",)
    minutes = 15
    level = 2
    invite = "Once the samples reach the modes, drag the learning rate of D to its left end."
    steers = {"lr_g": "optimizer_g", "lr_d": "optimizer_d"}
    measures = {
        "js": Measure("loss"),
        "loss/d": Measure("loss", of="D", knobs=("lr_d", "d_steps", "clip", "penalty"), rival=True),
        "loss/g": Measure("loss", of="G", knobs=("lr_g", "g_steps"), rival=True),
    }
    presets = {
        "mode-collapse": Preset("Mode collapse", {"lr_g": 2e-3, "lr_d": 1e-4}),
        "saturation": Preset(
            "Minimax saturates", {"objective": "minimax", "lr_g": 1e-4, "lr_d": 0.01, "d_steps": 3}
        ),
        "momentum": Preset("Adam's usual β₁ = 0.9", {"beta1": 0.9}),
        "clipping": Preset(
            "Wasserstein, clipped hard", {"objective": "wasserstein-clip", "clip": 0.03, "d_steps": 5}
        ),
        "penalty": Preset(
            "Wasserstein with a penalty", {"objective": "wasserstein-penalty", "lr_d": 2e-3, "d_steps": 3}
        ),
        "grid": Preset("A grid of 25, least squares", {"distribution": "grid", "objective": "least-squares"}),
        "line": Preset("Noise of one number", {"distribution": "ring", "latent": 1}),
        "drawing": Preset("A drawing", {"distribution": "drawn"}),
    }

    losses = p.scalars({"loss/d": "L(D)", "loss/g": "L(G)"}, "Losses", smoothing=0.9)
    verdicts = p.scalars(
        {"d/real": "D(x)", "d/fake": "D(G(z))", "d/gap": "gap"}, "What D believes", smoothing=0.9
    )
    divergence = p.scalars({"js": "JS", "kl": "KL"}, "Divergence from the data", log=True)
    coverage = p.scalars({"modes": "found", "quality": "near one", "diversity": "spread"}, "Modes")

    def build(self, knobs: GanKnobs) -> None:
        """Both networks, and the noise that is looked at."""
        sizes = knobs.width, knobs.layers
        self.G = perceptron(knobs.latent, *sizes, 2, nn.ReLU()).to(self.device)
        self.D = perceptron(2, *sizes, 1, nn.LeakyReLU(0.2)).to(self.device)
        self.optimizer_g = lean_optimizer("adam", list(self.G.parameters()), [])
        self.optimizer_d = lean_optimizer("adam", list(self.D.parameters()), [])
        self.traced_g, self.traced_d = (Gradients(list(one.parameters())) for one in (self.G, self.D))
        self.noise = self._noise(knobs, JUDGED, self.generator(-1))
        axis = (torch.arange(SIDE, device=self.device) + 0.5) / SIDE * 2 * CLOUD_EXTENT - CLOUD_EXTENT
        self.plane = torch.cartesian_prod(axis, axis).flip(1)  # (SIDE², 2), x runs fastest
        self.changed(knobs, set())

    def changed(self, knobs: GanKnobs, names: set[str]) -> None:
        super().changed(knobs, names)
        for optimizer in (self.optimizer_g, self.optimizer_d):
            optimizer.param_groups[0]["betas"] = knobs.beta1, 0.999

    def step(self, knobs: GanKnobs) -> Scalars:
        """`d_steps` updates of D, then `g_steps` of G; a frozen one's loss is measured all the same."""
        settings = knobs.objective, knobs.penalty
        generator = self.generator(self.step_index)
        for update_d in [True] * knobs.d_steps or [False]:
            drawn = self._batch(knobs, generator)
            shown = self.traced_d(partial(self._loss_d, knobs), *drawn, settings=settings)
            if update_d:
                update(self.optimizer_d)
                if knobs.objective == "wasserstein-clip":
                    with torch.no_grad():
                        for parameter in self.D.parameters():
                            parameter.clamp_(-knobs.clip, knobs.clip)
        generator = self.step_generator(self.step_index)
        for update_g in [True] * knobs.g_steps or [False]:
            z = self._noise(knobs, knobs.batch, generator)
            loss_g, apart = self.traced_g(partial(self._loss_g, knobs), z, settings=settings)
            if update_g:
                update(self.optimizer_g)
        data, (loss_d, on_real, on_fake) = self._data(knobs), shown
        row = {"loss/d": loss_d, "loss/g": loss_g, "diversity": apart / data.spread}
        if knobs.objective in WASSERSTEIN:
            row["d/gap"] = on_real - on_fake
        else:
            row |= {"d/real": on_real, "d/fake": on_fake}
        if self.step_index % MEASURED_EVERY == 0:
            with torch.no_grad():
                row |= data.compare(self.G(self.noise))
        return row

    def _noise(self, knobs: GanKnobs, count: int, generator: torch.Generator) -> Tensor:
        """z (count, Z): standard normal, or uniform within ±1."""
        if knobs.noise == "normal":
            return torch.randn(count, knobs.latent, generator=generator).to(self.device)
        return (2 * torch.rand(count, knobs.latent, generator=generator) - 1).to(self.device)

    def _batch(self, knobs: GanKnobs, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """For one update of D: x (B, 2), z (B, Z) and the penalty's ε (B, 1)."""
        real = sample_cloud(knobs.distribution, knobs.batch, generator, knobs.drawing).to(self.device)
        z = self._noise(knobs, knobs.batch, generator)
        return real, z, torch.rand(knobs.batch, 1, generator=generator).to(self.device)

    def _loss_d(self, knobs: GanKnobs, real: Tensor, z: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """L_D beside the means of D(x) and D(G(z)), (3,); L_D with its penalty."""
        with torch.no_grad():
            fake = self.G(z)
        on_real, on_fake = self.D(torch.cat([real, fake]))[:, 0].chunk(2)  # (B,) each
        loss = discriminator_loss(on_real, on_fake, knobs.objective)
        if knobs.objective == "wasserstein-penalty":
            loss = loss + knobs.penalty * gradient_penalty(self.D, real, fake, share)
        verdicts = [self._verdict(a, knobs).mean() for a in (on_real, on_fake)]
        return torch.stack([loss, *verdicts]), loss

    def _loss_g(self, knobs: GanKnobs, z: Tensor) -> tuple[Tensor, Tensor]:
        """L_G beside how far apart the samples are, (2,); L_G."""
        fake = self.G(z)
        loss = generator_loss(self.D(fake)[:, 0], knobs.objective)
        apart = (fake - fake.roll(1, 0)).norm(dim=1).mean()  # each from the next, as good as all pairs
        return torch.stack([loss, apart]), loss

    @staticmethod
    def _verdict(a: Tensor, knobs: GanKnobs) -> Tensor:
        """D(x) of a(x), any shape: a probability; what least squares drives to 0 and 1; a critic's value."""
        return a.sigmoid() if knobs.objective in ("minimax", "non-saturating") else a

    def _data(self, knobs: GanKnobs) -> LargeSample:
        return large_sample(knobs.distribution, knobs.drawing, self.device)

    def objectives(self, knobs: GanKnobs) -> Mapping[str, Objective]:
        """Each network's loss on what it is updated by first in the coming step, the other as it is now."""
        batch = self._batch(knobs, self.generator(self.step_index))
        z = self._noise(knobs, knobs.batch, self.step_generator(self.step_index))
        return {
            "D": Objective.of(self.D, self.optimizer_d, lambda: self._loss_d(knobs, *batch)[1]),
            "G": Objective.of(self.G, self.optimizer_g, lambda: self._loss_g(knobs, z)[1]),
        }

    @p.arrows("The game", size="hero")
    def game(self, knobs: GanKnobs) -> p.Arrows:
        """D's field, data and samples, G's grid, and −∂L_G/∂x of each sample."""
        field = self._verdict(self.D(self.plane).view(SIDE, SIDE), knobs)
        fake = self.G(self.noise[:SHOWN])
        pulled = fake[:PULLED].detach().clone()
        with torch.enable_grad():
            loss = generator_loss(self.D(pulled.requires_grad_())[:, 0], knobs.objective) * PULLED
            (slope,) = torch.autograd.grad(loss, pulled)
        middle, reach = 0.5, 0.5
        if knobs.objective in WASSERSTEIN:
            middle, reach = float(field.mean()), float((field - field.mean()).abs().max().clamp(min=1e-6))
        real = self._data(knobs).points[:SHOWN]
        picture = p.Arrows(
            values=field,
            x=ENDS,
            y=ENDS,
            range=(middle - reach, middle + reach),
            points=torch.cat([real, fake]),
            groups=torch.arange(2, dtype=torch.uint8).repeat_interleave(SHOWN),
            names=["real", "generated"],
            tails=pulled.detach(),
            arrows=-slope,
            gain=ARROW,
            mesh=self._mesh(knobs),
        )
        on_real, on_fake = (self._verdict(self.D(x)[:, 0], knobs) for x in (real, fake))
        return p.says(
            picture,
            "D values the real points {gap} higher than the samples, on average."
            if knobs.objective in WASSERSTEIN
            else "D takes {fooled} of {all} samples for real.",
            gap=rough(float(on_real.mean() - on_fake.mean())),
            fooled=how_many(on_fake > 0.5, on_fake),
            all=SHOWN,
        )

    def _mesh(self, knobs: GanKnobs) -> Tensor:
        """Where G puts a grid of z with cells of equal probability: (MESH, MESH, 2), or a line (1, N, 2)."""
        u = torch.linspace(0.01, 0.99, MESH if knobs.latent == 2 else MESH**2, device=self.device)
        axis = torch.special.ndtri(u) if knobs.noise == "normal" else 2 * u - 1
        if knobs.latent == 1:
            return self.G(axis[:, None])[None]
        return self.G(torch.cartesian_prod(axis, axis)).view(MESH, MESH, 2)

    @p.field_map("Where are samples too many, where too few?")
    def density(self, knobs: GanKnobs) -> p.Field:
        """Share of the samples minus share of the data, in each cell that KL and JS count by."""
        data = self._data(knobs)
        most = float(data.shares.max()) / 2
        excess = data.excess(self.G(self.noise[:COUNTED]))
        return p.says(
            p.Field(values=excess, x=ENDS, y=ENDS, range=(-most, most)),
            "{percent}% of the samples would have to move to lie as the data do.",
            percent=in_percent(float((-excess).clamp(min=0).sum())),
        )

    @p.lines("The pull on a sample")
    def pull(self, knobs: GanKnobs) -> p.Lines:
        """|∂L_G/∂a| of each loss over a, and where nine of the samples are, from the worst to the best."""
        losses, chosen = get_args(Loss)[:4], get_args(Loss).index(knobs.objective)  # Wassersteins pull alike
        a = torch.linspace(*LOGIT_ENDS, 161, device=self.device)
        fake = self.D(self.G(self.noise[:SHOWN]))[:, 0]
        at = fake.quantile(torch.linspace(0.1, 0.9, 9, device=self.device)).clamp(*LOGIT_ENDS)

        def slope(a: Tensor, name: Loss) -> Tensor:
            with torch.enable_grad():
                a = a.detach().requires_grad_()
                return torch.autograd.grad(generator_loss(a, name) * len(a), a)[0].abs()

        pulls = slope(at, knobs.objective)
        picture = p.Lines(
            x=a,
            values=self.cached("slopes", None, lambda: torch.stack([slope(a, name) for name in losses])),
            series=["minimax", "non-saturating", "least squares", "Wasserstein"],
            x_label="a(G(z))",
            y_ranges=[(0, 1.6)],
            dots=p.Lines.dot(at, pulls, series=min(chosen, 3)),
        )
        text = "The worst samples are pulled with {worst}, the best with {best}."
        return p.says(picture, text, worst=rough(float(pulls[0])), best=rough(float(pulls[-1])))
