"""What the presets and the lesson of next-word say is to be seen."""

from __future__ import annotations

import math

import pytest
import torch

from claims import SEEDS, claim, preset
from descent.experiments.sequence.next_word import FAR, NextWord
from driving import Driven

BOTH = ("rnn", "lstm")


def right(driven: Driven, network: str) -> list[int]:
    """How many sentences it had right, step by step."""
    return [round(row[f"acc/{network}"] * len(driven.experiment.y)) for row in driven.rows]


def settled(driven: Driven, network: str) -> int:
    """The first step from which on all sentences are right."""
    counts = right(driven, network)
    return max((i + 1 for i, count in enumerate(counts) if count < len(driven.experiment.y)), default=0)


@claim(NextWord, "you-hate")
def test_coffee_and_milk_rise_together_until_the_pronoun_decides(driven: Driven) -> None:
    coffee, milk = (driven.experiment.words.index(word) for word in ("coffee", "milk"))

    def beliefs() -> list[tuple[float, float]]:
        values = driven.train(10).look("prediction").values
        return [(float(p[coffee]), float(p[milk])) for p in values]

    seen = [beliefs() for _ in range(25)]
    for network in range(2):
        curve = [row[network] for row in seen]
        assert any(abs(c - m) < 0.1 and min(c, m) > 0.25 for c, m in curve), "⅓ to ½ each"
        assert curve[-1][0] > 0.8
        assert curve[-1][1] < 0.2


@claim(NextWord, "korean")
def test_the_verb_gives_pets_away_and_drinks_need_the_pronoun(driven: Driven) -> None:
    sentences = [sentence.split() for sentence in driven.experiment.sentences]
    verbs = {thing: {verb for _, other, verb in sentences if other == thing} for _, thing, _ in sentences}
    alone = torch.tensor([len(verbs[thing]) == 1 for _, thing, _ in sentences])
    assert alone.tolist() == [True, False, False, True, False, False]
    driven.train(80)
    for network in BOTH:
        logits = getattr(driven.experiment, network)(driven.experiment.x)[0].detach()
        p = logits.softmax(1).gather(1, driven.experiment.y[:, None])[:, 0]  # of the right verb
        assert p[alone].min() > p[~alone].mean()
    driven.train(320)
    assert [right(driven, network)[-1] for network in BOTH] == [6, 6]


@claim(NextWord, "five-words")
def test_the_loss_stays_at_log_2_until_the_first_word_arrives(driven: Driven) -> None:
    driven.train(600)
    assert driven.last("loss/lstm") < 0.1
    for network in BOTH:
        losses = [row[f"loss/{network}"] for row in driven.rows]
        if losses[-1] < 0.1:
            assert settled(driven, network) < 600
        else:
            assert losses[-1] == pytest.approx(math.log(2), abs=0.02)
            assert min(losses[50:]) > 0.6


def test_with_some_seeds_the_rnn_never_gets_the_first_word_there() -> None:
    last = [Driven(NextWord, seed, sentences=FAR).train(300).last("loss/rnn") for seed in range(3)]
    assert any(loss > 0.6 for loss in last)
    assert any(loss < 0.1 for loss in last)


@claim(NextWord, "two-answers")
def test_what_cannot_be_known_stays_at_one_half(driven: Driven) -> None:
    driven.train(600)
    dog, cat = (driven.experiment.words.index(word) for word in ("dog", "cat"))
    for network, p in zip(BOTH, driven.look("prediction").values, strict=True):
        assert float(p[dog]) == pytest.approx(0.5, abs=0.05)
        assert float(p[cat]) == pytest.approx(0.5, abs=0.05)
        assert driven.last(f"loss/{network}") == pytest.approx(2 / 4 * math.log(2), abs=0.01)
        assert max(right(driven, network)) == 3


@claim(NextWord, "one-unit")
def test_one_number_is_too_few_for_the_rnn_and_two_are_no_worse(driven: Driven) -> None:
    driven.train(1200)
    assert max(right(driven, "rnn")) <= 5
    assert right(driven, "lstm")[-1] >= right(driven, "rnn")[-1]


@pytest.mark.slow
def test_with_most_seeds_one_unit_of_an_lstm_is_enough() -> None:
    found = [right(preset(NextWord, "one-unit", seed).train(1200), "lstm")[-1] for seed in SEEDS]
    assert found.count(6) >= 2, found


@claim(NextWord, "too-large")
def test_at_too_large_a_rate_the_rnns_units_jump_to_the_ends_and_stay(driven: Driven) -> None:
    def flat() -> list[bool]:
        """Whether each unit is where tanh is flat, at each word of each sentence."""
        hidden = driven.experiment.rnn(driven.experiment.x)[1]
        return [abs(h) > 0.99 for h in hidden.flatten().tolist()]

    early, late = (driven.train(steps) and flat() for steps in (20, 180))
    assert sum(early) > 0.8 * len(early)
    assert sum(a and b for a, b in zip(early, late, strict=True)) > 0.9 * sum(early)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_at_the_default_rate_all_six_are_right_within_80_to_220_steps(seed: int) -> None:
    driven = Driven(NextWord, seed).train(300)
    for network in BOTH:
        assert 75 <= settled(driven, network) <= 230
