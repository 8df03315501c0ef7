"""What the presets of `seq2seq` say is to be seen, within 15 s; the bottleneck, on the defaults."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from claims import SEEDS, claim
from descent.experiments.sequence.seq2seq import EVERY, MOST, Seq2Seq
from descent.kit.data.spoken import is_held_out
from descent.kit.data.translation import END
from driving import Driven


@cache
def by_default(seed: int) -> Driven:
    """A run of 150 steps, with a test at its end: nine seconds on one core."""
    run: Driven = Driven(Seq2Seq, seed).train(151)
    return run


def mass(run: Driven, token: int, keys: slice) -> float:
    """How much of Bahdanau's weights in one row lies on some keys."""
    return float(torch.as_tensor(run.look("bahdanau").weights)[0, 0, token, keys].sum())


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_without_attention_long_numbers_stay_wrong_which_bahdanau_has_right(seed: int) -> None:
    run = by_default(seed)
    right = torch.as_tensor(run.look("by_length").values)[0]  # (3, lengths)
    longest = right[:, 5:].nanmean(1)  # of eleven tokens and more
    assert longest[1] > longest[0] + 0.5
    assert right[0, 1:4].nanmean() > longest[0], "short ones are easier"
    assert run.last("exact/bahdanau") >= 0.95
    assert run.last("exact/luong") > 0.85
    assert run.look("candidates").names[0].startswith("✗")
    assert run.change(shown="bahdanau").look("candidates").names[0].startswith("✓")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_what_comes_out_wrong_is_still_a_number(seed: int) -> None:
    experiment = by_default(seed).experiment
    target, wrong = experiment.spoken.target, []
    for tokens, wanted in zip(
        experiment.models["none"].greedy(experiment.unseen.sources, MOST)[0],
        experiment.unseen.targets,
        strict=True,
    ):
        said, right = (row[row > END].tolist() for row in (tokens, wanted))
        wrong += [target.read(target.written(said)) is not None] if said != right else []
    assert len(wrong) > 100
    assert sum(wrong) / len(wrong) > 0.95


@claim(Seq2Seq, "dates")
def test_the_alignment_of_a_date_jumps(run: Driven) -> None:
    run.train(101)
    assert run.last("exact/bahdanau") > 0.8
    assert run.last("exact/none") < 0.1
    assert run.last("exact/luong") < 0.6
    assert run.look("bahdanau").queries[:3] == ["october", "ninth", "nineteen"]
    assert run.look("bahdanau").keys[6:9] == ["년", "시", "월"]
    assert mass(run, 0, slice(7, None)) > 0.7
    assert all(mass(run, token, slice(0, 7)) > 0.7 for token in (2, 3, 4))


@claim(Seq2Seq, "to-korean")
def test_no_word_stands_for_ten_thousand(run: Driven) -> None:
    run.train(101)
    assert run.last("exact/bahdanau") > 0.8
    assert run.last("exact/none") < 0.1
    picture = run.look("bahdanau")
    assert picture.queries[5] == "만"
    assert picture.keys[2:7] == ["three", "hundred", "forty", "five", "thousand"]
    assert mass(run, 5, slice(2, 7)) > 0.7
    assert is_held_out(run.experiment.spoken.source.read(run.knobs.text))


@claim(Seq2Seq, "own-words")
def test_its_own_words_teach_it_more_slowly(run: Driven) -> None:
    run.train(76)
    forced = by_default(run.experiment.seed).rows[3 * EVERY]["exact/bahdanau"]
    assert run.last("exact/bahdanau") < 0.25
    assert 0.4 < forced < 0.65
