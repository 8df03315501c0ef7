"""A lesson as it goes: what the teacher shows, and the question that the class is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from descent.errors import BadField
from descent.lessons import at
from descent.stories import Seen, holds
from descent.tasks import Asked, Question

POINTS = 11  # of a curve that is drawn, at equal distances from the first step to the last
CLOSE = 0.05  # of the range from low to high: a guess so near is right
CLOSE_CURVE = 0.1  # the same of a curve, on average
MOST_LETTERS = 300  # of a question of one's own
MOST_ANSWERS = 6  # of one with answers to choose
Phase = Literal["open", "closed", "going", "seen"]
Guess = str | float | list[float]


class Shown(BaseModel):
    """What the teacher shows: a run, in its present or at a `step`, and the panel that is large."""

    run: str
    experiment: str
    step: int | None = None
    panel: str = ""


class Asking(BaseModel):
    """A question that the class is asked of a run, and what was answered.

    `open`: answers come in; `closed`: all see them; `going`: the run is let go; `seen`: the run decided.
    Texts are by language. `right`: the answers that turned out right, the scalar's value, or its curve; said
    by hand where no record decides.
    """

    id: str
    run: str
    experiment: str
    ask: dict[str, str]
    why: dict[str, str] = {}
    until: int
    answers: dict[str, dict[str, str]] = {}
    number: Asked | None = None
    curve: Asked | None = None
    phase: Phase = "open"
    guesses: dict[str, Guess] = {}  # by person
    right: list[str] | float | list[float] | None = None
    by_hand: bool = False

    def checked(self, guess: Any) -> Guess:
        """A guess that this question takes. Raises `BadField`."""
        asked = self.number or self.curve
        if asked is None:
            if isinstance(guess, str) and guess in self.answers:
                return guess
            raise BadField("guess: choose one of the answers", "guess", reason="guess")
        wanted = 1 if self.number else POINTS
        values = guess if isinstance(guess, list) else [guess]
        if len(values) != wanted or not all(isinstance(one, (int, float)) for one in values):
            raise BadField(f"guess: {wanted} numbers are expected", "guess", reason="guess")
        kept = [min(max(float(one), asked.low), asked.high) for one in values]
        if not all(map(math.isfinite, kept)):
            raise BadField("guess: numbers are expected", "guess", reason="guess")
        return kept if self.curve else kept[0]

    def is_right(self, guess: Guess) -> bool | None:
        """Whether a guess was right; None as long as that is not known."""
        right = self.right
        if right is None:
            return None
        asked = self.number or self.curve
        if asked is None:
            return isinstance(right, list) and guess in right
        ours, theirs = _list(right), _list(guess)
        if len(ours) != len(theirs):
            return None
        miss = sum(map(abs, (_place(asked, a) - _place(asked, b) for a, b in zip(ours, theirs, strict=True))))
        return miss / len(ours) <= (CLOSE_CURVE if self.curve else CLOSE)


def _list(values: Any) -> list[float]:
    return list(values) if isinstance(values, list) else [values]


def _place(asked: Asked, value: float) -> float:
    """Where a value lies between low and high: 0 to 1."""
    if asked.log:
        low, high = math.log(asked.low), math.log(asked.high)
        value = math.log(max(value, asked.low))
    else:
        low, high = asked.low, asked.high
    return (min(max(value, low), high) - low) / ((high - low) or 1)


class Lesson(BaseModel):
    """The state of a lesson. It is kept, so that a server started again goes on with it."""

    shown: Shown | None = None
    asking: Asking | None = None
    right: dict[str, int] = Field(default_factory=dict)  # how many guesses of each person were right so far
    asked: int = 0  # questions that were decided


def asking_of(
    id: str, run: str, experiment: str, question: Question, texts: Mapping[str, Mapping[str, Any]]
) -> Asking:
    """A ready question as it is asked. `texts`: its table in the lesson's front matter, by language."""

    def said(*path: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for lang, words in texts.items():
            here = at(words, path)
            found[lang] = (here.get("say") if isinstance(here, Mapping) else here) or found.get("en", "")
        return found

    return Asking(
        id=id,
        run=run,
        experiment=experiment,
        ask=said("ask"),
        why=said("why"),
        until=question.until,
        answers={name: said("answers", name) for name in question.answers},
        number=question.number,
        curve=question.curve,
    )


def decided(
    asking: Asking, question: Question | None, steps: Sequence[int], columns: Mapping[str, Sequence[float]]
) -> list[str] | float | list[float] | None:
    """What a run's record says was right; None where it cannot be told. `columns`: by scalar, NaN where it
    was not measured.
    """
    latest = {
        name: known[-1]
        for name, values in columns.items()
        if (known := [value for value in values if value == value])
    }
    if asking.number:
        return latest.get(asking.number.scalar)
    if asking.curve:
        return curve_of(steps, columns.get(asking.curve.scalar, ()), asking.until)
    if question is None:
        return None
    seen = Seen({}, latest)
    return [id for id, answer in question.answers.items() if holds(answer.when, seen, {})]


def curve_of(steps: Sequence[int], values: Sequence[float], until: int) -> list[float] | None:
    """A curve at `POINTS` places from step 0 to `until`: the mean of what was measured around each."""
    known = [(step, value) for step, value in zip(steps, values, strict=False) if math.isfinite(value)]
    if not known:
        return None
    width = until / (POINTS - 1)
    found = []
    for i in range(POINTS):
        near = [value for step, value in known if abs(step - i * width) <= width / 2]
        found.append(
            sum(near) / len(near) if near else min(known, key=lambda one: abs(one[0] - i * width))[1]
        )
    return found
