"""The next word: the RNN against NumPy's, the LSTM's states, what is learned, and what is refused."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from descent.engine.observe import look
from descent.errors import BadKnob
from descent.experiments.sequence.next_word import FAR, KOREAN, NextWord, NextWordKnobs, numpy_rnn, words_of
from descent.registry import experiments
from descent.runs.knobs import check
from driving import Driven, built
from driving import take as run

PROBES = [
    "prediction",
    "rnn_hidden",
    "lstm_hidden",
    "lstm_cell",
    "by_hand",
    "rnn_sentences",
    "lstm_sentences",
]


def make(seed: int = 0, **knobs: Any) -> tuple[NextWord, NextWordKnobs]:
    return built(NextWord, seed, **knobs)


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


# The RNN in NumPy


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_the_numpy_rnn_is_pytorchs(dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(1)
    cell = nn.RNN(4, 8, dtype=dtype)
    x = torch.randn(10, 4, dtype=dtype)
    w_x, w_h, b_ih, b_hh = (weight.detach().double().numpy() for weight in cell.parameters())
    by_hand = numpy_rnn(x.double().numpy(), w_x, w_h, b_ih + b_hh)
    np.testing.assert_allclose(by_hand, cell(x)[0].detach().numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("knobs", [{}, {"lr": 1.0}, {"sentences": FAR, "hidden": 16}, {"hidden": 1}])
def test_numpy_and_pytorch_stay_together_while_it_trains(knobs: dict[str, Any]) -> None:
    rows = run(*make(**knobs), 101)
    measured = {n: row["numpy/difference"] for n, row in enumerate(rows) if "numpy/difference" in row}
    assert list(measured) == [*range(0, 101, 10)]
    assert max(measured.values()) <= 1e-6


def test_the_difference_is_really_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, knobs = make()
    w_x, w_h, b = experiment.rnn.numpy_weights()
    monkeypatch.setattr(experiment.rnn, "numpy_weights", lambda: (w_x, w_h, b + 0.1))
    (row,) = run(experiment, knobs, 1)
    assert row["numpy/difference"] > 0.01


def test_both_computations_are_on_show() -> None:
    experiment, knobs = make(ask="you hate")
    run(experiment, knobs, 20)
    numpys, torchs = look(experiment, knobs, "by_hand").values
    _, x = experiment.asked(knobs)
    assert torch.equal(torchs, experiment.rnn.cell(x)[0][0, -1])
    assert (numpys - torchs).abs().max() <= 1e-6


# States and probabilities


def test_the_states_shown_are_those_of_nn_lstm_and_of_its_equations() -> None:
    experiment, knobs = make(sentences=FAR, ask="you say that they like")
    run(experiment, knobs, 30)
    _, x = experiment.asked(knobs)
    outputs, (_, last) = experiment.lstm.cell(x)
    hidden = look(experiment, knobs, "lstm_hidden")
    cell = look(experiment, knobs, "lstm_cell")
    torch.testing.assert_close(hidden.values.T, outputs[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(cell.values[:, -1], last[0, 0], rtol=0, atol=1e-12)
    assert hidden.columns == cell.columns == ["you", "say", "that", "they", "like"]

    w, u, b_ih, b_hh = (weight.detach().numpy() for weight in experiment.lstm.cell.parameters())
    h, c = np.zeros(5), np.zeros(5)
    for t, x_t in enumerate(x[0].numpy()):
        i, f, g, o = np.split(w @ x_t + u @ h + b_ih + b_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(cell.values[:, t], c, atol=1e-12)
        np.testing.assert_allclose(hidden.values[:, t], h, atol=1e-12)


def test_the_rnns_states_are_those_of_nn_rnn() -> None:
    experiment, knobs = make(ask="you love")
    run(experiment, knobs, 30)
    _, x = experiment.asked(knobs)
    picture = look(experiment, knobs, "rnn_hidden")
    torch.testing.assert_close(picture.values.T, experiment.rnn.cell(x)[0][0], rtol=0, atol=1e-12)
    assert picture.columns == ["you", "love"]


@pytest.mark.parametrize(
    ("name", "tolerance"), [("prediction", 1e-12), ("rnn_sentences", 0.045), ("lstm_sentences", 0.045)]
)
def test_probabilities_sum_to_one(name: str, tolerance: float) -> None:
    experiment, knobs = make()
    run(experiment, knobs, 20)
    values = look(experiment, knobs, name).values  # nine words; the tables are rounded to 0.01
    assert (values >= 0).all()
    assert (values.sum(1) - 1).abs().max() <= tolerance + 1e-12


def test_with_nothing_asked_the_first_sentence_is_asked_about() -> None:
    experiment, knobs = make()
    asked = NextWordKnobs(ask="  I  Like ")
    assert experiment.asked(knobs)[0] == experiment.asked(asked)[0] == ["i", "like"]
    prediction = look(experiment, knobs, "prediction").values
    for row, table in zip(prediction, ["rnn_sentences", "lstm_sentences"], strict=True):
        torch.testing.assert_close(row, look(experiment, knobs, table).values[0], rtol=0, atol=0.005)


# What is learned


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_both_learn_the_six_sentences(seed: int) -> None:
    experiment, knobs = make(seed)
    last = run(experiment, knobs, 600)[-1]
    assert last["acc/rnn"] == last["acc/lstm"] == 1
    assert max(last["loss/rnn"], last["loss/lstm"]) < 0.05
    for sentence in knobs.sentences.splitlines():
        beginning, _, word = sentence.rpartition(" ")
        prediction = look(experiment, NextWordKnobs(ask=beginning), "prediction")
        assert [prediction.labels[best] for best in prediction.values.argmax(1)] == [word, word]
        assert prediction.note == f"“{beginning} …”"


def test_sentences_typed_in_korean_are_learned() -> None:
    decomposed = unicodedata.normalize("NFD", KOREAN)  # as some keyboards type it
    experiment, knobs = make(sentences=f"\n{decomposed}\n\n", ask="너는 커피를", lr=0.03)
    assert experiment.words[:3] == ["나는", "개를", "좋아한다"]
    last = run(experiment, knobs, 500)[-1]
    assert last["acc/rnn"] == last["acc/lstm"] == 1
    prediction = look(experiment, knobs, "prediction")
    assert {prediction.labels[best] for best in prediction.values.argmax(1)} == {"싫어한다"}


def test_a_beginning_with_two_ends_is_left_at_one_half() -> None:
    experiment, knobs = make(**NextWord.presets["two-answers"].knobs)
    last = run(experiment, knobs, 400)[-1]
    for network in ("rnn", "lstm"):
        assert last[f"loss/{network}"] == pytest.approx(math.log(2) / 2, abs=0.01)
        assert last[f"acc/{network}"] == 0.75
    picture = look(experiment, knobs, "prediction")
    for word in ("dog", "cat"):
        assert picture.values[:, picture.labels.index(word)].tolist() == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_two_networks_learn_apart() -> None:
    experiment, knobs = make()
    lone = torch.optim.Adam(experiment.lstm.parameters(), knobs.lr)
    twin, _ = make()
    run(twin, knobs, 20)
    for _ in range(20):
        lone.zero_grad()
        nn.functional.cross_entropy(experiment.lstm(experiment.x)[0], experiment.y).backward()
        lone.step()
    for mine, its in zip(experiment.lstm.parameters(), twin.lstm.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-9)


def test_the_same_seed_gives_the_same_run_watched_or_not() -> None:
    def rows(seed: int, watched: bool) -> list[dict[str, float]]:
        experiment, knobs = make(seed)
        found = []
        for _ in range(15):
            found += run(experiment, knobs, 1)
            if watched:
                for name in PROBES:
                    look(experiment, knobs, name)
        return found

    assert rows(3, watched=False) == rows(3, watched=True)
    assert rows(3, watched=False) != rows(4, watched=False)


def test_the_batch_is_the_same_at_every_seed() -> None:
    assert torch.equal(make(0)[0].x, make(1)[0].x)
    assert torch.equal(make(0)[0].y, make(1)[0].y)


# What is a word


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("i like  cats", ["i", "like", "cats"]),
        ("我\u3000喜欢\u3000猫", ["我", "喜欢", "猫"]),  # as an input method writes a blank
        ("I like cats.", ["i", "like", "cats."]),
        ("\u1102\u1161\u11ab\u1100\u1161", ["난가"]),
    ],
)
def test_words_end_at_blanks_of_any_kind_and_at_nothing_else(line: str, words: list[str]) -> None:
    assert words_of(line) == words


# What is refused


@pytest.mark.parametrize(
    ("sentences", "says"),
    [
        ("", "it has 0 of 2 to 50 sentences"),
        ("i like dog", "it has 1 of 2 to 50 sentences; write one per line"),
        ("hello", "line 1 is the single word “hello”; add the words"),
        ("i like dog\n\nhello\nyou like cat", "line 3 is the single word “hello”"),
        ("i like dog\nyou really like cat", "line 2 has 4 words, the first sentence 3; make them equal"),
        ("a b c d e f g\na b c d e f h", "line 1 has 7 words; shorten it to 6 or fewer"),
        ("\n".join(["a b"] * 51), "it has 51 of 2 to 50 sentences"),
        ("\n".join(f"a{i} b{i}" for i in range(31)), "it has 62 different words; use at most 60"),
    ],
)
def test_sentences_that_cannot_be_learned_say_what_to_change(sentences: str, says: str) -> None:
    with pytest.raises(BadKnob) as refusal:
        check(experiments()["next-word"], {"sentences": sentences})
    assert refusal.value.field == "sentences"
    assert says in refusal.value.detail


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"ask": "i adore"}, "“adore” is in no sentence; use these words, or leave it empty: i, like, dog"),
        ({"ask": "you"}, "it has 1 of 2 words; type the rest"),
        ({"ask": "you love milk"}, "it has 3 of 2 words"),
        ({"ask": "i like", "sentences": KOREAN}, "“i” is in no sentence"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_to_change(values: dict[str, str], says: str) -> None:
    with pytest.raises(BadKnob) as refusal:
        check(experiments()["next-word"], values)
    assert refusal.value.field == "ask"
    assert says in refusal.value.detail


def test_too_long_a_text_is_refused() -> None:
    with pytest.raises(BadKnob, match="sentences"):
        check(experiments()["next-word"], {"sentences": "a b\n" * 300})


def test_the_largest_allowed_text_can_be_learned() -> None:
    text = "\n".join(f"a{i} b{i}" for i in range(30))
    experiment, knobs = make(sentences=text)
    run(experiment, knobs, 2)
    for name in PROBES:
        look(experiment, knobs, name)


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(NextWord).train(3)
    picture = run.look("prediction")
    for row, (word, share) in enumerate((("rnn", "most"), ("lstm", "more"))):
        chances = torch.as_tensor(picture.values)[row]
        assert picture.reading.values[word] == picture.labels[int(chances.argmax())]
        assert picture.reading.values[share] == f"{100 * float(chances.max()):.0f}"
    for panel in ("rnn_hidden", "lstm_hidden", "lstm_cell"):
        picture = run.look(panel)
        last = torch.as_tensor(picture.values)[:, -1]
        farthest = int(last.abs().argmax())
        assert picture.reading.values["unit"] == picture.rows[farthest]
        value = float(picture.reading.values["value"].replace("−", "-"))
        assert value == pytest.approx(float(last[farthest]), rel=0.06)
    picture = run.look("rnn_sentences")
    with torch.no_grad():
        right = (run.experiment.rnn(run.experiment.x)[0].argmax(1) == run.experiment.y).sum()
    assert picture.reading.values == {"right": int(right), "all": len(picture.rows)}


def test_of_a_network_that_is_nowhere_nothing_is_read() -> None:
    run = Driven(NextWord)
    with torch.no_grad():
        for parameter in run.experiment.rnn.parameters():
            parameter.fill_(float("nan"))
    for panel in ("prediction", "rnn_hidden", "by_hand"):
        assert run.look(panel).reading is None
