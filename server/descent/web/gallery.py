"""What the gallery asks for beside the experiments: the chapters, and a search through all texts."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from descent.lessons import read_lesson
from descent.registry import chapter_with
from descent.web.door import VIEWER
from descent.web.experiments import Language, TheRegistry
from descent.web.index import Index, Where

router = APIRouter(prefix="/api", tags=["gallery"], dependencies=[VIEWER])
MOST_LETTERS = 100  # of a query


class ChapterInfo(BaseModel):
    """A chapter of experiments."""

    id: str
    title: str
    about: str
    introduction: str = Field(description="HTML; empty where there is none.")


class Found(BaseModel):
    """An experiment that a search found, and where."""

    id: str
    where: Where
    lang: Literal["en", "ko"] = Field(description="Of the excerpt.")
    before: str
    match: str
    after: str


def _index(request: Request) -> Index:
    found: Index = request.app.state.index
    return found


@router.get("/chapters")
def list_chapters(registry: TheRegistry, lang: Language = "en") -> list[ChapterInfo]:
    """All chapters in learning order, each with its introduction."""
    found = []
    for id, entry in {entry.chapter: entry for entry in registry.values()}.items():
        chapter = chapter_with(entry)
        lesson = None if entry.code else read_lesson(lang, f"chapters/{id}")
        found.append(
            ChapterInfo(
                id=id,
                title=chapter.title[lang],
                about=chapter.about[lang],
                introduction=lesson.html if lesson else "",
            )
        )
    return found


@router.get("/search")
def search(
    index: Annotated[Index, Depends(_index)],
    text: Annotated[str, Query(max_length=MOST_LETTERS, description="In any language, TeX or signs.")],
    lang: Language = "en",
) -> list[Found]:
    """The experiments whose titles, texts or formulas have `text`, the best first, each with an excerpt."""
    return [Found.model_validate(vars(match)) for match in index.search(text, lang)]
