"""Word embeddings: the loss against its formula, what stands beside what, the plane, and what is refused."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from descent.experiments.sequence.embedding import (
    FARTHEST,
    Embedding,
    EmbeddingKnobs,
    Vectors,
    nearest,
    neighbourhoods,
    words_of,
)
from descent.kit.data.relations import CAPITALS, PEOPLE, analogies, sentences
from driving import Driven, assert_steps_are_adams, built


@torch.no_grad()
def test_the_loss_is_the_formula_written_out() -> None:
    torch.manual_seed(0)
    model = Vectors(9, 4)
    model.U.normal_()
    v, right, wrong = torch.randn(3, 4), torch.tensor([0, 4, 8]), torch.tensor([[1, 2], [0, 0], [3, 4]])

    def sigma(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    expected = 0.0
    for i in range(3):
        expected -= math.log(sigma(float(model.U[right[i]] @ v[i])))
        expected -= sum(math.log(sigma(-float(model.U[n] @ v[i]))) for n in wrong[i])
    assert float(model.loss(v, right, wrong)) == pytest.approx(expected / 3, rel=1e-5)


def test_a_one_hot_vector_times_the_matrix_is_its_row() -> None:
    run = Driven(Embedding).train(5)
    shown = torch.as_tensor(run.look("looked_up").values)
    x, W = shown[:-1, 0], shown[:-1, 1:]
    torch.testing.assert_close(x @ W, shown[-1, 1:])
    torch.testing.assert_close(shown[-1, 1:], W[0])
    row = run.experiment.model.W[run.experiment.index["king"]].detach()
    torch.testing.assert_close(W[0], row[:8])


def test_what_stands_beside_a_word_stays_within_its_line_and_the_window() -> None:
    words, beside = neighbourhoods([[5, 6, 7], [8], [9, 4]])
    assert words.tolist() == [5, 6, 7, 9, 4]
    at = {int(word): [int(w) for w in row if w >= 0] for word, row in zip(words, beside, strict=True)}
    assert at == {5: [6, 7], 6: [5, 7], 7: [5, 6], 9: [4], 4: [9]}
    assert int(beside[0, FARTHEST]) == 6, "the next word comes first after the middle"
    for method in ("skip-gram", "cbow"):
        experiment, knobs = built(Embedding, window=1, method=method)
        generator = torch.Generator().manual_seed(0)
        v, right, wrong = experiment._pairs(experiment.train, torch.arange(200), generator, knobs)
        near = experiment.train[1][:200, FARTHEST - 1 : FARTHEST + 1]
        W = experiment.model.W
        if method == "skip-gram":
            assert all(int(right[i]) in near[i].tolist() for i in range(200))
            torch.testing.assert_close(v, W[experiment.train[0][:200]])
        else:
            means = torch.stack([W[row[row >= 0]].mean(0) for row in near])
            torch.testing.assert_close(v, means)
            assert torch.equal(right, experiment.train[0][:200])
        assert wrong.shape == (200, 5)


def test_negatives_are_drawn_by_counts_to_the_power_of_three_quarters() -> None:
    experiment, knobs = built(Embedding, negatives=20)
    rows = torch.zeros(20_000, dtype=torch.long)
    *_, wrong = experiment._pairs(experiment.train, rows, torch.Generator().manual_seed(0), knobs)
    drawn = torch.bincount(wrong.flatten(), minlength=len(experiment.words)) / wrong.numel()
    words = torch.cat([experiment.train[0], experiment.test[0]])
    expected = torch.bincount(words, minlength=len(experiment.words)).float().pow(0.75)
    torch.testing.assert_close(drawn, expected / expected.sum(), rtol=0.1, atol=0)


def test_the_known_analogies_are_those_of_the_features() -> None:
    found = analogies()
    assert ("man", "king", "woman", "queen") in found
    assert ("korea", "seoul", "egypt", "cairo") in found
    assert len(found) == len(set(found))
    for a, b, c, d in found:
        if a in PEOPLE:
            changed = [
                [(x, y) for x, y in zip(PEOPLE[one], PEOPLE[other], strict=True) if x != y]
                for one, other in ((a, b), (c, d))
            ]
            assert changed[0] == changed[1]
            assert len(changed[0]) == 1
        else:
            assert CAPITALS.get(a, a) in (b, a)
    assert not any(word in line for line in sentences(50, Random(0)) for word in ("", " "))


def test_solved_is_what_looking_for_each_gives() -> None:
    run = Driven(Embedding).train(40)
    experiment = run.experiment
    W = experiment.model.W.detach()
    solved = experiment.solved()
    for question, right in list(zip(experiment.questions.tolist(), solved.tolist(), strict=True))[::10]:
        a, b, c, d = question
        assert (int(nearest(W, W[b] - W[a] + W[c], (a, b, c))[1][0]) == d) == right
    run.change(analogy="korea seoul egypt")
    assert run.look("calculated").note == "seoul − korea + egypt"


@pytest.mark.parametrize("shown", ["people", "countries", "all"])
@pytest.mark.slow
def test_the_plane_is_that_of_the_principal_components(shown: str) -> None:
    run = Driven(Embedding, shown=shown).train(30)
    places = torch.as_tensor(run.look("plane").points)
    names = run.look("plane").labels
    W = run.experiment.model.W.detach()[[run.experiment.index[name] for name in names]]
    spread = torch.linalg.svdvals(W - W.mean(0))[:2]
    torch.testing.assert_close(torch.linalg.svdvals(places), spread, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["skip-gram", "cbow"])
def test_steps_are_adams_on_the_loss(method: str) -> None:
    (mine, knobs), (twin, _) = (built(Embedding, method=method) for _ in range(2))
    assert_steps_are_adams(mine, twin, knobs)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_four_of_five_analogies_hold_after_fifteen_seconds(seed: int) -> None:
    assert Driven(Embedding, seed).train(441).last("acc/analogies") >= 0.8


@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"word": "zebra"}, "word"),
        ({"analogy": "man king"}, "analogy"),
        ({"analogy": "man king zebra"}, "analogy"),
        ({"corpus": "pasted", "pasted": "too short a text"}, "pasted"),
        ({"corpus": "pasted", "pasted": ""}, "pasted"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_field(knobs: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        EmbeddingKnobs(**knobs)


def test_a_text_of_ones_own_in_any_script_is_read_and_unknown_words_show_the_most_frequent() -> None:
    text = " ".join(f"낱말{chr(0xAC00 + i)} 다른{chr(0xAC00 + 2 * i)}, 그리고." for i in range(30))
    run = Driven(Embedding, corpus="pasted", pasted=text, word="없는말").train(3)
    assert run.look("neighbours").note == run.experiment.words[0] == "그리고"
    for panel in ("plane", "calculated", "looked_up"):
        run.look(panel)
    assert words_of("Don't stop, re-enter 3 times!") == ["don't", "stop", "re-enter", "times"]


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(Embedding).train(3)
    picture = run.look("plane")
    apart = torch.pdist(picture.points)
    one, other = (picture.labels.index(picture.reading.values[key]) for key in ("one", "other"))
    assert float((picture.points[one] - picture.points[other]).norm()) == pytest.approx(
        float(apart.min()), abs=1e-4
    )
    for panel in ("neighbours", "calculated"):
        picture = run.look(panel)
        assert picture.reading.values["nearest"] == picture.labels[0]
        cosine = float(picture.reading.values["cosine"].replace("−", "-"))
        assert cosine == pytest.approx(float(picture.values[0, 0]), rel=0.06)


def test_a_word_picks_the_row_that_is_said() -> None:
    run = Driven(Embedding, word="king")
    said = run.look("looked_up").reading.values
    assert run.experiment.words[said["n"] - 1] == said["word"] == "king"
    x = torch.eye(said["all"])[said["n"] - 1]
    row = (x @ run.experiment.model.W)[: run.look("looked_up").values.shape[1] - 1]
    torch.testing.assert_close(torch.as_tensor(run.look("looked_up").values)[-1, 1:], row.detach())
