"""What the presets of `rnn` say is to be seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from claims import SEEDS, claim
from descent.experiments.sequence.rnn import RNN
from driving import Driven


@torch.no_grad()
def right_by_step(driven: Driven) -> Tensor:
    """The share of right answers at each time step, (T,), whether asked or not."""
    experiment = driven.experiment
    output = experiment.model(experiment.test.x)
    return (output.argmax(2) == experiment.test.said).float().mean(1)


@claim(RNN, "tag")
def test_words_are_tagged_right_within_200_steps(driven: Driven) -> None:
    assert driven.train(201).last("acc/test") > 0.99


@claim(RNN, "direction")
def test_one_frame_tells_nothing_and_four_tell_whereto(driven: Driven) -> None:
    share = right_by_step(driven.train(1800))
    assert share[0] < 0.4
    assert share[-1] >= 0.9


@claim(RNN, "draw")
def test_the_pen_finds_its_way_within_600_steps(driven: Driven) -> None:
    driven.train(400)
    assert max(driven.train(20).last("acc/test") for _ in range(10)) > 0.9


@claim(RNN, "once")
def test_a_single_step_never_uses_w_h(driven: Driven) -> None:
    assert driven.train(301).last("acc/test") > 0.7
    assert not torch.as_tensor(driven.look("gradient").pixels).any()


@claim(RNN, "long")
def test_of_ten_letters_the_last_two_are_kept(driven: Driven) -> None:
    share = right_by_step(driven.train(900))[10:]  # in the order of the answers
    assert share[0] > 0.9
    assert share[1] > 0.6
    assert share[2:].max() < 0.6
    assert share[2:].mean() < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_four_letters_are_reversed_within_900_steps(seed: int) -> None:
    assert Driven(RNN, seed).train(901).last("acc/test") > 0.95
