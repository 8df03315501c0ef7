"""Sweeps: a run continued under other knobs, in a worker of its own, and streamed as it goes.

A sweep is no run: it is in no list, holds no slot and leaves no record. It ends with its request.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from descent import errors
from descent.contract.entry import Entry
from descent.engine.messages import RunSpec, SweepSpec, Variant
from descent.engine.schedules import range_of
from descent.runs import knobs as knob_check
from descent.runs.history import History
from descent.runs.run import Run
from descent.runs.swept import frames_of
from descent.runs.way_back import knobs_after
from descent.settings import Settings
from descent.workers.executor import Executor

MOST_VARIANTS = 64
MOST_STEPS = 2000  # of one variant
MOST_IN_ALL = 50_000  # steps of all variants together
MOST_ORDERS = 8
AROUND = 100  # default range: from the knob's value / 100 to its value × 100
COUNT = 16


@dataclass(frozen=True)
class SweepRequest:
    """A sweep's settings. `values`, or `count` of them from `low` to `high`; `vary`: further knobs' values,
    every combination of which is tried; `orders`: of mini-batches and noise, the run's own first.
    """

    knob: str = ""  # by default the first learning rate
    steps: int = 100
    values: Sequence[Any] | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    orders: int = 1


class Sweeps:
    """The sweeps of this server."""

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._settings = settings
        self._executor = executor
        self._under_way: Counter[str] = Counter()  # by person

    async def sweep(
        self, history: History, run: Run, step: int | None, order: SweepRequest, owner: str = ""
    ) -> AsyncIterator[bytes]:
        """Frames of a sweep from where `run` was after `step` steps. When this returns, it has begun.

        `owner`: whose it is, where there are several people.

        Raises `NotRecorded`, `BadField`, `BadKnob`, `FixedKnob`, `TooManySweeps`, `SweepTooLarge` and
        `SweepFailed`, all before anything is trained.
        """
        frames = self._frames(history, run, step, order, owner)
        return _chained(await anext(frames), frames)

    async def _frames(
        self, history: History, run: Run, step: int | None, order: SweepRequest, owner: str
    ) -> AsyncIterator[bytes]:
        self._need_room(owner)
        self._under_way[owner] += 1
        try:
            order = resolved(run.entry, order)
            knob_check.need_data(run.entry, run.built_with, self._settings.data_folders)
            replay, _ = await history.plan(run, step)
            variants = variants_of(run.entry, knobs_after(run.built_with, replay), order)
            sweep = SweepSpec(order.knob, variants, order.steps, self._settings.sweep_mb << 20)
            spec = RunSpec(
                run=run.id,
                experiment=run.entry.id,
                code=run.entry.code,
                knobs=run.built_with,
                seed=run.seed,
                streams=run.streams,
                borrowed=run.borrowed,
                device=run.device,
                data=tuple(map(str, self._settings.data_folders)),
                cores=run.entry.cls.cores,
                memory_mb=self._settings.run_mb,
                replay=replay,
            )
            async with contextlib.aclosing(frames_of(self._executor, spec, sweep)) as worked:
                async for frame in worked:
                    yield frame
        finally:
            self._under_way[owner] -= 1

    def _need_room(self, owner: str) -> None:
        """Raises `TooManySweeps`."""
        each, most, own = self._settings.sweeps_each, self._settings.sweeps, self._under_way[owner]
        if owner and own >= each:
            raise errors.TooManySweeps(
                f"{own} of your sweeps are under way; stop one, or wait (setting SWEEPS_EACH)",
                "run",
                most=each,
                reason="each",
            )
        if self._under_way.total() >= most:
            raise errors.TooManySweeps(
                f"{most} sweeps are under way; stop one, or wait (setting SWEEPS)", "run", most=most
            )


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for frame in rest:
        yield frame


def resolved(entry: Entry, order: SweepRequest) -> SweepRequest:
    """The order with its knob named. Raises `BadField` where it names none and there is no learning rate."""
    rates = entry.knobs_type.rates()
    knob = order.knob or next((name for name in entry.knobs_type.model_fields if name in rates), "")
    if not knob:
        raise _bad("knob", "missing", f"knob: {entry.id} has no learning rate; name the knob to sweep")
    return replace(order, knob=knob)


def variants_of(entry: Entry, knobs: Mapping[str, Any], order: SweepRequest) -> list[Variant]:
    """Every combination, checked. Raises `BadField`, `BadKnob` and `FixedKnob`."""
    order = resolved(entry, order)
    columns = {order.knob: values_of(entry, knobs, order), **order.vary}
    for name, values in columns.items():
        if not values:
            raise _bad(
                "values" if name == order.knob else "vary", "sweep-empty", f"no value of {name} is given"
            )
        _need_live(entry, name)
    count = math.prod(map(len, columns.values())) * order.orders
    if count > MOST_VARIANTS:
        raise _bad(
            "count",
            "sweep-many",
            f"{count} variants; at most {MOST_VARIANTS}",
            given=count,
            most=MOST_VARIANTS,
        )
    if count * order.steps > MOST_IN_ALL:
        most = MOST_IN_ALL // count
        raise _bad(
            "steps",
            "sweep-long",
            f"{count} variants of {order.steps} steps are more than {MOST_IN_ALL}; take at most {most} steps",
            given=order.steps,
            count=count,
            most=most,
        )
    variants = []
    for combination in itertools.product(*columns.values()):
        told = dict(zip(columns, combination, strict=True))
        checked = knob_check.check(entry, told, before=knobs)
        for number in range(order.orders):
            variants.append(Variant({name: checked[name] for name in told}, number))
    return variants


def _need_live(entry: Entry, name: str) -> None:
    if name not in entry.knobs_type.model_fields:
        known = ", ".join(n for n in entry.knobs_type.model_fields if entry.knobs_type.is_live(n))
        raise errors.BadKnob(f"{entry.id} has no knob {name!r}; live are {known}", name, reason="unknown")
    if not entry.knobs_type.is_live(name):
        raise errors.FixedKnob(f"{name} is fixed while a run goes on, so it cannot be swept", name)
    if name in entry.knobs_type.looks():
        raise errors.BadKnob(f"{name} touches no training: every loss would be the same", name, reason="look")


def values_of(entry: Entry, knobs: Mapping[str, Any], order: SweepRequest) -> list[Any]:
    """The swept knob's values: as given, or evenly spaced on its scale."""
    order = resolved(entry, order)
    _need_live(entry, order.knob)
    number = range_of(entry.knobs_type, order.knob)
    if number is None:
        raise errors.BadKnob(
            f"{order.knob} is no number; sweep one that is, and put this one into vary",
            order.knob,
            reason="no-number",
        )
    if order.values is not None:
        return list(order.values)
    least, most, whole = number
    schema = entry.knobs_type.model_fields[order.knob].json_schema_extra
    log = isinstance(schema, dict) and bool(schema.get("x-log"))
    now = float(knobs[order.knob])
    low = order.low if order.low is not None else max(least, now / AROUND if log else least)
    high = order.high if order.high is not None else min(most, now * AROUND if log and now else most)
    count = COUNT if order.count is None else order.count
    if not low < high:
        raise _bad("low", "sweep-inverted", f"low: {low:g} is not below {high:g}", low=low, high=high)
    if log and low <= 0:
        raise _bad("low", "sweep-zero", f"low: {low:g} must be above 0, the scale is logarithmic", low=low)
    for name, value in (("low", low), ("high", high)):
        if not least <= value <= most:
            raise _bad(
                name,
                "sweep-range",
                f"{name}: {value:g} is outside the knob's range, {least:g} to {most:g}",
                value=value,
                low=least,
                high=most,
            )
    shares = [i / max(1, count - 1) for i in range(count)]
    spaced = [low * (high / low) ** share if log else low + (high - low) * share for share in shares]
    spaced[-1] = high if count > 1 else low
    if whole:
        return list(dict.fromkeys(min(max(round(value), int(least)), int(most)) for value in spaced))
    return [float(f"{value:.4g}") if 0 < i < count - 1 else value for i, value in enumerate(spaced)]


def _bad(field: str, reason: str, detail: str, **params: Any) -> errors.BadField:
    return errors.BadField(detail, field, reason=reason, **params)
