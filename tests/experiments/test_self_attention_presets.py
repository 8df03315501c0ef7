"""What the presets of self-attention say is to be seen, after the 300 steps that are taken in 15 s."""

from __future__ import annotations

import torch

from claims import claim
from descent.experiments.attention.self_attention import SelfAttentionExperiment
from driving import Driven

TEN_SECONDS, FIFTEEN_SECONDS = 200, 300  # steps


def weights(driven: Driven) -> torch.Tensor:
    """Of the learner's sentence, (h, T, T)."""
    return torch.as_tensor(driven.look("every_head").weights)[0]


@claim(SelfAttentionExperiment, "note")
def test_the_gap_finds_the_verb_and_looks_at_the_object(driven: Driven) -> None:
    driven.train(TEN_SECONDS)
    assert driven.look("filled").labels[0] == "즐겨한다"
    assert float(weights(driven)[:, 3, 2].max()) > 0.4, "a head looks from the gap at 처리를"
    driven.change(korean="할머니께서는 자연어 처리를 즐겨한다")
    assert driven.look("filled").labels[0] == "즐겨하신다"


@claim(SelfAttentionExperiment, "unscaled")
def test_without_the_root_one_word_has_all_the_weight_and_verbs_stay_wrong(driven: Driven) -> None:
    driven.train(1)
    assert driven.last("entropy") < 0.4
    driven.train(FIFTEEN_SECONDS - 1)
    assert driven.last("acc/verb") < 0.5
    root = Driven(
        SelfAttentionExperiment, driven.experiment.seed, **{**driven.knobs.model_dump(), "scaled": True}
    )
    root.train(1)
    assert root.last("entropy") > 0.6
    root.train(FIFTEEN_SECONDS - 1)
    assert root.last("acc/verb") > driven.last("acc/verb") + 0.2


@claim(SelfAttentionExperiment, "masked")
def test_what_comes_later_cannot_be_used(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert driven.last("acc/object") > 0.8
    assert driven.last("acc/verb") < 0.3
    assert float(weights(driven)[:, 2, 4].max()) == 0


@claim(SelfAttentionExperiment, "small")
def test_four_numbers_a_word_are_nearly_enough(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert driven.last("acc/verb") > 0.75
    assert torch.as_tensor(driven.look("product").values).shape == (3, 5)
