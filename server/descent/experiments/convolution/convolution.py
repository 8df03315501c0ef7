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

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn, optim
from torch.nn import functional as F

from descent.contract import (
    Experiment,
    Grid,
    KnobError,
    Knobs,
    Measure,
    Objective,
    Preset,
    Scalars,
    fixed,
    live,
    rate,
)
from descent.contract import panels as p
from descent.kit.data.photos import grey, load_photo
from descent.kit.history import remembered

SIDE = 96  # pixels along a side of a photograph
LARGEST = 5  # rows and columns of a kernel
PHOTOS = ["temple", "flower"]
CHANNELS = ["red", "green", "blue"]
BLUR = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
EMBOSS = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
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
    numbers: Grid = live(
        [[1, 4, 6, 7, 4]], "Numbers", "x", grid=((1, 1), (1, 12)), range=(-99, 99), step=1,
        when={"source": ["line"]}, group="input", role="task"
    )
    taps: Grid = live(
        [[1, 1, 1]], "Kernel", "k", grid=((1, 1), (1, LARGEST)), range=(-20, 20), step=1,
        when={"source": ["line"]}, group="kernel", role="task"
    )
    kernel: Grid = live(
        SOBEL, "Kernel", "k", grid=((1, LARGEST), (1, LARGEST)), range=(-20, 20), step=1,
        when={"source": PHOTOS}, group="kernel", role="task"
    )
    channels: Grid = live(
        [[1, 1, 1]], "Red, green, blue", grid=((1, 1), (3, 3)), range=(-3, 3), step=0.5,
        when={"source": PHOTOS, "colour": [True]}, group="kernel", role="task"
    )
    divisor: int = live(3, "Divided by", range=(1, 32), group="kernel", role="task")
    stride: int = live(1, "Stride", "s", range=(1, 4), group="window", role="task")
    padding: int = live(0, "Padding", "p", range=(0, 4), group="window", role="task")
    dilation: int = live(1, "Dilation", "d", range=(1, 4), group="window", role="task")
    pool: Literal["max", "mean"] = live(
        "max", "Pooling", options={"max": "largest", "mean": "mean"}, group="pooling", role="look"
    )
    pool_size: int = live(2, "Size of the pool", "q", range=(1, 6), group="pooling", role="look")
    shown: Literal["hidden", "learnt"] = live(
        "hidden", "Kernel on show", options={"hidden": "yours", "learnt": "the learnt one"}, group="learning",
        role="look"
    )
    lr: float = rate(1.0, log=(1e-3, 10.0), typical=(0.1, 1.5), group="learning")
    momentum: float = live(0.9, "Momentum", "μ", range=(0.0, 0.99), step=0.01, group="learning")
    source: Literal["line", "temple", "flower"] = fixed(
        "line", "Input", options={"line": "a line of numbers", "temple": "temple (photo)",
        "flower": "flower (photo)"}
    )
    colour: bool = fixed(False, "In colour", when={"source": PHOTOS})
    # fmt: on

    @property
    def hidden(self) -> Tensor:
        """The kernel to be found, times the divisor: (C, F, G)."""
        if self.source == "line":
            return torch.tensor([self.taps], dtype=torch.float64)
        kernel = torch.tensor([self.kernel], dtype=torch.float64)
        if not self.colour:
            return kernel
        return torch.tensor(self.channels, dtype=torch.float64).view(3, 1, 1) * kernel

    @property
    def around(self) -> tuple[int, int]:
        """Rows and columns of zeros on each side; none above and below a line."""
        return (0 if self.source == "line" else self.padding), self.padding

    @model_validator(mode="after")
    def _fits(self) -> ConvolutionKnobs:
        for name, used in {
            "numbers": self.source == "line",
            "taps": self.source == "line",
            "kernel": self.source != "line",
            "channels": self.source != "line" and self.colour,
        }.items():
            if used and not any(number for row in getattr(self, name) for number in row):
                raise KnobError(name, "all numbers are 0, so every output is 0; make one another")
        if self.source == "line":
            n, f = len(self.numbers[0]), len(self.taps[0])
            places = p.Convolution.size(n, f, self.stride, self.padding, self.dilation)
            if places < 1:
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
    f, g = k.shape[1:]
    return torch.einsum("crqij,cij->rq", windows(x, f, g, stride, padding, dilation), k)


def pool(x: Tensor, kind: str, rows: int, columns: int, stride: int) -> Tensor:
    """The largest or the mean number of each block of x (H, W); what is left over at the end is dropped."""
    blocks = windows(x[None], rows, columns, stride, (0, 0), 1)[0]  # (H', W', rows, columns)
    return blocks.amax((2, 3)) if kind == "max" else blocks.mean((2, 3))


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
    invite = "Drag a number of the kernel up and down, and watch what becomes of the output."
    steers: ClassVar[Mapping[str, str]] = {"lr": "optimizer"}
    measures: ClassVar[Mapping[str, Measure]] = {"loss/train": Measure("loss")}
    presets: ClassVar[Mapping[str, Preset]] = {
        "same": Preset("As long as before", {"padding": 1}),
        "too-few": Preset("Too few outputs", {"stride": 2}),
        "edges": Preset(
            "Edges", {"source": "temple", "kernel": SOBEL, "divisor": 4, "lr": 1.5, "momentum": 0.98}
        ),
        "blur": Preset(
            "Blur", {"source": "flower", "kernel": BLUR, "divisor": 16, "lr": 1.5, "momentum": 0.98}
        ),
        "too-large": Preset("Too large a rate", {"lr": 2.2}),
    }

    def build(self, knobs: ConvolutionKnobs) -> None:
        """The input and a kernel of random weights."""
        self.photo = self._photo(knobs).to(self.device)
        self.model = Kernel(len(self.photo), self.generator(-1)).to(self.device)
        self.optimizer = optim.SGD(self.model.parameters(), knobs.lr, knobs.momentum)
        self.past, self.every = self.model.weight.detach()[None].clone(), 1  # one in so many steps

    def _photo(self, knobs: ConvolutionKnobs) -> Tensor:
        """The photograph x (C, H, W) from 0 to 1; nothing (1, 0, 0) where a line is the input."""
        if knobs.source == "line":
            return torch.zeros(1, 0, 0, dtype=torch.float64)
        pixels = load_photo(knobs.source, SIDE).double()
        return pixels if knobs.colour else grey(pixels)

    def changed(self, knobs: ConvolutionKnobs, names: set[str]) -> None:
        super().changed(knobs, names)
        self.optimizer.param_groups[0]["momentum"] = knobs.momentum

    def _input(self, knobs: ConvolutionKnobs) -> Tensor:
        """x (C, H, W)."""
        if knobs.source == "line":
            return torch.tensor([knobs.numbers], dtype=torch.float64, device=self.device)
        return self.photo

    def _hidden(self, knobs: ConvolutionKnobs) -> Tensor:
        """k (C, F, G)."""
        return (knobs.hidden / knobs.divisor).to(self.device)

    def _covered(self, knobs: ConvolutionKnobs) -> Tensor:
        """What the window covers at each place, row by row: (N, C·F·G)."""
        f, g = knobs.hidden.shape[1:]
        key = (str(knobs.numbers), f, g, knobs.stride, knobs.padding, knobs.dilation)

        def make() -> Tensor:
            x = self._input(knobs)
            covered = windows(x, f, g, knobs.stride, knobs.around, knobs.dilation)  # (C, H', W', F, G)
            return covered.permute(1, 2, 0, 3, 4).flatten(2).flatten(0, 1).float()

        return self.cached("covered", key, make)

    def step(self, knobs: ConvolutionKnobs) -> Scalars:
        """Go down the loss of all places."""
        loss = self._loss(knobs)
        error = (self._learnt(knobs) - self._hidden(knobs)).detach().abs().max()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if (self.step_index + 1) % self.every == 0:
            self.past, self.every = remembered(self.past, self.model.weight.detach(), self.every, 400)
        return {"loss/train": loss.detach(), "kernel/error": error}

    def _learnt(self, knobs: ConvolutionKnobs) -> Tensor:
        """w (C, F, G)."""
        return self.model(*knobs.hidden.shape[1:])

    def _loss(self, knobs: ConvolutionKnobs) -> Tensor:
        covered = self._covered(knobs)  # (N, C·F·G)
        error = covered @ (self._learnt(knobs) - self._hidden(knobs).float()).flatten()  # ŷ − y
        return error.square().mean() / covered.square().sum(1).mean()

    def objectives(self, knobs: ConvolutionKnobs) -> Mapping[str, Objective]:
        """The loss of the learnt kernel at all places."""
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs))}

    def _output(self, knobs: ConvolutionKnobs) -> tuple[Tensor, float, Tensor]:
        """The kernel on show (C, F, G), what it is divided by, and the output (H', W')."""
        kernel, divisor = knobs.hidden.to(self.device), float(knobs.divisor)
        if knobs.shown == "learnt":
            kernel, divisor = self._learnt(knobs).double(), 1.0
        y = convolve(self._input(knobs), kernel, knobs.stride, knobs.around, knobs.dilation)
        return kernel, divisor, y / divisor

    @p.convolution("A window slides over the input", size="hero")
    def sliding(self, knobs: ConvolutionKnobs) -> p.Convolution:
        """The window, and at each place its numbers times the kernel's."""
        kernel, divisor, output = self._output(knobs)
        scale, range = _colours(knobs, output)
        return p.Convolution(
            input=self._input(knobs),
            kernel=kernel,
            output=output,
            stride=knobs.stride,
            padding=knobs.around,
            dilation=knobs.dilation,
            divisor=divisor,
            range=_range(self._input(knobs)) if knobs.source == "line" else (0.0, 1.0),
            output_range=range,
            scale=scale,
        )

    @p.convolution("Pooling")
    def pooling(self, knobs: ConvolutionKnobs) -> p.Convolution:
        """A pool slides over the output in steps of its own size."""
        _, _, output = self._output(knobs)
        scale, range = _colours(knobs, output)
        rows, columns = (min(knobs.pool_size, side) for side in output.shape)  # of a small output all
        return p.Convolution(
            input=output[None],
            kernel=torch.zeros(0, rows, columns),
            output=pool(output, knobs.pool, rows, columns, knobs.pool_size),
            op=knobs.pool,
            stride=knobs.pool_size,
            range=range,
            output_range=range,
            scale=scale,
        )

    @p.heatmap("Hidden and learnt kernel")
    def kernels(self, knobs: ConvolutionKnobs) -> p.Heatmap:
        """k on the left, w on the right; the channels one below the other."""
        k, w = self._hidden(knobs), self._learnt(knobs)
        channels, f, g = k.shape
        names = [name[0] for name in CHANNELS] if channels == 3 else [""]
        most = float(k.abs().max())
        return p.Heatmap(
            values=torch.cat([k, w], 2).flatten(0, 1),  # (C·F, 2G)
            rows=[f"{name}{i}" for name in names for i in range(1, f + 1)],
            columns=[f"{letter}{j}" for letter in "kw" for j in range(1, g + 1)],
            scale="diverging",
            range=(-most, most),
            annotate=True,
        )

    @p.lines("The weights as they are learnt", legend=False)
    def weights(self, knobs: ConvolutionKnobs) -> p.Lines:
        """Each weight by step; dots where the hidden ones are."""
        k = self._hidden(knobs)
        channels, f, g = k.shape
        values = torch.cat([self.past, self.model.weight.detach()[None]])[:, :, :f, :g]  # (n, C, F, G)
        steps = torch.arange(len(self.past)) * self.every
        x = torch.cat([steps, torch.tensor([self.step_index])]).float()
        dots = [
            p.Lines.dot(self.step_index, weight, series=i, group=channel)
            for channel, weights in enumerate(k.flatten(1).tolist())
            for i, weight in enumerate(weights)
        ]
        return p.Lines(
            x=x,
            values=values.flatten(2).permute(1, 2, 0),  # (C, F·G, n)
            series=[f"{i}, {j}" for i in range(1, f + 1) for j in range(1, g + 1)],
            groups=CHANNELS if channels == 3 else [""],
            x_label="step",
            dots=torch.cat(dots),
        )

    loss = p.scalars({"loss/train": "loss", "kernel/error": "farthest weight"}, "Loss and error", log=True)

    @p.images("Six filters, six channels", size="wide")
    def filters(self, knobs: ConvolutionKnobs) -> p.Images:
        """What six well-known kernels make of the input, each a channel of its own; padding 1."""
        x = self._input(knobs)
        x = grey(x) if len(x) == 3 else x
        tiles = []
        for rows, divisor in FILTERS.values():
            kernel = torch.tensor(rows, dtype=torch.float64, device=self.device)
            kernel = kernel.sum(0, keepdim=True) if knobs.source == "line" else kernel
            y = convolve(x, kernel[None] / divisor, 1, (int(len(kernel) > 1), 1))
            low, high = _range(x)
            if kernel.sum().abs() > 1e-9:
                tiles.append(p.Images.to_pixels(y, low, high)[..., None].expand(-1, -1, 3))
            else:
                tiles.append(p.Images.signed((y / y.abs().max().clamp(min=1e-9)).clamp(-1, 1)))
        return p.Images(pixels=torch.stack(tiles), columns=3, captions=list(FILTERS))


def _range(x: Tensor) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    return min(low, 0.0), max(high, low + 1e-9, 0.0)


def _colours(knobs: ConvolutionKnobs, output: Tensor) -> tuple[p.Scale, tuple[float, float]]:
    """Both signs where the hidden weights add up to nothing; else from what becomes of black to white's."""
    white = float(knobs.hidden.sum()) / knobs.divisor
    if abs(white) < 1e-9:
        most = max(float(output.abs().max()), 1e-9)
        return "diverging", (-most, most)
    return "sequential", _range(output) if knobs.source == "line" else (min(white, 0.0), max(white, 0.0))
