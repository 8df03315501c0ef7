"""A bundle from elsewhere becomes a run of this store, under an id of its own and at rest.

Pictures and scalars are encoded again, from their parsed form.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from descent import wire
from descent.archive.bundle.own import Library
from descent.archive.bundle.read import Bundle, Event
from descent.engine.device import nearest, offered
from descent.protocol import ENDED, State
from descent.registry import Registry
from descent.runs.recorder import last_values
from descent.runs.run import IMPORTED, now
from descent.store.packing import pack
from descent.store.records import Batch, Checkpoint, StoredMessage
from descent.store.schema import RunRow
from descent.store.store import Store

PIECE = 4096  # steps in one message
AT_ONCE = 16 << 20  # bytes written to the store in one go


class Intake:
    """A bundle on its way into a store."""

    def __init__(
        self,
        file: BinaryIO,
        limit: int,
        registry: Registry,
        folder: Path | None = None,
        owner: str = "",
        library: Library | None = None,
    ) -> None:
        """Reads and checks all of it, unpacking at most `limit` bytes, the largest to files in `folder`.
        The run becomes `owner`'s; files that it was trained on and brings along come into `library`.

        Raises `BadArchive` or `TooLarge`, naming the entry.
        """
        self.run_id = secrets.token_hex(6)
        self._owner = owner
        self._library = library
        self._bundle = Bundle(file, limit, registry, folder, library)

    def __enter__(self) -> Self:
        """The intake; its unpacked files are deleted on exit, and those in the library, if the run did not
        come in.
        """
        return self

    def __exit__(self, *_: object) -> None:
        self._bundle.close()
        if self._library is not None:
            self._library.take_back()

    @property
    def origin(self) -> str:
        """The id that the run had where it was exported."""
        return self._bundle.run.id

    def write(self, store: Store) -> None:
        """Add the run to a store without another writer: all of it, or nothing."""
        for work in self.steps(store):
            work()

    def steps(self, store: Store) -> Iterator[Callable[[], None]]:
        """The operations on the store, in order; others may write in between.

        Until the last one is done the run is in no list, and a store that is reopened deletes it. Before the
        first, its data comes into the library. Raises `BadFile` where that is full.
        """
        if self._library is not None:
            for one in self._bundle.carried():
                self._library.add(one)
        yield partial(store.begin_import, self.run_id)
        for batch in self.batches():
            yield partial(store.save, [batch])
        yield partial(store.end_import, self.run_id)
        if self._library is not None:
            self._library.settle()

    def batches(self) -> Iterator[Batch]:
        """The batches to save, in order."""
        row = self._row()
        batch, size = Batch(row, borrowed=self._bundle.borrowed), 0
        for piece in self._pieces(row):
            match piece:
                case StoredMessage():
                    batch.messages.append(piece)
                    size += len(piece.data)
                case Checkpoint():
                    batch.checkpoints.append(piece)
                    row.checkpoint_bytes += len(piece.data)
                    size += len(piece.data)
                case panel, step, data:
                    batch.frames[panel, step] = data
                    row.frame_bytes += len(data)
                    size += len(data)
            if size >= AT_ONCE:
                yield batch
                batch, size = Batch(row), 0
        yield batch

    def _pieces(self, row: RunRow) -> Iterator[StoredMessage | Checkpoint | tuple[str, int, bytes]]:
        seqs = array("q", [0])  # of each event, by its number
        seq = 0
        for message in self._messages():
            seq = message.seq
            if message.kind == "scalars":
                row.latest = row.latest | last_values(message.data)
            else:
                seqs.append(seq)
            yield message
        for found in self._bundle.checkpoints():
            yield replace(found, seq=seqs[found.seq])
        for panel, step, picture in self._bundle.frames():
            seq += 1
            yield panel, step, pack(wire.encode_picture(self.run_id, seq, step, panel, picture))

    def _messages(self) -> Iterator[StoredMessage]:
        """Events and, before each, the scalars of the steps it came after."""
        rows = _Rows(self._bundle)
        seq = 0
        for event in self._events():
            for steps, columns in rows.before(event.step if event else None):
                seq += 1
                data = wire.encode_columns(self.run_id, seq, steps, columns)
                yield StoredMessage(seq, "scalars", int(steps[-1]), data)
            if event is not None:
                seq += 1
                data = event.model_copy(update={"seq": seq}).model_dump_json().encode()
                yield StoredMessage(seq, event.type, event.step, data)

    def _events(self) -> Iterator[Event | None]:
        """The run's events, and that it was interrupted, if it was; then None."""
        said = self._bundle.run
        yield from self._bundle.events()
        if said.status not in ENDED:
            yield State(seq=1, step=said.step, status="interrupted", pace=said.pace)
        yield None

    def _row(self) -> RunRow:
        bundle, said = self._bundle, self._bundle.run
        at_rest = said.status in ENDED and said.status != "interrupted"
        return RunRow(
            id=self.run_id,
            experiment=said.experiment,
            status=said.status if at_rest else "interrupted",
            reason=said.reason if at_rest else "",
            step=said.step,
            seed=said.seed,
            streams=said.streams,
            device=nearest(said.device, offered()),
            built_with=bundle.built_with,
            began_with=bundle.began_with,
            knobs=bundle.knobs,
            created_at=said.created_at.isoformat(),
            updated_at=now(),
            branched_at=said.begins_at,
            max_steps=said.max_steps,
            pace=said.pace,
            steps_per_epoch=bundle.steps_per_epoch,
            name=said.name,
            owner=self._owner,
            tags=said.tags,
            environment=said.environment | {IMPORTED: said.id},
        )


class _Rows:
    """A bundle's scalars, read once from the first step to the last."""

    def __init__(self, bundle: Bundle) -> None:
        self._pieces = bundle.scalars(PIECE)
        self._piece = next(self._pieces, None)

    def before(self, step: int | None) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """The unread rows before a step, or all: steps and columns, a piece at a time."""
        while self._piece is not None:
            steps, columns = self._piece
            until = len(steps) if step is None else int(np.searchsorted(steps, step))
            if until:
                yield steps[:until], {name: values[:until] for name, values in columns.items()}
            if until < len(steps):
                self._piece = steps[until:], {name: values[until:] for name, values in columns.items()}
                return
            self._piece = next(self._pieces, None)
