"""Diffusion.

Data drown in noise, a little at each of a thousand levels, and a network learns to say which noise it was.
Step by step it then leads pure noise back: to a cloud of points, or to digits of a class asked for.

    x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε,  ε ~ N(0, I)      the way to noise
    L = ‖ε − ε_θ(x_t, t)‖²                           what is trained
    ∇ log q(x_t) ≈ −ε_θ(x_t, t) / √(1 − ᾱ_t)         the score: the arrows
    x̂_0 = (x_t − √(1 − ᾱ_t) ε_θ) / √ᾱ_t              what x_t seems to have come from
    x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε_θ + σz        a step of the way back

Drag the noise level down: the arrows first point to the middle of the data, then to single modes.

Sources: Ho et al. 2020, arXiv:2006.11239, eq. 4, 14, algorithm 1; Song et al. 2021, arXiv:2010.02502, eq. 12;
Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17; Ho and Salimans 2022, arXiv:2207.12598, eq. 6.
Departures: small networks, no average of the weights over time; losses are means over components.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.clouds import (
    CLOUD_EXTENT,
    CLOUDS,
    MODE_SPREAD,
    LargeSample,
    centres_of,
    cloud_picture,
    large_sample,
    modes_of,
    sample_cloud,
)
from descent.kit.data.digits import Digits, sklearn_digits
from descent.kit.nn.diffusion import (
    CLASSES,
    LEVELS,
    Epsilon,
    PointDenoiser,
    ScheduleName,
    UNet,
    alpha_bars,
    clean,
    density,
    guided,
    mixture,
    noised,
    sample,
    sampling_levels,
)
from descent.kit.nn.lean import lean_optimizer, update
from descent.kit.nn.traced import Gradients, alone
from descent.kit.reading import in_percent
from descent.kit.text import rough

CLOUD, PICTURES = 400, 64  # samples shown: points, digits
MEASURED_EVERY, MEASURED_BY = 100, 10  # steps between two counts of samples; steps back for them
COUNTED = {"plane": 500, "digits": 100}  # samples that are counted
SIDE, ARROWS, GRAINS = 48, 14, 24  # cells of the density, arrows, pixels of a cloud along a side
ENDS = {"plane": (-2.4, 2.4), "digits": (-5.0, 5.0)}  # of both axes
STRIP = (0, 50, 100, 200, 300, 450, 700, LEVELS)  # levels of the pictures on the way to noise
BINS, JUDGED = 10, 256  # levels at which the loss is measured, samples for each

Distribution = Literal["line", "ring", "spiral", "blobs", "ring-of-8", "grid"]
DISTRIBUTIONS = {name: CLOUDS[name] for name in get_args(Distribution)}
DIGITS = {"data": "digits", "lr": 2e-3, "batch_size": 64, "steps": 5}  # what suits a small U-Net
Asked = Literal["all", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]


class DiffusionKnobs(Knobs):
    lr: float = rate(1e-2, log=(1e-6, 1.0), typical=(3e-4, 2e-2))
    batch_size: int = batch_of(256, 512, typical=(32, 512))
    unlabelled: float = live(
        0.1, "Labels left out", "p", range=(0, 1), step=0.05, typical=(0.05, 0.3), when={"data": ["digits"]}
    )  # fmt: skip
    distribution: Distribution = live(
        "ring-of-8", "Distribution", options=DISTRIBUTIONS, role="task", when={"data": ["plane"]}
    )
    level: int = live(60, "Noise level", "t", range=(1, LEVELS), role="look")
    steps: int = live(20, "Steps back", "S", range=(1, 100), role="look")
    eta: float = live(0.0, "Noise on the way back", "η_σ", range=(0.0, 1.0), step=0.1, role="look")
    digit: Asked = live(
        "all", "Class asked for", role="look", options=get_args(Asked), when={"data": ["digits"]}
    )
    guidance: float = live(
        0.0, "Guidance", "w", range=(-1.0, 8.0), step=0.5, role="look", when={"data": ["digits"]}
    )
    data: Literal["plane", "digits"] = fixed(
        "plane", "Data", options={"plane": "points of the plane", "digits": "digits, 8 × 8"}
    )
    schedule: ScheduleName = fixed(
        "cosine", "Noise schedule", "β", options={"linear": "linear (2020)", "cosine": "cosine (2021)"}
    )
    width: int = fixed(64, "Hidden units", "H", range=(8, 256), step=8, when={"data": ["plane"]})
    channels: int = fixed(48, "Channels", "C", range=(8, 64), step=8, when={"data": ["digits"]})


class Diffusion(Experiment[DiffusionKnobs]):
    """ε_θ, its optimizer, and what noise becomes on the way back."""

    order = 1
    after = ("autoencoder",)
    minutes = 10
    level = 3
    invite = "Let it train for some seconds, then drag the noise level from one end to the other."
    steers = {"lr": "optimizer"}
    measures = {"loss/train": Measure("loss")}
    presets = {
        "few-steps": Preset("Back in three steps", {"steps": 3, "level": 1}),
        "too-fast": Preset("A rate too high", {"lr": 0.1}),
        "classes": Preset("Digits by class", {**DIGITS, "guidance": 2.0}),
        "too-far": Preset("Guided too far", {**DIGITS, "guidance": 8.0}),
    }

    loss = p.scalars({"loss/train": "training"}, "Loss", log=True, smoothing=0.9)
    quality = p.scalars(
        {"modes": "modes found", "quality": "near one", "js": "JS", "right": "of the class asked for"},
        "Samples",
    )

    def build(self, knobs: DiffusionKnobs) -> None:
        """The network, and the noise that is looked at."""
        self.digits: Digits | None = None
        self.alpha_bar = alpha_bars(knobs.schedule).float().to(self.device)  # (T + 1,)
        self.epsilon: nn.Module
        if knobs.data == "plane":
            self.reach, size = CLOUD_EXTENT, [2]
            self.epsilon = PointDenoiser(knobs.width).to(self.device)
        else:
            self.digits = sklearn_digits(8).to(self.device)
            self.reach, size = 1.0, [1, 8, 8]
            self.epsilon = UNet(knobs.channels).to(self.device)
            self.training_samples = len(self.digits)
            flat = self.digits.images.flatten(1)
            self.axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh[:2]  # (2, 64)
        self.optimizer = lean_optimizer("adam", list(self.epsilon.parameters()), [])
        self.traced = Gradients(list(self.epsilon.parameters()))
        self.noise = torch.randn(COUNTED[knobs.data], *size, generator=self.generator(-1)).to(self.device)
        self.changed(knobs, set())

    def step(self, knobs: DiffusionKnobs) -> Scalars:
        """Algorithm 1 of Ho et al.: predict the noise of a batch, each sample at a level of its own."""
        settings = () if self.digits is None else None  # the U-Net's time goes by in its convolutions
        row = {"loss/train": self.traced(alone(self._loss), *self._batch(knobs), settings=settings)}
        update(self.optimizer)
        if self.step_index % MEASURED_EVERY == 0:
            with torch.no_grad():
                row |= self._judge(knobs)
        return row

    def _batch(self, knobs: DiffusionKnobs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x_0 (B, …), its classes (B,), levels t (B,) and noise ε (B, …) of the coming step."""
        if self.digits is None:
            generator = self.generator(self.step_index)
            x0 = sample_cloud(knobs.distribution, knobs.batch_size, generator).to(self.device)
            c = torch.full((len(x0),), CLASSES, device=self.device)
        else:
            rows = coming_rows(self, knobs.batch_size, len(self.digits))
            x0, c = self.digits.images[rows], self.digits.labels[rows]
        generator = self.step_generator(self.step_index)
        t = torch.randint(1, LEVELS + 1, (len(x0),), generator=generator).to(self.device)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        left_out = torch.rand(len(x0), generator=generator).to(self.device) < knobs.unlabelled
        return x0, c.masked_fill(left_out, CLASSES), t, eps

    def _loss(self, x0: Tensor, c: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """‖ε − ε_θ(√ᾱ_t x_0 + √(1 − ᾱ_t) ε, t)‖² (eq. 14), the mean over components."""
        return F.mse_loss(self.epsilon(noised(x0, eps, self.alpha_bar[t]), t, c), eps)

    def objectives(self, knobs: DiffusionKnobs) -> Mapping[str, Objective]:
        """The loss on the coming batch, at its levels and with its noise."""
        batch = self._batch(knobs)
        return {"": Objective.of(self.epsilon, self.optimizer, lambda: self._loss(*batch))}

    def _judge(self, knobs: DiffusionKnobs) -> dict[str, Tensor]:
        """What samples are like, by DDIM with w = 0. A digit is of the class of the nearest real one."""
        c = torch.arange(len(self.noise), device=self.device) % CLASSES
        x = sample(self.epsilon, self.noise, c, self.alpha_bar, steps=MEASURED_BY, reach=self.reach)[-1]
        if self.digits is None:
            found, modes = self._cloud(knobs).compare(x), len(modes_of(knobs.distribution))
            shares = {"modes": found["modes"] / modes, "quality": found["quality"]} if modes else {}
            return {"js": found["js"], **shares}
        nearest = torch.cdist(x.flatten(1), self.digits.images.flatten(1)).argmin(1)
        return {"right": (self.digits.labels[nearest] == c).float().mean()}

    def _cloud(self, knobs: DiffusionKnobs) -> LargeSample:
        return large_sample(knobs.distribution, "", self.device)

    def _asked(self, knobs: DiffusionKnobs, count: int) -> Tensor:
        """The class of each of so many samples, (count,): the one asked for, or all in turn."""
        if self.digits is None:
            return torch.full((count,), CLASSES, device=self.device)
        if knobs.digit == "all":
            return torch.arange(count, device=self.device) % CLASSES
        return torch.full((count,), int(knobs.digit), device=self.device)

    def _guided(self, knobs: DiffusionKnobs) -> Epsilon:
        return self.epsilon if self.digits is None else guided(self.epsilon, knobs.guidance)

    def _back(self, knobs: DiffusionKnobs) -> list[Tensor]:
        """The fixed noise at each level of the way back, (N, …); once for all panels that show it."""

        def make() -> list[Tensor]:
            count = CLOUD if self.digits is None else PICTURES
            return sample(
                self._guided(knobs), self.noise[:count], self._asked(knobs, count), self.alpha_bar,
                steps=knobs.steps, reach=self.reach, eta=knobs.eta, generator=self.generator(-2),
            )  # fmt: skip

        looks = knobs.steps, knobs.eta, knobs.digit, knobs.guidance
        return self.cached("back", (self.step_index, *looks), make)

    def _back_at(self, knobs: DiffusionKnobs, level: int) -> Tensor:
        """The samples at the level of their way that is nearest."""
        levels = sampling_levels(knobs.steps)
        return self._back(knobs)[min(range(len(levels)), key=lambda i: abs(levels[i] - level))]

    def _real(self, knobs: DiffusionKnobs, count: int) -> tuple[Tensor, Tensor]:
        """Some data (count, …) and their classes (count,), always the same."""
        if self.digits is None:
            return self._cloud(knobs).points[:count], self._asked(knobs, count)
        rows = torch.arange(count, device=self.device)
        return self.digits.images[rows], self.digits.labels[rows]

    def _seen(self, x: Tensor) -> Tensor:
        """Points of the plane (N, 2): digits are seen along the two directions in which they differ most."""
        return x if self.digits is None else x.flatten(1) @ self.axes.T

    @p.arrows("The way back", size="hero")
    def way_back(self, knobs: DiffusionKnobs) -> p.Arrows:
        """q(x_t), noised data, the score, and samples come to level t (of digits, x̂_0: cheaper)."""
        ends = ENDS[knobs.data]
        a = self.alpha_bar[knobs.level]
        x0, c = self._real(knobs, CLOUD if self.digits is None else PICTURES)
        eps = torch.randn(x0.shape, generator=self.generator(-3)).to(self.device)
        data = noised(x0, eps, a)
        at, asked = data, c
        if self.digits is None:
            axis = (torch.arange(ARROWS, device=self.device) + 0.5) / ARROWS * (ends[1] - ends[0]) + ends[0]
            at = torch.cartesian_prod(axis, axis)
            asked = self._asked(knobs, len(at))
        predicted = self._guided(knobs)(at, torch.full((len(at),), knobs.level, device=self.device), asked)
        score = self._seen(-predicted / (1 - a).sqrt())
        if self.digits is None:
            name, back = "samples on the way", self._back_at(knobs, knobs.level)
        else:
            name, back = "their guessed origin", clean(data, predicted, a).clamp(-self.reach, self.reach)
        picture = p.Arrows(
            values=self._density(knobs, a, ends),
            x=ends,
            y=ends,
            points=torch.cat([self._seen(data), self._seen(back)]),
            groups=torch.arange(2, dtype=torch.uint8).repeat_interleave(len(back)),
            names=["data, noised", name],
            tails=self._seen(at),
            arrows=score,
            gain=(ends[1] - ends[0]) / ARROWS / float(score.norm(dim=1).mean().clamp(min=1e-6)),
        )
        text = "At t = {level}, the data have shrunk to {left}% of their size; the rest is noise."
        return p.says(picture, text, level=knobs.level, left=in_percent(float(a.sqrt())))

    def _density(self, knobs: DiffusionKnobs, a: Tensor, ends: tuple[float, float]) -> Tensor:
        """q(x_t) over the plane, its highest place 1, (SIDE, SIDE): all data are mixtures of Gaussians."""

        def make() -> Tensor:
            if self.digits is None:
                return density(centres_of(knobs.distribution).to(self.device), MODE_SPREAD, a, ends, SIDE)
            return density(self._seen(self.digits.images), 0.1, a, ends, SIDE)

        return self.cached("density", (knobs.distribution, knobs.level), make)

    @p.images("What the noise becomes", size="wide", filmstrip=True)
    def samples(self, knobs: DiffusionKnobs) -> p.Images:
        """64 digits of the fixed noise; in the plane the cloud at eight levels of the way back."""
        if self.digits is None:
            levels = STRIP[::-1]
            clouds = [self._picture(self._back_at(knobs, level)) for level in levels]
            return p.says(
                p.Images(
                    pixels=torch.stack(clouds), columns=8, captions=[f"t = {level}" for level in levels]
                ),
                "At t = 0, {percent}% of the points would have to move to lie as the data do.",
                percent=in_percent(
                    float((-self._cloud(knobs).excess(self._back(knobs)[-1])).clamp(min=0).sum())
                ),
            )
        back = self._back(knobs)[-1]
        nearest = torch.cdist(back.flatten(1), self.digits.images.flatten(1)).argmin(1)
        right = self.digits.labels[nearest] == self._asked(knobs, len(back))
        return p.says(
            p.Images(pixels=p.Images.to_pixels(back[:, 0]), columns=16),
            "{right} of {all} samples are nearest to a real digit of the class asked for.",
            right=int(right.sum()),
            all=len(back),
        )

    @p.images("To noise, and back in one step", size="wide")
    def noising(self, knobs: DiffusionKnobs) -> p.Images:
        """x_t at eight levels, and below each x̂_0, what the network takes for its beginning."""
        x0, c = self._real(knobs, CLOUD if self.digits is None else 1)
        eps = torch.randn(x0.shape, generator=self.generator(-3)).to(self.device)
        rows: tuple[list[Tensor], list[Tensor]] = [], []
        off = []
        for level in STRIP:
            a = self.alpha_bar[level]
            x = noised(x0, eps, a)
            back = x
            if level:
                predicted = self._guided(knobs)(x, torch.full((len(x),), level, device=self.device), c)
                back = clean(x, predicted, a).clamp(-self.reach, self.reach)
            off.append(float((back - x0).abs().mean()))
            for row, picture in zip(rows, (x, back), strict=True):
                row.append(self._picture(picture))
        captions = [f"t = {level}" for level in STRIP] + ["x̂₀"] * len(STRIP)
        return p.says(
            p.Images(pixels=torch.stack(rows[0] + rows[1]), columns=len(STRIP), captions=captions),
            "Guessed back from t = {low}, x̂₀ is {near} off on average; from t = {high}, {far}.",
            low=STRIP[1],
            near=rough(off[1]),
            high=STRIP[-1],
            far=rough(off[-1]),
        )

    def _picture(self, x: Tensor) -> Tensor:
        """A digit (1, 1, H, W), or how dense a cloud (N, 2) is, as pixels."""
        if self.digits is not None:
            return p.Images.to_pixels(x[0, 0])
        return p.Images.to_pixels(cloud_picture(x, GRAINS, ENDS["plane"][1]), 0.0, 0.2)

    @p.lines("Loss by noise level")
    def by_level(self, knobs: DiffusionKnobs) -> p.Lines:
        """The loss at ten levels; in the plane also that of the best network possible, by the mixture."""
        levels = (torch.arange(BINS, device=self.device) * LEVELS + LEVELS // 2) // BINS
        count = JUDGED if self.digits is None else 16
        x0, c = self._real(knobs, count)
        t = levels.repeat_interleave(count)
        x0, c = x0.repeat(BINS, *[1] * (x0.dim() - 1)), c.repeat(BINS)
        eps = torch.randn(x0.shape, generator=self.generator(-4)).to(self.device)
        a = self.alpha_bar[t]
        x = noised(x0, eps, a)
        guesses, series = [self.epsilon(x, t, c)], ["the network"]
        if self.digits is None:
            centres = centres_of(knobs.distribution).to(self.device)
            score = self.cached("best", knobs.distribution, lambda: mixture(x, centres, MODE_SPREAD, a)[1])
            guesses, series = [*guesses, -(1 - a).sqrt()[:, None] * score], [*series, "best possible"]
        errors = [(guess - eps).square().flatten(1).mean(1).view(BINS, -1).mean(1) for guess in guesses]
        return p.says(
            p.Lines(
                x=levels.float(), values=torch.stack(errors), series=series, x_label="t", y_log=True,
                marks=[[("t", float(knobs.level))]],
            ),
            "The noise is hardest to tell at t = {hard}, easiest at t = {easy}.",
            hard=int(levels[errors[0].argmax()]) if errors[0].isfinite().all() else "–",
            easy=int(levels[errors[0].argmin()]),
        )  # fmt: skip

    @p.lines("Signal and noise")
    def schedules(self, knobs: DiffusionKnobs) -> p.Lines:
        """√ᾱ_t and √(1 − ᾱ_t), what data and noise are multiplied by, of both schedules."""
        levels = torch.arange(0, LEVELS + 1, 10)
        signals = [alpha_bars(name)[levels] for name in ("linear", "cosine")]
        curves = [torch.stack([a.sqrt(), (1 - a).sqrt()]) for a in signals]
        linear, cosine = (float(alpha_bars(name)[knobs.level].sqrt()) for name in ("linear", "cosine"))
        return p.says(
            p.Lines(
                x=levels.float(), values=torch.stack(curves).float(),
                series=["data", "noise"], groups=["linear", "cosine"], x_label="t",
                marks=[[("t", float(knobs.level))]] * 2,
            ),
            "At t = {level}, linear leaves {linear}% of the data, cosine {cosine}%.",
            level=knobs.level, linear=in_percent(linear), cosine=in_percent(cosine),
        )  # fmt: skip
