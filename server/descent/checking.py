"""Whether an experiment keeps the contract, with its lessons: which texts it has, and which it lacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, get_args

from pydantic import ValidationError

from descent import tasks
from descent.contract import Experiment
from descent.contract.entry import Entry
from descent.contract.experiment import Level
from descent.contract.panels import Panel, panels_of
from descent.datasets.catalogue import CATALOGUE
from descent.engine.objectives import effects
from descent.lessons import LANGUAGES, Lesson, at
from descent.stories import faults, read_end, read_story, texts

THROUGHOUT = ("story", "end", "challenges", "questions")  # tables that are checked as a whole
LONGEST_SIGN = 2  # letters: units such as % and px are the same in any language


class ContractError(Exception):
    """An experiment that does not keep the contract, and how."""


def experiments_in(module: ModuleType) -> Iterator[type[Experiment[Any]]]:
    """The experiments that a module defines itself."""
    for value in list(vars(module).values()):
        defined = inspect.isclass(value) and issubclass(value, Experiment)
        if defined and value.__module__ == module.__name__ and not inspect.isabstract(value):
            yield value


def checked(
    cls: type[Experiment[Any]],
    chapter: str,
    name: str,
    docstring: str,
    *,
    lesson_of: Callable[[str], Lesson | None],
    file_of: Callable[[str], str],
    translated: bool = True,
) -> Entry:
    """The experiment of the file `name`, with its lessons by language, and what errors call their files.

    Raises `ContractError`, unless `translated` is false also for a text without Korean.
    """

    def need(condition: object, what: str) -> None:
        if not condition:
            raise ContractError(f"{cls.__module__}: {what}")

    slug = name.replace("_", "-")

    title, _, rest = docstring.partition("\n\n")
    summary = " ".join(rest.partition("\n\n")[0].split())
    need(title and summary, "the docstring needs a title line and a summary paragraph")
    need(hasattr(cls, "knobs_type"), "derive from Experiment[Knobs], with your Knobs class")
    need(getattr(cls, "invite", ""), "`invite` is missing: the sentence that invites the first move")
    need(
        getattr(cls, "minutes", 0) > 0,
        "`minutes` is missing: how long lesson and presets take",
    )
    need(
        getattr(cls, "level", 0) in get_args(Level),
        "`level` is missing: 1 for school mathematics, 2 for derivatives and vectors, 3 for reading a paper",
    )
    own = panels_of(cls)
    need(own, "it declares no panel")
    need(
        not own.keys() & effects.PANELS.keys(),
        f"{', '.join(effects.PANELS)} are names of panels of every experiment",
    )
    common = effects.PANELS if cls.objectives is not Experiment.objectives else {}
    panels = {**own, **common}
    need(sum(panel.size == "hero" for panel in own.values()) == 1, "exactly one panel must be the hero")
    for name in cls.knobs_type.model_fields:
        info = cls.knobs_type.model_fields[name]
        extra = info.json_schema_extra
        need(
            isinstance(extra, dict) and "x-live" in extra, f"knob {name!r}: declare it with live() or fixed()"
        )
        assert isinstance(extra, dict)
        need(
            not {"x-recorded", "x-own", "x-column-of"} & extra.keys()
            or (not extra["x-live"] and info.annotation is str),
            f"knob {name!r}: declare it with fixed(), as a str",
        )
        table = cls.knobs_type.model_fields.get(str(extra.get("x-column-of")))
        has_file = table and isinstance(table.json_schema_extra, dict) and "x-own" in table.json_schema_extra
        need(
            "x-column-of" not in extra or has_file,
            f"knob {name!r}: it names a column of {extra.get('x-column-of')!r}, which is no knob with a file",
        )
        unfetchable = set(_strings(extra.get("x-data"))) - set(CATALOGUE)
        need(not unfetchable, f"knob {name!r}: there are no data sets {sorted(unfetchable)}")
    need(sum(panel.size == "pair" for panel in own.values()) <= 1, "at most one panel goes beside the hero")
    for panel in own.values():
        for linked in (panel.options.get("links"), panel.options.get("shows")):
            need(
                linked is None or linked in own, f"panel {panel.name!r} links to an unknown panel {linked!r}"
            )
        asked = {*panel.options.get("when", {}), *panel.options.get("above", {})}
        unknown = {*asked, *panel.options.get("holds", ())} - set(cls.knobs_type.model_fields)
        need(not unknown, f"panel {panel.name!r} names unknown knobs {sorted(unknown)}")
        need(not asked or panel.size != "hero", f"the hero {panel.name!r} must always have something to show")
    for name, preset in cls.presets.items():
        unknown = set(preset.knobs) - set(cls.knobs_type.model_fields)
        need(not unknown, f"preset {name!r} sets unknown knobs {sorted(unknown)}")
    lessons = {}
    for language in LANGUAGES:
        lesson = lesson_of(language)
        need(lesson, f"{file_of(language)} is missing")
        assert lesson is not None
        lessons[language] = lesson
    said, english = dict(texts_of(cls, own)), lessons["en"].words
    twice = [path for path, text in said.items() if text and has(english, path)]
    unsaid = [path for path, text in said.items() if not text and not has(english, path)]
    astray = [path for path in leaves(english) if path not in said and path[0] not in THROUGHOUT]
    need(not twice, f"{_listed(twice)}: said here and in {file_of('en')}, once is enough")
    need(not unsaid, f"{_listed(unsaid)}: said neither here nor in {file_of('en')}")
    need(not astray, f"{file_of('en')} has {_listed(astray)}, which is no text of the experiment's")
    try:
        story, end = read_story(english), read_end(english)
        challenges, questions = tasks.read_challenges(english), tasks.read_questions(english)
    except ValidationError as error:
        raise ContractError(
            f"{cls.__module__}: story, end, challenges or questions in {file_of('en')}: {error}"
        ) from error
    wrong = [
        *faults(story, cls.knobs_type.model_fields, cls.presets, panels, end),
        *tasks.faults(challenges, questions, cls.knobs_type.model_fields),
    ]
    need(not wrong, f"{file_of('en')}: {'; '.join(wrong)}")
    said_beside = [*texts(story, end), *tasks.texts(challenges, questions)]
    missing = untranslated(cls, own, said_beside, lessons["ko"].words) if translated else []
    need(not missing, f"{file_of('ko')} does not translate {', '.join(missing)}")
    return Entry(
        id=slug,
        chapter=chapter,
        title=title.rstrip("."),
        summary=summary,
        cls=cls,
        panels=panels,
        lessons=lessons,
        story=story,
        end=end,
        challenges=challenges,
        questions=questions,
    )


Path = tuple[str, ...]  # of a text in a lesson's front matter


def texts_of(cls: type[Experiment[Any]], panels: Mapping[str, Panel]) -> Iterator[tuple[Path, str]]:
    """Every text of an experiment that the page shows, from its Python file; empty if it is not there."""
    yield ("title",), "of the docstring"
    yield ("summary",), "of the docstring"
    yield ("invite",), cls.invite
    for name, info in cls.knobs_type.model_fields.items():
        yield ("knobs", name, "name"), info.title or ""
        yield ("knobs", name, "help"), info.description or ""
        extra = info.json_schema_extra
        assert isinstance(extra, dict)
        options = extra.get("x-options")
        if isinstance(options, dict):
            for option, label in options.items():
                yield ("knobs", name, "options", option), str(label)
        if len(unit := str(extra.get("x-unit", ""))) > LONGEST_SIGN:
            yield ("words", unit), unit
        if group := str(extra.get("x-group", "")):
            yield ("groups", group), group
    for panel in panels.values():
        yield ("panels", panel.name, "title"), panel.title
        yield ("panels", panel.name, "caption"), panel.caption
        for series, label in panel.options.get("series", {}).items():
            yield ("scalars", series), label
    for id, preset in cls.presets.items():
        yield ("presets", id, "title"), preset.title
        yield ("presets", id, "watch"), preset.watch


def untranslated(
    cls: type[Experiment[Any]],
    panels: Mapping[str, Panel],
    beside: Iterable[Path],
    words: Mapping[str, Any],
) -> list[str]:
    """The texts of an experiment that `words` (a lesson's front matter) leaves in English.

    `beside`: paths of those that the English lesson alone has.
    """
    paths = [*(path for path, _ in texts_of(cls, panels)), *beside]
    return [".".join(path) for path in paths if not has(words, path)]


def has(words: Mapping[str, Any], path: Path) -> bool:
    """Whether a lesson's front matter has this text."""
    return bool(at(words, path))


def leaves(words: Mapping[str, Any], *above: str) -> Iterator[Path]:
    """The paths of all texts in a lesson's front matter."""
    for key, value in words.items():
        if isinstance(value, Mapping):
            yield from leaves(value, *above, key)
        else:
            yield (*above, key)


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(map(".".join, paths))
