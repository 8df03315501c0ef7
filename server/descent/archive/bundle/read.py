"""Reads a bundle from elsewhere: nothing in it is trusted, all of it is checked.

JSON goes through pydantic, and everything else is safetensors; nothing is unpickled. A checkpoint's numbers
are put into a model only by a run's own worker, which refuses those that do not fit. What can be long is read
a piece at a time, and once more for every look at it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from safetensors import SafetensorError

from descent import wire
from descent.archive.bundle import own
from descent.archive.bundle import write as bundle
from descent.archive.bundle.carried import looked_through
from descent.archive.bundle.items import items
from descent.archive.bundle.own import Carried, Library, trained_on
from descent.archive.bundle.part import LARGEST_FILE, M, parsed
from descent.archive.bundle.tensors import Tensor, TensorFile
from descent.archive.bundle.zip import Entries, bad
from descent.cells import plain
from descent.contract.entry import Entry
from descent.contract.panels import Picture, says
from descent.engine import checkpoint as engine
from descent.engine.borrowed import MOST_BYTES, unpacked
from descent.errors import DescentError
from descent.protocol import LAST_STEP, Clock, DeviceChosen, Diagnosis, KnobsChanged, State
from descent.registry import Registry
from descent.runs.knobs import check
from descent.store.packing import pack, pack_file
from descent.store.records import Checkpoint

MIB = 1 << 20
LARGEST_LIST = 64 * MIB  # of events or changes of knobs
LARGEST_PICTURE = 16 * MIB
LONGEST_SIDE = MIB  # items along one dimension of a picture's array, which may be empty along another
MOST_COLUMNS, LONGEST_NAME = 1000, 200  # of scalars
AT_ONCE = 1 << 16  # steps

Event = State | KnobsChanged | Clock | DeviceChosen | Diagnosis
_run_file = TypeAdapter(bundle.RunFile)
_beside = TypeAdapter(bundle.CheckpointFile)
_event: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_Text = Annotated[str, Field(max_length=LONGEST_NAME)]
_reading: TypeAdapter[tuple[str, dict[str, str | int]]] = TypeAdapter(
    tuple[_Text, Annotated[dict[_Text, _Text | int], Field(max_length=20)]]
)
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, SafetensorError)

Word = Annotated[int, Field(ge=0, lt=2**32)]


class RandomState(BaseModel):
    """RNG state of a checkpoint. NumPy does not bounds-check `pos` and would read past the array."""

    model_config = ConfigDict(extra="forbid", strict=True)

    python: tuple[Literal[3], Annotated[list[Word], Field(min_length=625, max_length=625)], float | None]
    numpy: tuple[
        Literal["MT19937"],
        Annotated[list[Word], Field(min_length=624, max_length=624)],
        Annotated[int, Field(ge=0, le=624)],
        Literal[0, 1],
        float,
    ]


class Bundle:
    """The content of a bundle. `run`: as written; the rest checked: `built_with`, `began_with` and present
    `knobs`; `first`: the step it begins at; `steps_per_epoch`: the last value; `trained_on`: the files of
    one's own that it reads, by digest, and as what.
    """

    def __init__(
        self,
        file: BinaryIO,
        limit: int,
        registry: Registry,
        folder: Path | None = None,
        library: Library | None = None,
    ) -> None:
        """Reads all of it, unpacking at most `limit` bytes, the largest to files in `folder`. Files that it
        was trained on have to be such as `library` takes; without one none may be there.

        Raises `BadArchive` or `TooLarge`, naming the entry.
        """
        self._registry = registry
        self._entries = Entries(file, limit, _is_known, folder)
        self._files = contextlib.ExitStack()
        try:
            self._read(library)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete the unpacked files."""
        self._files.close()

    def _read(self, library: Library | None) -> None:
        self.run = self._json(bundle.RUN, _run_file, LARGEST_FILE)
        if self.run.format != bundle.FORMAT:
            raise bad(bundle.RUN, f"its format is {self.run.format}, this version reads {bundle.FORMAT}")
        try:
            self.entry = self._registry.find(self.run.experiment)
        except DescentError as error:
            raise bad(bundle.RUN, error.detail) from error
        self.first = self.run.begins_at or 0
        self.built_with = _checked(bundle.RUN, self.entry, self.run.built_with)
        self.began_with = _checked(bundle.RUN, self.entry, self.run.began_with, before=self.built_with)
        self._lines = self._unpacked(bundle.EVENTS, LARGEST_LIST)
        self._events = 0
        self.steps_per_epoch: float | None = None
        self.knobs = self._changed()
        self._table = self._scalars()
        last = self._check_steps()
        if self.run.step != max(last + 1, self.first):
            raise bad(bundle.RUN, f"it says {self.run.step} steps, and {bundle.SCALARS} something else")
        for _ in self.frames():
            pass
        for _ in self._checkpoints():
            pass
        self.borrowed = self._borrowed()
        self._data = looked_through(self._entries, self._files, self.trained_on, library)

    def _unpacked(self, name: str, most: int | None = None) -> BinaryIO:
        return self._files.enter_context(self._entries.unpacked(name, most))

    def _json(self, name: str, adapter: TypeAdapter[M], most: int) -> M:
        return parsed(name, adapter, self._entries.read(name, most))

    def events(self) -> Iterator[Event]:
        """The run's messages, without scalars."""
        self._lines.seek(0)
        for number, line in enumerate(self._lines, 1):
            event = parsed(f"{bundle.EVENTS} line {number}", _event, line.rstrip(b"\r\n"))
            if event.seq != number or not 0 <= event.step <= LAST_STEP:
                raise bad(f"{bundle.EVENTS} line {number}", "its seq must be the number of its line")
            yield event

    def _changed(self) -> dict[str, Any]:
        """The knobs after all changes; `knobs.json` must agree."""
        with self._entries.unpacked(bundle.KNOBS, LARGEST_LIST) as file:
            written = items(file)
            knobs = self.began_with
            self.trained_on = trained_on(self.entry, [knobs])
            self._compare(written, self.first, self.run.began_with)
            for event in self.events():
                self._events += 1
                if isinstance(event, State | KnobsChanged) and event.steps_per_epoch is not None:
                    self.steps_per_epoch = event.steps_per_epoch
                if isinstance(event, KnobsChanged):
                    line = f"{bundle.EVENTS} line {event.seq}"
                    knobs = _checked(line, self.entry, event.knobs, before=knobs)
                    self.trained_on |= trained_on(self.entry, [knobs])
                    self._compare(written, event.step, event.knobs)
            self._compare(written)
        return knobs

    def _compare(self, written: Iterator[Any], *expected: Any) -> None:
        """Check the next entry of `knobs.json`: this step and these knobs, or none if none are `expected`."""
        try:
            found = next(written, None)
        except ValueError as error:
            raise bad(bundle.KNOBS, error) from error
        if found != (dict(zip(("step", "knobs"), expected, strict=True)) if expected else None):
            raise bad(bundle.KNOBS, f"it differs from what {bundle.RUN} and {bundle.EVENTS} say")

    def _scalars(self) -> TensorFile:
        """The table of scalars: the right columns, of the right kind."""
        try:
            table = TensorFile(self._unpacked(bundle.SCALARS))
        except _MALFORMED as error:
            raise bad(bundle.SCALARS, f"it is no frame of scalars: {error}") from error
        columns = dict(table.tensors)
        step = columns.pop("step", Tensor("none", (), 0))
        right = step.dtype == "I64" and len(step.shape) == 1
        if not right or any(one.dtype != "F32" or one.shape != step.shape for one in columns.values()):
            raise bad(bundle.SCALARS, "it must hold `step`, int64 (n,), and a float32 (n,) for each name")
        if len(columns) > MOST_COLUMNS or any(len(name) > LONGEST_NAME for name in columns):
            raise bad(bundle.SCALARS, f"it has over {MOST_COLUMNS} names, or one over {LONGEST_NAME} letters")
        for name in columns:
            if not name.isprintable() or plain(name) != name:
                raise bad(bundle.SCALARS, f"no scalar may be called {name!a}")
        return table

    def _check_steps(self) -> int:
        """The last step of the table, or -1; its steps rise."""
        last, least = -1, self.first
        for piece in self._table.stretches(["step"], AT_ONCE):
            steps = piece["step"]
            if steps[0] < least or not (steps[1:] > steps[:-1]).all() or steps[-1] >= LAST_STEP:
                raise bad(bundle.SCALARS, f"its steps must rise, from {self.first} on")
            last = int(steps[-1])
            least = last + 1
        return last

    def scalars(self, size: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """`size` rows at a time: steps and columns as in `Record`."""
        names = list(self._table.tensors)
        for piece in self._table.stretches(names, size):
            steps = piece.pop("step")
            yield steps, {name: piece[name] for name in sorted(piece)}

    def _borrowed(self) -> dict[str, bytes]:
        """What its model begins from, by the run that a knob names, packed."""
        found: dict[str, bytes] = {}
        for knob, experiment in self.entry.knobs_type.lenders().items():
            if not (run := self.built_with[knob]):
                continue
            name = f"borrowed/{run}.safetensors"
            data = self._entries.read(name, MOST_BYTES)
            try:
                origin, _ = unpacked(data)
            except _MALFORMED as error:
                raise bad(name, error) from error
            if origin.experiment != experiment:
                raise bad(name, f"it is of {origin.experiment!a}, {knob} takes runs of {experiment}")
            _checked(name, self._registry.find(experiment), origin.knobs)
            found[run] = pack(data)
        return found

    def carried(self) -> Iterator[Carried]:
        """The files of one's own that it was trained on and brings along."""
        for one in self._data:
            yield one.whole()

    def _named(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        found = filter(None, map(pattern.fullmatch, self._entries.names))
        return sorted(found, key=lambda match: (match.groupdict().get("panel", ""), int(match["step"])))

    def frames(self) -> Iterator[tuple[str, int, Picture]]:
        """Every picture with its panel and step, panel by panel."""
        panels, last = self.entry.panels, self.run.step
        for found in self._named(bundle.FRAME):
            name, panel, step = found[0], found["panel"], int(found["step"])
            if panel not in panels or panels[panel].kind not in Picture.kinds:
                raise bad(name, f"{self.entry.id} has no panel {panel!r} with pictures")
            if step > last:
                raise bad(name, f"the run took {last} steps")
            data = self._entries.read(name, LARGEST_PICTURE)
            try:
                picture = _picture(wire.decode(data), panel, panels[panel].kind, step)
            except _MALFORMED as error:
                raise bad(name, f"it is no picture of this panel: {error}") from error
            yield panel, step, picture

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Every checkpoint, packed, with the `seq` of the last of `events` before it."""
        for step, seq, knobs, file in self._checkpoints():
            yield Checkpoint(step, seq, knobs, pack_file(file))

    def _checkpoints(self) -> Iterator[tuple[int, int, dict[str, Any], BinaryIO]]:
        for found in self._named(bundle.CHECKPOINT):
            name, step, beside = found[0], int(found["step"]), f"checkpoints/{found['step']}.json"
            if found["kind"] == "json":
                if f"checkpoints/{step}.safetensors" not in self._entries.names:
                    raise bad(name, "its checkpoint is missing")
                continue
            if not self.first <= step <= self.run.step:
                raise bad(name, f"the record has the steps {self.first} to {self.run.step}")
            said = self._json(beside, _beside, LARGEST_FILE)
            if said.seq > self._events:
                raise bad(beside, f"there is no event {said.seq}")
            knobs = _checked(beside, self.entry, said.knobs, before=self.built_with)
            with self._entries.unpacked(name) as file:
                try:
                    _check_checkpoint(file, step)
                except _MALFORMED as error:
                    raise bad(name, f"it is no checkpoint: {error}") from error
                file.seek(0)
                yield step, said.seq, knobs, file


def _is_known(name: str) -> bool:
    fixed = (bundle.RUN, bundle.KNOBS, bundle.EVENTS, bundle.SCALARS, bundle.TABLE)
    patterns = (bundle.FRAME, bundle.CHECKPOINT, bundle.BORROWED, own.DATA)
    return name in fixed or any(pattern.fullmatch(name) for pattern in patterns)


def _checked(
    name: str, entry: Entry, values: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All knobs; fixed ones may not differ from `before`."""
    try:
        return check(entry, values, before=before)
    except DescentError as error:
        raise bad(name, error.detail) from error


def _picture(frame: wire.Frame, panel: str, kind: str, step: int) -> Picture:
    """The picture in a frame. Raises one of `_MALFORMED` if it is not of this panel and step.

    Fields that came later, which have a default, may be missing: an earlier version has written it.
    """
    if (frame.type, frame.panel, frame.kind, frame.step) != ("panel", panel, kind, step):
        raise ValueError(f"it says {frame.kind} {frame.panel!r} at step {frame.step}")
    specs = fields(Picture.kinds[kind])  # type: ignore[arg-type]
    arrays = {spec.name for spec in specs if spec.type == "Array"}
    rest, reading = dict(frame.meta or {}), None
    if "reading" in rest:
        reading = _reading.validate_python(rest.pop("reading"))
    needed = {spec.name for spec in specs if spec.default is spec.default_factory is MISSING}
    told = {*frame.arrays, *rest}
    mixed = frame.arrays.keys() - arrays or rest.keys() & arrays
    if mixed or not needed <= told <= {spec.name for spec in specs}:
        raise ValueError(f"its fields are {', '.join([*frame.arrays, *rest])}")
    for name, array in frame.arrays.items():
        if array.dtype not in (np.float32, np.int32, np.uint8) or max(array.shape, default=0) > LONGEST_SIDE:
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
    picture = Picture.kinds[kind](**frame.arrays, **rest)
    return says(picture, reading[0], **reading[1]) if reading else picture


def _check_checkpoint(file: BinaryIO, step: int) -> None:
    """Raises one of `_MALFORMED` where it is none, none that this version reads, or one of another step."""
    found = TensorFile(file)
    header = found.metadata
    if header["format"] != str(engine.FORMAT):
        raise ValueError(f"its format is {header['format']}, this version reads {engine.FORMAT}")
    state = json.loads(header["state"])
    if not isinstance(state, dict):
        raise ValueError("its state is no JSON object")
    at = state.get("step_index", 0)  # which is left out as long as it is what it was built with
    if type(at) is not int or at != step:
        raise ValueError(f"it says that it was taken after {at!r} steps"[:200])
    RandomState.model_validate_json(header["chance"])
    chance = found.tensors["rng/torch"]
    if chance.dtype != "U8" or len(chance.shape) != 1:
        raise ValueError(f"rng/torch is {chance.dtype} {chance.shape}")
