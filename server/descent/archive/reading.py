"""Reads a bundle from elsewhere: nothing in it is trusted, all of it is checked.

JSON goes through pydantic and everything else through safetensors; nothing is unpickled. A checkpoint's
numbers are put into a model only by a run's own worker, which refuses those that do not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any, BinaryIO, Literal, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from descent import wire
from descent.archive import bundle
from descent.archive.entries import Entries, bad
from descent.engine import checkpoint as engine
from descent.errors import DescentError
from descent.panels import Picture
from descent.protocol import Diagnosis, KnobsChanged, State
from descent.registry import Entry
from descent.runs.knobs import check
from descent.runs.manager import RunManager
from descent.store.store import Checkpoint

MIB = 1 << 20
LARGEST_LIST = 64 * MIB  # of events or changes of knobs
LARGEST_FILE = MIB  # of other JSON
LARGEST_PICTURE = 16 * MIB
LONGEST_SIDE = MIB  # items along one dimension of a picture's array, which may be empty along another
MOST_COLUMNS, LONGEST_NAME = 1000, 200  # of scalars

Event = State | KnobsChanged | Diagnosis
M = TypeVar("M")
_run_file = TypeAdapter(bundle.RunFile)
_knob_log = TypeAdapter(list[bundle.Change])
_beside = TypeAdapter(bundle.CheckpointFile)
_event: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, SafetensorError)

Word = Annotated[int, Field(ge=0, lt=2**32)]


class Chance(BaseModel):
    """A checkpoint's random numbers. NumPy believes any position, and would read on behind its words."""

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
    """What a bundle holds. `run`: as it says; the rest checked: `built_with`, `began_with` and the present
    `knobs`, `events`, `steps` and `columns` as in `Record`. `first`: the step it begins at.
    """

    def __init__(self, file: BinaryIO, limit: int) -> None:
        """Reads all of it, unpacking at most `limit` bytes.

        Raises `BadArchive` or `TooLarge`, naming the entry.
        """
        self._entries = Entries(file, limit, _is_known)
        self.run = self._json(bundle.RUN, _run_file, LARGEST_FILE)
        if self.run.format != bundle.FORMAT:
            raise bad(bundle.RUN, f"its format is {self.run.format}, this version reads {bundle.FORMAT}")
        try:
            self.entry = RunManager.entry(self.run.experiment)
        except DescentError as error:
            raise bad(bundle.RUN, error.detail) from error
        self.first = self.run.begins_at or 0
        self.built_with = _checked(bundle.RUN, self.entry, self.run.built_with)
        self.began_with = _checked(bundle.RUN, self.entry, self.run.began_with, before=self.built_with)
        self.events = self._events()
        self.knobs = self._changed()
        self.steps, self.columns = self._scalars()
        if self.run.step != max(int(self.steps[-1]) + 1 if len(self.steps) else 0, self.first):
            raise bad(bundle.RUN, f"it says {self.run.step} steps, and {bundle.SCALARS} something else")
        for _ in self.frames():
            pass
        for _ in self.checkpoints():
            pass

    def _json(self, name: str, adapter: TypeAdapter[M], most: int) -> M:
        return _parsed(name, adapter, self._entries.read(name, most))

    def _events(self) -> list[Event]:
        events = []
        for number, line in enumerate(self._entries.read(bundle.EVENTS, LARGEST_LIST).splitlines(), 1):
            event = _parsed(f"{bundle.EVENTS} line {number}", _event, line)
            if event.seq != number or not 0 <= event.step <= bundle.LAST_STEP:
                raise bad(f"{bundle.EVENTS} line {number}", "its seq must be the number of its line")
            events.append(event)
        return events

    def _changed(self) -> dict[str, Any]:
        """The knobs after all changes; `knobs.json` must say the same."""
        knobs, log = self.began_with, [(self.first, self.run.began_with)]
        for event in self.events:
            if isinstance(event, KnobsChanged):
                knobs = _checked(f"{bundle.EVENTS} line {event.seq}", self.entry, event.knobs, before=knobs)
                log.append((event.step, event.knobs))
        written = self._json(bundle.KNOBS, _knob_log, LARGEST_LIST)
        if [(change.step, change.knobs) for change in written] != log:
            raise bad(bundle.KNOBS, f"it differs from what {bundle.RUN} and {bundle.EVENTS} say")
        return knobs

    def _scalars(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        try:
            columns = wire.decode(self._entries.read(bundle.SCALARS)).arrays
        except _MALFORMED as error:
            raise bad(bundle.SCALARS, f"it is no frame of scalars: {error}") from error
        steps = columns.pop("step", np.zeros(()))
        right = steps.dtype == np.int64 and steps.ndim == 1
        if not right or any(v.dtype != np.float32 or v.shape != steps.shape for v in columns.values()):
            raise bad(bundle.SCALARS, "it must hold `step`, int64 (n,), and a float32 (n,) for each name")
        if len(columns) > MOST_COLUMNS or any(len(name) > LONGEST_NAME for name in columns):
            raise bad(bundle.SCALARS, f"it has over {MOST_COLUMNS} names, or one over {LONGEST_NAME} letters")
        rising = not len(steps) or (self.first <= steps[0] and bool((steps[1:] > steps[:-1]).all()))
        if not rising or (len(steps) and steps[-1] >= bundle.LAST_STEP):
            raise bad(bundle.SCALARS, f"its steps must rise, from {self.first} on")
        return steps, columns

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
        """Every checkpoint, with the `seq` of the last of `events` before it."""
        for found in self._named(bundle.CHECKPOINT):
            name, step, beside = found[0], int(found["step"]), f"checkpoints/{found['step']}.json"
            if found["kind"] == "json":
                if f"checkpoints/{step}.safetensors" not in self._entries.names:
                    raise bad(name, "its checkpoint is missing")
                continue
            if not self.first <= step <= self.run.step:
                raise bad(name, f"the record has the steps {self.first} to {self.run.step}")
            said = self._json(beside, _beside, LARGEST_FILE)
            if said.seq > len(self.events):
                raise bad(beside, f"there is no event {said.seq}")
            knobs = _checked(beside, self.entry, said.knobs, before=self.built_with)
            data = self._entries.read(name)
            try:
                _check_checkpoint(data)
            except _MALFORMED as error:
                raise bad(name, f"it is no checkpoint: {error}") from error
            yield Checkpoint(step, said.seq, knobs, data)


def _is_known(name: str) -> bool:
    fixed = (bundle.RUN, bundle.KNOBS, bundle.EVENTS, bundle.SCALARS, bundle.TABLE)
    return name in fixed or bool(bundle.FRAME.fullmatch(name) or bundle.CHECKPOINT.fullmatch(name))


def _parsed(name: str, adapter: TypeAdapter[M], data: bytes) -> M:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise bad(name, f"{place}: {first['msg']}" if place else first["msg"]) from error


def _checked(
    name: str, entry: Entry, values: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All knobs; fixed ones may not differ from `before`."""
    try:
        return check(entry, values, before=before)
    except DescentError as error:
        raise bad(name, error.detail) from error


def _picture(frame: wire.Frame, panel: str, kind: str, step: int) -> Picture:
    """What a frame shows. Raises one of `_MALFORMED` where it is not of this panel and step."""
    if (frame.type, frame.panel, frame.kind, frame.step) != ("panel", panel, kind, step):
        raise ValueError(f"it says {frame.kind} {frame.panel!r} at step {frame.step}")
    specs = fields(Picture.kinds[kind])  # type: ignore[arg-type]
    arrays = {spec.name for spec in specs if spec.type == "Array"}
    rest = frame.meta or {}
    if frame.arrays.keys() != arrays or rest.keys() != {spec.name for spec in specs} - arrays:
        raise ValueError(f"its fields are {', '.join([*frame.arrays, *rest])}")
    for name, array in frame.arrays.items():
        if array.dtype not in (np.float32, np.int32, np.uint8) or max(array.shape, default=0) > LONGEST_SIDE:
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
    return Picture.kinds[kind](**frame.arrays, **rest)


def _check_checkpoint(data: bytes) -> None:
    """Raises one of `_MALFORMED` where it is none, or none that this version reads."""
    tensors, header = load_tensors(data), wire.metadata_of(data)
    if header["format"] != str(engine.FORMAT):
        raise ValueError(f"its format is {header['format']}, this version reads {engine.FORMAT}")
    if not isinstance(json.loads(header["state"]), dict):
        raise ValueError("its state is no JSON object")
    Chance.model_validate_json(header["chance"])
    chance = tensors["rng/torch"]
    if chance.dtype != torch.uint8 or chance.ndim != 1:
        raise ValueError(f"rng/torch is {chance.dtype} {tuple(chance.shape)}")
