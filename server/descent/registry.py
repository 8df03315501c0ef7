"""Finds the experiments, checks the contract, sorts them.

Every module below `descent.experiments.<chapter>` that defines an `Experiment` is one. Its id is the
file's name with hyphens for underscores. A chapter is a folder, whose `__init__` gives its place. Nothing is
listed by hand: what breaks the contract raises.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import ValidationError

import descent.experiments
from descent.contract import Experiment
from descent.contract.entry import Entry
from descent.contract.experiment import Level
from descent.contract.panels import Panel, panels_of
from descent.datasets.catalogue import CATALOGUE
from descent.engine.objectives import effects
from descent.errors import UnknownExperiment
from descent.lessons import LANGUAGES, at, read_lesson
from descent.stories import End, Story, faults, read_end, read_story, texts

LONGEST_SIGN = 2  # letters: units such as % and px are the same in any language


class ContractError(Exception):
    """An experiment that does not keep the contract, and how."""


class Registry(Mapping[str, Entry]):
    """Experiments by id, in learning order."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, id: str) -> Entry:
        return self._entries[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, id: str) -> Entry:
        """The experiment `id`. Raises `UnknownExperiment`."""
        try:
            return self._entries[id]
        except KeyError:
            known = ", ".join(self._entries)
            raise UnknownExperiment(
                f"there is no experiment {id[:64]!r}; there are {known}", "experiment"
            ) from None


@cache
def experiments() -> Registry:
    """The experiments that come with Descent, by chapter, then `order`, then id. Raises `ContractError`."""
    found: dict[str, Entry] = {}
    for module_info in pkgutil.walk_packages(descent.experiments.__path__, "descent.experiments."):
        if module_info.ispkg:
            continue
        chapter, _, stem = module_info.name.removeprefix("descent.experiments.").partition(".")
        module = importlib.import_module(module_info.name)
        for cls in vars(module).values():
            if _is_experiment_of(cls, module_info.name):
                entry = _entry(cls, chapter, stem.replace("_", "-"), inspect.getdoc(module) or "")
                if entry.id in found:
                    raise ContractError(f"{module_info.name}: the id {entry.id!r} is taken")
                found[entry.id] = entry
    for entry in found.values():
        if unknown := set(entry.knobs_type.lenders().values()) - found.keys():
            raise ContractError(f"{entry.cls.__module__}: there are no experiments {sorted(unknown)}")
    sorted_ = dict(sorted(found.items(), key=_learning_order))
    _check_path(sorted_)
    return Registry(sorted_)


def _check_path(found: Mapping[str, Entry]) -> None:
    """Every prerequisite comes earlier in learning order, so there is no circle. Raises `ContractError`."""
    before: set[str] = set()
    for entry in found.values():
        if onward := set(entry.end.next if entry.end else ()) - entry.cls.presets.keys() - found.keys():
            raise ContractError(
                f"{entry.cls.__module__}: `end.next`: no presets or experiments {sorted(onward)}"
            )
        where = f"{entry.cls.__module__}: `after`"
        if unknown := set(entry.cls.after) - found.keys():
            raise ContractError(f"{where}: there are no experiments {sorted(unknown)}")
        if later := set(entry.cls.after) - before:
            raise ContractError(f"{where}: {sorted(later)} do not come before it in learning order")
        before.add(entry.id)


def _is_experiment_of(value: object, module: str) -> bool:
    return (
        inspect.isclass(value)
        and issubclass(value, Experiment)
        and value.__module__ == module
        and not inspect.isabstract(value)
    )


def _learning_order(item: tuple[str, Entry]) -> tuple[int, str, int, str]:
    entry = item[1]
    chapter = chapter_of(entry.chapter)
    assert chapter is not None, entry.chapter
    return chapter.order, entry.chapter, entry.cls.order, entry.id


@dataclass(frozen=True)
class Chapter:
    """A folder of experiments. `title` and `about`, one line, by language."""

    order: int
    title: Mapping[str, str]
    about: Mapping[str, str]


def chapter_of(name: str) -> Chapter | None:
    """A chapter's `ORDER`, `TITLE` and `ABOUT`, from its `__init__`; None if one is missing."""
    module = importlib.import_module(f"descent.experiments.{name}")
    order, title, about = (getattr(module, constant, None) for constant in ("ORDER", "TITLE", "ABOUT"))
    if not isinstance(order, int) or not all(
        isinstance(text, Mapping) and text.keys() == set(LANGUAGES) for text in (title, about)
    ):
        return None
    assert title is not None
    assert about is not None
    return Chapter(order, title, about)


def _entry(cls: type[Experiment[Any]], chapter: str, slug: str, docstring: str) -> Entry:
    def need(condition: object, what: str) -> None:
        if not condition:
            raise ContractError(f"{cls.__module__}: {what}")

    title, _, rest = docstring.partition("\n\n")
    summary = " ".join(rest.partition("\n\n")[0].split())
    need(
        chapter_of(chapter),
        f"chapter {chapter!r}: its __init__.py needs ORDER, TITLE and ABOUT by language",
    )
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
            not {"x-recorded", "x-own"} & extra.keys() or (not extra["x-live"] and info.annotation is str),
            f"knob {name!r}: declare it with fixed(), as a str",
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
        lesson = read_lesson(language, slug.replace("-", "_"))
        need(lesson, f"lessons/{language}/{slug.replace('-', '_')}.md is missing")
        assert lesson is not None
        lessons[language] = lesson
    name = slug.replace("-", "_")
    said, english = dict(texts_of(cls, own)), lessons["en"].words
    twice = [path for path, text in said.items() if text and has(english, path)]
    unsaid = [path for path, text in said.items() if not text and not has(english, path)]
    astray = [path for path in leaves(english) if path not in said and path[0] not in ("story", "end")]
    need(not twice, f"{_listed(twice)}: said here and in lessons/en/{name}.md, once is enough")
    need(not unsaid, f"{_listed(unsaid)}: said neither here nor in lessons/en/{name}.md")
    need(not astray, f"lessons/en/{name}.md has {_listed(astray)}, which is no text of the experiment's")
    try:
        story, end = read_story(english), read_end(english)
    except ValidationError as error:
        raise ContractError(f"{cls.__module__}: the story or end in lessons/en/{name}.md: {error}") from error
    wrong = list(faults(story, cls.knobs_type.model_fields, cls.presets, panels, end))
    need(not wrong, f"lessons/en/{name}.md: {'; '.join(wrong)}")
    missing = untranslated(cls, own, story, end, lessons["ko"].words)
    need(not missing, f"lessons/ko/{name}.md does not translate {', '.join(missing)}")
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
    story: Story,
    end: End | None,
    words: Mapping[str, Any],
) -> list[str]:
    """The texts of an experiment that `words` (a lesson's front matter) leaves in English."""
    paths = [*(path for path, _ in texts_of(cls, panels)), *texts(story, end)]
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
