"""What the presets of gan-2d say is to be seen."""

from __future__ import annotations

from statistics import mean

import pytest
import torch

from claims import SEEDS, claim
from descent.experiments.generative.gan_2d import Gan2d
from driving import Driven


def arrows(driven: Driven) -> float:
    """The mean length of the arrows."""
    return float(torch.as_tensor(driven.look("game").arrows).norm(dim=1).mean())


def over(driven: Driven, scalar: str, steps: int) -> float:
    """The mean of a scalar over the last steps."""
    return mean(row[scalar] for row in driven.rows[-steps:] if scalar in row)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_by_default_the_modes_are_found(seed: int) -> None:
    """A thousand steps take some three seconds on a quiet core."""
    driven = Driven(Gan2d, seed).train(400)
    assert driven.last("modes") >= 6
    driven.train(600)
    assert over(driven, "modes", 100) >= 7
    assert over(driven, "quality", 100) > 0.35


@claim(Gan2d, "mode-collapse")
def test_samples_crowd_in_one_place_while_d_looks_balanced(driven: Driven) -> None:
    driven.train(300)
    for _ in range(4):
        driven.train(100)
        assert over(driven, "diversity", 100) < 0.5
        assert over(driven, "modes", 100) <= 1
        assert over(driven, "d/real", 100) == pytest.approx(0.5, abs=0.03)
        assert over(driven, "d/fake", 100) == pytest.approx(0.5, abs=0.03)


@claim(Gan2d, "saturation")
def test_minimax_hardly_pulls_where_the_other_loss_does(driven: Driven) -> None:
    driven.train(400)
    assert max(row["modes"] for row in driven.rows if "modes" in row) <= 2
    assert over(driven, "d/fake", 100) < 0.2
    before = arrows(driven)
    assert arrows(driven.change(objective="non-saturating")) > 5 * before


@claim(Gan2d, "momentum")
def test_with_momentum_hardly_a_mode_is_found(driven: Driven) -> None:
    assert driven.train(401).last("modes") <= 2


@claim(Gan2d, "clipping")
def test_clipping_leaves_a_blurred_ring_and_no_slope(driven: Driven) -> None:
    driven.train(600)
    assert arrows(driven) < 0.02
    assert 0.1 < driven.last("quality") < 1 / 3
    assert driven.last("diversity") == pytest.approx(1, abs=0.15)


@claim(Gan2d, "penalty")
def test_the_penalty_holds_the_slope_near_one_and_all_modes_are_found(driven: Driven) -> None:
    assert driven.train(301).last("modes") == 8
    lengths = torch.as_tensor(driven.look("game").arrows).norm(dim=1)
    assert 0.7 < lengths.mean() < 2.5
    assert lengths.std() < 0.5 * lengths.mean()


@claim(Gan2d, "grid")
def test_most_of_25_modes_are_found(driven: Driven) -> None:
    driven.train(700)
    assert over(driven, "modes", 50) >= 15


@claim(Gan2d, "line")
def test_a_tangle_comes_to_lie_along_the_ring(driven: Driven) -> None:
    assert driven.train(300).last("js") > 0.5
    driven.train(900)
    assert over(driven, "js", 50) < 0.25
    mesh = torch.as_tensor(driven.look("game").mesh)
    assert mesh.shape[0] == 1
    gaps = (mesh[0, 1:] - mesh[0, :-1]).norm(dim=1)
    assert (mesh[0, 0] - mesh[0, -1]).norm() > gaps.mean(), "not closed"


@claim(Gan2d, "drawing")
def test_the_noise_is_bent_into_the_drawing_and_then_into_another(driven: Driven) -> None:
    driven.train(400)
    assert over(driven, "js", 50) < 0.25
    driven.change(drawing=("f" * 16 + "0" * 16) * 32)  # the left half
    begun = driven.train(1).last("js")
    assert driven.train(100).last("js") < begun / 1.5
