"""Everything a run said that must not be lost, in order: scalars and events, on disk as they came.

A viewer reads it from where it left off, so a slow one costs no memory and a reconnecting one misses
nothing. Only the index (three numbers a message) is kept in memory. One thread writes, any may read.
"""

from __future__ import annotations

import io
import tempfile
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from descent import wire

MERGE = 64  # messages; a reader further behind gets scalars merged
AT_ONCE = 512  # messages read at a time: some 20 ms of the server's attention
AT_ONCE_BYTES = 1 << 20
UNWRITTEN = 8 << 20  # bytes kept in memory while the disk is full: some minutes of the fastest experiment


@dataclass(frozen=True)
class Entry:
    """One message. `binary`: a scalars frame, else a JSON event. Without data: lost to a long full disk."""

    seq: int
    binary: bool
    data: bytes | None


class Tape:
    """An append-only file of messages, gone when it is closed.

    It lies in `folder`, or where that takes none (a full disk) where the system keeps temporary files.
    """

    def __init__(self, run: str, folder: Path) -> None:
        self._run = run
        self._file = _file_in(folder)
        self._using_file = threading.Lock()
        self._end = 0
        self._seqs = array("q")
        self._offsets = array("q")
        self._sizes = array("q")  # negative: a JSON event; 0: not on disk
        self._unwritten: dict[int, tuple[bytes, bool]] = {}  # index → data and whether it is binary
        self._unwritten_size = 0

    @property
    def closed(self) -> bool:
        """Whether everything is forgotten."""
        return self._file.closed

    @property
    def last_seq(self) -> int:
        """The newest message's `seq`, 0 when there is none."""
        return self._seqs[-1] if self._seqs else 0

    def behind(self, seq: int) -> int:
        """How many messages a reader who has those up to `seq` has not."""
        return len(self._seqs) - bisect_right(self._seqs, seq)

    def append(self, seq: int, data: bytes, *, binary: bool) -> None:
        """Keep a message; in memory while the disk is full, and of what is too much for that its place."""
        assert seq > self.last_seq, (seq, self.last_seq)
        size = len(data) if binary else -len(data)
        try:
            with self._using_file:
                self._file.seek(self._end)
                if self._file.write(data) < len(data):
                    size = 0
        except OSError:
            size = 0
        if not size:
            self._keep_in_memory(len(self._seqs), data, binary)
        self._seqs.append(seq)
        self._offsets.append(self._end)
        self._sizes.append(size)
        self._end += abs(size)

    def _keep_in_memory(self, index: int, data: bytes, binary: bool) -> None:
        self._unwritten[index] = data, binary
        self._unwritten_size += len(data)
        while self._unwritten_size > UNWRITTEN:
            first = next(iter(self._unwritten))
            self._unwritten_size -= len(self._unwritten.pop(first)[0])

    def after(self, seq: int, *, merged: bool = False) -> list[Entry]:
        """Some of the messages after `seq`, oldest first; none if there is no newer one.

        A reader that is more than `MERGE` messages behind, or asks for them `merged`, gets runs of scalars
        frames in one, under the last one's `seq`.
        """
        begin = bisect_right(self._seqs, seq)
        entries = map(self._entry, range(begin, min(begin + AT_ONCE, len(self._seqs))))
        if len(self._seqs) - begin <= MERGE and not merged:
            return list(entries)
        found: list[Entry] = []
        frames: list[Entry] = []
        size = 0
        for entry in entries:
            if entry.binary and entry.data is not None:
                frames.append(entry)
                size += len(entry.data)
                if size >= AT_ONCE_BYTES:
                    break
            else:
                found += [*self._merge(frames), entry]
                frames = []
        return found + self._merge(frames)

    def scalars(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """All scalars so far: steps, int64 (n,), and a float32 (n,) per name, NaN where none was measured.

        Raises `ValueError` when the tape is closed.
        """
        entries = (self._entry(i) for i in range(len(self._seqs)) if self._sizes[i] >= 0)
        return join([wire.decode(entry.data) for entry in entries if entry.data and entry.binary])

    def close(self) -> None:
        """Forget everything."""
        with self._using_file:
            self._file.close()

    def _entry(self, index: int) -> Entry:
        size = self._sizes[index]
        data, binary = self._unwritten.get(index, (None, size > 0))
        if size:
            with self._using_file:
                self._file.seek(self._offsets[index])
                data = self._file.read(abs(size))
        return Entry(self._seqs[index], binary=binary, data=data)

    def _merge(self, entries: Sequence[Entry]) -> list[Entry]:
        if len(entries) < 2:
            return list(entries)
        steps, columns = join([wire.decode(entry.data) for entry in entries if entry.data])
        seq = entries[-1].seq
        data = wire.encode_columns(self._run, seq, steps, columns)
        return [Entry(seq, binary=True, data=data)]


def _file_in(folder: Path) -> io.FileIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError:
        return tempfile.TemporaryFile(buffering=0)


def join(frames: Sequence[wire.Frame]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The steps and columns of consecutive scalars frames in one piece, NaN where none was measured."""
    if not frames:
        return np.zeros(0, np.int64), {}
    names: dict[str, None] = dict.fromkeys(_names(frames))
    columns = {
        name: np.concatenate(
            [
                frame.arrays.get(name, np.full(len(frame.arrays["step"]), np.nan, np.float32))
                for frame in frames
            ]
        )
        for name in names
    }
    return np.concatenate([frame.arrays["step"] for frame in frames]), columns


def _names(frames: Sequence[wire.Frame]) -> Iterator[str]:
    for frame in frames:
        yield from (name for name in frame.arrays if name != "step")
