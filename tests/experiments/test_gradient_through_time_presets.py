"""What the presets of gradient-through-time say is to be seen, within the 450 steps of 15 s."""

from __future__ import annotations

import math

import pytest
import torch

from claims import claim
from descent.experiments.sequence.gradient_through_time import SYMBOLS, GradientThroughTime
from driving import Driven

FIFTEEN_SECONDS = 450  # steps
BLIND = math.log(SYMBOLS)


def lately(driven: Driven, scalar: str, steps: int = 30) -> float:
    return sum(row[scalar] for row in driven.rows[-steps:]) / steps


def far_back(driven: Driven) -> list[float]:
    """What is left at t = 0: of the RNN, LSTM and GRU, the bound, and the direct way."""
    values: list[float] = torch.as_tensor(driven.look("left").values)[0, :, 0].tolist()
    return values


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_with_defaults_the_gated_networks_add_and_the_plain_one_does_not(seed: int) -> None:
    run = Driven(GradientThroughTime, seed)
    rnn, lstm, *_ = far_back(run)
    assert rnn < 1e-6
    assert lstm > 0.05
    run.train(FIFTEEN_SECONDS)
    assert lately(run, "loss/rnn") > 0.13
    assert lately(run, "loss/lstm") < 0.06
    assert lately(run, "loss/gru") < 0.01


@claim(GradientThroughTime, "orthogonal")
def test_an_orthogonal_plain_network_recalls(driven: Driven) -> None:
    assert far_back(driven)[0] > 0.01
    driven.train(151)
    assert lately(driven, "loss/rnn") < 0.4


@claim(GradientThroughTime, "forget")
def test_half_open_gates_let_nothing_through(driven: Driven) -> None:
    assert far_back(driven)[4] < 1e-8
    driven.train(FIFTEEN_SECONDS)
    assert lately(driven, "loss/lstm") > BLIND - 0.05
    assert lately(driven, "loss/rnn") < 0.1


@claim(GradientThroughTime, "exploding")
def test_the_plain_networks_gradient_shoots_up(driven: Driven) -> None:
    assert far_back(driven)[0] > 100
    driven.train(FIFTEEN_SECONDS)
    assert max(row["gradient/rnn"] for row in driven.rows) > 40


@claim(GradientThroughTime, "truncated")
def test_what_lies_beyond_the_window_is_not_learnt(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert lately(driven, "loss/gru") > BLIND - 0.05
    whole = Driven(GradientThroughTime, driven.experiment.seed, **{**driven.knobs.model_dump(), "window": 0})
    whole.train(FIFTEEN_SECONDS)
    assert lately(whole, "loss/gru") < 0.5


@claim(GradientThroughTime, "value")
def test_clipping_by_value_turns_the_gradient(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert min(row["direction/gru"] for row in driven.rows) < 0.6
    by_norm = Driven(GradientThroughTime, driven.experiment.seed, clip="norm", threshold=0.02).train(60)
    assert min(row["direction/gru"] for row in by_norm.rows) > 0.9999
