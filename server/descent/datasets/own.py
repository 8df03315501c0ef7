"""The library of files that learners bring: bounded in number, and named after what is in them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from descent.errors import BadFile, UnknownFile
from descent.kit.data.own import DIGEST, OWN_FOLDER, ColumnRole, FileKind

MOST_NAME = 120  # letters
PREVIEW = ".preview"  # behind a digest: what is shown of the file, in JSON


@dataclass(frozen=True)
class OwnFile:
    """A file that a learner brought. `id` is the digest of what is in it, `owners` the ids of who brought it;
    `shared`: it is there for everybody; `types`: of a table's columns, as they were chosen.
    """

    id: str
    name: str
    kind: FileKind
    size: int  # bytes
    added: float  # seconds since the epoch
    owners: list[str] = field(default_factory=list)
    shared: bool = True
    types: dict[str, ColumnRole] = field(default_factory=dict)


def no_such_file(id: str) -> UnknownFile:
    """The error for a file that is not there, or that is not for whoever asks."""
    return UnknownFile(f"there is no file {id[:64]!r}", "file")


def digest_of(content: bytes, types: Mapping[str, ColumnRole] = MappingProxyType({})) -> str:
    """The id of a file: of what is in it, and of the types that were chosen for columns of a table."""
    chosen = json.dumps(dict(types), sort_keys=True).encode() if types else b""
    return hashlib.sha256(content + chosen).hexdigest()[:32]


class OwnFiles:
    """The files in `folder`/own: what is in each under its digest, and beside it, in JSON, its name."""

    def __init__(self, folder: Path, most: int) -> None:
        """`most`: files that are kept."""
        self._folder = folder / OWN_FOLDER
        self._most = most

    def all(self) -> list[OwnFile]:
        """Those there are, the newest first. What is no file of ours is left out."""
        found = []
        for note in self._folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                one = OwnFile(**json.loads(note.read_text(encoding="utf-8")))
                if one.id == note.stem and (self._folder / one.id).is_file():
                    found.append(one)
        return sorted(found, key=lambda one: -one.added)

    def find(self, id: str) -> OwnFile:
        """One of them. Raises `UnknownFile`."""
        found = next((one for one in self.all() if one.id == id), None)
        if found is None:
            raise no_such_file(id)
        return found

    def content(self, id: str) -> bytes:
        """What is in a file. Raises `UnknownFile`."""
        try:
            return (self._folder / self.find(id).id).read_bytes()
        except FileNotFoundError as error:
            raise no_such_file(id) from error

    def preview(self, id: str) -> dict[str, Any] | None:
        """What was noted to be shown of a file, if it was. Raises `UnknownFile`."""
        with contextlib.suppress(OSError, ValueError):
            noted = json.loads((self._folder / f"{self.find(id).id}{PREVIEW}").read_text(encoding="utf-8"))
            return noted if isinstance(noted, dict) else None
        return None

    def note(self, id: str, preview: Mapping[str, Any]) -> None:
        """Keep what is to be shown of a file. Raises `UnknownFile`."""
        self._write(f"{self.find(id).id}{PREVIEW}", json.dumps(preview, ensure_ascii=False).encode())

    def rename(self, id: str, name: str) -> OwnFile:
        """Give a file another name; what is in it, and so its id, stays. Raises `UnknownFile`."""
        one = replace(self.find(id), name=_plain(name) or id[:8])
        self._describe(one)
        return one

    def add(
        self,
        name: str,
        kind: FileKind,
        content: bytes,
        preview: Mapping[str, Any] | None = None,
        *,
        owner: str = "",
        shared: bool = True,
        room: int | None = None,
        types: Mapping[str, ColumnRole] | None = None,
    ) -> OwnFile:
        """Keep a file, which others may have brought already. `room`: bytes that all of the owner's may take.
        `types`: chosen for columns of a table; read otherwise it is another file: runs keep what they read.

        Raises `BadFile` where there are too many, or too much.
        """
        digest = digest_of(content, types or {})
        there = {one.id: one for one in self.all()}
        known = there.pop(digest, None)
        others = list(there.values())
        if room is not None:
            _need_room(others, owner, len(content), room)
        if len(others) >= self._most:
            raise BadFile(
                f"{len(others)} files are kept; delete one first (setting OWN_FILES)",
                "file",
                reason="too-many",
                most=self._most,
            )
        one = OwnFile(
            digest,
            _plain(name) or digest[:8],
            kind,
            len(content),
            time.time(),
            sorted({*(known.owners if known else ()), owner} - {""}),
            shared or (known is not None and known.shared),
            dict(types or {}),
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._write(digest, content)
            self._describe(one)
            if preview is not None:
                self.note(digest, preview)
        except BaseException:
            if known is None:
                self._delete(digest)
            raise
        return one

    def join(self, id: str, owner: str, room: int) -> OwnFile:
        """Make a file that is there another person's, too, of whose files all may take `room` bytes.

        Raises `UnknownFile`, and `BadFile` where it is too much.
        """
        one = self.find(id)
        _need_room([other for other in self.all() if other.id != id], owner, one.size, room)
        one = replace(one, owners=sorted({*one.owners, owner}))
        self._describe(one)
        return one

    def give_up(self, id: str, owner: str) -> None:
        """Delete a file, unless it is others', too, or everybody's. Raises `UnknownFile`."""
        one = self.find(id)
        left = replace(one, owners=[other for other in one.owners if other != owner])
        if left.owners or left.shared:
            self._describe(left)
        else:
            self.remove(id)

    def remove(self, id: str) -> None:
        """Delete a file. Raises `UnknownFile`."""
        if not DIGEST.fullmatch(id) or not (self._folder / id).is_file():
            raise no_such_file(id)
        self._delete(id)

    def _delete(self, id: str) -> None:
        for name in (f"{id}.json", f"{id}{PREVIEW}", id):
            (self._folder / name).unlink(missing_ok=True)

    def _describe(self, one: OwnFile) -> None:
        self._write(f"{one.id}.json", json.dumps(asdict(one), ensure_ascii=False).encode())

    def _write(self, name: str, content: bytes) -> None:
        """As a whole or not at all."""
        handle, half = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(half, self._folder / name)
        except BaseException:
            Path(half).unlink(missing_ok=True)
            raise


def _need_room(others: Iterable[OwnFile], owner: str, size: int, room: int) -> None:
    """Raises `BadFile` where `size` bytes more make the owner's files take more than `room`."""
    own = sum(one.size for one in others if owner in one.owners)
    if own + size > room:
        raise BadFile(
            f"your files take {own} bytes, with this one more than {room}; delete one first "
            "(setting DATA_EACH_MB)",
            "file",
            reason="too-many-bytes",
            megabytes=room >> 20,
        )


def _plain(name: str) -> str:
    """A name as plain text of one line and some length."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:MOST_NAME]
