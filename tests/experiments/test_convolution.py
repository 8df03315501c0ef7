"""Convolution, pooling and sizes against torch for every setting; the note's line; kernels that are found."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from descent.contract import KnobError
from descent.contract import panels as p
from descent.errors import BadKnob
from descent.experiments.convolution.convolution import (
    FILTERS,
    PHOTOS,
    SIDE,
    Convolution,
    ConvolutionKnobs,
    convolve,
    pool,
)
from descent.kit.data.photos import grey, load_photo
from descent.registry import experiments
from descent.runs.knobs import check
from driving import Driven, break_weights

STRIDES, PADDINGS, DILATIONS = range(1, 5), range(5), range(1, 5)
SIZES = range(1, 6)  # of a kernel


def by_torch(x: Tensor, k: Tensor, stride: int, padding: tuple[int, int], dilation: int) -> Tensor:
    return F.conv2d(x[None], k[None], None, stride, padding, dilation)[0, 0]


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


# Against torch


def test_convolution_and_the_size_formula_are_torchs_for_every_setting() -> None:
    for channels, f, g in [(1, n, n) for n in SIZES] + [(1, 2, 5), (3, 3, 3), (3, 4, 1)]:
        x, k = random(channels, 17, 19), random(channels, f, g)
        for stride, padding, dilation in product(STRIDES, PADDINGS, DILATIONS):
            expected = by_torch(x, k, stride, (padding, padding), dilation)
            found = convolve(x, k, stride, (padding, padding), dilation)
            torch.testing.assert_close(found, expected)
            sizes = [p.Convolution.size(n, m, stride, padding, dilation) for n, m in ((17, f), (19, g))]
            assert sizes == list(expected.shape), (f, g, stride, padding, dilation)


def test_a_line_too_and_what_does_not_fit_is_refused_exactly_where_torch_refuses_it() -> None:
    for n, f, stride, padding, dilation in product((1, 2, 3, 5, 8, 12), SIZES, STRIDES, PADDINGS, DILATIONS):
        values = {"numbers": [[1.0 + i for i in range(n)]], "taps": [[1.0] * f]}
        settings: Any = {"stride": stride, "padding": padding, "dilation": dilation}
        fits = dilation * (f - 1) + 1 <= n + 2 * padding
        if not fits:
            with pytest.raises(ValidationError, match="its window spans"):
                ConvolutionKnobs(**values, **settings)
            continue
        knobs = ConvolutionKnobs(**values, **settings)
        x = torch.tensor([knobs.numbers], dtype=torch.float64)
        expected = by_torch(x, knobs.hidden, stride, knobs.around, dilation)
        torch.testing.assert_close(convolve(x, knobs.hidden, stride, knobs.around, dilation), expected)
        assert expected.shape == (1, p.Convolution.size(n, f, stride, padding, dilation))


@pytest.mark.parametrize("size", range(1, 7))
def test_pooling_is_torchs(size: int) -> None:
    for shape in ((13, 17), (6, 6), (94, 94)):
        x = random(*shape)
        expected = F.max_pool2d(x[None], size, size)[0]
        assert torch.equal(pool(x, "max", size, size, size), expected)
        torch.testing.assert_close(pool(x, "mean", size, size, size), F.avg_pool2d(x[None], size, size)[0])
        assert expected.shape == tuple(p.Convolution.size(n, size, size) for n in shape)


def test_the_notes_line_exactly() -> None:
    """[1, 4, 6, 7, 4] with [1, 1, 1]/3 gives [11/3, 17/3, 17/3]."""
    picture = Driven(Convolution).look("sliding")
    assert picture.output.tolist() == [[11 / 3, 17 / 3, 17 / 3]]
    assert picture.input.tolist() == [[[1, 4, 6, 7, 4]]]
    assert picture.kernel.tolist() == [[[1, 1, 1]]]
    assert picture.divisor == 3
    assert p.Convolution.size(5, 3) == 3


def test_a_window_in_colour_adds_up_the_channels() -> None:
    run = Driven(Convolution, source="flower", colour=True, channels=[[1.0, 0.0, -2.0]], stride=2, padding=1)
    picture = run.look("sliding")
    x = load_photo("flower", SIDE).double()
    k = torch.tensor(run.knobs.kernel, dtype=torch.float64)
    expected = by_torch(x, torch.stack([k, 0 * k, -2 * k]) / 3, 2, (1, 1), 1)
    torch.testing.assert_close(picture.output, expected)


@pytest.mark.parametrize("colour", [False, True])
def test_a_picture_of_ones_own_takes_the_photographs_place(colour: bool) -> None:
    levels = torch.randint(0, 16, (SIDE, SIDE, 3), generator=torch.Generator().manual_seed(0))
    text = "".join(f"{level:x}" for level in levels.flatten().tolist())
    run = Driven(Convolution, source="own", picture=text, colour=colour)
    x = levels.movedim(2, 0).double() / 15
    x = x if colour else grey(x)
    picture = run.look("sliding")
    torch.testing.assert_close(torch.as_tensor(picture.input), x, atol=1e-6, rtol=0)
    expected = by_torch(x, run.knobs.hidden / 3, 1, (0, 0), 1)
    torch.testing.assert_close(picture.output, expected, atol=1e-5, rtol=0)
    loss = run.train(5).last("loss/train")
    run.change(picture="".join(f"{15 - int(digit, 16):x}" for digit in text)).train(1)
    torch.testing.assert_close(torch.as_tensor(run.look("sliding").input), 1 - x, atol=1e-6, rtol=0)
    assert run.last("loss/train") != loss
    run.change(picture="")
    temple = load_photo("temple", SIDE)
    assert torch.equal(run.look("sliding").input, (temple if colour else grey(temple)).double())


@pytest.mark.parametrize(
    ("picture", "said"),
    [("7" * SIDE**2, "blank"), ("07" * 50, "100 pixels"), ("0z" * (SIDE**2 // 2), "0 to 9")],
)
def test_a_picture_that_is_none_is_refused_at_its_knob(picture: str, said: str) -> None:
    with pytest.raises(ValidationError, match=f"picture: it .*{said}"):
        ConvolutionKnobs(source="own", picture=picture)


@pytest.mark.parametrize("source", ["line", *PHOTOS])
def test_the_six_filters_are_torchs(source: Any) -> None:
    run = Driven(Convolution, source=source)
    picture = run.look("filters")
    assert len(picture.pixels) == len(picture.captions) == len(FILTERS)
    if source != "line":
        x = grey(load_photo(source, SIDE).double())
        rows, divisor = FILTERS["sharpen"]
        y = by_torch(x, torch.tensor([rows], dtype=torch.float64) / divisor, 1, (1, 1), 1)
        shown = picture.pixels[list(FILTERS).index("sharpen")][..., 0]
        apart = shown.int() - p.Images.to_pixels(y, 0.0, 1.0).int()
        assert apart.abs().max() <= 1  # rounding


# Learning


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("preset", ["", "same", "edges", "blur", "channels", "colour"])
def test_the_hidden_kernel_is_found_to_a_thousandth(preset: str, seed: int) -> None:
    run = Driven(Convolution, seed, **(Convolution.presets[preset].knobs if preset else {}))
    run.train(3_000 if preset == "colour" else 900)
    w = run.experiment._learnt(run.knobs).detach()
    torch.testing.assert_close(w.double(), run.knobs.hidden / run.knobs.divisor, rtol=0, atol=1e-3)


def test_the_loss_is_the_mean_square_of_what_the_outputs_are_apart() -> None:
    run = Driven(Convolution, source="temple", stride=2, padding=2, dilation=2)
    x, k = run.experiment.photo, run.knobs.hidden / run.knobs.divisor
    w = run.experiment._learnt(run.knobs).detach().double()
    y, guess = (by_torch(x, kernel, 2, (2, 2), 2) for kernel in (k, w))
    energy = by_torch(x.square(), torch.ones_like(k), 2, (2, 2), 2).mean()
    loss = run.train(1).last("loss/train")
    assert loss == pytest.approx(((guess - y).square().mean() / energy).item())


def test_a_weight_that_is_changed_while_it_learns_is_found_again() -> None:
    run = Driven(Convolution).train(400)
    assert run.last("kernel/error") < 1e-3
    run.change(taps=[[1.0, -2.0, 1.0]]).train(1)
    assert run.last("kernel/error") > 0.5
    assert run.train(400).last("kernel/error") < 1e-3


def test_a_rate_that_is_too_large_is_mended() -> None:
    run = Driven(Convolution).train(50).change(lr=2.2).train(40)
    assert run.last("loss/train") > 10 * run.rows[49]["loss/train"]
    run.change(lr=1.0)
    assert run.train(600).last("kernel/error") < 1e-3


# What is refused


@pytest.mark.parametrize(
    ("knobs", "field", "reason"),
    [
        ({"taps": [[0.0, 0.0, 0.0]]}, "taps", "refused"),
        ({"numbers": [[0.0] * 5]}, "numbers", "refused"),
        ({"source": "temple", "kernel": [[0.0]]}, "kernel", "refused"),
        ({"source": "temple", "colour": True, "channels": [[0.0] * 3]}, "channels", "refused"),
        ({"taps": [[1.0] * 5], "dilation": 2}, "taps", "refused"),
        ({"kernel": [[1.0, 2.0], [3.0]]}, "kernel", "grid_uneven"),
        ({"kernel": []}, "kernel", "grid_size"),
        ({"kernel": [[]]}, "kernel", "grid_size"),
        ({"kernel": [[1.0] * 6]}, "kernel", "grid_size"),
        ({"kernel": [[1.0]] * 6}, "kernel", "grid_size"),
        ({"taps": [[1.0], [1.0]]}, "taps", "grid_size"),
        ({"channels": [[1.0, 1.0]]}, "channels", "grid_size"),
        ({"kernel": [[1.0, 20.5]]}, "kernel", "grid_range"),
        ({"kernel": [[float("nan")]]}, "kernel", "finite_number"),
        ({"kernel": [[float("inf")]]}, "kernel", "finite_number"),
        ({"kernel": [["1"]]}, "kernel", "float_type"),
        ({"kernel": [1.0]}, "kernel", "list_type"),
        ({"kernel": "blur"}, "kernel", "list_type"),
    ],
)
def test_a_bad_kernel_is_refused_at_its_field(knobs: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(BadKnob) as refused:
        check(experiments()["convolution"], knobs)
    assert refused.value.field == field
    assert refused.value.params["reason"] == reason


def test_what_is_said_of_the_windows_and_the_kernel_is_what_the_pictures_show() -> None:
    run = Driven(Convolution, numbers=[[1, 4, 6, 7, 4, 2]], padding=1, stride=2, pool_size=3).train(60)
    n = run.look("sliding").output.shape[1]
    said = run.look("sliding").reading
    equation = said.text.split(": ")[1].format(**said.values).replace("·", "*").replace("−", "-")
    floor, one = equation.rstrip(".").split("⌋")
    assert said.values["n"] == n == math.floor(eval(floor.strip("⌊"))) + int(one.strip(" +"))
    said = run.look("pooling").reading.values
    assert (said["all"], said["left"], said["columns"]) == (n, n // 3, 3)
    kernels = torch.as_tensor(run.look("kernels").values)
    off = (kernels[:, 3:] - kernels[:, :3]).abs().max()
    assert run.look("kernels").reading.values == {"off": f"{off:.2g}"}
    near = int(((kernels[:, 3:] - kernels[:, :3]).abs() < 0.01).sum())
    assert run.look("weights").reading.values == {"near": near, "all": 3, "width": "0.01"}
    assert run.look("filters").reading.values == {"less": "Sobel, down"}  # a line has no rows
    assert run.train(400).look("weights").reading.values["near"] == 3


def test_what_is_said_of_a_photograph_is_of_its_size_and_edges() -> None:
    run = Driven(Convolution, source="temple", kernel=[[1.0, 2.0]], stride=2)
    assert run.look("sliding").reading.values == {"rows": 96, "columns": 96, "m": 48, "n": 48}
    photo, across = run.experiment.photo, torch.tensor(FILTERS["Sobel, across"][0]).double()
    sizes = [by_torch(photo, k[None], 1, (1, 1), 1).abs().mean() for k in (across, across.t())]
    said = run.look("filters").reading.values
    assert said["times"] == f"{max(sizes) / min(sizes):.2g}"
    assert said["more"] == ("Sobel, across" if sizes[0] > sizes[1] else "Sobel, down")


def test_of_weights_that_are_none_nothing_is_said_but_of_sizes() -> None:
    run = Driven(Convolution)
    break_weights(run.experiment)
    assert run.look("kernels").reading is run.look("weights").reading is None
    assert run.look("sliding").reading.values["n"] == 3


def test_a_kernel_of_zeros_is_none_of_the_others_business() -> None:
    ConvolutionKnobs(kernel=[[0.0]])  # a line is the input
    ConvolutionKnobs(source="temple", taps=[[0.0]])
    with pytest.raises(ValidationError) as refused:
        ConvolutionKnobs(taps=[[0.0]])
    assert isinstance(refused.value.errors()[0]["ctx"]["error"], KnobError)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kernel": torch.ones(2, 1, 3)}, "2 channels, expected 1"),
        ({"output": torch.ones(1, 4)}, r"\(1, 4\), expected \(1, 3\)"),
        ({"input": torch.ones(1, 5)}, "expected 3 dimensions"),
    ],
)
def test_a_picture_whose_sizes_do_not_fit_is_refused(change: dict[str, Tensor], told: str) -> None:
    sizes = {"input": torch.ones(1, 1, 5), "kernel": torch.ones(1, 1, 3), "output": torch.ones(1, 3)}
    with pytest.raises(ValueError, match=told):
        p.Convolution(**{**sizes, **change}, range=(0, 1), output_range=(0, 1))
