"""Files that learners brought: kept below a data folder, each named after the digest of what is in it.

So a run's data cannot change under it: another content is another file.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from descent.contract import KnobError

FileKind = Literal["text", "table", "images"]
ColumnRole = Literal["number", "date", "words"]
OWN_FOLDER = "own"  # below a data folder
DIGEST = re.compile(r"[0-9a-f]{32}")  # the first half of SHA-256

NO_FILE = "no file is chosen; choose one, or bring one"
FILE_GONE = "the file {digest} is no longer on this machine; bring it again, or choose another"
NOT_A_TEXT = "this is not a text; save it as plain text, best as UTF-8"
EMPTY_FILE = "there is nothing in the file"


def own_place(digest: str, folders: Sequence[Path], knob: str) -> Path:
    """Where the file is. Raises `KnobError` for `knob` where none is chosen, or it is gone."""
    if not digest:
        raise KnobError(knob, NO_FILE, reason="no-file")
    if DIGEST.fullmatch(digest):
        for folder in folders:
            if (place := folder / OWN_FOLDER / digest).is_file():
                return place
    raise KnobError(knob, FILE_GONE, reason="file-gone", digest=digest[:32])


def types_of(place: Path) -> dict[str, ColumnRole]:
    """The types that were chosen for columns of a table, in the note beside it."""
    note = place.with_name(f"{place.name}.json")
    found: dict[str, ColumnRole] = {}
    if note.is_file():
        found = json.loads(note.read_text(encoding="utf-8")).get("types", {})
    return found


def decoded(content: bytes, knob: str, empty: str = EMPTY_FILE, not_text: str = NOT_A_TEXT) -> str:
    """The text of a file: UTF-8, or Korean's old encoding where that is all Hangul, or what is found out.

    Raises `KnobError` for `knob`, with one of the two messages.
    """
    from charset_normalizer import from_bytes

    if not content.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        raise KnobError(knob, empty, reason="empty-file")
    for encoding in ("utf-8-sig", "euc-kr", ""):  # few Korean names are too few to tell from other languages
        try:
            text = content.decode(encoding) if encoding else str(from_bytes(content).best() or "\0")
        except UnicodeDecodeError:
            continue
        strange = [sign for sign in set(text) if sign.isalpha() and not sign.isascii()]
        if encoding == "euc-kr" and not all("가" <= sign <= "힣" for sign in strange):
            continue
        if not any(unicodedata.category(sign) == "Cc" and sign not in "\t\r\n\f" for sign in set(text)):
            return unicodedata.normalize("NFC", text.lstrip("\ufeff"))
    raise KnobError(knob, not_text, reason="no-text")
