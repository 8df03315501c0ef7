"""Tasks beside a lesson: challenges to solve, and questions to answer before the result is seen.

The table `challenges` of a lesson's front matter holds goals over scalars and knobs. A challenge is `done` at
the first moment all its terms hold, with every rule of `rules` kept from the run's first step; `within` are
the steps in which that earns one, two and three stars. `start`: the knobs it begins with. `solution` is how
the tests solve it; nobody else sees it.

The table `questions` holds what a class is asked: of a run with these `knobs`, what will be the case at step
`until`? Either which of the `answers`, whose `when` says whether it is right then; or which value a scalar
has (`number`); or how its curve goes (`curve`). The English lesson has the whole, every other language its
texts alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from descent.stories import KnobTerm, ScalarTerm, Seen, holds

Piece = tuple[np.ndarray, Mapping[str, np.ndarray]]
"""Steps, int64 (n,), and the scalars measured there by name, float (n,), NaN where one was not."""
Log = Sequence[tuple[int, Mapping[str, Any]]]
"""Knobs as they are from a step on."""
Steps = Annotated[int, Field(gt=0, le=1_000_000)]
NEVER = 1 << 62
MOST_STARS = 3  # of a challenge


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(KnobTerm):
    """What a knob has to be all the while; `total`: the bounds are of the sum of its values."""

    total: bool = False

    def kept(self, knobs: Mapping[str, Any]) -> bool:
        """Whether these knobs keep it."""
        value = knobs[self.knob]
        return self.bounds(float(sum(value))) if self.total else holds([self], Seen(knobs, {}), {})


class Change(_Strict):
    """Knobs that are set after a step."""

    step: Steps
    knobs: dict[str, Any]


class Solution(_Strict):
    """How a challenge can be solved, from its start: other knobs, and changes on the way."""

    knobs: dict[str, Any] = {}
    later: list[Change] = []


class Challenge(_Strict):
    """A goal for one run."""

    title: str
    goal: str
    hint: str
    done: Annotated[list[ScalarTerm], Field(min_length=1)]
    rules: list[Rule] = []
    within: tuple[Steps, Steps, Steps]
    start: dict[str, Any] = {}
    solution: Solution

    @model_validator(mode="after")
    def _consistent(self) -> Challenge:
        if list(self.within) != sorted(self.within, reverse=True):
            raise ValueError("within: steps for one, two and three stars, so none more than the one before")
        if any(term.times for term in self.done):
            raise ValueError("done: a record has no beginning to compare with")
        return self

    def stars(self, step: int) -> int:
        """How many are earned by being done after so many steps."""
        return sum(step <= most for most in self.within)


class Answer(_Strict):
    """One to choose, and the terms under which it is right."""

    say: str
    when: Annotated[list[ScalarTerm], Field(min_length=1)]


class Asked(_Strict):
    """A scalar whose value or curve is guessed, between these values; `log`: on a logarithmic axis."""

    scalar: str
    low: float
    high: float
    log: bool = False


class Question(_Strict):
    """What will be the case in a run after `until` steps."""

    ask: str
    why: str = ""
    knobs: dict[str, Any] = {}
    until: Steps
    answers: dict[str, Answer] = {}
    number: Asked | None = None
    curve: Asked | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Question:
        kinds = [len(self.answers) > 1, self.number is not None, self.curve is not None]
        if sum(kinds) != 1 or len(self.answers) == 1:
            raise ValueError("it needs two answers or more, or a `number`, or a `curve`, and one of these")
        return self


Challenges = Mapping[str, Challenge]
Questions = Mapping[str, Question]
_challenges: TypeAdapter[dict[str, Challenge]] = TypeAdapter(dict[str, Challenge])
_questions: TypeAdapter[dict[str, Question]] = TypeAdapter(dict[str, Question])


def read_challenges(words: Mapping[str, Any]) -> Challenges:
    """The challenges in an English lesson's front matter. Raises `ValidationError`."""
    return _challenges.validate_python(words.get("challenges", {}))


def read_questions(words: Mapping[str, Any]) -> Questions:
    """The questions in an English lesson's front matter. Raises `ValidationError`."""
    return _questions.validate_python(words.get("questions", {}))


def texts(challenges: Challenges, questions: Questions) -> Iterator[tuple[str, ...]]:
    """The paths of their texts in a lesson's front matter."""
    for id in challenges:
        for name in ("title", "goal", "hint"):
            yield "challenges", id, name
    for id, question in questions.items():
        yield "questions", id, "ask"
        if question.why:
            yield "questions", id, "why"
        for answer in question.answers:
            yield "questions", id, "answers", answer


def faults(challenges: Challenges, questions: Questions, knobs: Collection[str]) -> Iterator[str]:
    """What they speak of that their experiment does not have."""
    for id, challenge in challenges.items():
        said = [*challenge.start, *challenge.solution.knobs, *(rule.knob for rule in challenge.rules)]
        said += [name for change in challenge.solution.later for name in change.knobs]
        yield from (f"challenges.{id}: there is no knob {name!r}" for name in said if name not in knobs)
    for id, question in questions.items():
        yield from (
            f"questions.{id}: there is no knob {name!r}" for name in question.knobs if name not in knobs
        )


@dataclass(frozen=True)
class Earned:
    """That a challenge is done, after so many steps."""

    stars: int
    step: int


def earned(challenge: Challenge, record: Iterable[Piece], log: Log) -> Earned | None:
    """Whether a run has done a challenge: at the first step at which all terms hold, if its rules were kept
    until then. `record`: from the run's first step, in order; `log`: from its first knobs.
    """
    broken = (step for step, knobs in log if not all(rule.kept(knobs) for rule in challenge.rules))
    most = min(challenge.within[0], next(broken, NEVER)) - 1  # the first step is number 0
    before: dict[str, float] = {}
    for steps, columns in record:
        if most < 0 or not len(steps) or steps[0] > most:
            break
        held = steps <= most
        for term in challenge.done:
            values = _carried(columns.get(term.scalar), before.get(term.scalar, np.nan), len(steps))
            before[term.scalar] = float(values[-1])
            held &= np.array([term.bounds(value) for value in values.tolist()])
        if held.any():
            step = int(steps[held.argmax()]) + 1
            return Earned(challenge.stars(step), step)
    return None


def _carried(values: np.ndarray | None, before: float, n: int) -> np.ndarray:
    """Each value, where none was measured the one before. (n,)"""
    if values is None:
        return np.full(n, before)
    known = np.concatenate([[before], np.asarray(values, dtype=np.float64)])
    last = np.maximum.accumulate(np.where(np.isnan(known), 0, np.arange(n + 1)))
    carried: np.ndarray = known[last][1:]
    return carried
