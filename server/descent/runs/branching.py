"""What a branch has of the run it continues, and why one could not begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from descent import errors
from descent.engine.messages import Replay
from descent.runs import knobs as knob_check
from descent.runs.run import Run
from descent.runs.way_back import knobs_after


@dataclass(frozen=True)
class Branching:
    """A branch of `parent`, restored by `replay`: the `fixed` knobs it is built with, and the live ones that
    are then set (`override`), where they are not the parent's, which are in `before`.
    """

    parent: Run
    replay: Replay
    fixed: Mapping[str, Any]
    override: Mapping[str, Any]
    before: Mapping[str, Any]

    @classmethod
    def of(cls, parent: Run, replay: Replay, knobs: Mapping[str, Any]) -> Branching:
        """The branch with these knobs set. Raises `BadKnob` and `BadSchedule`."""
        before = knobs_after(parent.built_with, replay)
        looks = knob_check.looks(parent.entry, parent.knobs)
        values = knob_check.check(parent.entry, knobs, before={**before, **looks}, fixed_too=True)
        differ = [name for name in values if values[name] != before.get(name)]
        fixed = {name: values[name] for name in differ if not knob_check.is_live(parent.entry, name)}
        override = {name: values[name] for name in differ if name not in fixed}
        return cls(parent, replay, fixed, override, before)

    def fields(self) -> dict[str, Any]:
        """The fields of the new run that come from its parent."""
        parent, replay = self.parent, self.replay
        knobs = {**knobs_after(parent.built_with, replay), **self.fixed}
        if self.fixed:
            replay = Replay(replay.until, {}, origin=(parent.built_with, replay))
        return {
            "entry": parent.entry,
            "knobs": knobs,
            "built_with": {**parent.built_with, **self.fixed},
            "began_with": knobs,
            "seed": parent.seed,
            "streams": parent.streams,
            "device": parent.device,
            "max_steps": parent.max_steps if parent.max_steps and parent.max_steps > replay.until else None,
            "pace": parent.pace,
            "step": replay.until,
            "parent": parent.id,
            "branched_at": replay.until,
            "branch_changes": {
                name: {"before": self.before.get(name), "after": value}
                for name, value in {**self.fixed, **self.override}.items()
                if name not in parent.entry.knobs_type.looks()
            },
            "imported": parent.imported,
            "replay": replace(replay, override=self.override),
        }

    def failure(self, run: Run) -> errors.DescentError:
        """The error of the branch `run`, which failed before it began."""
        why, step = run.reason.strip().splitlines()[-1], self.replay.until
        if run.lost:
            return errors.WorkerLost(f"the branch could not begin: {why}", "step", cause=why)
        if self.fixed:
            detail = f"{', '.join(self.fixed)} cannot be continued from step {step}: {why}"
            return errors.DifferentShape(detail, next(iter(self.fixed)), cause=why)
        if run.refused is not None and run.refused.field in self.override:
            return run.refused
        detail = f"the run cannot be continued from step {step}: {why}"
        return errors.BadCheckpoint(detail, "step", cause=why)
