"""Disk space held in reserve, so that runs can be deleted when the disk is full.

Deleting from SQLite takes room, too, for its log. A file of a few megabytes holds it; the file is removed
when the room is needed, and put back when there is room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

SIZE = 8 << 20  # bytes, of which the log of deleting bit by bit takes one or two
LOW = 512 << 20  # free bytes, below which the disk counts as nearly full
LOW_SHARE = 10  # divisor: on a small disk, below a tenth of it
ZEROS = bytes(1 << 20)


class Reserve:
    """The file that holds the room of one database, beside it."""

    def __init__(self, database: Path) -> None:
        self._folder = database.parent
        self._file = database.with_name(f"{database.name}-reserve")

    def fill(self) -> None:
        """Put the file back, if that leaves room for others."""
        with contextlib.suppress(OSError):
            if self._file.exists() and self._file.stat().st_size >= SIZE:
                return
            if shutil.disk_usage(self._folder).free < 2 * SIZE:
                return
            try:
                _allocate(self._file)
            except BaseException:
                self.release()
                raise

    def release(self) -> bool:
        """Delete the file; returns whether there was one."""
        try:
            self._file.unlink()
        except OSError:
            return False
        return True

    def is_low(self) -> bool:
        """Whether the disk is nearly full."""
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return False
        return usage.free < min(LOW, usage.total // LOW_SHARE)


def _allocate(file: Path) -> None:
    """Write the whole file: one with holes would hold no room."""
    with file.open("wb") as out:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(out.fileno(), 0, SIZE)
            return
        for _ in range(0, SIZE, len(ZEROS)):
            out.write(ZEROS)
