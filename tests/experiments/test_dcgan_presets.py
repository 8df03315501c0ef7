"""What the presets of dcgan say is to be seen."""

from __future__ import annotations

from statistics import mean

import pytest
import torch

from claims import claim
from descent.experiments.generative.dcgan import DCGAN, mean_distance
from driving import Driven


def samples(driven: Driven) -> torch.Tensor:
    """G of the fixed noise, (64, R, R) in −1…1."""
    return torch.as_tensor(driven.look("samples").pixels).float() / 127.5 - 1


def missing(driven: Driven) -> int:
    """Classes of which no sample is drawn."""
    return sum(share == 0 for share in torch.as_tensor(driven.look("coverage").values)[0].tolist())


def missing_on_average(driven: Driven, first: int, last: int) -> float:
    """The same, looked up every ten steps from the `first` to the `last` one."""
    driven.train(first - 10 - len(driven.rows))
    return mean(missing(driven.train(10)) for _ in range(first, last + 1, 10))


def over(driven: Driven, scalar: str, steps: int) -> float:
    """The mean of a scalar over the last steps."""
    return mean(row[scalar] for row in driven.rows[-steps:])


@claim(DCGAN, "d-too-strong")
def test_a_strong_d_is_always_right_and_g_draws_texture(driven: Driven) -> None:
    driven.train(200)
    assert over(driven, "d/real", 20) > 0.99
    assert over(driven, "d/fake", 20) < 0.01
    assert over(driven, "loss/d", 20) < 0.02
    pictures = samples(driven)
    assert (pictures.abs() > 0.8).float().mean() < 0.5, "neither ink nor paper: grey"
    assert mean_distance(pictures) < 0.5 * driven.experiment.spread


@claim(DCGAN, "mode-collapse")
def test_all_samples_collapse_to_one_shape_that_moves(driven: Driven) -> None:
    shapes = []
    for _ in range(2):
        pictures = samples(driven.train(100))
        assert mean_distance(pictures) < 0.4 * driven.experiment.spread
        shapes.append(pictures.mean(0))
    moved = (shapes[1] - shapes[0]).norm()
    assert moved > mean_distance(pictures) / 2
    assert over(driven, "loss/d", 50) == pytest.approx(1.39, abs=0.4), "balanced"
    assert over(driven, "loss/g", 50) == pytest.approx(0.69, abs=0.3)
    assert over(driven, "diversity", 50) == pytest.approx(0.3, abs=0.1)


def redrawn(driven: Driven) -> float:
    """How far one step moves a sample, in distances between two samples."""
    before = samples(driven)
    after = samples(driven.train(1))
    return float((after - before).flatten(1).norm(dim=1).mean() / mean_distance(after))


@claim(DCGAN, "g-too-fast")
def test_a_g_too_fast_redraws_everything_at_every_step(driven: Driven) -> None:
    moved = [redrawn(driven.train(9)) for _ in range(10)]
    assert mean(moved[2:]) > 0.35
    assert (samples(driven).abs() > 0.9).float().mean() > 0.3
    assert max(row["diversity"] for row in driven.rows) > 1.3
    assert mean(redrawn(driven.train(19)) for _ in range(5)) > 0.2


@pytest.mark.slow
def test_at_good_rates_a_step_moves_the_samples_little() -> None:
    assert redrawn(Driven(DCGAN, 0).train(100)) < 0.2


@pytest.mark.slow
def test_against_a_frozen_d_the_samples_collapse_and_come_back() -> None:
    driven = Driven(DCGAN, 0).train(150)
    driven.change(lr_d=1e-6).train(200)
    assert over(driven, "diversity", 20) < 0.6
    assert missing(driven) >= 3
    driven.change(lr_d=5e-4).train(50)
    assert missing(driven) <= 2


@claim(DCGAN, "momentum-0.9")
def test_with_momentum_g_overshoots_d_wins_and_classes_go_missing(driven: Driven) -> None:
    assert missing_on_average(driven, 100, 250) >= 2.5
    assert max(row["diversity"] for row in driven.rows) > 1.15
    assert over(driven, "d/real", 100) > 0.85
    assert over(driven, "d/fake", 100) < 0.15


@claim(DCGAN, "two-numbers")
def test_in_a_plane_two_or_three_classes_find_no_room(driven: Driven) -> None:
    assert 1.5 <= missing_on_average(driven, 100, 200) <= 3.5


@pytest.mark.slow
def test_with_16_numbers_hardly_a_class_is_missing_and_digits_are_there_by_step_100() -> None:
    driven = Driven(DCGAN, 0)
    assert missing_on_average(driven, 100, 200) < 0.5
