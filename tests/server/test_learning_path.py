"""The learner's path: what each experiment asks for leads back to one start."""

from __future__ import annotations

import pytest

from descent.contract.entry import Entry
from descent.lessons import LANGUAGES, read_lesson
from descent.registry import experiments

ALL = experiments()
START = next(iter(ALL))
each = pytest.mark.parametrize("entry", ALL.values(), ids=list(ALL))


def before(id: str) -> set[str]:
    """All that is to be understood before, however long ago."""
    nearest = ALL[id].cls.after
    return {*nearest, *(one for near in nearest for one in before(near))}


@each
def test_every_experiment_is_reached_from_the_start(entry: Entry) -> None:
    assert entry.id == START or START in before(entry.id)


@each
def test_only_the_nearest_prerequisites_are_named(entry: Entry) -> None:
    for one in entry.cls.after:
        assert not any(one in before(other) for other in entry.cls.after), one


@each
def test_nothing_is_easier_than_what_leads_to_it(entry: Entry) -> None:
    assert entry.cls.level >= max((ALL[one].cls.level for one in entry.cls.after), default=1)


@each
def test_the_minutes_are_those_of_its_lesson_and_presets(entry: Entry) -> None:
    words = len(entry.lessons["en"].html.split())
    assert entry.cls.minutes == pytest.approx(2 + len(entry.cls.presets) + words / 150, abs=4)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_chapter_has_an_introduction(language: str) -> None:
    for chapter in {entry.chapter for entry in ALL.values()}:
        lesson = read_lesson(language, f"chapters/{chapter}")
        assert lesson is not None, chapter
        assert lesson.html.count("<p>") >= 2, chapter
