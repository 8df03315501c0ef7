"""Restores a recorded run's state: from the last checkpoint before it, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from descent.contract import Experiment
from descent.engine.checkpoint import Checkpointer, CheckpointError
from descent.engine.knobs import KEY, KnobState
from descent.engine.messages import Replay

Make = Callable[[Mapping[str, Any]], Experiment[Any]]


def go_back(
    make: Make, built_with: Mapping[str, Any], replay: Replay
) -> tuple[Experiment[Any], Checkpointer, KnobState]:
    """The experiment in a recorded run's state after `replay.until` steps, its checkpointer and knobs.

    `make` builds one as it is before its first step, the random number generators seeded. Raises
    `CheckpointError` if the state to continue does not fit the experiment built.
    """
    values, checkpoint, at = replay.knobs, replay.checkpoint, replay.step
    if replay.origin is not None:  # up to there it was built with other knobs
        others, earlier = replay.origin
        _, before, then = go_back(make, {**built_with, **others}, earlier)
        then.for_next_step()
        then.settle_epochs()
        values, checkpoint, at = _live(then), before.take(), earlier.until
    experiment = make(built_with)
    checkpointer = Checkpointer(experiment)
    knob_state = KnobState(experiment, built_with)
    knob_state.set(values)
    if checkpoint is not None:
        checkpointer.put_back(checkpoint)
        if experiment.step_index != at:
            raise CheckpointError(f"it was taken after {experiment.step_index} steps, not after {at}")
        knob_state.restored()
    changes = list(replay.changes)
    while True:
        while changes and changes[0][0] <= experiment.step_index:
            knob_state.set(changes.pop(0)[1])
        if experiment.step_index >= replay.until:
            return experiment, checkpointer, knob_state
        take_step(experiment, knob_state)


def take_step(experiment: Experiment[Any], knob_state: KnobState) -> Mapping[str, float | Tensor]:
    """Take the next step with its knobs; returns its scalars. A plateau's change is applied, too."""
    row = knob_state.after_step(experiment.step(knob_state.for_next_step()))
    experiment.step_index += 1
    if knob_state.pending:
        knob_state.set(knob_state.pending)
    return row


def _live(knob_state: KnobState) -> dict[str, Any]:
    """Live knobs, and all schedules."""
    return {n: value for n, value in knob_state.dump().items() if n == KEY or knob_state.knobs.is_live(n)}


class CheckpointClock:
    """When to take a checkpoint: as often as its share of time allows, and once a second at most.

    Counts training time only: replaying from the last checkpoint then takes about a second at most.
    """

    EVERY = 1.0  # seconds of training between two checkpoints, at least

    def __init__(self, share: float, *, at_once: bool) -> None:
        """`at_once`: begin with one, before any training."""
        self._share = share
        self._left = 0.0 if at_once else self.EVERY

    @property
    def left(self) -> float:
        """Seconds of training until the next one is due."""
        return self._left if self._share else float("inf")

    def trained(self, seconds: float) -> None:
        """Count `seconds` of training."""
        self._left -= seconds

    def spent(self, seconds: float) -> None:
        """Start over after a checkpoint that took `seconds`."""
        self._left = max(self.EVERY, seconds / self._share)

    def stop(self) -> None:
        """Take no further checkpoints."""
        self._share = 0.0
