"""A sweep: a number of steps from a run's state with each of several learning rates, or other knobs.

Every variant is what a branch with its knobs would be: real steps, by turns, each from its own checkpoint.
Variants that differ in the learning rate alone go in one batched step, where that was found to give the
same (see `variants.stacked`). All curves grow together.

Where there is room for further workers, the first leaves them variants that go step by step. A batched
step stays whole: it is soon done, and how its products are rounded may depend on how many there are.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from pydantic import ValidationError
from typing_extensions import TypedDict

from descent import errors, wire
from descent.contract import Finished, KnobError
from descent.contract.entry import Entry
from descent.engine.build import build
from descent.engine.checkpoint import CheckpointError
from descent.engine.inbox import Inbox
from descent.engine.knobs import refusal
from descent.engine.messages import (
    Output,
    RunSpec,
    SweepDivided,
    SweepFrame,
    SweepRefused,
    SweepSpec,
    Variant,
)
from descent.engine.replay import go_back
from descent.engine.sweep.variants import (
    OBJECTIVE,
    Curves,
    Lane,
    Rates,
    Single,
    Stacked,
    Stage,
    activations_of,
    rates_of,
    stacked,
)
from descent.protocol import KnobValues

LOSSES = "loss"  # scalars with this prefix are plotted, and those declared as losses
MOST_SERIES = 8
MEASURED_WITHIN = 20  # steps; else the objective is shown
TELL_EVERY = 0.06  # seconds
BYTES_PER_SECOND = 8 << 20  # of curves emitted
LONGEST_TURN = 0.12  # seconds of one lane
SWAP_SHARE = 4  # run each variant at least 4× as long as switching to it costs


class SweptVariant(TypedDict):
    """A variant in a frame: the knobs that it sets, and which order of the data."""

    knobs: KnobValues
    order: int


class SweepMeta(TypedDict):
    """What a sweep's frame carries beside its arrays. `batched`: the variants trained in one batched step."""

    knob: str
    steps: int
    variants: list[SweptVariant]
    series: list[str]
    batched: int
    problem: errors.ProblemDetails | None


class Sweep:
    """The variants of one sweep, from preparing to the last step."""

    def __init__(self, stage: Stage, spec: SweepSpec) -> None:
        self.stage = stage
        self.spec = spec
        self.series: list[str] = []
        self.lanes: list[Lane] = []
        self.left: list[list[int]] = []  # places of the variants that others train, by worker
        self._prepare()
        self.curves = self._no_curves()

    @property
    def batched(self) -> int:
        """Variants in batched lanes."""
        return sum(len(lane.places) for lane in self.lanes if isinstance(lane, Stacked))

    def run(self, tell: Callable[[], object], stop: Callable[[], object]) -> None:
        """Take all steps; `tell` is called as they come, and a true `stop` ends the sweep."""
        chunk, least = 1, 1
        while waiting := [lane for lane in self.lanes if self._left(lane)]:
            longest = 0.0
            for lane in waiting:
                begin = time.perf_counter()
                try:
                    lane.advance(min(chunk, self._left(lane)), self.curves)
                except Exception:  # a later step may not be batchable
                    if isinstance(lane, Single):
                        raise
                    self._begin_anew()
                    break
                longest = max(longest, time.perf_counter() - begin)
                tell()
                if stop():
                    return
            if longest < LONGEST_TURN / 2:
                chunk *= 2
            elif longest > LONGEST_TURN:
                chunk = max(least, chunk // 2)
            least = self._least
            chunk = max(chunk, least if len(waiting) > 1 else 1)

    def _left(self, lane: Lane) -> int:
        """Steps that some variant of a lane still has to take."""
        alive = [self.spec.steps - self.curves.taken[i] for i in lane.places if not self.curves.diverged[i]]
        return int(max(alive, default=0))

    def _prepare(self) -> None:
        """Choose lanes. Raises `SweepTooLarge`, and `KnobError` where a variant cannot begin."""
        stage, variants = self.stage, self.spec.variants
        everything = set(range(len(variants)))
        rates = []
        for variant in variants:
            rates.append(rates_of(stage, variant))
        swap = time.perf_counter()
        state = len(stage.leave()[1])
        stage.begin(variants[0])
        swap = 2 * (time.perf_counter() - swap)
        self._need(len(variants) * state, state)
        begin = time.perf_counter()
        try:
            row = stage.take()
        except Exception:
            if not self.spec.series:
                raise
            row = {}  # of a share's first variant: what becomes of it is seen when it is trained
        seconds = time.perf_counter() - begin
        self._least = 1 + int(SWAP_SHARE * swap / seconds)
        if self.spec.series:
            self._measured = self.series = list(self.spec.series)
            self.lanes = self._singles(everything)
            return
        self._measured = self.series = self._losses_in(row)
        self.lanes = self._stack(rates, seconds)
        done = {place for lane in self.lanes for place in lane.places}
        self.lanes += self._singles(everything - done)
        self._divide()

    def _divide(self) -> None:
        """Leave variants to further workers, if there may be any, so that all end at about the same time."""
        spec, stage = self.spec, self.stage
        if spec.workers == 1:
            return
        stage.begin(spec.variants[0])
        begin = time.perf_counter()
        [float(value) for value in stage.take().values()]  # the first step is slower than those that follow
        each = spec.steps * (time.perf_counter() - begin)
        ends = [0.0] + [spec.beginning] * (spec.workers - 1)  # by worker, in seconds
        shares: list[list[Lane]] = [[] for _ in ends]
        for lane in sorted(self.lanes, key=lambda lane: isinstance(lane, Single)):
            worker, seconds = ends.index(min(ends)), each
            if isinstance(lane, Stacked):
                worker, seconds = 0, spec.steps * lane.seconds
            shares[worker].append(lane)
            ends[worker] += seconds
        self.lanes, *others = shares
        self.left = [[lane.places[0] for lane in share] for share in others if share]

    def _losses_in(self, row: Mapping[str, Any]) -> list[str]:
        """Losses that are measured within the sweep, most often in its first step, which gave this row."""
        declared = [name for name, m in self.stage.experiment.measures.items() if m.kind == "loss"]
        for _ in range(min(self.spec.steps, MEASURED_WITHIN)):
            known = [name for name in (*row, *declared) if name in row]
            names = [name for name in known if name in declared or name.startswith(LOSSES)]
            if names or (row and not self.stage.objectives):
                return list(dict.fromkeys(names or known))[:MOST_SERIES]
            row = self.stage.take()
        return [OBJECTIVE]

    def _singles(self, places: Set[int]) -> list[Lane]:
        return [Single(self.stage, self.spec.variants[place], place, self.series) for place in sorted(places)]

    def _no_curves(self) -> Curves:
        shape = (len(self.series), len(self.spec.variants), self.spec.steps)
        count = len(self.spec.variants)
        return Curves(np.full(shape, np.nan, np.float32), np.zeros(count, int), np.zeros(count, bool))

    def _begin_anew(self) -> None:
        """Restart all variants from their first step, in real steps."""
        self.stage.occupant = None
        self.series = self._measured
        self.lanes = self._singles({place for lane in self.lanes for place in lane.places})
        if not self.left:
            self._divide()
        self.curves = self._no_curves()

    def _need(self, needed: int, each: int) -> None:
        most = self.spec.most_bytes
        if needed > most:
            raise errors.SweepTooLarge(
                f"{len(self.spec.variants)} variants would take {needed >> 20} MiB, {most >> 20} are allowed "
                f"(setting SWEEP_MB): sweep at most {most // each}",
                "count",
                needed=max(1, needed >> 20),
                allowed=most >> 20,
                most=most // each,
            )

    def _stack(self, rates: Sequence[Rates | None], seconds: float) -> list[Lane]:
        """The batched lanes: groups of variants that differ in the learning rate alone."""
        groups: dict[str, list[int]] = {}
        for place, variant in enumerate(self.spec.variants):
            others = {name: value for name, value in variant.knobs.items() if name != self.spec.knob}
            if rates[place] is not None:
                groups.setdefault(repr((others, variant.order)), []).append(place)
        found: list[tuple[Stacked, set[str]]] = []
        for group in groups.values():
            for places in self._fitting(group):
                of = [rate for place in places if (rate := rates[place]) is not None]
                variants = [self.spec.variants[place] for place in places]
                if len(places) > 1 and (
                    made := stacked(
                        self.stage,
                        variants,
                        places,
                        of,
                        compared=self._compared(variants),
                        seconds=seconds,
                    )
                ):
                    found.append(made)
        shown = [name for name in self.series if all(name in names for _, names in found)]
        complete = sum(len(lane.places) for lane, _ in found) == len(self.spec.variants)
        if complete and found:
            self.series = shown[:1] or [OBJECTIVE]
        elif not shown:  # the curves of the others show something else
            return []
        for lane, _ in found:
            lane.series = self.series.index(shown[0]) if shown else 0
        return [lane for lane, _ in found]

    def _fitting(self, places: Sequence[int]) -> list[Sequence[int]]:
        """The variants in groups that fit into the allowed memory."""
        self.stage.begin(self.spec.variants[places[0]])
        objective = self.stage.objective()
        assert objective is not None, "it had rates"
        size = sum(p.numel() * p.element_size() for p in objective.parameters)
        each = 6 * size + 2 * activations_of(objective)  # θ, g, rates, the state; and what a step keeps
        most = max(1, self.spec.most_bytes // each)
        return [places[i : i + most] for i in range(0, len(places), most)]

    def _compared(self, variants: Sequence[Variant]) -> tuple[int, int]:
        """Indices of the variant nearest to the run's own value, and of the smallest other one."""
        now = getattr(self.stage.base, self.spec.knob)
        values = [float(variant.knobs.get(self.spec.knob, now)) for variant in variants]
        near = min(range(len(values)), key=lambda i: abs(np.log(max(values[i], 1e-30) / max(now, 1e-30))))
        least = min((i for i in range(len(values)) if i != near), key=values.__getitem__)
        return near, least


class Teller:
    """Emits a sweep's curves so far, at a limited rate."""

    def __init__(self, sweep: Sweep, spec: RunSpec, emit: Callable[[Output], None]) -> None:
        self._sweep, self._spec, self._emit = sweep, spec, emit
        self._seq = spec.first_seq
        self._next = 0.0
        self._divided = False

    def __call__(self, *, final: bool = False, problem: errors.ProblemDetails | None = None) -> None:
        """Emit a frame, unless the last is too recent; a `final` one always, with its `problem` if any."""
        if time.perf_counter() < self._next and not final:
            return
        sweep, stage = self._sweep, self._sweep.stage
        curves, spec = sweep.curves, sweep.spec
        if sweep.left and not self._divided:
            self._divided = True
            self._emit(SweepDivided(self._seq, stage.step, sweep.series, sweep.left))
            self._seq += 1
        arrays = {"losses": curves.losses[:, :, : curves.taken.max()]}
        arrays |= {"taken": curves.taken, "diverged": curves.diverged}
        meta = told_of(spec, sweep.series, sweep.batched, problem)
        frame = wire.encode_sweep(self._spec.run, self._seq, stage.step, arrays, meta, final=final)
        self._emit(SweepFrame(self._seq, stage.step, frame, final))
        self._seq += 1
        self._next = time.perf_counter() + rest_after(frame)


def told_of(
    spec: SweepSpec, series: Sequence[str], batched: int, problem: errors.ProblemDetails | None = None
) -> SweepMeta:
    """What a frame says beside its curves."""
    return {
        "knob": spec.knob,
        "steps": spec.steps,
        "variants": [{"knobs": dict(v.knobs), "order": v.order} for v in spec.variants],
        "series": list(series),
        "batched": batched,
        "problem": problem,
    }


def rest_after(frame: bytes) -> float:
    """Seconds until the next one."""
    return max(TELL_EVERY, len(frame) / BYTES_PER_SECOND)


def sweep(
    entry: Entry, spec: RunSpec, order: SweepSpec, inbox: Inbox, emit: Callable[[Output], None]
) -> None:
    """Restore the run's state and sweep from it. An error is emitted as a `SweepRefused` or, after the
    first curves, in the last frame.
    """
    tell: Teller | None = None

    def refuse(error: errors.DescentError) -> None:
        if tell is not None:
            tell(final=True, problem=error.problem())
        else:
            emit(SweepRefused(spec.first_seq, 0, error.problem()))

    try:
        assert spec.replay is not None, "a sweep begins from what is recorded"
        found = go_back(lambda values: build(entry, spec, values), spec.knobs, spec.replay)
        made = Sweep(Stage(*found), order)
        tell = Teller(made, spec, emit)
        tell()
        made.run(tell, lambda: inbox.waiting)
        tell(final=True)
    except errors.DescentError as error:
        refuse(error)
    except KnobError as error:
        refuse(refusal(error).error())
    except Exception as error:
        known = isinstance(error, CheckpointError | Finished | ValidationError)
        why = str(error) if known else traceback.format_exc()[-2000:]
        cause = why.strip().splitlines()[-1]
        refuse(errors.SweepFailed(f"the sweep failed: {why}", "run", cause=cause))
