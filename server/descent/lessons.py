"""Lessons: the text beside an experiment, Markdown with KaTeX, one file per language.

A file may open with TOML front matter between two lines `+++`. In English it adds the texts that the
experiment's Python file leaves out, such as captions and what a preset shows; in any other language it
translates all texts (see `checking.texts_of`). Its table `words` translates labels that travel inside
frames, such as class names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

LANGUAGES = ("en", "ko")
FOLDER = files("descent") / "lessons"


@dataclass(frozen=True)
class Lesson:
    """`html`: the text, formulas as `<span class="math">` of TeX. `words`: the front matter. `markdown`: the
    text as it was written.
    """

    html: str
    words: Mapping[str, Any]
    markdown: str = ""


def at(words: Mapping[str, Any], path: Iterable[str]) -> Any:
    """What a lesson's front matter has at a path, None where it has nothing."""
    here: Any = words
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
_markdown.use(dollarmath_plugin, allow_space=False, double_inline=True)


def read_lesson(language: str, name: str) -> Lesson | None:
    """The lesson `name` in `language`, or None if there is none.

    Raises `tomllib.TOMLDecodeError` where the front matter is not TOML.
    """
    path = FOLDER / language / f"{name}.md"
    return lesson_from(path.read_text(encoding="utf-8")) if path.is_file() else None


def lesson_from(text: str) -> Lesson:
    """A lesson as it was written. Raises `tomllib.TOMLDecodeError` where the front matter is not TOML."""
    words: dict[str, Any] = {}
    if text.startswith("+++\n"):
        front, _, text = text.removeprefix("+++\n").partition("\n+++\n")
        words = tomllib.loads(front)
    return Lesson(html=_markdown.render(text), words=words, markdown=text)
