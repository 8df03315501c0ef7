"""A bundle from elsewhere becomes a run of this store, under an id of its own and at rest.

Pictures and scalars are written anew, from what was understood of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import torch

from descent import wire
from descent.archive.reading import Bundle, Event
from descent.protocol import ENDED, Diagnosis, State
from descent.runs.recorder import last_values
from descent.runs.run import IMPORTED, now
from descent.store.packing import pack
from descent.store.schema import RunRow
from descent.store.store import Batch, Checkpoint, Message, Store

PIECE = 4096  # steps in one message
AT_ONCE = 16 << 20  # bytes written to the store in one go


class Intake:
    """A bundle on its way into a store."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        """Reads and checks all of it, unpacking at most `limit` bytes.

        Raises `BadArchive` or `TooLarge`, naming the entry.
        """
        self.run_id = secrets.token_hex(6)
        self._bundle = Bundle(file, limit)

    def write(self, store: Store) -> None:
        """Add the run to a store that nobody else writes to."""
        for batch in self.batches():
            store.save([batch])

    def batches(self) -> Iterator[Batch]:
        """What is to be saved, one after the other."""
        row = self._row()
        batch, size = Batch(row), 0
        for piece in self._pieces(row):
            match piece:
                case Message():
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

    def _pieces(self, row: RunRow) -> Iterator[Message | Checkpoint | tuple[str, int, bytes]]:
        seqs = [0]  # of each event, by its number
        seq = 0
        for message in self._messages():
            seq = message.seq
            if message.kind == "scalars":
                row.latest = row.latest | last_values(message.data)
            else:
                seqs.append(seq)
            yield message
        for found in self._bundle.checkpoints():
            yield Checkpoint(found.step, seqs[found.seq], found.knobs, pack(found.data))
        for panel, step, picture in self._bundle.frames():
            seq += 1
            yield panel, step, pack(wire.encode_picture(self.run_id, seq, step, panel, picture))

    def _messages(self) -> Iterator[Message]:
        """Events and, before each, the scalars of the steps it came after."""
        said, steps = self._bundle.run, self._bundle.steps
        events: list[Event] = [*self._bundle.events]
        if said.status not in ENDED:
            events.append(State(seq=1, step=said.step, status="interrupted", pace=said.pace))
        done = seq = 0
        for event in [*events, None]:
            until = len(steps) if event is None else int(np.searchsorted(steps, event.step))
            while done < until:
                seq += 1
                some = slice(done, done := min(done + PIECE, until))
                columns = {name: values[some] for name, values in self._bundle.columns.items()}
                data = wire.encode_columns(self.run_id, seq, steps[some], columns)
                yield Message(seq, "scalars", int(steps[done - 1]), data)
            if event is not None:
                seq += 1
                data = event.model_copy(update={"seq": seq}).model_dump_json().encode()
                yield Message(seq, event.type, event.step, data)

    def _row(self) -> RunRow:
        bundle, said = self._bundle, self._bundle.run
        epochs = [event.steps_per_epoch for event in bundle.events if not isinstance(event, Diagnosis)]
        at_rest = said.status in ENDED and said.status != "interrupted"
        return RunRow(
            id=self.run_id,
            experiment=said.experiment,
            status=said.status if at_rest else "interrupted",
            reason=said.reason if at_rest else "",
            step=said.step,
            seed=said.seed,
            device=said.device if torch.cuda.is_available() else "cpu",
            built_with=bundle.built_with,
            began_with=bundle.began_with,
            knobs=bundle.knobs,
            created_at=said.created_at.isoformat(),
            updated_at=now(),
            branched_at=said.begins_at,
            max_steps=said.max_steps,
            pace=said.pace,
            steps_per_epoch=next((epoch for epoch in reversed(epochs) if epoch is not None), None),
            name=said.name,
            environment=said.environment | {IMPORTED: said.id},
        )
