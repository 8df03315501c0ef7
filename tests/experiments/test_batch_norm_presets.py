"""What the presets of `batch-norm` say is to be seen: all steps within fifteen seconds at its pace."""

from __future__ import annotations

import math

import pytest
import torch

from claims import claim, preset
from descent.experiments.training.batch_norm import RACE, RATES, BatchNormalisation
from driving import Driven

SECONDS_15 = int(15 * BatchNormalisation.pace)
GUESSING = math.log(10)


def at(run: Driven, scalar: str, step: int) -> float:
    """A scalar that is measured every tenth step, as it was before step `step` was taken."""
    return run.rows[step][scalar]


def valley(run: Driven, series: int) -> float:
    """How many times the smallest rate that learns the largest is: below 1 after the race."""
    assert run.experiment.raced == RACE
    learns = RATES[run.look("tolerance").values[0, series] < 1]
    return float(learns.max() / learns.min())


def wider(run: Driven) -> float:
    """How many times as wide the normalised copies' valley is."""
    return valley(run, 1) / valley(run, 0)


@claim(BatchNormalisation, "too-large")
def test_only_the_normalised_network_survives_a_rate_of_one(run: Driven) -> None:
    run.train(301)
    recent = [row["loss/bn"] for row in run.rows]
    assert min(sum(recent[i - 10 : i]) / 10 for i in range(10, 300)) < 0.1
    run.train(SECONDS_15 - 301)
    plain = [row["loss/plain"] for row in run.rows[300:]]
    assert sum(plain) / len(plain) == pytest.approx(GUESSING, abs=0.02)
    assert wider(run) > 10


@claim(BatchNormalisation, "sigmoid")
def test_five_layers_of_sigmoids_learn_only_when_normalised(run: Driven) -> None:
    run.train(RACE + 1)
    assert at(run, "acc/bn", 200) > 0.9
    plain = run.look("tolerance").values[0, 0]
    assert (plain > GUESSING - 0.02).all()


@claim(BatchNormalisation, "small-weights")
def test_small_weights_shrink_the_plain_signal_and_cancel_out_when_normalised(run: Driven) -> None:
    with torch.no_grad():
        plain, normalised = run.experiment._received(run.knobs)
    passed = float((plain[-1].std() / plain[0].std()) ** (1 / (len(plain) - 1)))
    assert 1 / passed == pytest.approx(8, abs=1)
    counts = run.look("distributions").counts
    spike = counts[-2]  # layer 5, plain: in the two bars around 0
    assert spike[31:33].sum() == spike.sum()
    usual = preset(BatchNormalisation, "small-weights", run.experiment.seed, gain=1.0)
    for y, other in zip(normalised, usual.experiment._received(usual.knobs)[1], strict=True):
        torch.testing.assert_close(y, other, atol=0.02, rtol=0.01)


@claim(BatchNormalisation, "batch-of-two")
def test_of_two_samples_one_becomes_plus_and_the_other_minus_one(run: Driven) -> None:
    counts = run.look("distributions").counts[1::2]  # of the normalised layers
    edges = torch.linspace(-4, 4, counts.shape[1] + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    near = ((middles.abs() - 1).abs() < 0.15) | (middles.abs() < 0.15)  # a dead unit has x̂ = 0
    assert (counts[:, near].sum(1) > 0.9 * counts.sum(1)).all()
    assert (counts[:, middles.abs() > 1.15].sum(1) == 0).all()
    run.train(SECONDS_15 + 1)
    assert at(run, "acc/plain", SECONDS_15) > 0.6
    assert at(run, "acc/bn", SECONDS_15) < 0.3


@claim(BatchNormalisation, "batch-of-one")
def test_a_single_sample_is_its_own_mean(run: Driven) -> None:
    run.train(SECONDS_15 + 1)
    _, ys, logits = run.experiment.normalised.signals(run.experiment.images[:5, None], run.knobs)
    for layer, y in enumerate(ys):
        torch.testing.assert_close(y, run.experiment.normalised.norm(layer).beta.expand_as(y))
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))
    lately = [row["loss/bn"] for row in run.rows[100:]]
    assert sum(lately) / len(lately) == pytest.approx(2.3, abs=0.15)
    assert run.last("unit/running-var") < 1e-20
    assert run.last("test/running") > run.last("test/batch") + 1


@claim(BatchNormalisation, "stale")
def test_slow_running_averages_remember_the_beginning(run: Driven) -> None:
    run.train(201)
    assert at(run, "test/batch", 200) == pytest.approx(0.2, abs=0.05)
    assert at(run, "test/running", 200) == pytest.approx(1.8, abs=0.1)
    run.change(momentum=0.1).train(100)
    assert run.last("test/running") < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_valley_of_rates_is_more_than_ten_times_as_wide(seed: int) -> None:
    assert wider(Driven(BatchNormalisation, seed).train(RACE)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_large_epsilon_stops_the_learning(seed: int) -> None:
    run = Driven(BatchNormalisation, seed, eps=10.0).train(301)
    assert run.last("acc/bn") < 0.3
