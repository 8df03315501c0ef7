"""Room kept back on the disk, so that something can be deleted where nothing can be written any more.

To delete from SQLite takes room, too: for the log of what is deleted. A file of a few megabytes holds it; it
goes when it is needed, and is put back when there is room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

SIZE = 8 << 20  # bytes, of which the log of deleting bit by bit takes one or two
LOW = 512 << 20  # bytes left on the disk, below which that is told
LOW_SHARE = 10  # of a small disk, this part
ZEROS = bytes(1 << 20)


class Reserve:
    """The file that holds the room of one database, beside it."""

    def __init__(self, database: Path) -> None:
        self._folder = database.parent
        self._file = database.with_name(f"{database.name}-reserve")

    def fill(self) -> None:
        """Put it back, where that leaves room for others."""
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
        """Give its room away; whether there was any."""
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
    """Write it for good: a file with holes would hold no room."""
    with file.open("wb") as out:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(out.fileno(), 0, SIZE)
            return
        for _ in range(0, SIZE, len(ZEROS)):
            out.write(ZEROS)
