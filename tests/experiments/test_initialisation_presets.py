"""What the presets of `initialisation` say is to be seen: all steps within fifteen seconds at its pace."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from claims import claim
from descent.experiments.training.initialisation import DEPTH, FAR, SCHEMES, Initialisation
from driving import Driven

LOG_10 = math.log(10)
SECONDS_15 = int(15 * Initialisation.pace)


def widths(run: Driven, scheme: str) -> torch.Tensor:
    """std h of each hidden layer before the first step, as the large chart has it."""
    return run.look("signal").values[2, SCHEMES.index(scheme)]


def factor(run: Driven, scheme: str) -> float:
    """By how much each layer multiplies the signal."""
    h = widths(run, scheme)
    return float((h[-1] / h[0]) ** (1 / (DEPTH - 1)))


def losses(run: Driven, scheme: str) -> list[float]:
    return [row[f"loss/{scheme}"] for row in run.rows if f"loss/{scheme}" in row]


@claim(Initialisation, "small")
def test_small_weights_lose_the_signal_and_learn_nothing(run: Driven) -> None:
    assert factor(run, "small") == pytest.approx(0.07, abs=0.005)
    h = widths(run, "small")
    assert h[-1] < 1e-10 * h[0]
    run.train(SECONDS_15)
    assert losses(run, "small") == pytest.approx([LOG_10] * SECONDS_15, abs=2e-3)


@claim(Initialisation, "large")
def test_large_weights_are_out_before_the_first_step(run: Driven) -> None:
    assert factor(run, "large") == pytest.approx(7, abs=0.5)
    h = widths(run, "large")
    assert 1e7 < h[-1] / h[0] < 1e8  # tens of millions
    assert not losses(run.train(1), "large")
    assert "large" not in run.experiment.racing


@claim(Initialisation, "zeros")
def test_what_begins_alike_stays_alike(run: Driven) -> None:
    for steps in (0, SECONDS_15):
        different = dict(zip(SCHEMES, run.train(steps).look("different").values[0].tolist(), strict=True))
        assert different.pop("zeros") == 1
        assert set(different.values()) == {100}
    late = {scheme: sum(losses(run, scheme)[-50:]) / 50 for scheme in SCHEMES}
    assert late.pop("large") < 0.4
    assert list(late.values()) == pytest.approx([LOG_10] * 5, abs=0.03)


@claim(Initialisation, "tanh")
def test_xavier_keeps_the_signal_of_tanh_and_large_saturates_it(run: Driven) -> None:
    h = widths(run, "xavier")
    assert h[-1] / h[0] == pytest.approx(0.8, abs=0.05)
    outputs, _ = run.experiment.networks["large"].signals(run.experiment.x, run.experiment.y)
    assert all((h.abs() > 0.9).float().mean() > 0.8 for h in outputs[1:])  # from the second layer on
    picture = run.change(scheme="large").look("activations")
    outer = picture.edges[0, 1:].abs().minimum(picture.edges[0, :-1].abs()) > 0.8  # bars beyond ±0.8
    assert (picture.counts[1:, outer].sum(1) > 0.8 * picture.counts[1:].sum(1)).all()


@claim(Initialisation, "gain")
def test_twice_what_relu_needs_is_out_after_one_step(run: Driven) -> None:
    own, needed = run.look("sizes").values[:, SCHEMES.index("own")].tolist()
    assert own == pytest.approx(2 * needed, rel=0.01)
    assert factor(run, "own") == pytest.approx(2, abs=0.15)
    h = widths(run, "own")
    assert 200 < h[-1] / h[0] < 1000
    (first,) = losses(run.train(2), "own")  # one step, and no loss within bounds after it
    assert 200 < first < FAR
    assert "own" not in run.experiment.racing


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_lessons_factors_are_those_of_the_networks(seed: int) -> None:
    run = Driven(Initialisation, seed)
    assert factor(run, "he") == pytest.approx(1, abs=0.06)
    assert factor(run, "xavier") == pytest.approx(1 / math.sqrt(2), abs=0.04)
    assert factor(run, "small") ** 10 == pytest.approx(3e-12, rel=0.6)
    assert factor(run, "large") ** 10 == pytest.approx(3e8, rel=0.6)


@pytest.mark.slow
def test_a_gain_of_root_two_is_he() -> None:
    run = Driven(Initialisation, gain=1.41).train(300)
    assert sum(losses(run, "own")[-50:]) / 50 < 0.1
    assert sum(losses(run, "he")[-50:]) / 50 < 0.1


@pytest.mark.slow
def test_a_first_loss_is_what_guessing_costs_where_nothing_arrives() -> None:
    run = Driven(Initialisation)
    with torch.no_grad():
        z = run.experiment.networks["small"](run.experiment.x)
    assert F.cross_entropy(z, run.experiment.y).item() == pytest.approx(LOG_10, abs=1e-3)
