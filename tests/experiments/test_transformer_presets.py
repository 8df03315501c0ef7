"""What the presets of transformer say is to be seen."""

from __future__ import annotations

import math

import pytest
import torch

from claims import claim
from descent.experiments.attention.transformer import TransformerExperiment
from descent.kit.data.translation import PAD
from driving import Driven


def cross(driven: Driven) -> torch.Tensor:
    """The last layer's cross-attention (h, T, S): rows are the tokens of the right output."""
    return torch.as_tensor(driven.look("cross_attention").weights)[-1]


def whole(driven: Driven) -> torch.Tensor:
    """Which of the unseen texts come out right, (B,)."""
    source, target = driven.experiment.unseen
    wanted = target[:, 1:]
    with torch.no_grad():
        written = driven.experiment.model(source, target[:, :-1]).argmax(2)
    right: torch.Tensor = ((written == wanted) | (wanted == PAD)).all(1)
    return right


def rising(driven: Driven) -> torch.Tensor:
    """What each head (h,) gives on average to the diagonal of the word's letters, from the lower left."""
    weights, length = cross(driven), len(driven.knobs.word)
    return torch.stack([weights[:, t, length - 1 - t] for t in range(length)]).mean(0)


@claim(TransformerExperiment, "one-head")
def test_one_diagonal_is_enough_to_reverse(driven: Driven) -> None:
    driven.train(241)
    assert len(rising(driven)) == 1
    assert float(rising(driven)) > 0.4  # of all the attention in these rows, where an even share is 0.11
    assert driven.last("acc/token") > 0.8


@claim(TransformerExperiment, "sort")
def test_to_sort_rows_follow_the_letters_and_repeated_ones_are_right_last(driven: Driven) -> None:
    driven.train(161)
    texts = ["".join(driven.experiment.task.names(s[s != PAD])) for s in driven.experiment.unseen[0]]
    repeated = torch.tensor([len(set(text)) < len(text) for text in texts])
    right = whole(driven).float()
    assert right[~repeated].mean() > 0.5
    assert right[repeated].mean() < right[~repeated].mean() / 2
    driven.change(word="zygote")
    weights = cross(driven)
    on_letter = torch.stack([weights[:, row, "zygote".index(c)] for row, c in enumerate("egotyz")])
    assert on_letter.amax(1).mean() > 0.6, "some head looks at the letter that is written"
    assert rising(driven).max() < 0.5, "no diagonal"


@claim(TransformerExperiment, "dates")
def test_of_a_date_the_year_is_looked_up_in_the_year_and_the_month_in_the_month(driven: Driven) -> None:
    driven.train(250)
    assert whole(driven).float().mean() > 0.6
    for text, year, month in (
        ("March 5, 2024", range(9, 13), range(5)),
        ("2024년 3월 5일", range(4), range(6, 8)),
    ):
        driven.change(date=text)
        weights = cross(driven).mean(0)  # (T, S), over the heads
        on_year, on_month = weights[:, list(year)].sum(1), weights[:, list(month)].sum(1)
        assert on_year[:4].mean() > 0.5
        assert on_month[5:7].mean() > on_year[5:7].mean()


@claim(TransformerExperiment, "no-warm-up")
def test_the_rate_that_fails_at_once_learns_after_a_warm_up(driven: Driven) -> None:
    driven.train(101)
    assert driven.last("loss/test") > 2.8
    assert driven.last("acc/sequence") == 0
    warmed = Driven(TransformerExperiment, driven.experiment.seed, lr=driven.knobs.lr).train(101)
    assert warmed.last("loss/test") < 1.5


@claim(TransformerExperiment, "smoothing")
def test_with_smoothed_labels_right_outputs_are_only_so_sure(driven: Driven) -> None:
    driven.train(281)
    floor = -(1 - 0.3 + 0.3 / 29) * math.log(1 - 0.3 + 0.3 / 29) - 28 * 0.3 / 29 * math.log(0.3 / 29)
    assert floor == pytest.approx(1.57, abs=0.005)
    assert floor - 0.01 < driven.last("loss/test") < 1.75
    assert driven.last("acc/sequence") > 0.7
    source, target = driven.experiment.unseen
    with torch.no_grad():
        p = driven.experiment.model(source, target[:, :-1]).softmax(2)
    given = p.gather(2, target[:, 1:, None])[..., 0][target[:, 1:] != PAD]
    assert float(given.median()) == pytest.approx(0.7, abs=0.06)
