"""Files of one's own that a run was trained on, and that its bundle carries along where that is asked for.

data/<digest>         what is in the file, as the library keeps it
data/<digest>.json    its name and kind, and the types that were chosen for columns of a table
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from descent.access import LOCAL, Person
from descent.archive.bundle.part import Part, Text
from descent.contract.entry import Entry
from descent.datasets.own import MOST_NAME, OwnFile, OwnFiles
from descent.errors import BadFile, UnknownFile
from descent.kit.data.own import ColumnRole, FileKind
from descent.kit.data.table import MOST_COLUMNS
from descent.runs.knobs import own_files
from descent.settings import Settings

DATA = re.compile(r"data/(?P<digest>[0-9a-f]{32})(?P<note>\.json)?")
LONGEST_CELL = 1000  # signs of a column's name

Column = Annotated[Text, StringConstraints(max_length=LONGEST_CELL)]


class DataFile(Part):
    """`data/<digest>.json`."""

    name: Annotated[Text, StringConstraints(max_length=MOST_NAME)]
    kind: FileKind
    types: dict[Column, ColumnRole] = Field({}, max_length=MOST_COLUMNS)


@dataclass(frozen=True)
class Carried:
    """A file on its way into a library: the digest of `content`, what is noted, and what is shown of it."""

    digest: str
    note: DataFile
    content: bytes
    preview: Mapping[str, Any]


def trained_on(entry: Entry, log: Iterable[Mapping[str, Any]]) -> dict[str, FileKind]:
    """The files that a run reads, by digest, and as what: of the knobs it began with, and of every change."""
    found: dict[str, FileKind] = {}
    knobs: dict[str, Any] = {}
    for values in log:
        knobs |= values
        found |= {digest: kind for kind, digest in own_files(entry, knobs).values() if digest}
    return found


class Library:
    """The files of a server, or of a folder, as somebody may take from them and add to them."""

    def __init__(self, settings: Settings, person: Person = LOCAL) -> None:
        self._settings = settings
        self._person = person
        self._files = OwnFiles(settings.home / "data", settings.own_files)
        self._added: list[str] = []

    def find(self, digest: str) -> OwnFile:
        """A file that a run was trained on. Raises `UnknownFile` as well for somebody else's."""
        found = next((one for one in self._files.all() if one.id == digest), None)
        if found is None or not (found.shared or self._person.has(found.owners)):
            raise UnknownFile(
                f"the file {digest} that the run was trained on is not in your library (any more); export "
                "the run without its data",
                "data",
                reason="not-to-export",
            )
        return found

    def content(self, digest: str) -> bytes:
        """What is in a file. Raises `UnknownFile`."""
        return self._files.content(digest)

    @property
    def most(self) -> int:
        """Files that are kept."""
        return self._settings.own_files

    def largest(self, kind: FileKind) -> tuple[int, str]:
        """Bytes that a file of a kind may have, and the setting that says so."""
        if kind == "images":
            return self._settings.own_pictures_mb << 20, "OWN_PICTURES_MB"
        return self._settings.own_file_mb << 20, "OWN_FILE_MB"

    def add(self, one: Carried) -> None:
        """Keep a file as the person's, for nobody else to see, unless they have it. Raises `BadFile` where
        there are too many, or too much.
        """
        person, room = self._person, self._settings.data_each_mb << 20
        known = next((other for other in self._files.all() if other.id == one.digest), None)
        if known is not None and (known.shared or not person.id or person.id in known.owners):
            return
        try:
            if known is not None:
                self._files.join(known.id, person.id, room)
            else:
                note = one.note
                self._files.add(
                    note.name,
                    note.kind,
                    one.content,
                    one.preview,
                    owner=person.id,
                    shared=False,
                    room=room if person.id else None,
                    types=note.types,
                )
        except BadFile as error:
            params = {**error.params, "reason": f"carried-{error.params['reason']}", "name": one.note.name}
            raise BadFile(
                f"{one.note.name!r}, on which the run was trained, does not fit into the library: "
                f"{error.detail}",
                "archive",
                **params,
            ) from error
        self._added.append(one.digest)

    def take_back(self) -> None:
        """Give up what was added."""
        while self._added:
            self._files.give_up(self._added.pop(), self._person.id)

    def settle(self) -> None:
        """What was added stays."""
        self._added.clear()
