"""What there is to learn: the experiments with their knobs, panels and lessons, in either language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from descent.contract.entry import Entry
from descent.engine.objectives import effects
from descent.lessons import Lesson, read_lesson
from descent.registry import Registry

router = APIRouter(prefix="/api/experiments", tags=["experiments"])
Language = Annotated[Literal["en", "ko"], Query(description="Language of titles, help and lesson.")]


def _registry(request: Request) -> Registry:
    found: Registry = request.app.state.registry
    return found


TheRegistry = Annotated[Registry, Depends(_registry)]


@router.get("")
async def list_experiments(registry: TheRegistry, lang: Language = "en") -> list[dict[str, Any]]:
    """All experiments in learning order, without their lessons' text."""
    return [{k: v for k, v in describe(entry, lang).items() if k != "lesson"} for entry in registry.values()]


@router.get("/{id}")
async def show(id: str, registry: TheRegistry, lang: Language = "en") -> dict[str, Any]:
    """One experiment, with its lesson."""
    return describe(registry.find(id), lang)


@cache
def describe(entry: Entry, lang: str) -> dict[str, Any]:
    """An experiment as the page needs it, every text in `lang`."""
    lesson = entry.lessons[lang]
    words = lesson.words
    groups = {panel.group for panel in entry.panels.values() if panel.group}
    common = generic(lang).words if groups else {}

    def say(english: str, *path: str) -> str:
        for table in (words, common):
            here: Any = table
            for key in path:
                here = here.get(key) if isinstance(here, Mapping) else None
            if isinstance(here, str):
                return here
        return english

    panels = []
    for name, panel in entry.panels.items():
        options = dict(panel.options)
        if "series" in options:
            options["series"] = {key: say(title, "scalars", key) for key, title in options["series"].items()}
        panels.append(
            {
                "name": name,
                "kind": panel.kind,
                "title": say(panel.title, "panels", name, "title"),
                "caption": say(panel.caption, "panels", name, "caption"),
                "size": panel.size,
                "group": panel.group,
                "options": options,
            }
        )
    return {
        "id": entry.id,
        "chapter": entry.chapter,
        "title": say(entry.title, "title"),
        "summary": say(entry.summary, "summary"),
        "invite": say(entry.cls.invite, "invite"),
        "knobs": _knobs(entry, say),
        "panels": panels,
        "presets": [
            {
                "id": key,
                "title": say(preset.title, "presets", key, "title"),
                "watch": say(preset.watch, "presets", key, "watch"),
                "knobs": dict(preset.knobs),
            }
            for key, preset in entry.cls.presets.items()
        ],
        "words": {**common.get("words", {}), **words.get("words", {})},
        "pace": entry.cls.pace,
        "lesson": lesson.html,
        "groups": {group: generic(lang).html for group in groups},
    }


@cache
def generic(lang: str) -> Lesson:
    """What is said of the panels that every experiment has."""
    lesson = read_lesson(lang, effects.GROUP)
    assert lesson is not None, lang
    return lesson


def _knobs(entry: Entry, say: Any) -> dict[str, Any]:
    """The knobs' JSON Schema, translated."""
    schema = entry.knobs_type.model_json_schema()
    schema.pop("description", None)
    for name, knob in schema["properties"].items():
        knob["title"] = say(knob["title"], "knobs", name, "name")
        knob["description"] = say(knob["description"], "knobs", name, "help")
        if "x-unit" in knob:
            knob["x-unit"] = say(knob["x-unit"], "words", knob["x-unit"])
        if "x-group" in knob:
            knob["x-group"] = say(knob["x-group"], "groups", knob["x-group"])
        if "x-options" in knob:
            knob["x-options"] = {k: say(v, "knobs", name, "options", k) for k, v in knob["x-options"].items()}
    return schema
