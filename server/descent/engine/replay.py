"""Going back to where a recorded run was: from its last checkpoint before, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from descent.engine.checkpoint import Checkpointer
from descent.engine.messages import Replay
from descent.experiment import Experiment, Knobs

Make = Callable[[Knobs], Experiment[Any]]


def go_back(make: Make, built_with: Knobs, replay: Replay) -> tuple[Experiment[Any], Checkpointer, Knobs]:
    """An experiment that is what a recorded run was after `replay.until` steps, and the knobs it then has.

    `make` builds one as it is before its first step, the random number generators seeded. Raises
    `CheckpointError` where what is to be continued does not fit what is built.
    """
    values, checkpoint = replay.knobs, replay.checkpoint
    if replay.origin is not None:  # up to there it was built with other knobs
        others, earlier = replay.origin
        _, before, knobs = go_back(make, _with(built_with, others), earlier)
        values, checkpoint = _live(knobs), before.take()
    experiment = make(built_with)
    checkpointer = Checkpointer(experiment)
    knobs = _turn(experiment, built_with, values)
    if checkpoint is not None:
        checkpointer.put_back(checkpoint)
    changes = list(replay.changes)
    while True:
        while changes and changes[0][0] <= experiment.step_index:
            knobs = _turn(experiment, knobs, changes.pop(0)[1])
        if experiment.step_index >= replay.until:
            return experiment, checkpointer, knobs
        experiment.step(knobs)
        experiment.step_index += 1


def _live(knobs: Knobs) -> dict[str, Any]:
    return {name: value for name, value in knobs.model_dump().items() if knobs.is_live(name)}


def _with(knobs: Knobs, values: Mapping[str, Any]) -> Knobs:
    return type(knobs).model_validate({**knobs.model_dump(), **values}, strict=False)


def _turn(experiment: Experiment[Any], before: Knobs, values: Mapping[str, Any]) -> Knobs:
    """Set knobs as a command would have."""
    after = _with(before, values)
    if names := {name for name in values if getattr(before, name) != getattr(after, name)}:
        experiment.changed(after, names)
    return after


class CheckpointClock:
    """When to take a checkpoint: as often as its share of time allows, and once a second at most.

    Time is that spent training, so going back from a step to the checkpoint before takes no more than a
    second of it, as long as the share allows.
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
        """So much time went by in training."""
        self._left -= seconds

    def spent(self, seconds: float) -> None:
        """One was taken, at this cost."""
        self._left = max(self.EVERY, seconds / self._share)

    def stop(self) -> None:
        """Take no more."""
        self._share = 0.0
