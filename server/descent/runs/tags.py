"""The tags of runs: a few short words each, by which a list of runs is filtered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MOST_TAGS = 10  # of a run
TAG_LENGTH = 30  # characters


def one_line(text: str) -> str:
    """A text as one line that any database takes."""
    return " ".join("".join(char if char.isprintable() or char == "\u200d" else " " for char in text).split())


def checked(tags: Iterable[str]) -> list[str]:
    """The tags as one line each, without those that differ in case alone. Raises `PydanticCustomError`."""
    found: dict[str, str] = {}
    for text in tags:
        tag = one_line(text)
        if not 0 < len(tag) <= TAG_LENGTH or "," in tag:
            raise PydanticCustomError(
                "bad-tag",
                "a tag has 1 to {most} characters and no comma (given: {tag})",
                {"most": TAG_LENGTH, "tag": repr(tag[:64])},
            )
        found.setdefault(tag.casefold(), tag)
    if len(found) > MOST_TAGS:
        raise PydanticCustomError(
            "many-tags",
            "a run has at most {most} tags (given: {count})",
            {"most": MOST_TAGS, "count": len(found)},
        )
    return list(found.values())


Tags = Annotated[list[str], Field(max_length=100), AfterValidator(checked)]


def changed(tags: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """The tags with some added and some removed, whatever their case. Raises `PydanticCustomError`."""
    gone = {tag.casefold() for tag in remove}
    return checked([tag for tag in [*tags, *add] if tag.casefold() not in gone])
