"""Each challenge can be solved, for all its stars, but not by its start; each question has one answer."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from descent import tasks
from descent.contract import Finished
from descent.contract.entry import Entry
from descent.lessons import LANGUAGES, at
from descent.registry import experiments
from descent.stories import Seen, holds
from descent.tasks import Challenge, Earned, Log, earned
from driving import Driven, latest

LONGEST = {"title": 40, "goal": 170, "hint": 200, "ask": 170, "why": 230, "say": 60}  # letters
ALL = [(id, name) for id, entry in experiments().items() for name in entry.challenges]
QUESTIONS = [(id, name) for id, entry in experiments().items() for name in entry.questions]


def trained(entry: Entry, challenge: Challenge, steps: int, *, solved: bool) -> tuple[Driven, Log]:
    """The run with the challenge's start, or as its solution has it, and its knobs from each step on."""
    solution = challenge.solution
    run = Driven(entry.cls, 0, **{**challenge.start, **(solution.knobs if solved else {})})
    log: list[tuple[int, Any]] = [(0, run.knobs.model_dump())]
    try:
        for change in solution.later if solved else []:
            run.train(change.step - len(run.rows)).change(**change.knobs)
            log.append((change.step, run.knobs.model_dump()))
        run.train(steps - len(run.rows))
    except Finished:
        pass
    return run, log


def result(challenge: Challenge, run: Driven, log: Log) -> Earned | None:
    names = {name for row in run.rows for name in row}
    columns = {name: np.array([row.get(name, np.nan) for row in run.rows]) for name in names}
    return earned(challenge, [(np.arange(len(run.rows)), columns)], log)


@pytest.mark.slow
@pytest.mark.parametrize(("id", "name"), ALL)
def test_a_challenge_is_solved_by_its_solution(id: str, name: str) -> None:
    entry = experiments()[id]
    challenge = entry.challenges[name]
    run, log = trained(entry, challenge, challenge.within[2], solved=True)
    best = result(challenge, run, log)
    assert best is not None, {term.scalar: latest(run.rows).get(term.scalar) for term in challenge.done}
    assert best.stars == 3


@pytest.mark.thorough
@pytest.mark.parametrize("id", dict(ALL))
def test_a_challenge_is_solved_neither_by_its_start_nor_by_the_defaults(id: str) -> None:
    entry = experiments()[id]
    runs: dict[str, tuple[Driven, Log]] = {}  # challenges that begin alike share a run
    for name, challenge in sorted(entry.challenges.items(), key=lambda one: -one[1].within[0]):
        for begun in (challenge, challenge.model_copy(update={"start": {}})):
            key = repr(sorted(begun.start.items()))
            if key not in runs:
                runs[key] = trained(entry, begun, challenge.within[0], solved=False)
            assert result(challenge, *runs[key]) is None, (name, begun.start)


@pytest.mark.slow
@pytest.mark.parametrize(("id", "name"), QUESTIONS)
def test_a_question_has_one_right_answer(id: str, name: str) -> None:
    entry = experiments()[id]
    question = entry.questions[name]
    run = Driven(entry.cls, 0, **question.knobs)
    with contextlib.suppress(Finished):
        run.train(question.until)
    if asked := question.number or question.curve:
        values = [row[asked.scalar] for row in run.rows if asked.scalar in row]
        assert asked.low <= values[-1] <= asked.high
        assert len(values) >= (10 if question.curve else 1)
        assert asked.low > 0 or not asked.log
    else:
        seen = Seen({}, latest(run.rows))
        right = [id for id, answer in question.answers.items() if holds(answer.when, seen, {})]
        assert len(right) == 1, seen.scalars


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_challenges_and_questions_say_is_short(language: str) -> None:
    for id, entry in experiments().items():
        words = entry.lessons[language].words
        for path in tasks.texts(entry.challenges, entry.questions):
            said = at(words, path)
            text = said if isinstance(said, str) else said["say"]
            assert len(text) <= LONGEST.get(path[-1], LONGEST["say"]), (id, *path)


def test_a_challenge_speaks_of_scalars_that_are_measured() -> None:
    for id, name in ALL:
        entry = experiments()[id]
        told = {series for panel in entry.panels.values() for series in panel.options.get("series", {})}
        for term in entry.challenges[name].done:
            assert term.scalar in told, (id, name, term.scalar)


def test_a_challenge_begins_within_its_rules() -> None:
    for id, name in ALL:
        entry = experiments()[id]
        challenge = entry.challenges[name]
        knobs = entry.knobs_type(**challenge.start).model_dump()
        assert [rule for rule in challenge.rules if not rule.kept(knobs)] == [], (id, name)


def test_every_kind_of_question_is_asked() -> None:
    asked = [entry.questions[name] for entry in experiments().values() for name in entry.questions]
    assert any(one.answers for one in asked)
    assert any(one.number for one in asked)
    assert any(one.curve for one in asked)
