"""Short sentences out of a learner's own text: words in a row, few enough to see each one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from descent.contract import KnobError
from descent.kit.data.own import decoded, own_place

LOOKED_THROUGH = 100_000  # characters of a text that are looked through
MARKS_AROUND = "\"'“”‘’«»()[]{}<>*_,;:·-–—"  # around a word, and no part of it

NO_PIECES = "the text has {have} different pieces of {length} words; bring a longer one or choose fewer words"

_END = re.compile(r"[.!?…。！？\n\r\f]+")


class Pieces(NamedTuple):
    """`chosen` pieces of as many words each; `found`: how many different ones were in the text."""

    chosen: Sequence[list[str]]
    found: int


def pieces_of(text: str, length: int, most: int, vocabulary: int) -> Pieces:
    """The first different pieces of so many words within a sentence, with at most so many words in all.

    Words are in lower case, without marks around them. A piece that brings one word too many is left out.
    """
    found: dict[tuple[str, ...], None] = {}
    for sentence in _END.split(unicodedata.normalize("NFC", text[:LOOKED_THROUGH])):
        words = [word for part in sentence.lower().split() if (word := part.strip(MARKS_AROUND))]
        for at in range(len(words) - length + 1):
            found.setdefault(tuple(words[at : at + length]))
    known: set[str] = set()
    chosen: list[list[str]] = []
    for piece in found:
        if len(chosen) < most and len(known | {*piece}) <= vocabulary:
            known |= {*piece}
            chosen.append(list(piece))
    return Pieces(chosen, len(found))


def own_pieces(
    digest: str, folders: Sequence[Path], length: int, least: int, most: int, vocabulary: int
) -> Pieces:
    """`pieces_of` a file. Raises `KnobError` for the knob `file`, also where there are too few."""
    text = decoded(own_place(digest, folders, "file").read_bytes(), "file")
    pieces = pieces_of(text, length, most, vocabulary)
    if len(pieces.chosen) < least:
        raise KnobError("file", NO_PIECES, have=pieces.found, length=length)
    return pieces
