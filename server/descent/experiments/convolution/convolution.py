"""Convolution.

A small window slides over numbers or over a photograph. At each place it multiplies what it covers by a
kernel and adds up. Type a kernel of your own, and watch gradient descent find it from input and output alone.

An input x of C channels, a kernel k of F×G weights for each, stride s, padding p, dilation d:

    y_rq = Σ_c Σ_ij k_cij x_c,sr+di,sq+dj          over the divisor, with p rows and columns of zeros around x
    n' = ⌊(n + 2p − d(F − 1) − 1)/s⌋ + 1           places along n numbers; ⌊(n + 2p − f)/s⌋ + 1 for d = 1
    [1, 4, 6, 7, 4] ∗ [1, 1, 1]/3 = [11/3, 17/3, 17/3]
    L(w) = (1/N) Σ (ŷ − y)² / mean ‖window‖²       ŷ of the kernel w that is learnt, y of the hidden k
    w ← w − ηv,  v ← μv + ∂L/∂w

Pooling takes the largest or the mean number of a window, and has no weights.

Watch the window slide, and the learnt weights settle on the hidden ones.

Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), §9.1 to §9.3; Dumoulin and Visin, "A guide to
convolution arithmetic for deep learning" (2016, arXiv:1603.07285), §2 to §4.
Departures: outputs are in float64. As in most libraries the kernel is not flipped, which mathematics calls
cross-correlation. The loss is divided by the mean square of a window, so that one η fits any input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from pydantic import model_validator
from torch import Tensor, nn, optim
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import Grid, KnobError, Knobs, fixed, live, rate
from descent.kit.data.drawing import check_drawing, colours_of
from descent.kit.data.photos import grey, load_photo
from descent.kit.history import remembered
from descent.kit.reading import how_many, times_as_large
from descent.kit.text import rough

SIDE = 96  # pixels along a side of a photograph
LARGEST = 5  # rows and columns of a kernel
NEAR = 0.01  # of a weight, within which it counts as found
PHOTOS = ["temple", "flower"]
PICTURES = [*PHOTOS, "own"]
CHANNELS = ["red", "green", "blue"]
BLUR = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
EMBOSS = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
TEMPLE = {"source": "temple", "lr": 1.5, "momentum": 0.98}  # pixels look alike: a long valley
FLOWER = {**TEMPLE, "source": "flower"}
RED_LESS_GREEN = {"colour": True, "kernel": [[1]], "channels": [[1, -1, 0]], "divisor": 1}
COLOURFUL = {"colour": True, "kernel": SOBEL, "channels": [[1, 0.5, -1]], "divisor": 4, "momentum": 0.99}
FILTERS = {
    "blur": (BLUR, 16),
    "sharpen": (SHARPEN, 1),
    "emboss": (EMBOSS, 1),
    "Sobel, across": (SOBEL, 4),
    "Sobel, down": ([list(row) for row in zip(*SOBEL, strict=True)], 4),
    "Laplace": ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 1),
}


class ConvolutionKnobs(Knobs):
    # fmt: off
    numbers: Grid = live([[1, 4, 6, 7, 4]], "Numbers", "x", grid=((1, 1), (1, 12)), range=(-99, 99), step=1,
        when={"source": ["line"]}, group="input", role="task")
    picture: str = live("", "Your picture", max_length=3 * SIDE * SIDE, canvas=(SIDE, SIDE), upload=True,
        when={"source": ["own"]}, group="input", role="task")
    taps: Grid = live([[1, 1, 1]], "Kernel", "k", grid=((1, 1), (1, LARGEST)), range=(-20, 20), step=1,
        when={"source": ["line"]}, group="kernel", role="task")
    kernel: Grid = live(SOBEL, "Kernel", "k", grid=((1, LARGEST), (1, LARGEST)), range=(-20, 20), step=1,
        when={"source": PICTURES}, group="kernel", role="task")
    channels: Grid = live([[1, 1, 1]], "Red, green, blue", grid=((1, 1), (3, 3)), range=(-3, 3), step=0.5,
        when={"source": PICTURES, "colour": [True]}, group="kernel", role="task")
    divisor: int = live(3, "Divided by", range=(1, 32), group="kernel", role="task")
    stride: int = live(1, "Stride", "s", range=(1, 4), group="window", role="task")
    padding: int = live(0, "Padding", "p", range=(0, 4), group="window", role="task")
    dilation: int = live(1, "Dilation", "d", range=(1, 4), group="window", role="task")
    pool: Literal["max", "mean"] = live("max", "Pooling", options={"max": "largest", "mean": "mean"},
        group="pooling", role="look")
    pool_size: int = live(2, "Size of the pool", "q", range=(1, 6), group="pooling", role="look")
    shown: Literal["hidden", "learnt"] = live("hidden", "Kernel on show",
        options={"hidden": "yours", "learnt": "the learnt one"}, group="learning", role="look")
    lr: float = rate(1.0, log=(1e-3, 10.0), typical=(0.1, 1.5), group="learning")
    momentum: float = live(0.9, "Momentum", "μ", range=(0.0, 0.99), step=0.01, group="learning")
    source: Literal["line", "temple", "flower", "own"] = fixed("line", "Input", options={
        "line": "a line of numbers", "temple": "temple (photo)", "flower": "flower (photo)",
        "own": "a picture of yours"})
    colour: bool = fixed(False, "In colour", when={"source": PICTURES})
    # fmt: on

    @property
    def hidden(self) -> Tensor:
        """The kernel to be found, times the divisor: (C, F, G)."""
        line = self.source == "line"
        kernel = torch.tensor([self.taps if line else self.kernel], dtype=torch.float64)
        return kernel if line or not self.colour else kernel.new_tensor(self.channels).view(3, 1, 1) * kernel

    @property
    def around(self) -> tuple[int, int]:
        """Rows and columns of zeros on each side; none above and below a line."""
        return (0 if self.source == "line" else self.padding), self.padding

    @model_validator(mode="after")
    def _fits(self) -> ConvolutionKnobs:
        line = self.source == "line"
        check_drawing("picture", self.picture, SIDE * SIDE, 3 * SIDE * SIDE)
        if len(set(self.picture)) == 1:
            raise KnobError("picture", "it is blank; draw something, or clear it to see the temple")
        for name in ("numbers", "taps") if line else ("kernel", "channels")[: 1 + self.colour]:
            if not any(map(any, getattr(self, name))):
                raise KnobError(name, "all numbers are 0, so every output is 0; make one another")
        n, f = len(self.numbers[0]), len(self.taps[0])
        if line and p.Convolution.size(n, f, self.stride, self.padding, self.dilation) < 1:
            raise KnobError(
                "taps",
                "its window spans {span} numbers, of {n} with the padding; make it smaller or pad more",
                span=self.dilation * (f - 1) + 1,
                n=n + 2 * self.padding,
            )
        return self


def windows(x: Tensor, f: int, g: int, stride: int, padding: tuple[int, int], dilation: int) -> Tensor:
    """What a window of f×g numbers of x (C, H, W) covers at each of its places: (C, H', W', f, g)."""
    rows, columns = padding
    x = F.pad(x, (columns, columns, rows, rows))
    x = x.unfold(1, dilation * (f - 1) + 1, stride)[..., ::dilation]  # (C, H', W, f)
    return x.unfold(2, dilation * (g - 1) + 1, stride)[..., ::dilation]  # (C, H', W', f, g)


def convolve(
    x: Tensor, k: Tensor, stride: int = 1, padding: tuple[int, int] = (0, 0), dilation: int = 1
) -> Tensor:
    """y_rq = Σ_c Σ_ij k_cij x_c,sr+di,sq+dj of x (C, H, W) and k (C, F, G): (H', W')."""
    return torch.einsum("crqij,cij->rq", windows(x, k.shape[1], k.shape[2], stride, padding, dilation), k)


def pool(x: Tensor, kind: str, rows: int, columns: int, q: int) -> Tensor:
    """The largest or the mean number of each block of x (H, W), q apart; what is left over is dropped."""
    blocks = windows(x[None], rows, columns, q, (0, 0), 1)[0]  # (H', W', rows, columns)
    return blocks.amax((2, 3)) if kind == "max" else blocks.mean((2, 3))


class Task(NamedTuple):
    """What is to be learnt: k (C, F, G) from what the window has seen at each place, (N, C·F·G)."""

    seen: Tensor
    k: Tensor
    energy: Tensor  # mean ‖window‖²


class Kernel(nn.Module):
    """The weights w (C, 5, 5), of which the first F×G are in use."""

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        start = torch.randn(channels, LARGEST, LARGEST, generator=generator)
        self.weight = nn.Parameter(0.3 * start)

    def forward(self, f: int, g: int) -> Tensor:
        """w (C, f, g)."""
        return self.weight[:, :f, :g]


class Convolution(Experiment[ConvolutionKnobs]):
    """A convolution by hand, and a kernel that learns to do the same."""

    order = 0
    pace = 60.0
    after = ("neural-playground",)
    minutes = 13
    level = 1
    invite = "Drag a number of the kernel up and down, and watch what becomes of the output."
    steers = {"lr": "optimizer"}
    measures = {"loss/train": Measure("loss")}
    presets = {
        "same": Preset("As long as before", {"padding": 1}),
        "too-few": Preset("Too few outputs", {"stride": 2}),
        "too-large": Preset("Too large a rate", {"lr": 2.2}),
        "edges": Preset("Edges", {**TEMPLE, "kernel": SOBEL, "divisor": 4}),
        "blur": Preset("Blur", {**FLOWER, "kernel": BLUR, "divisor": 16}),
        "sharpen": Preset("Sharpen", {**TEMPLE, "kernel": SHARPEN, "divisor": 1}),
        "emboss": Preset("Emboss", {**TEMPLE, "kernel": EMBOSS, "divisor": 1}),
        "channels": Preset("Red less green", {**FLOWER, **RED_LESS_GREEN}),
        "colour": Preset("Twenty-seven weights", {**FLOWER, **COLOURFUL}),
    }

    def build(self, knobs: ConvolutionKnobs) -> None:
        """The input and a kernel of random weights."""
        if knobs.source == "line":
            self.photo = torch.zeros(1, 0, 0, device=self.device)
        else:
            photo = load_photo("flower" if knobs.source == "flower" else "temple", SIDE)
            self.photo = self._pixels(photo, knobs)
        self.model = Kernel(len(self.photo), self.generator(-1)).to(self.device)
        self.optimizer = optim.SGD(self.model.parameters(), knobs.lr, knobs.momentum)
        self.past, self.every = self.model.weight.detach()[None].clone(), 1  # one in so many steps

    def changed(self, knobs: ConvolutionKnobs, names: set[str]) -> None:
        super().changed(knobs, names)
        self.optimizer.param_groups[0]["momentum"] = knobs.momentum

    def _input(self, knobs: ConvolutionKnobs) -> Tensor:
        """x (C, H, W)."""
        if knobs.source == "line":
            return torch.tensor([knobs.numbers], dtype=torch.float64, device=self.device)
        if knobs.source == "own" and knobs.picture:
            return self.cached(
                "own", knobs.picture, lambda: self._pixels(colours_of(knobs.picture, SIDE, SIDE), knobs)
            )
        return self.photo

    def _pixels(self, photo: Tensor, knobs: ConvolutionKnobs) -> Tensor:
        """x (C, H, W) of red, green and blue, 0 to 1."""
        return (photo if knobs.colour else grey(photo)).double().to(self.device)

    def _task(self, knobs: ConvolutionKnobs) -> Task:
        input = (knobs.numbers, knobs.picture, knobs.stride, knobs.padding, knobs.dilation)

        def make() -> Task:
            k = (knobs.hidden / knobs.divisor).to(self.device)
            x, (_, f, g) = self._input(knobs), k.shape
            seen = windows(x, f, g, knobs.stride, knobs.around, knobs.dilation)
            seen = seen.permute(1, 2, 0, 3, 4).flatten(2).flatten(0, 1).float()  # (H'·W', C·F·G)
            return Task(seen, k.float(), seen.square().sum(1).mean())

        return self.cached(
            "task", str((input, knobs.taps, knobs.kernel, knobs.channels, knobs.divisor)), make
        )

    def step(self, knobs: ConvolutionKnobs) -> Scalars:
        """Go down the loss of all places."""
        loss = self._loss(knobs)
        error = (self._learnt(knobs) - self._task(knobs).k).detach().abs().max()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if (self.step_index + 1) % self.every == 0:
            self.past, self.every = remembered(self.past, self.model.weight.detach(), self.every, 400)
        return {"loss/train": loss.detach(), "kernel/error": error}

    def _learnt(self, knobs: ConvolutionKnobs) -> Tensor:
        """w (C, F, G)."""
        _, f, g = self._task(knobs).k.shape
        return self.model(f, g)

    def _loss(self, knobs: ConvolutionKnobs) -> Tensor:
        seen, k, energy = self._task(knobs)
        error = seen @ (self._learnt(knobs) - k).flatten()  # ŷ − y at every place
        return error.square().mean() / energy

    def objectives(self, knobs: ConvolutionKnobs) -> Mapping[str, Objective]:
        """The loss of the learnt kernel at all places."""
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs))}

    def _shown(self, knobs: ConvolutionKnobs) -> p.Convolution:
        """The input, the kernel on show, and the output."""
        x, kernel, divisor = self._input(knobs), knobs.hidden.to(self.device), float(knobs.divisor)
        if knobs.shown == "learnt":
            kernel, divisor = self._learnt(knobs).double(), 1.0
        output = convolve(x, kernel, knobs.stride, knobs.around, knobs.dilation) / divisor
        top = max(1.0, float(x.abs().max()))
        scale, output_range = colours(float(knobs.hidden.sum()) / knobs.divisor * top, output)
        return p.Convolution(
            input=x,
            kernel=kernel,
            output=output,
            stride=knobs.stride,
            padding=knobs.around,
            dilation=knobs.dilation,
            divisor=divisor,
            range=(0.0, top),
            output_range=output_range,
            scale=scale,
        )

    @p.convolution("A window slides over the input", size="hero")
    def sliding(self, knobs: ConvolutionKnobs) -> p.Convolution:
        """The window, and at each place its numbers times the kernel's."""
        picture, (_, padding) = self._shown(knobs), knobs.around
        (rows, columns), (m, n) = picture.input.shape[1:], picture.output.shape
        if knobs.source != "line":
            text = "{rows} × {columns} pixels become {m} × {n}."
            return p.says(picture, text, rows=rows, columns=columns, m=m, n=n)
        d, f, s = knobs.dilation, picture.kernel.shape[2], knobs.stride
        text = "{columns} numbers become {n}: ⌊({columns} + 2·{p} − {d}·({f} − 1) − 1)/{s}⌋ + 1."
        return p.says(picture, text, columns=columns, n=n, p=padding, d=d, f=f, s=s)

    @p.convolution("Pooling")
    def pooling(self, knobs: ConvolutionKnobs) -> p.Convolution:
        """A pool slides over the output in steps of its own size."""
        before, q = self._shown(knobs), knobs.pool_size
        rows, columns = (min(q, side) for side in before.output.shape)  # of a small output all
        output = pool(torch.as_tensor(before.output), knobs.pool, rows, columns, q)
        picture = p.Convolution(
            input=before.output[None],
            kernel=torch.zeros(0, rows, columns),
            output=output,
            op=knobs.pool,
            stride=q,
            range=before.output_range,
            output_range=before.output_range,
            scale=before.scale,
        )
        text = "{all} numbers become {left}: one for each block of {rows} × {columns}."
        sizes = {
            "all": math.prod(before.output.shape),
            "left": output.numel(),
            "rows": rows,
            "columns": columns,
        }
        return p.says(picture, text, **sizes)

    @p.heatmap("Hidden and learnt kernel")
    def kernels(self, knobs: ConvolutionKnobs) -> p.Heatmap:
        """k on the left, w on the right; the channels one below the other."""
        k, w = self._task(knobs).k, self._learnt(knobs)
        channels, f, g = k.shape
        names = [name[0] for name in CHANNELS] if channels == 3 else [""]
        most = float(k.abs().max())
        picture = p.Heatmap(
            values=torch.cat([k, w], 2).flatten(0, 1),  # (C·F, 2G)
            rows=[f"{name}{i}" for name in names for i in range(1, f + 1)],
            columns=[f"{letter}{j}" for letter in "kw" for j in range(1, g + 1)],
            scale="diverging",
            range=(-most, most),
            annotate=True,
        )
        off = rough(float((w - k).abs().max()))
        return p.says(picture, "The weight that is farthest off is off by {off}.", off=off)

    @p.lines("The weights as they are learnt", legend=False)
    def weights(self, knobs: ConvolutionKnobs) -> p.Lines:
        """Each weight by step; dots where the hidden ones are."""
        k = self._task(knobs).k
        channels, f, g = k.shape
        values = torch.cat([self.past, self.model.weight.detach()[None]])[:, :, :f, :g]  # (n, C, F, G)
        dots = [
            p.Lines.dot(self.step_index, weight, series=i, group=channel)
            for channel, weights in enumerate(k.flatten(1).tolist())
            for i, weight in enumerate(weights)
        ]
        picture = p.Lines(
            x=torch.tensor([*range(0, len(self.past) * self.every, self.every), self.step_index]).float(),
            values=values.flatten(2).permute(1, 2, 0),  # (C, F·G, n)
            series=[f"{i}, {j}" for i in range(1, f + 1) for j in range(1, g + 1)],
            groups=CHANNELS if channels == 3 else [""],
            x_label="step",
            dots=torch.cat(dots),
        )
        w = self._learnt(knobs)
        near = how_many((w - k).abs() < NEAR, w)
        text = "{near} of {all} weights are within {width} of the hidden ones."
        return p.says(picture, text, near=near, all=k.numel(), width=str(NEAR))

    loss = p.scalars({"loss/train": "loss", "kernel/error": "farthest weight"}, "Loss and error", log=True)

    @p.images("Six filters, six channels")
    def filters(self, knobs: ConvolutionKnobs) -> p.Images:
        """What six well-known kernels make of the input, each a channel of its own; padding 1."""
        return self.cached(
            "filters", str((knobs.numbers, knobs.picture)), lambda: self._filtered(self._input(knobs))
        )

    def _filtered(self, x: Tensor) -> p.Images:
        x = grey(x) if len(x) == 3 else x
        tiles, sizes = [], {}
        for name, (rows, divisor) in FILTERS.items():
            kernel = x.new_tensor([rows]) / divisor
            y = convolve(x, kernel, padding=(1, 1))
            sizes[name] = float(y.abs().mean())
            scale, (low, high) = colours(float(kernel.sum()) * max(1.0, float(x.abs().max())), y)
            tile = p.Images.to_pixels(y, low, high)[..., None].expand(-1, -1, 3)
            tiles.append(p.Images.signed(y / high) if scale == "diverging" else tile)
        picture = p.Images(pixels=torch.stack(tiles), columns=3, captions=list(FILTERS))
        less, more = sorted(("Sobel, across", "Sobel, down"), key=sizes.__getitem__)
        if not sizes[less] and sizes[more]:
            return p.says(picture, "“{less}” finds nothing here.", less=less)
        text = "“{more}” is {times} times as strong here as “{less}”."
        times = times_as_large(sizes[more], sizes[less])
        return p.says(picture, text, more=more, times=times, less=less)


def colours(white: float, output: Tensor) -> tuple[p.Scale, tuple[float, float]]:
    """Of an output (H', W') in which black becomes 0, white `white`; where that is 0, too, of both signs."""
    if abs(white) > 1e-9:
        return "sequential", (min(white, 0.0), max(white, 0.0))
    most = max(float(output.abs().max()), 1e-9)
    return "diverging", (-most, most)
