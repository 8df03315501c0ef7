"""What the presets of embedding say is to be seen, within the 450 steps of 15 s."""

from __future__ import annotations

from claims import claim
from descent.experiments.sequence.embedding import Embedding
from descent.kit.data.relations import BESIDE
from driving import Driven

FIFTEEN_SECONDS = 451


@claim(Embedding, "capitals")
def test_a_capital_is_found_and_has_its_countrys_words_around_it(driven: Driven) -> None:
    driven.train(300)
    assert driven.look("calculated").labels[0] == "cairo"
    assert {*BESIDE["korea"].split()} <= {*driven.look("neighbours").labels}


@claim(Embedding, "cbow")
def test_a_mean_vector_will_do(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert driven.last("acc/analogies") >= 0.9


@claim(Embedding, "two")
def test_two_numbers_are_too_few(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert driven.last("acc/analogies") < 1 / 3


@claim(Embedding, "prose")
def test_numbers_are_near_numbers_in_real_text(driven: Driven) -> None:
    driven.train(FIFTEEN_SECONDS)
    assert {"one", "three", "four"} & {*driven.look("neighbours").labels[:4]}
    driven.change(word="left")
    assert "right" in driven.look("neighbours").labels
