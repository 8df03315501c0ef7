"""A run's durable messages in order: scalars and events, on disk as they came.

A viewer reads it from where it left off, so a slow one costs no memory and a reconnecting one misses
nothing. Only the index (three numbers a message) is kept in memory. One thread writes, any may read.
"""

from __future__ import annotations

import io
import tempfile
import threading
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from descent import wire
from descent.thinned import join

MERGE = 64  # messages; a reader further behind gets scalars merged
AT_ONCE = 512  # messages read at a time: some 20 ms of work
AT_ONCE_BYTES = 1 << 20
UNWRITTEN = 8 << 20  # bytes kept in memory while the disk is full: some minutes of the fastest experiment
RECENT = 16  # messages kept in memory, for readers that follow
PIECE = 4 << 20  # bytes of one file; a tape gives back whole files
KEPT = 4 * PIECE  # bytes that stay on tape although they are recorded

Past = Callable[[int], Sequence["TapeEntry"]]


@dataclass(frozen=True)
class TapeEntry:
    """One message. `binary`: a scalars frame, else a JSON event. Without data: lost to a long full disk, or
    to a tape at its limit.
    """

    seq: int
    binary: bool
    data: bytes | None


@dataclass
class Piece:
    """A file of a tape, which holds its bytes from `start` on."""

    file: io.FileIO
    start: int
    last_seq: int = 0


class Tape:
    """Messages on disk, append-only, deleted when it is closed.

    Its files lie in `folder`, or if that takes none (a full disk) in the system's temporary folder. Messages
    recorded elsewhere (`past`) are evicted, oldest first; beyond `room` bytes unrecorded ones are, too.
    """

    def __init__(
        self, run: str, folder: Path, *, begin: int = 0, room: int = 1 << 40, past: Past | None = None
    ) -> None:
        """`begin`: `seq` of the last message not on tape; `past` returns some recorded ones after a `seq`."""
        self.run = run
        self._folder = folder
        self._room = room
        self._past = past
        self.begin = begin
        self.closed = False
        self._using_files = threading.RLock()
        self._pieces = deque([Piece(_file_in(folder), 0)])
        self._end = 0
        self._seqs = array("q")
        self._offsets = array("q")
        self._sizes = array("q")  # negative: a JSON event; 0: not on disk
        self._unwritten: dict[int, tuple[bytes, bool]] = {}  # seq → data and whether it is binary
        self._unwritten_size = 0
        self._recent: deque[TapeEntry] = deque(maxlen=RECENT)

    @property
    def last_seq(self) -> int:
        """The newest message's `seq`, 0 when there is none."""
        return self._seqs[-1] if self._seqs else self.begin

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._end - self._pieces[0].start

    def behind(self, seq: int) -> int:
        """The number of messages after `seq` on tape; above `MERGE` if some are no longer on it."""
        missing = len(self._seqs) - bisect_right(self._seqs, seq)
        return missing if seq >= self.begin else missing + MERGE + 1

    def append(self, seq: int, data: bytes, *, binary: bool) -> None:
        """Append a message; in memory while the disk is full (the oldest beyond `UNWRITTEN` lose data)."""
        assert seq > self.last_seq, (seq, self.last_seq)
        size = len(data) if binary else -len(data)
        with self._using_files:
            if not self._written(data):
                size = 0
                self._keep_in_memory(seq, data, binary)
            self._seqs.append(seq)
            self._offsets.append(self._end)
            self._sizes.append(size)
            self._end += abs(size)
            self._pieces[-1].last_seq = seq
            self._recent.append(TapeEntry(seq, binary, data))
            while self.size > self._room and len(self._pieces) > 1:
                self._forget_piece()

    def _written(self, data: bytes) -> bool:
        piece = self._pieces[-1]
        try:
            if self._end - piece.start >= PIECE:
                piece = Piece(_file_in(self._folder), self._end, piece.last_seq)
                self._pieces.append(piece)
            piece.file.seek(self._end - piece.start)
            return piece.file.write(data) == len(data)
        except OSError:
            return False

    def _keep_in_memory(self, seq: int, data: bytes, binary: bool) -> None:
        self._unwritten[seq] = data, binary
        self._unwritten_size += len(data)
        while self._unwritten_size > UNWRITTEN:
            first = next(iter(self._unwritten))
            self._unwritten_size -= len(self._unwritten.pop(first)[0])

    def recorded(self, seq: int) -> None:
        """Evict messages up to `seq`, now recorded elsewhere, down to `KEPT` bytes."""
        with self._using_files:
            while self.size > KEPT and len(self._pieces) > 1 and self._pieces[0].last_seq <= seq:
                self._forget_piece()

    def _forget_piece(self) -> None:
        piece = self._pieces.popleft()
        piece.file.close()
        self.begin = max(self.begin, piece.last_seq)
        gone = bisect_right(self._seqs, self.begin)
        for column in (self._seqs, self._offsets, self._sizes):
            del column[:gone]
        for seq in [seq for seq in self._unwritten if seq <= self.begin]:
            self._unwritten_size -= len(self._unwritten.pop(seq)[0])

    def after(self, seq: int, *, merged: bool = False) -> list[TapeEntry]:
        """Some of the messages after `seq`, oldest first; none if there is no newer one.

        A reader that is more than `MERGE` messages behind, or asks for them `merged`, gets runs of scalars
        frames merged into one, under the last one's `seq`. Messages no longer on tape come from `past`.
        Raises `ValueError` when the tape is closed.
        """
        if seq < self.begin:
            found = list(self._past(seq)) if self._past else []
            return found or [TapeEntry(self.begin, binary=False, data=None)]
        entries = self._read(seq)
        if len(entries) <= MERGE and not merged:
            return entries
        return self._merged(entries)

    def _read(self, seq: int) -> list[TapeEntry]:
        """Messages after `seq` as they came: some if there are many."""
        with self._using_files:
            if self.closed:
                raise ValueError("I/O operation on closed file")
            begin = bisect_right(self._seqs, seq)
            recent = len(self._seqs) - len(self._recent)
            if begin >= recent:
                return [entry for entry in self._recent if entry.seq > seq]
            found, size = [], 0
            for index in range(begin, min(begin + AT_ONCE, len(self._seqs))):
                found.append(self._entry(index))
                size += len(found[-1].data or b"")
                if size >= AT_ONCE_BYTES:
                    break
            return found

    def _entry(self, index: int) -> TapeEntry:
        seq, size = self._seqs[index], self._sizes[index]
        data, binary = self._unwritten.get(seq, (None, size > 0))
        if size:
            offset = self._offsets[index]
            piece = next(one for one in reversed(self._pieces) if one.start <= offset)
            piece.file.seek(offset - piece.start)
            data = piece.file.read(abs(size))
        return TapeEntry(seq, binary=binary, data=data)

    def _merged(self, entries: Sequence[TapeEntry]) -> list[TapeEntry]:
        found: list[TapeEntry] = []
        frames: list[TapeEntry] = []
        for entry in entries:
            if entry.binary and entry.data is not None:
                frames.append(entry)
            else:
                found += [*self._merge(frames), entry]
                frames = []
        return found + self._merge(frames)

    def _merge(self, entries: Sequence[TapeEntry]) -> list[TapeEntry]:
        if len(entries) < 2:
            return list(entries)
        steps, columns = joined([wire.decode(entry.data) for entry in entries if entry.data])
        seq = entries[-1].seq
        data = wire.encode_columns(self.run, seq, steps, columns)
        return [TapeEntry(seq, binary=True, data=data)]

    def scalars(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """All scalars so far: steps, int64 (n,), and a float32 (n,) per name, NaN where none was measured.

        Raises `ValueError` when the tape is closed.
        """
        frames, seq = [], 0
        while entries := self.after(seq):
            frames += [wire.decode(entry.data) for entry in entries if entry.data and entry.binary]
            seq = entries[-1].seq
        return joined(frames)

    def close(self) -> None:
        """Close and delete the files."""
        with self._using_files:
            self.closed = True
            for piece in self._pieces:
                piece.file.close()


def _file_in(folder: Path) -> io.FileIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError:
        return tempfile.TemporaryFile(buffering=0)


def joined(frames: Sequence[wire.Frame]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The steps and columns of consecutive scalars frames in one piece, NaN where none was measured."""
    parts = [
        (frame.arrays["step"], {n: v for n, v in frame.arrays.items() if n != "step"}) for frame in frames
    ]
    return join(parts)
