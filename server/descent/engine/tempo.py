"""How fast an experiment trains on a device: it is built there, takes some steps, and is thrown away.

The run itself is built anew, in a process of its own, so that its numbers are those of a run that was never
measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from descent.contract import Experiment, Finished
from descent.contract.entry import Entry
from descent.engine.build import build
from descent.engine.knobs import KnobState
from descent.engine.messages import Measured, Output, RunSpec
from descent.engine.scalars import ScalarBatch

WARM_UP = 0.25  # seconds: a device loads its kernels, and small steps have their gradients traced
FEWEST = 3  # steps of it, however long they take
LONGEST = 0.5  # seconds that are measured, unless a step takes longer


def measure(
    entry: Entry,
    spec: RunSpec,
    emit: Callable[[Output], None],
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Emit the steps per second of an experiment on `spec.device`.

    Raises what building or a step raises.
    """
    experiment = build(entry, spec, spec.knobs)
    pace = _Pace(experiment, KnobState(experiment, spec.knobs), deferred=spec.device != "cpu", clock=clock)
    pace.take(WARM_UP, FEWEST)
    steps, seconds = pace.take(LONGEST, 1)
    emit(Measured(spec.first_seq, 0, steps / seconds if seconds > 0 else 0.0))


class _Pace:
    """Takes steps as the loop does: scalars are read back once in a batch, which waits for the device."""

    def __init__(
        self, experiment: Experiment[Any], knobs: KnobState, *, deferred: bool, clock: Callable[[], float]
    ) -> None:
        self._experiment = experiment
        self._knobs = knobs
        self._batch = ScalarBatch(deferred=deferred, ends=False)
        self._clock = clock

    def take(self, seconds: float, fewest: int) -> tuple[int, float]:
        """Step for so long, or `fewest` steps if that is longer: steps taken, and the time they took.

        Nothing is read between two batches, each as long as all before it.
        """
        begin = self._clock()
        steps, spent = 0, 0.0
        while steps < fewest or spent < seconds:
            try:
                for _ in range(max(1, min(steps, self._fitting(steps, spent, seconds)))):
                    self._batch.add(self._experiment.step(self._knobs.for_next_step()))
                    self._experiment.step_index += 1
                    steps += 1
            except Finished:  # what ends by itself is measured as far as it goes
                self._read()
                return steps, self._clock() - begin
            self._read()
            spent = self._clock() - begin
        return steps, spent

    @staticmethod
    def _fitting(steps: int, spent: float, seconds: float) -> int:
        """The steps that fit into what is left of the time, at the speed so far."""
        return int(steps * (seconds - spent) / spent) if spent > 0 else steps

    def _read(self) -> None:
        if len(self._batch):
            self._batch.take(self._experiment.step_index)
