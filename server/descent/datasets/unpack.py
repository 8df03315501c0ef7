"""What is in a fetched file, unpacked: the known members and no others, and never more bytes than known."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO

from descent.datasets.catalogue import File
from descent.errors import FetchFailed

CHUNK = 1 << 20
SPARE = 1 << 20  # bytes of an archive that are headers, padding and small files nobody needs


class _Bounded:
    """A zipped file to read that ends in `ValueError` beyond `most` bytes."""

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self._file, self._left = file, most

    def read(self, size: int) -> bytes:
        found = self._file.read(min(size, self._left + 1))
        self._left -= len(found)
        if self._left < 0:
            raise ValueError("it unpacks to more than it should")
        return found


def unpack(file: File, source: Path, into: Path) -> None:
    """Write what `file.holds` into the folder `into`. Raises `FetchFailed` where it is not that."""
    try:
        with gzip.open(source) as opened:
            if source.name.endswith(".tar.gz"):
                _members(opened, file, into)
            else:
                ((name, size),) = file.holds.items()
                _copied(_Bounded(opened, size), into / name, size)
    except (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise FetchFailed(
            f"{file.name} holds something else than it should ({error}), so it was deleted",
            reason="wrong-file",
            file=file.name,
            host="",
        ) from error


def _members(opened: gzip.GzipFile, file: File, into: Path) -> None:
    """The known members of an archive, under the last part of their names."""
    wanted = dict(file.holds)
    bounded: IO[bytes] = _Bounded(opened, sum(wanted.values()) + SPARE)  # type: ignore[assignment]
    with tarfile.open(fileobj=bounded, mode="r|") as archive:
        for member in archive:
            size = wanted.pop(member.name, None)
            if size is None:
                continue
            inside = archive.extractfile(member) if member.isreg() else None
            if inside is None:
                raise ValueError(f"{member.name} is no file")
            _copied(inside, into / member.name.rpartition("/")[2], size)
    if wanted:
        raise ValueError(f"{', '.join(wanted)} is not in it")


def _copied(source: IO[bytes] | _Bounded, target: Path, size: int) -> None:
    done = 0
    with target.open("wb") as out:
        while chunk := source.read(CHUNK):
            done += len(chunk)
            if done > size:
                break
            out.write(chunk)
    if done != size:
        raise ValueError(f"expected {size} bytes of {target.name}, got {'more' if done > size else done}")
