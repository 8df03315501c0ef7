"""What convolution's presets and lesson say is to be seen."""

from __future__ import annotations

import math

import torch

from claims import claim
from descent.experiments.convolution.convolution import Convolution
from driving import Driven


@claim(Convolution, "same")
def test_as_long_as_before(run: Driven) -> None:
    picture = run.look("sliding")
    assert picture.output.shape[1] == picture.input.shape[2] == 5
    run.train(150)
    assert run.last("kernel/error") < 1e-3


@claim(Convolution, "too-few")
def test_too_few_outputs(run: Driven) -> None:
    assert run.look("sliding").output.shape == (1, 2)
    run.train(900)
    assert run.last("loss/train") < 1e-12
    assert run.last("kernel/error") > 0.02


@claim(Convolution, "edges")
def test_edges(run: Driven) -> None:
    picture = run.look("sliding")
    assert picture.kernel.sum() == 0
    x, y = picture.input[0], picture.output
    rightwards = x[1:-1, 2:] - x[1:-1, :-2]
    clear = rightwards.abs() > 0.2
    assert (rightwards.sign() == y.sign())[clear].double().mean() > 0.97
    assert y[rightwards.abs() < 0.005].abs().median() < 0.02
    assert run.train(900).last("kernel/error") < 1e-3


@claim(Convolution, "blur")
def test_blur(run: Driven) -> None:
    picture = run.look("sliding")
    assert picture.kernel.sum() == picture.divisor
    assert picture.kernel.argmax() == 4
    assert run.train(900).last("kernel/error") < 1e-3


@claim(Convolution, "sharpen")
def test_sharpen(run: Driven) -> None:
    picture = run.look("sliding")
    x, y, k = picture.input[0, 1:-1, 1:-1], picture.output, picture.kernel[0]
    assert k[1, 1] == 5
    assert k.sum() == picture.divisor == 1
    even = (x - y).abs() < 0.02
    assert even.double().mean() > 0.2  # as they are
    assert y.std() > 1.1 * x.std()  # stands out more
    assert run.train(900).last("kernel/error") < 1e-3


@claim(Convolution, "emboss")
def test_emboss(run: Driven) -> None:
    k = run.look("sliding").kernel[0]
    above_left = (0, 0, 1), (0, 1, 0)
    below_right = (2, 2, 1), (2, 1, 2)
    assert (k[above_left] < 0).all()
    assert (k[below_right] > 0).all()
    assert run.train(900).last("kernel/error") < 1e-3


@claim(Convolution, "channels")
def test_red_less_green(run: Driven) -> None:
    picture = run.look("sliding")
    red, green, blue = picture.input
    assert picture.kernel.shape == (3, 1, 1)
    flower = (red > 0.6) & (red > green + 0.2) & (red > blue + 0.2)  # orange
    assert 0.1 < flower.double().mean() < 0.6
    assert (picture.output[flower] > 0.2).all()
    assert (picture.output[green >= red] <= 1e-12).all()
    assert picture.output[~flower].median() < 0.05
    assert picture.scale == "diverging"


@claim(Convolution, "too-large")
def test_too_large_a_rate(run: Driven) -> None:
    steps = 0
    while steps < 150:
        run.train(1)
        steps += 1
        if not math.isfinite(run.last("loss/train")):
            break
    assert steps < 150
    for rate, holds in ((2.0, True), (2.06, False)):
        other = Driven(Convolution, run.experiment.seed, lr=rate).train(700)
        assert (other.last("loss/train") < 1e-3) is holds


@claim(Convolution, "colour")
def test_twenty_seven_weights(run: Driven) -> None:
    assert run.look("sliding").kernel.numel() == 27
    seen = run.experiment._task(run.knobs).seen.double()
    curvatures = torch.linalg.eigvalsh(seen.T @ seen)
    assert 5e4 < curvatures[-1] / curvatures[0] < 5e5
    assert run.train(900).last("kernel/error") > 1e-3
    assert run.train(2_100).last("kernel/error") < 1e-3
    temple = {**Convolution.presets["colour"].knobs, "source": "temple"}
    assert Driven(Convolution, run.experiment.seed, **temple).train(3_000).last("kernel/error") > 4e-3
