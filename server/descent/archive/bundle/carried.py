"""Files of one's own in a bundle from elsewhere, looked through before they are kept; see own.py."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from descent.archive.bundle.own import DATA, Carried, DataFile, Library
from descent.archive.bundle.part import LARGEST_FILE, parsed
from descent.archive.bundle.zip import Entries, bad
from descent.datasets.own import digest_of
from descent.errors import TooLarge
from descent.kit.data.own import FileKind
from descent.workers.own_file import ask

_note = TypeAdapter(DataFile)


@dataclass(frozen=True)
class Unpacked:
    """A file that was looked through, and lies unpacked until it is kept; otherwise as `Carried`."""

    digest: str
    note: DataFile
    file: BinaryIO
    preview: Mapping[str, Any]

    def whole(self) -> Carried:
        """With what is in it."""
        self.file.seek(0)
        return Carried(self.digest, self.note, self.file.read(), self.preview)


def looked_through(
    entries: Entries, opened: contextlib.ExitStack, wanted: Mapping[str, FileKind], library: Library | None
) -> list[Unpacked]:
    """The files in a bundle, each one of `wanted`, by digest the kinds that the run takes; `opened` closes
    what is unpacked. Each is read in a process of its own, as one that is brought.

    Raises `BadArchive` for what `library` would not take, and for any without one; `TooLarge`.
    """
    found: dict[str, Unpacked] = {}
    for name in sorted(filter(DATA.fullmatch, entries.names)):
        digest = name.removeprefix("data/").removesuffix(".json")
        if digest not in wanted:
            raise bad(name, "the run was not trained on it")
        if library is None:
            raise bad(name, "there is no library to keep it in")
        if f"data/{digest}" not in entries.names:
            raise bad(name, "its file is missing")
        if digest in found:
            continue  # the note of a file that was looked through
        if len(found) == library.most:
            raise bad(name, f"it is more than the {library.most} files that are kept (setting OWN_FILES)")
        found[digest] = _looked_through(entries, opened, digest, wanted[digest], library)
    return [*found.values()]


def _looked_through(
    entries: Entries, opened: contextlib.ExitStack, digest: str, kind: FileKind, library: Library
) -> Unpacked:
    name, beside = f"data/{digest}", f"data/{digest}.json"
    note = parsed(beside, _note, entries.read(beside, LARGEST_FILE))
    if note.kind != kind:
        raise bad(beside, f"its kind is {note.kind}, and the run takes {kind}")
    if note.types and kind != "table":
        raise bad(beside, "only tables have columns")
    most, setting = library.largest(kind)
    try:
        file = opened.enter_context(entries.unpacked(name, most))
    except TooLarge as error:
        if error.params["limit"] != most:
            raise
        raise TooLarge(
            f"{error.detail} (setting {setting})",
            "archive",
            reason="carried",
            megabytes=most >> 20,
            **error.params,
        ) from None
    content = file.read()
    if digest_of(content, note.types) != digest:
        raise bad(name, "it is not what the run was trained on: its digest is another one")
    problem, (kept, preview) = ask(content, kind, note.types)
    if problem is not None:
        raise bad(name, problem["detail"])
    if kept != content:
        raise bad(name, "it is not as a library keeps it")
    return Unpacked(digest, note, file, preview)
