"""The entries of a zip file from elsewhere, read where they lie.

Large entries are unpacked to a file without a name, so that they take no memory.

Their names are known beforehand, and sizes are counted on reading, whatever the headers say.
"""

from __future__ import annotations

import io
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from descent.errors import BadArchive, TooLarge

LIST = 16 << 20  # bytes of the list of entries, which zipfile reads as a whole: some 200,000 of them
CHUNK = 1 << 16

# What zipfile raises, depending on where the file is broken.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def bad(entry: str, reason: object) -> BadArchive:
    """The error for an entry of an archive."""
    return BadArchive(f"{entry}: {reason}", "archive", entry=entry, reason=str(reason))


class Entries:
    """The entries of a zip file, of which at most `limit` bytes are unpacked."""

    def __init__(
        self, file: BinaryIO, limit: int, known: Callable[[str], object], folder: Path | None = None
    ) -> None:
        """`folder`: for unpacked files, by default the system's temporary folder.

        Raises `BadArchive` for what is no zip file, or has an entry whose name is not `known`.
        """
        self._limit = limit
        self._folder = folder
        self._sizes: dict[str, int] = {}  # of the entries that were read
        self._left = limit
        self.names: set[str] = set()
        try:
            self._zip = zipfile.ZipFile(_Reluctant(file))
        except _BROKEN as error:
            raise bad("archive", f"it is no whole zip file: {error}") from error
        for info in self._zip.infolist():
            self._admit(info, known)

    def _admit(self, info: zipfile.ZipInfo, known: Callable[[str], object]) -> None:
        name = info.filename
        if not known(name):
            raise bad(ascii(name[:100])[1:-1], "no entry may be called that")
        if name in self.names:
            raise bad(name, "it is there twice")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise bad(name, "it is no plain file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise bad(name, "it must be stored or deflated, without a password")
        self.names.add(name)

    def read(self, name: str, most: int) -> bytes:
        """A whole entry. Raises `TooLarge` as soon as it, or all entries read so far, exceed the limit."""
        with io.BytesIO() as memory:
            self._unpack(name, most, memory)
            return memory.getvalue()

    def unpacked(self, name: str, most: int | None = None) -> BinaryIO:
        """An entry as a file, gone when it is closed. Raises as `read`."""
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 — the caller closes it
        try:
            self._unpack(name, most, file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _unpack(self, name: str, most: int | None, out: BinaryIO) -> None:
        left = self._left + self._sizes.get(name, 0)
        most = left if most is None else min(most, left)
        size = 0
        for part in self._parts(name):
            size += len(part)
            if size > most:
                break
            out.write(part)
        if size > left:
            detail = f"the archive unpacks to more than {self._limit} bytes (setting IMPORT_MB)"
            raise TooLarge(detail, "archive", entry=name, limit=self._limit)
        if size > most:
            raise TooLarge(f"{name} unpacks to more than {most} bytes", "archive", entry=name, limit=most)
        self._sizes[name], self._left = size, left - size

    def _parts(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as entry:
                while part := entry.read(CHUNK):
                    yield part
        except KeyError:
            raise bad(name, "it is missing") from None
        except _BROKEN as error:
            raise bad(name, f"it cannot be unpacked: {error}") from error


class _Reluctant:
    """A file that refuses to give more than `LIST` bytes at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        if size > LIST:
            raise zipfile.BadZipFile(f"its list of entries has {size} bytes, of at most {LIST}")
        return self._file.read(LIST if size < 0 else size)
