"""The experiments with their knobs, panels and lessons, in either language."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic_core import to_json

from descent.contract.entry import Entry
from descent.declared import is_watched
from descent.engine import schedules
from descent.engine.objectives import effects
from descent.lessons import Lesson, at, read_lesson
from descent.registry import Registry, chapter_with
from descent.tasks import MOST_STARS
from descent.web.descriptions import (
    ExperimentDescription,
    ExperimentSummary,
    KnobsSchema,
    PanelSpec,
)
from descent.web.door import VIEWER

router = APIRouter(prefix="/api/experiments", tags=["experiments"], dependencies=[VIEWER])
Language = Annotated[Literal["en", "ko"], Query(description="Language of titles, help and lesson.")]


def _registry(request: Request) -> Registry:
    found: Registry = request.app.state.registry
    return found


TheRegistry = Annotated[Registry, Depends(_registry)]


@router.get("", response_model=list[ExperimentSummary])
async def list_experiments(registry: TheRegistry, lang: Language = "en") -> Response:
    """All experiments in learning order, without their lessons' text."""
    found = [describe(entry, lang) for entry in registry.values()]
    summary = ExperimentSummary.__annotations__
    return _json([{name: value for name, value in one.items() if name in summary} for one in found])


@router.get("/{id}", response_model=ExperimentDescription)
async def show(id: str, registry: TheRegistry, lang: Language = "en") -> Response:
    """One experiment, with its lesson."""
    return _json(describe(registry.find(id), lang))


@router.get("/{id}/lesson", response_class=PlainTextResponse)
async def lesson(id: str, registry: TheRegistry, lang: Language = "en") -> str:
    """The lesson's text as Markdown, formulas between `$`, `{{name}}` for the value of a knob or a scalar."""
    return registry.find(id).lessons[lang].markdown


def _json(body: Any) -> Response:
    """A response without validation. It follows from the code alone, so a test compares it with the model."""
    return Response(to_json(body), media_type="application/json")


@lru_cache(1024)  # files of one's own come and go, and so do runs of training loops
def describe(entry: Entry, lang: str) -> ExperimentDescription:
    """An experiment as the page needs it, every text in `lang`."""
    title, about = _place(entry, lang)
    lesson = entry.lessons[lang]
    words = lesson.words
    groups = {panel.group for panel in entry.panels.values() if panel.group}
    common = generic(lang).words if groups else {}

    def say(english: str, *path: str) -> str:
        for table in (words, common):
            here = at(table, path)
            if isinstance(here, str):
                return here
        return english

    panels: list[PanelSpec] = []
    for name, panel in entry.panels.items():
        options: Any = dict(panel.options)
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
        "chapter_title": title,
        "chapter_about": about,
        "title": entry.titled(lang),
        "summary": say(entry.summary, "summary"),
        "invite": say(entry.cls.invite, "invite"),
        "after": list(entry.cls.after),
        "own": entry.code is not None,
        "minutes": entry.cls.minutes,
        "level": entry.cls.level,
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
        "stars": MOST_STARS * len(entry.challenges),
        "challenges": _challenges(entry, say),
        "questions": _questions(entry, say),
        "words": {**common.get("words", {}), **words.get("words", {})},
        "pace": entry.cls.pace,
        "lesson": lesson.html,
        "story": _story(entry, say),
        "end": _end(entry, say),
        "schedules": schedules.kinds(),
        "groups": {group: generic(lang).html for group in groups},
    }


def _place(entry: Entry, lang: str) -> tuple[str, str]:
    """The title of its chapter, and what that is about; empty of a run's own training loop."""
    if is_watched(entry.id):
        return "", ""
    chapter = chapter_with(entry)
    return chapter.title[lang], chapter.about[lang]


def _story(entry: Entry, say: Any) -> Any:
    return [
        {
            "id": id,
            "do": say(step.do, "story", id, "do"),
            "see": say(step.see, "story", id, "see"),
            "why": say(step.why, "story", id, "why"),
            "done": [term.model_dump() for term in step.done],
            "act": step.act and step.act.model_dump(),
            "ask": say(step.ask, "story", id, "ask"),
            "answers": [
                {
                    "id": key,
                    "say": say(answer.say, "story", id, "answers", key),
                    "when": [term.model_dump() for term in answer.when],
                }
                for key, answer in step.answers.items()
            ],
        }
        for id, step in entry.story.items()
    ]


def _challenges(entry: Entry, say: Any) -> Any:
    return [
        {
            "id": id,
            "title": say(one.title, "challenges", id, "title"),
            "goal": say(one.goal, "challenges", id, "goal"),
            "hint": say(one.hint, "challenges", id, "hint"),
            "done": [term.model_dump() for term in one.done],
            "rules": [rule.model_dump() for rule in one.rules],
            "within": list(one.within),
            "start": dict(one.start),
        }
        for id, one in entry.challenges.items()
    ]


def _questions(entry: Entry, say: Any) -> Any:
    return [
        {
            "id": id,
            "ask": say(one.ask, "questions", id, "ask"),
            "knobs": dict(one.knobs),
            "until": one.until,
            "answers": [
                {"id": name, "say": say(answer.say, "questions", id, "answers", name)}
                for name, answer in one.answers.items()
            ],
            "number": one.number and one.number.model_dump(),
            "curve": one.curve and one.curve.model_dump(),
        }
        for id, one in entry.questions.items()
    ]


def _end(entry: Entry, say: Any) -> Any:
    end = entry.end
    if end is None:
        return None
    return {
        "say": say(end.say, "end", "say"),
        "done": [term.model_dump() for term in end.done],
        "next": end.next,
    }


@cache
def generic(lang: str) -> Lesson:
    """The texts of the panels that every experiment has."""
    lesson = read_lesson(lang, effects.GROUP)
    assert lesson is not None, lang
    return lesson


def _knobs(entry: Entry, say: Any) -> KnobsSchema:
    """The knobs' JSON Schema, translated."""
    schema: Any = entry.knobs_type.model_json_schema()
    schema.pop("description", None)
    rows = schema.pop("$defs", {})
    for name, knob in schema["properties"].items():
        knob["title"] = say(knob["title"], "knobs", name, "name")
        knob["description"] = say(knob["description"], "knobs", name, "help")
        if "x-unit" in knob:
            knob["x-unit"] = say(knob["x-unit"], "words", knob["x-unit"])
        if "x-group" in knob:
            knob["x-group"] = say(knob["x-group"], "groups", knob["x-group"])
        if "x-options" in knob:
            knob["x-options"] = {k: say(v, "knobs", name, "options", k) for k, v in knob["x-options"].items()}
        if "discriminator" in knob.get("items", {}):
            kinds = [rows[kind["$ref"].rpartition("/")[2]] for kind in knob["items"]["oneOf"]]
            knob["items"] = {
                "oneOf": [{k: v for k, v in kind.items() if k != "description"} for kind in kinds]
            }
    told: KnobsSchema = schema
    return told
