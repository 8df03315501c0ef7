"""The entry made of a declaration: what the registry gives of an experiment, of a run that no file holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

from pydantic import create_model

from descent.contract import Experiment, Knobs, Measure
from descent.contract.entry import Entry
from descent.declared.declaration import PREFIX, Declaration
from descent.lessons import LANGUAGES, Lesson, read_lesson

TEXTS = "watched"  # the lesson with the texts of knobs and panels that every such run has


class Watched(Experiment[Knobs]):
    """The experiment of a run whose steps are taken elsewhere; never built here."""

    minutes: ClassVar[int] = 1
    level: ClassVar[Literal[1, 2, 3]] = 2
    invite: ClassVar[str] = ""

    @classmethod
    def having(cls, knobs_type: type[Knobs], measures: Mapping[str, Measure]) -> type[Self]:
        """The class of a run with these knobs and measures."""
        found: Any = type(cls.__name__, (cls,), {"measures": measures})
        found.knobs_type = knobs_type  # a class of its own would take that of its base
        own: type[Self] = found
        return own

    def build(self, knobs: Knobs) -> None:
        """Nothing: the training loop has built it."""

    def step(self, knobs: Knobs) -> Mapping[str, Any]:
        """Raises `NotImplementedError`: the training loop takes the steps."""
        raise NotImplementedError("the steps of a watched run are taken by its own training loop")


def measure_of(scalar: str) -> Measure | None:
    """What a scalar measures, by its name; None where that cannot be told."""
    words = set(re.split(r"[^a-z0-9]+", scalar.lower()))
    unseen = bool(words & {"val", "valid", "validation", "test", "eval", "dev"})
    if words & {"loss", "nll", "ce", "perplexity"}:
        return Measure("held-out" if unseen else "loss")
    if words & {"acc", "accuracy"}:
        return Measure("accuracy")
    return None


def measures_of(scalars: Iterable[str]) -> dict[str, Measure]:
    """The measures among scalars, by name."""
    found = {name: measure_of(name) for name in scalars}
    return {name: measure for name, measure in found.items() if measure is not None}


def is_watched(experiment: str) -> bool:
    """Whether this is the id of a run's own training loop, not of an experiment."""
    return experiment.startswith(PREFIX)


def entry_of(told: Declaration) -> Entry:
    """The entry of a run that declares this; one and the same of equal declarations."""
    return _entry(told.model_dump_json())


@lru_cache(maxsize=256)
def _entry(told: str) -> Entry:
    declaration = Declaration.model_validate_json(told)
    fields: dict[str, Any] = {knob.name: knob.field() for knob in declaration.knobs}
    knobs_type = create_model("WatchedKnobs", __base__=Knobs, **fields)
    panels = {panel.name: panel.panel() for panel in declaration.panels}
    series = [name for panel in declaration.panels for name in panel.series]
    cls = Watched.having(knobs_type, measures_of(series))
    return Entry(
        id=declaration.id,
        chapter="",
        title=declaration.name,
        summary=declaration.model,
        cls=cls,
        panels=panels,
        lessons={language: _lesson(language, declaration) for language in LANGUAGES},
        story={},
    )


def _lesson(language: str, told: Declaration) -> Lesson:
    """The texts of knobs and panels of these names, where the declaration uses the usual titles."""
    found = read_lesson(language, TEXTS)
    english = read_lesson("en", TEXTS)
    assert found is not None, language
    assert english is not None
    usual, here = english.words, found.words
    words: dict[str, Any] = {"title": told.name, "words": here.get("words", {}), "groups": {}}
    knobs = {}
    for knob in told.knobs:
        name = re.sub(r"_\d+\Z", "", knob.name)
        if knob.title == usual.get("knobs", {}).get(name, {}).get("name"):
            knobs[knob.name] = here["knobs"][name]
        if group := re.fullmatch(r"Group (\d+)", knob.group):
            words["groups"][knob.group] = here["words"]["Group"].format(n=group[1])
        elif knob.group in here["words"]:
            words["groups"][knob.group] = here["words"][knob.group]
    panels = {}
    for panel in told.panels:
        name = re.sub(r"_\d+\Z", "", panel.name)
        if panel.title == usual.get("panels", {}).get(name, {}).get("title"):
            panels[panel.name] = here["panels"][name]
    words |= {"knobs": knobs, "panels": panels}
    return Lesson(found.html, words, found.markdown)


def known(registry: Mapping[str, Entry], experiment: str, declared: Mapping[str, Any] | None) -> Entry | None:
    """The entry of a recorded run: of its declaration if it has one, else the registry's; None if neither.

    Raises `pydantic.ValidationError` where the declaration is none.
    """
    if declared is None:
        return registry.get(experiment)
    return entry_of(Declaration.model_validate(declared["declaration"]))
