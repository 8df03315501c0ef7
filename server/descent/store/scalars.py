"""Keeps the scalars of a long run within their room.

A run's scalars are kept as they came, in messages of consecutive steps. Many small ones become few. Beyond
`EXACT` steps, or half the room, the oldest become buckets (see `thinned.py`), which may take the other half:
when there are too many, two and two become one. So a run of a day has its last minutes step by step and its
first in buckets of some thousand steps, with the least, the greatest and the mean of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from descent import wire
from descent.store.packing import DamagedError, pack, unpack
from descent.store.schema import MessageRow
from descent.thinned import Buckets, Columns, join

EXACT = 1 << 20  # steps that are kept one by one
EASE = 0.75  # thinned down to this part, so as not to begin again at once
SMALL = 2048  # steps; messages of fewer are joined
JOINED = 8192  # steps of a message that was joined
UNTIDY = 128  # small messages, at which they are joined
WIDTH = 16  # steps of a bucket, to begin with
PIECE = 4096  # buckets in one message
MOST_BUCKETS = 1 << 17
AT_ONCE = 1 << 17  # steps that are thinned in one go
AT_ONCE_BYTES = 4 << 20  # the same, as they are stored

KINDS = ("scalars", "buckets")


@dataclass(frozen=True)
class _Stored:
    """A message: its `seq`, its last step, its number of steps, and its size."""

    seq: int
    kind: str
    step: int
    steps: int
    size: int


@dataclass(frozen=True)
class Kept:
    """The scalars kept: bytes, and the step from which on none is in a bucket."""

    size: int
    exact_from: int


def tidy(session: Session, run: str, room: int, exact: int = EXACT) -> Kept:
    """Bring the scalars of a run into `room` bytes, and to `exact` steps that are kept one by one."""
    messages = _index(session, run)
    messages = _join_small(session, run, messages)
    ones = [one for one in messages if one.kind == "scalars"]
    steps, size = sum(one.steps for one in ones), sum(one.size for one in ones)
    old: list[_Stored] = []
    if steps > exact / EASE or size > room / 2:
        while len(ones) > 1 and (steps > exact or size > room / 2 * EASE):
            old.append(ones.pop(0))
            steps -= old[-1].steps
            size -= old[-1].size
    if old:
        _to_buckets(session, run, old, [one for one in messages if one.kind == "buckets"], room / 2)
        messages = _index(session, run)
    buckets = [one for one in messages if one.kind == "buckets"]
    return Kept(sum(one.size for one in messages), buckets[-1].step + 1 if buckets else 0)


def _index(session: Session, run: str) -> list[_Stored]:
    columns = (MessageRow.seq, MessageRow.kind, MessageRow.step, func.length(MessageRow.data))
    query = select(*columns).where(MessageRow.run == run, MessageRow.kind.in_(KINDS)).order_by(MessageRow.seq)
    found: list[_Stored] = []
    for seq, kind, step, size in session.execute(query):
        before = found[-1].step if found else -1
        found.append(_Stored(seq, kind, step, max(0, step - before), size))
    return found


def _data(session: Session, run: str, messages: Sequence[_Stored]) -> Iterator[bytes]:
    """The messages' data, without damaged ones."""
    for one in messages:
        which = (MessageRow.run == run, MessageRow.seq == one.seq)
        data = session.scalar(select(MessageRow.data).where(*which))
        try:
            yield unpack(data or b"")
        except DamagedError:
            continue


def _frames(session: Session, run: str, messages: Sequence[_Stored]) -> Iterator[tuple[Columns, Columns]]:
    for data in _data(session, run, messages):
        columns = wire.decode(data).arrays
        yield columns.pop("step"), columns  # type: ignore[misc]


def _replace(
    session: Session, run: str, gone: Sequence[_Stored], come: Sequence[tuple[int, str, int, bytes]]
) -> list[_Stored]:
    """Put messages (seq, kind, last step, data) in the place of others."""
    for one in gone:
        session.execute(delete(MessageRow).where(MessageRow.run == run, MessageRow.seq == one.seq))
    rows = [
        {"run": run, "seq": seq, "kind": kind, "step": step, "data": pack(data)}
        for seq, kind, step, data in come
    ]
    if rows:
        session.execute(insert(MessageRow), rows)
    before = min((one.step - one.steps for one in gone), default=-1)
    stored = []
    for row in rows:
        stored.append(_Stored(row["seq"], row["kind"], row["step"], row["step"] - before, len(row["data"])))  # type: ignore[arg-type, operator]
        before = row["step"]  # type: ignore[assignment]
    return stored


def _join_small(session: Session, run: str, messages: list[_Stored]) -> list[_Stored]:
    """Join consecutive small messages of scalars, if there are many of them."""
    if sum(one.kind == "scalars" and one.steps < SMALL for one in messages) < UNTIDY:
        return messages
    tidied: list[_Stored] = []
    group: list[_Stored] = []
    for one in [*messages, None]:
        fits = one is not None and one.kind == "scalars" and one.steps < SMALL
        if not fits or sum(other.steps for other in group) + one.steps > JOINED:  # type: ignore[union-attr]
            tidied += _joined(session, run, group)
            group = []
        if one is not None and fits:
            group.append(one)
        elif one is not None:
            tidied.append(one)
    return tidied


def _joined(session: Session, run: str, group: list[_Stored]) -> list[_Stored]:
    if len(group) < 2:
        return group
    parts = list(_frames(session, run, group))
    if not parts:
        return group
    steps, columns = join(parts)  # type: ignore[arg-type]
    last = group[-1]
    data = wire.encode_columns(run, last.seq, steps, columns)
    return _replace(session, run, group, [(last.seq, "scalars", int(steps[-1]), data)])


def _to_buckets(
    session: Session, run: str, old: Sequence[_Stored], before: Sequence[_Stored], room: float
) -> None:
    """Make buckets of the messages `old`, after those there are `before`."""
    width = WIDTH
    parts: list[Buckets] = []
    size = sum(one.size for one in before)
    touched = list(before[-1:])  # the last one goes on
    kept = list(before[:-1])
    for data in _data(session, run, touched):
        width = int(wire.metadata_of(data)["width"])
        parts.append(Buckets.from_arrays(wire.decode(data).arrays))
    for some in _in_portions(old):
        rows = list(_frames(session, run, some))
        if rows:
            parts.append(Buckets.of(*join(rows)).widened(width))  # type: ignore[arg-type]
        if sum(map(len, parts)) > MOST_BUCKETS:
            parts = [Buckets.joined(parts).widened(width := 2 * width)]
    buckets = Buckets.joined(parts).widened(width)
    number = sum(one.steps for one in kept) // width + len(buckets)
    if kept and (number > MOST_BUCKETS or size > room):
        parts = [Buckets.from_arrays(wire.decode(data).arrays) for data in _data(session, run, kept)]
        touched, kept = [*kept, *touched], []
        buckets = Buckets.joined([*parts, buckets]).widened(width := 2 * width)
    places = [one.seq for one in [*touched, *old]]
    while True:
        come = _messages(run, buckets, width, places)
        if len(buckets) <= 16 or sum(len(pack(data)) for *_, data in come) <= room or kept:
            break
        buckets = buckets.widened(width := 2 * width)
    _replace(session, run, [*touched, *old], come)


def _in_portions(messages: Sequence[_Stored]) -> Iterator[list[_Stored]]:
    portion: list[_Stored] = []
    for one in messages:
        portion.append(one)
        steps, size = sum(other.steps for other in portion), sum(other.size for other in portion)
        if steps >= AT_ONCE or size >= AT_ONCE_BYTES:
            yield portion
            portion = []
    yield portion


def _messages(
    run: str, buckets: Buckets, width: int, places: Sequence[int]
) -> list[tuple[int, str, int, bytes]]:
    """Buckets as messages at the last of these `seq`s, so that a reader there misses nothing."""
    pieces = min(len(places), -(-len(buckets) // PIECE))
    most = -(-len(buckets) // max(1, pieces))
    found = []
    for number, seq in enumerate(places[len(places) - pieces :]):
        piece = buckets.part(slice(number * most, (number + 1) * most))
        if len(piece):
            last = int(piece.last[-1])
            found.append((seq, "buckets", last, wire.encode_buckets(run, seq, last, width, piece.arrays())))
    return found


def rows_of(run: str, seq: int, data: bytes) -> bytes:
    """Buckets as a frame of scalars."""
    steps, columns = Buckets.from_arrays(wire.decode(data).arrays).rows()
    return wire.encode_columns(run, seq, steps, columns)
