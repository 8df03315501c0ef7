"""Runs on disk: written in batches by one thread, read by any."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ColumnExpressionArgument,
    Row,
    Select,
    Text,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, class_mapper, defer

from descent.protocol import ENDED
from descent.store import database, scalars
from descent.store.opened import OpenStore
from descent.store.packing import DamagedError, pack, unpack
from descent.store.records import Batch, Checkpoint, Kept, StoredMessage
from descent.store.schema import BorrowedRow, CheckpointRow, FrameRow, MessageRow, MetaRow, RunRow

TRAINED = "trained"  # the reason of an interrupted run that was not paused
IMPORTING = "importing:"  # before the id of a run whose import is unfinished, as a key in `meta`
AT_ONCE = 500  # keys in one statement
ROWS = 32  # messages read at a time
STRIPPED, STRIPPED_EXACT = 1 << 20, 1 << 14  # bytes and steps of scalars, where there is no room for more
SIZE = RunRow.frame_bytes + RunRow.checkpoint_bytes + RunRow.scalar_bytes  # of what a run has recorded
COUNTED = 20  # runs whose scalars are counted in one go
# Lists of runs leave these out: they are not read there, and take half the time.
LISTED = [
    defer(column, raiseload=True)
    for column in (RunRow.built_with, RunRow.began_with, RunRow.environment, RunRow.declared)
]


Column = InstrumentedAttribute[Any] | ColumnElement[Any]


class Store(OpenStore):
    """All recorded runs. Methods that write are called by one thread at a time."""

    # Runs

    def run(self, id: str) -> RunRow | None:
        """The run with this id; None if there is none."""
        if "\0" in id:  # which PostgreSQL does not take
            return None
        with self._reading() as session:
            return session.get(RunRow, id)

    def runs(
        self,
        *,
        limit: int | None = None,
        offset: int = 0,
        oldest_first: bool = False,
        **which: Any,
    ) -> Sequence[RunRow]:
        """The runs that `_matching` describes, the newest first. Not all columns: see `LISTED`."""
        query = select(RunRow).options(*LISTED).limit(limit).offset(offset)
        query = query.where(*_matching(**which))
        query = query.order_by(RunRow.created_at if oldest_first else RunRow.created_at.desc(), RunRow.id)
        with self._reading() as session:
            return session.scalars(query).all()

    def facts(self, *columns: Column, **which: Any) -> Sequence[Row[Any]]:
        """These columns of the runs that `runs` finds, the newest first."""
        query: Select[Any] = select(*columns).where(*_matching(**which))
        with self._reading() as session:
            return session.execute(query.order_by(RunRow.created_at.desc(), RunRow.id)).all()

    def some(self, ids: Sequence[str]) -> list[RunRow]:
        """The runs with these ids, in their order; unknown ids are passed over. Columns as of `runs`."""
        rows: dict[str, RunRow] = {}
        with self._reading() as session:
            for part in _in_parts([id for id in ids if "\0" not in id]):
                query = select(RunRow).options(*LISTED).where(RunRow.id.in_(part))
                rows |= {row.id: row for row in session.scalars(query)}
        return [rows[id] for id in ids if id in rows]

    def recorded_bytes(self) -> int:
        """What all runs have recorded, compressed."""
        with self._reading() as session:
            return session.scalar(select(func.sum(SIZE))) or 0

    def count(self, **which: Any) -> int:
        """How many runs `runs` finds."""
        query = select(func.count()).select_from(RunRow).where(*_matching(**which))
        with self._reading() as session:
            return session.scalar(query) or 0

    def tags(self, seen_by: str | None = None) -> list[str]:
        """Every tag that a run has, in alphabetical order; see `_matching`."""
        which = (RunRow.tags.is_not(None), *_matching(seen_by=seen_by))
        with self._reading() as session:
            rows = session.scalars(select(RunRow.tags).where(*which).distinct())
            return sorted({tag for tags in rows for tag in tags}, key=str.casefold)

    def family(self, id: str) -> Sequence[RunRow]:
        """The run, what it was branched from and what was branched from that, the oldest first."""
        with self._reading() as session:
            run = session.get(RunRow, id)
            while run is not None and run.parent and (parent := session.get(RunRow, run.parent)):
                run = parent
            family: list[RunRow] = []
            generation = [run] if run is not None else []
            while generation:
                family += generation
                parents = [row.id for row in generation]
                children = select(RunRow).where(RunRow.parent.in_(parents)).order_by(RunRow.created_at)
                generation = list(session.scalars(children))
            return family

    def _settle(self, session: Session) -> None:
        """Mark runs that the ended or killed server left alive, and delete half-imported ones."""
        self._interrupt(session)
        self._abandon_imports(session)

    def interrupt(self) -> None:
        """Mark runs that the ended or killed server left alive; `reason`: whether they trained."""
        with self._writing() as session:
            self._interrupt(session)

    def _interrupt(self, session: Session) -> None:
        alive = RunRow.status.not_in(ENDED)
        for trained in (False, True):
            which = RunRow.status != "paused" if trained else RunRow.status == "paused"
            values = {"status": "interrupted", "reason": TRAINED if trained else ""}
            session.execute(update(RunRow).where(alive, which).values(values))

    def interrupted(self) -> list[str]:
        """Ids of the runs that trained when the last server ended; empty on a second call."""
        trained = (RunRow.status == "interrupted", RunRow.reason == TRAINED)
        with self._writing() as session:
            ids = list(session.scalars(select(RunRow.id).where(*trained).order_by(RunRow.created_at)))
            session.execute(update(RunRow).where(*trained).values(reason=""))
        return ids

    def set(self, id: str, **values: Any) -> None:
        """Change columns of a run."""
        with self._writing() as session:
            session.execute(update(RunRow).where(RunRow.id == id).values(**values))

    def set_each(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Change columns of several runs, by id."""
        with self._writing() as session:
            for id, columns in values.items():
                session.execute(update(RunRow).where(RunRow.id == id).values(**columns))

    def strip(self, room: int, scalar_room: int = 1 << 40, *, each: int = 1 << 60) -> list[str]:
        """Of the runs that ended longest ago, and are not starred, keep only each panel's first and last
        picture and the last checkpoint, until all recorded ones take at most `room` bytes; where that is not
        enough, thin their scalars too. `scalar_room`: bytes of any run's scalars; `each`: bytes that the runs
        of any one owner may take.
        """
        with self._writing() as session:
            self._count_scalars(session, scalar_room)
            owners = session.execute(
                select(RunRow.owner, func.sum(SIZE)).where(RunRow.owner != "").group_by(RunRow.owner)
            ).all()
            stripped = [
                id
                for owner, total in owners
                if total > each
                for id in self._strip(session, total, each, RunRow.owner == owner)
            ]
            total = session.scalar(select(func.sum(SIZE))) or 0
            return list(dict.fromkeys([*stripped, *self._strip(session, total, room)]))

    def _strip(self, session: Session, total: int, room: int, *which: ColumnElement[bool]) -> list[str]:
        """Strip of these runs, which take `total` bytes, the oldest until they take at most `room`."""
        stripped = []
        whole = RunRow.id.not_in(_being_imported())
        may_go = (RunRow.status.in_(ENDED), ~RunRow.starred, SIZE > 0, whole, *which)
        for row in session.scalars(select(RunRow).where(*may_go).order_by(RunRow.updated_at)).all():
            if total <= room:
                break
            kept = self._kept(session, row.id)
            panels = {one.panel for one in kept}
            ends = {panel: [one for one in kept if one.panel == panel] for panel in panels}
            spared = [one for panel, ones in ends.items() for one in (ones[:1] if panel else []) + ones[-1:]]
            gone = [one for one in kept if one not in spared]
            if not gone:
                continue
            self._drop(session, row.id, gone)
            frames = [one for one in gone if one.panel]
            checkpoints = [one for one in gone if not one.panel]
            row.frames_thinned += len(frames)
            row.checkpoints_thinned += len(checkpoints)
            row.frame_bytes -= sum(one.size for one in frames)
            row.checkpoint_bytes -= sum(one.size for one in checkpoints)
            total -= sum(one.size for one in gone)
            stripped.append(row.id)
        large = select(RunRow).where(*may_go, RunRow.scalar_bytes > STRIPPED)
        for row in session.scalars(large.order_by(RunRow.updated_at)).all():
            if total <= room:
                break
            total -= row.scalar_bytes
            total += self._tidy(session, row.id, STRIPPED, STRIPPED_EXACT).size
            stripped.append(row.id)
        return stripped

    def _count_scalars(self, session: Session, room: int) -> None:
        """Tidy scalars that an import, or an older version, has left uncounted."""
        some = exists().where(MessageRow.run == RunRow.id, MessageRow.kind.in_(scalars.KINDS))
        whole = RunRow.id.not_in(_being_imported())
        resting = (RunRow.status.in_(ENDED), RunRow.scalar_bytes == 0, whole)
        for id in session.scalars(select(RunRow.id).where(*resting, some).limit(COUNTED)).all():
            self._tidy(session, id, room)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete runs and their records; their branches stay.

        If the disk is full, the reserve is used. Their space goes back to the disk.
        """
        try:
            self._delete(ids)
        except (SQLAlchemyError, database.StoreError, OSError) as error:
            full = database.cause(error) == "disk-full"
            if not (full and self._reserve is not None and self._reserve.release()):
                raise
            self._delete_bit_by_bit(ids)
        with contextlib.suppress(SQLAlchemyError, sqlite3.Error, database.StoreError):
            self.give_back()

    def _delete(self, ids: Sequence[str]) -> None:
        with self._writing() as session:
            for some in _in_parts(ids):
                session.execute(delete(RunRow).where(RunRow.id.in_(some)))
                session.execute(delete(MetaRow).where(MetaRow.key.in_([IMPORTING + id for id in some])))

    def _delete_bit_by_bit(self, ids: Sequence[str]) -> None:
        """Delete in pieces, so that the log stays small. Until a run is gone it is marked as incomplete."""
        for id in ids:
            self.begin_import(id)
            for table in (MessageRow, FrameRow, CheckpointRow, BorrowedRow):
                keys = list(class_mapper(table).primary_key)
                some = select(*keys).where(keys[0] == id).limit(AT_ONCE)
                while True:
                    with self._writing() as session:
                        found = session.execute(some).all()
                        session.execute(delete(table).where(tuple_(*keys).in_(found)))
                    if not found:
                        break
                    self._shorten_log()
        self._delete(ids)

    def begin_import(self, id: str) -> None:
        """Begin an import: until its end the run is in no list, and it is deleted if this process ends."""
        with self._writing() as session:
            session.merge(MetaRow(IMPORTING + id, id))

    def end_import(self, id: str) -> None:
        """End an import: the run is complete."""
        with self._writing() as session:
            session.execute(delete(MetaRow).where(MetaRow.key == IMPORTING + id))

    def _abandon_imports(self, session: Session) -> None:
        """Delete runs whose import did not end."""
        session.execute(delete(RunRow).where(RunRow.id.in_(_being_imported())))
        session.execute(delete(MetaRow).where(MetaRow.key.startswith(IMPORTING)))

    def same(self, origin: str) -> str | None:
        """The id of a run that has this id, or was imported from one that had it; None if there is none."""
        came = RunRow.environment["imported"].as_string() == origin
        query = select(RunRow.id).where(or_(RunRow.id == origin, came & RunRow.parent.is_(None)))
        query = query.where(RunRow.id.not_in(_being_imported()))
        with self._reading() as session:
            return session.scalar(query.order_by(RunRow.updated_at.desc()))

    def borrowed(self, run: str) -> dict[str, bytes]:
        """What the run has borrowed, by the run it was taken of. Raises `DamagedError`."""
        query = select(BorrowedRow.source, BorrowedRow.data).where(BorrowedRow.run == run)
        with self._reading() as session:
            return {source: unpack(data) for source, data in session.execute(query)}

    def imported_bytes(self) -> int:
        """Bytes of all imported runs, as stored."""
        runs = select(func.sum(RunRow.frame_bytes + RunRow.checkpoint_bytes)).where(RunRow.imported)
        messages = select(func.sum(func.length(MessageRow.data))).join(RunRow, RunRow.id == MessageRow.run)
        borrowed = select(func.sum(func.length(BorrowedRow.data))).join(RunRow, RunRow.id == BorrowedRow.run)
        queries = [runs, *(query.where(RunRow.imported) for query in (messages, borrowed))]
        with self._reading() as session:
            return sum(int(session.scalar(query) or 0) for query in queries)

    # Writing

    def save(self, batches: Sequence[Batch]) -> None:
        """Write all batches, or none. Writing them again changes nothing: an answer can be lost."""
        with self._writing() as session:
            for batch in batches:
                session.merge(batch.run)
            session.flush()
            for batch in batches:
                run = batch.run.id
                if batch.borrowed:
                    session.execute(delete(BorrowedRow).where(BorrowedRow.run == run))
                    lent = [{"run": run, "source": one, "data": data} for one, data in batch.borrowed.items()]
                    session.execute(insert(BorrowedRow), lent)
                if batch.messages:
                    known = (MessageRow.run == run, MessageRow.seq >= batch.messages[0].seq)
                    session.execute(delete(MessageRow).where(*known))
                    rows = [
                        {"run": run, "seq": m.seq, "kind": m.kind, "step": m.step, "data": pack(m.data)}
                        for m in batch.messages
                    ]
                    session.execute(insert(MessageRow), rows)
                self._drop(session, run, [Kept(panel, step, 0) for panel, step in batch.frames])
                self._drop(session, run, [Kept("", checkpoint.step, 0) for checkpoint in batch.checkpoints])
                self._drop(session, run, batch.dropped)
                if batch.frames:
                    rows = [
                        {"run": run, "panel": panel, "step": step, "size": len(data), "data": data}
                        for (panel, step), data in batch.frames.items()
                    ]
                    session.execute(insert(FrameRow), rows)
                if batch.checkpoints:
                    rows = [
                        {"run": run, "size": len(checkpoint.data), **vars(checkpoint)}
                        for checkpoint in batch.checkpoints
                    ]
                    session.execute(insert(CheckpointRow), rows)

    def _drop(self, session: Session, run: str, kept: Sequence[Kept]) -> None:
        frames = [(one.panel, one.step) for one in kept if one.panel]
        steps = [one.step for one in kept if not one.panel]
        for some in _in_parts(frames):
            which = tuple_(FrameRow.panel, FrameRow.step).in_(some)
            session.execute(delete(FrameRow).where(FrameRow.run == run, which))
        for some in _in_parts(steps):
            session.execute(
                delete(CheckpointRow).where(CheckpointRow.run == run, CheckpointRow.step.in_(some))
            )

    # Reading

    def messages(self, run: str, kind: str = "") -> Iterator[StoredMessage]:
        """The run's messages in order, without damaged ones."""
        columns = (MessageRow.seq, MessageRow.kind, MessageRow.step, MessageRow.data)
        query = select(*columns).where(MessageRow.run == run).order_by(MessageRow.seq)
        if kind:
            query = query.where(MessageRow.kind.in_(scalars.KINDS if kind == "scalars" else (kind,)))
        with self._reading() as session:
            for row in session.execute(query.execution_options(yield_per=ROWS)):
                yield from _understood(run, row)

    def said_after(self, run: str, seq: int) -> list[StoredMessage]:
        """Some of the run's messages after `seq`, in order, without damaged ones; empty if there are none."""
        columns = (MessageRow.seq, MessageRow.kind, MessageRow.step, MessageRow.data)
        query = select(*columns).where(MessageRow.run == run).order_by(MessageRow.seq).limit(ROWS)
        with self._reading() as session:
            while rows := session.execute(query.where(MessageRow.seq > seq)).all():
                if found := [message for row in rows for message in _understood(run, row)]:
                    return found
                seq = rows[-1].seq
        return []

    def last_seq(self, run: str) -> int:
        """The `seq` of the last message that is kept, 0 when there is none."""
        with self._reading() as session:
            return session.scalar(select(func.max(MessageRow.seq)).where(MessageRow.run == run)) or 0

    def seq_before(self, run: str, step: int) -> int:
        """The `seq` of the last message with scalars before `step` only, 0 when there is none."""
        query = select(func.max(MessageRow.seq)).where(
            MessageRow.run == run, MessageRow.step < step, MessageRow.kind.in_(scalars.KINDS)
        )
        with self._reading() as session:
            return session.scalar(query) or 0

    def tidy(self, run: str, room: int, exact: int = scalars.EXACT) -> scalars.Kept:
        """Bring the scalars of a run into `room` bytes; see `scalars.py`."""
        with self._writing() as session:
            return self._tidy(session, run, room, exact)

    def _tidy(self, session: Session, run: str, room: int, exact: int = scalars.EXACT) -> scalars.Kept:
        kept = scalars.tidy(session, run, room, exact)
        values = {"scalar_bytes": kept.size, "scalars_exact_from": kept.exact_from}
        session.execute(update(RunRow).where(RunRow.id == run).values(values))
        return kept

    def changes(self, run: str, since: int, step: int) -> list[tuple[int, dict[str, Any]]]:
        """Changes of knobs recorded after the message `since` and made up to `step`: their steps and values.

        Raises `DamagedError`.
        """
        query = select(MessageRow.step, MessageRow.data).where(
            MessageRow.run == run, MessageRow.kind == "knobs"
        )
        query = query.where(MessageRow.seq > since, MessageRow.step <= step).order_by(MessageRow.seq)
        with self._reading() as session:
            return [(at, json.loads(unpack(data))["knobs"]) for at, data in session.execute(query)]

    def last_step(self, run: str) -> int:
        """The last step whose scalars are kept, −1 when there is none."""
        query = select(func.max(MessageRow.step)).where(
            MessageRow.run == run, MessageRow.kind.in_(scalars.KINDS)
        )
        with self._reading() as session:
            found = session.scalar(query)
        return -1 if found is None else found

    def kept(self, run: str) -> list[Kept]:
        """The stored pictures and checkpoints, by step."""
        with self._reading() as session:
            return self._kept(session, run)

    def _kept(self, session: Session, run: str) -> list[Kept]:
        frames = select(FrameRow.panel, FrameRow.step, FrameRow.size).where(FrameRow.run == run)
        checkpoints = select(CheckpointRow.step, CheckpointRow.size).where(CheckpointRow.run == run)
        found = [Kept(*row) for row in session.execute(frames)]
        found += [Kept("", *row) for row in session.execute(checkpoints)]
        return sorted(found, key=lambda one: one.step)

    def frame(self, run: str, panel: str, step: int) -> tuple[int, bytes] | None:
        """The last picture of a panel at or before `step`, damaged ones passed over: its step, the frame."""
        query = (
            select(FrameRow.step, FrameRow.data)
            .where(FrameRow.run == run, FrameRow.panel == panel)
            .order_by(FrameRow.step.desc())
            .limit(1)
        )
        with self._reading() as session:
            while found := session.execute(query.where(FrameRow.step <= step)).first():
                with contextlib.suppress(DamagedError):
                    return found.step, unpack(found.data)
                step = found.step - 1
        return None

    def frames(self, run: str) -> Iterator[tuple[str, int, bytes]]:
        """Every picture: its panel, step and frame; what is damaged is left out."""
        query = select(FrameRow).where(FrameRow.run == run).order_by(FrameRow.panel, FrameRow.step)
        with self._reading() as session:
            for row in session.scalars(query.execution_options(yield_per=50)):
                with contextlib.suppress(DamagedError):
                    yield row.panel, row.step, unpack(row.data)

    def checkpoints(self, run: str, step: int) -> Iterator[Checkpoint | int]:
        """Checkpoints at or before `step`, the last first; of a damaged one only its step."""
        query = (
            select(CheckpointRow)
            .where(CheckpointRow.run == run, CheckpointRow.step <= step)
            .order_by(CheckpointRow.step.desc())
        )
        with self._reading() as session:
            for row in session.scalars(query.execution_options(yield_per=1)):
                try:
                    yield Checkpoint(row.step, row.seq, row.knobs, unpack(row.data))
                except DamagedError:
                    yield row.step


def _matching(
    experiment: str = "",
    search: str = "",
    starred: bool = False,
    tag: str = "",
    titled: Sequence[str] = (),
    seen_by: str | None = None,
) -> list[ColumnExpressionArgument[bool]]:
    """Conditions. `search` finds names, ids, experiments and tags, and runs of the experiments `titled`;
    `seen_by`: those that someone owns, and shared ones.
    """
    conditions: list[ColumnExpressionArgument[bool]] = [RunRow.id.not_in(_being_imported())]
    tags = type_coerce(RunRow.tags, Text)
    if experiment:
        conditions.append(RunRow.experiment == experiment)
    if starred:
        conditions.append(RunRow.starred)
    if seen_by is not None:
        conditions.append(or_(RunRow.owner == seen_by, RunRow.shared))
    if tag:
        conditions.append(tags.icontains(f"\n{tag.replace(chr(0), '')}\n", autoescape=True))
    if search:
        sought = search.replace("\0", "")
        columns = (RunRow.name, RunRow.id, RunRow.experiment, tags)
        found = [column.icontains(sought, autoescape=True) for column in columns]
        conditions.append(or_(*found, RunRow.experiment.in_(titled)))
    return conditions


def _being_imported() -> Select[str]:
    """The ids of runs whose import has not ended."""
    return select(MetaRow.value).where(MetaRow.key.startswith(IMPORTING))


def _understood(run: str, row: Any) -> Iterator[StoredMessage]:
    """A message, buckets as scalars, if it is not damaged."""
    with contextlib.suppress(DamagedError):
        data = unpack(row.data)
        if row.kind == "buckets":
            yield StoredMessage(row.seq, "scalars", row.step, scalars.rows_of(run, row.seq, data))
        else:
            yield StoredMessage(row.seq, row.kind, row.step, data)


def _in_parts(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(keys), AT_ONCE):
        yield keys[first : first + AT_ONCE]
