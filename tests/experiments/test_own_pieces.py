"""`next-word` learns short pieces of a learner's own text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import driving
from descent.contract import KnobError
from descent.datasets.own import OwnFiles
from descent.engine.observe import look
from descent.experiments.sequence.next_word import MOST, VOCABULARY, NextWord, NextWordKnobs
from descent.kit.data.pieces import NO_PIECES, pieces_of
from descent.registry import experiments

POEM = "나는 봄에 꽃을 본다. 나는 봄에 새를 본다!\n“너는 겨울에 눈을 본다,” 그가 말했다.\n" * 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    return tmp_path


def built(folder: Path, text: str, **knobs: Any) -> tuple[NextWord, NextWordKnobs]:
    file = OwnFiles(folder, most=9).add("시.txt", "text", text.encode("cp949")).id
    return driving.built(NextWord, source="file", file=file, **knobs)


def test_pieces_lie_within_a_sentence_and_words_have_no_marks_around_them() -> None:
    pieces = pieces_of("The cat, he said. “The CAT sat.” A\ndog's day", 3, 9, 99)
    assert pieces.chosen == [["the", "cat", "he"], ["cat", "he", "said"], ["the", "cat", "sat"]]
    assert pieces.found == 3


def test_no_more_pieces_and_words_are_learnt_than_can_be_seen() -> None:
    text = " ".join(f"w{n}" for n in range(200)) + ". w0 w2. w3 w1."
    pieces = pieces_of(text, 2, 50, 60)
    assert (len(pieces.chosen), pieces.found) == (50, 201)
    few = pieces_of(text, 2, 500, 10)
    assert few.chosen[:9] == [[f"w{n}", f"w{n + 1}"] for n in range(9)]
    assert few.chosen[9:] == [["w0", "w2"], ["w3", "w1"]]  # of words that are known already


def test_a_korean_text_is_learnt_and_asked_about(folder: Path) -> None:
    experiment, knobs = built(folder, POEM, words=4, ask="나는 봄에 꽃을", lr=0.05)
    assert experiment.sentences[:2] == ["나는 봄에 꽃을 본다", "나는 봄에 새를 본다"]
    assert len(experiment.sentences) == 5
    last = driving.latest(driving.take(experiment, knobs, 60))
    assert last["acc/lstm"] == 1.0
    _, values = driving.said_of(experiment, knobs, "prediction")
    assert values["lstm"] == "본다"
    _, values = driving.said_of(experiment, knobs, "rnn_sentences")
    assert (values["found"], values["words"]) == (5, VOCABULARY)
    for name, panel in experiments()["next-word"].panels.items():
        if panel.kind != "scalars" and not panel.group:
            assert look(experiment, knobs, name) is not None


def test_a_word_that_the_text_has_not_is_told_and_the_first_beginning_shown(folder: Path) -> None:
    experiment, knobs = built(folder, POEM, words=4)
    knobs = driving.change(experiment, knobs, ask="나는 여름에 꽃을")
    picture, values = driving.said_of(experiment, knobs, "prediction")
    assert values == {"word": "여름에"}
    assert picture.note == "“나는 봄에 꽃을 …”"
    with pytest.raises(ValidationError, match="it has 2 of 3 words"):
        driving.change(experiment, knobs, ask="나는 봄에")


def test_a_text_too_short_is_refused_at_the_file(folder: Path) -> None:
    with pytest.raises(KnobError, match="the text has 1 different pieces of 4 words") as caught:
        built(folder, "one two three four. one two three four", words=4)
    assert caught.value.knob == "file"
    texts = (Path(__file__).parents[2] / "frontend/src/messages/errors.js").read_text(encoding="utf-8")
    assert f"'error.file.{NO_PIECES}':" in texts


def test_a_long_text_stays_within_bounds(folder: Path) -> None:
    experiment, _ = built(folder, " ".join(f"낱말{chr(0xAC00 + n % 500)}" for n in range(40_000)))
    assert len(experiment.sentences) <= MOST
    assert len(experiment.words) <= VOCABULARY
