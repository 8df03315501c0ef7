"""All or some scalars of a run as one table, read and written piece by piece: no run is too long for it.

A table is written column by column, and its columns are known only at the end. So the messages are read
once into a temporary file, and the response is made from that.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from descent import wire
from descent.cells import plain
from descent.protocol import Gap
from descent.runs.tape import Tape, TapeEntry
from descent.thinned import Thinner

ROWS = 8192  # formatted at a time
NEVER = 1 << 62  # beyond any step

Piece = tuple[np.ndarray, dict[str, np.ndarray]]  # steps, int64 (n,), and a float32 (n,) per name
Format = Literal["json", "csv", "safetensors"]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "safetensors": "application/octet-stream",
}


@dataclass(frozen=True)
class Range:
    """Steps `first` to `last`, in at most `points` rows if that is not 0; `since`: only messages after it."""

    first: int = 0
    last: int = NEVER
    points: int = 0
    since: int = 0


@dataclass(frozen=True)
class _Block:
    """Rows in the file: `step`, then a float32 for each name."""

    offset: int
    rows: int
    names: tuple[str, ...]


def said(tape: Tape, asked: Range) -> Iterator[Piece]:
    """Steps and columns, in pieces, each step once. Raises `ValueError` when the tape is closed."""
    seq, before = asked.since, asked.first - 1
    while entries := tape.after(seq):
        seq = entries[-1].seq
        for entry in entries:
            if entry.binary and entry.data is not None:
                steps, columns = _piece(entry.data, before, asked.last)
                if len(steps):
                    before = int(steps[-1])
                    yield steps, columns
                if before >= asked.last:
                    return


def _piece(frame: bytes, before: int, last: int = NEVER) -> Piece:
    """The scalars of a frame after the step `before`, up to `last`."""
    columns = wire.decode(frame).arrays
    steps = columns.pop("step")
    some = slice(np.searchsorted(steps, before, "right"), np.searchsorted(steps, last, "right"))
    return steps[some], {name: values[some] for name, values in columns.items()}


class Table:
    """Scalars of a run in a temporary file, until it is closed."""

    def __init__(self, tape: Tape, folder: Path, asked: Range) -> None:
        """Reads all scalars in the range. Raises `OSError`, and `ValueError` when the tape is closed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 — closed by `close`
        self._blocks: list[_Block] = []
        self._end = 0
        self.rows = 0
        self.names: list[str] = []
        self.seq = tape.last_seq
        try:
            if asked.points:
                thinner = Thinner(asked.points)
                for piece in said(tape, asked):
                    thinner.add(*piece)
                self._write(*thinner.rows())
            else:
                for piece in said(tape, asked):
                    self._write(*piece)
        except BaseException:
            self.close()
            raise

    def _write(self, steps: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        for first in range(0, len(steps), ROWS):
            some = slice(first, first + ROWS)
            rows = steps[some].astype("<i8")
            data = rows.tobytes() + b"".join(
                values[some].astype("<f4").tobytes() for values in columns.values()
            )
            self._file.write(data)
            self._blocks.append(_Block(self._end, len(rows), tuple(columns)))
            self._end += len(data)
            self.rows += len(rows)
        self.names += [name for name in columns if name not in self.names]

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def _column(self, block: _Block, name: str) -> np.ndarray:
        if name == "step":
            self._file.seek(block.offset)
            return np.frombuffer(self._file.read(8 * block.rows), "<i8")
        if name not in block.names:
            return np.full(block.rows, np.nan, np.float32)
        self._file.seek(block.offset + (8 + 4 * block.names.index(name)) * block.rows)
        return np.frombuffer(self._file.read(4 * block.rows), "<f4")

    def written(self, run: str, format: Format) -> Iterator[bytes]:
        """The table in this format, in pieces."""
        if format == "csv":
            return self._csv()
        return self._json() if format == "json" else self._safetensors(run)

    def _csv(self) -> Iterator[bytes]:
        yield _lines([["step", *map(plain, self.names)]])
        for block in self._blocks:
            cells = [_readable(self._column(block, name), "") for name in self.names]
            yield _lines(zip(self._column(block, "step").tolist(), *cells, strict=True))

    def _json(self) -> Iterator[bytes]:
        opening = "{"
        for name in ("step", *self.names):
            yield f"{opening}{json.dumps(name)}: [".encode()
            comma = ""
            for block in self._blocks:
                values = _readable(self._column(block, name), None)
                yield (comma + json.dumps(values)[1:-1]).encode()
                comma = ", "
            yield b"]"
            opening = ", "
        yield b"}"

    def _safetensors(self, run: str) -> Iterator[bytes]:
        last = self._column(self._blocks[-1], "step")[-1] if self._blocks else -1
        metadata = {"type": "scalars", "run": run, "seq": str(self.seq), "step": str(last)}
        header: dict[str, object] = {"__metadata__": metadata}
        end = 0
        for name in ("step", *self.names):
            begin, end = end, end + (8 if name == "step" else 4) * self.rows
            of = "I64" if name == "step" else "F32"
            header[name] = {"dtype": of, "shape": [self.rows], "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        yield len(text).to_bytes(8, "little") + text
        for name in ("step", *self.names):
            for block in self._blocks:
                yield self._column(block, name).tobytes()


def _lines(rows: object) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue().encode()


def _readable(values: np.ndarray, missing: str | None) -> list[float | str | None]:
    """Values with NaN and infinity as `missing`: neither JSON nor CSV can represent them."""
    finite = np.isfinite(values)
    return [
        value if known else missing for value, known in zip(values.tolist(), finite.tolist(), strict=True)
    ]


class Overview:
    """A run's curves in at most `points` rows, and its events; brought up to date by `since`."""

    def __init__(self, tape: Tape, points: int) -> None:
        self._tape = tape
        self._thinner = Thinner(points)
        self._events: list[tuple[int, bytes]] = []
        self._seq = 0
        self._before = -1

    def since(self, seq: int) -> tuple[int, list[bytes | str]]:
        """The last `seq` covered, and the messages for a viewer that has those up to `seq`.

        All scalars come in one frame, numbered `seq` as well: a viewer cut off between it and the events that
        follow gets all of it again. Raises `ValueError` when the tape is closed.
        """
        until = self._tape.last_seq
        while self._seq < until and (entries := self._tape.after(self._seq)):
            for entry in entries:
                self._hear(entry)
        steps, columns = self._thinner.rows()
        frame = wire.encode_columns(self._tape.run, seq, steps, columns)
        return self._seq, [frame, *(data.decode() for at, data in self._events if at > seq)]

    def _hear(self, entry: TapeEntry) -> None:
        if entry.data is None:
            gap = Gap(first=self._seq + 1, last=entry.seq).model_dump_json().encode()
            self._events.append((entry.seq, gap))
        elif entry.binary:
            steps, columns = _piece(entry.data, self._before)
            if len(steps):
                self._thinner.add(steps, columns)
                self._before = int(steps[-1])
        else:
            self._events.append((entry.seq, entry.data))
        self._seq = entry.seq
