"""Variants of one experiment in a sweep: trained by turns, or batched where that gives the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from torch import Tensor
from torch.optim import Optimizer

from descent.contract import Experiment, Finished, Knobs, Objective
from descent.engine.build import seed
from descent.engine.checkpoint import Checkpointer
from descent.engine.knobs import KnobState, merged
from descent.engine.messages import Variant
from descent.engine.observe import borrowed
from descent.engine.replay import take_step
from descent.engine.sweep.batched_steps import BatchedSteps, CannotBatchError, rule_of
from descent.wire import metadata_of

CHECKED = 3  # steps over which batched and real training are compared
CLOSE = 1e-4  # of a step's length: tolerance between the two
OBJECTIVE = "objective"  # the series of a loss that the experiment's own scalars do not show


class Stage:
    """One experiment that becomes each variant in its turn, from the state it is in now."""

    def __init__(
        self, experiment: Experiment[Any], checkpointer: Checkpointer, knob_state: KnobState
    ) -> None:
        self.experiment = experiment
        self.knob_state = knob_state
        self.step = experiment.step_index
        self.occupant: object = None  # the lane whose state the experiment is in
        self._checkpointer = checkpointer
        self._knobs = knob_state.dump()
        self._back = checkpointer.bookmark()

    @property
    def base(self) -> Knobs:
        """The knobs of the step that the sweep begins at."""
        return type(self.knob_state.knobs).model_validate(
            {name: self._knobs[name] for name in type(self.knob_state.knobs).model_fields}, strict=False
        )

    def begin(self, variant: Variant) -> None:
        """Become the variant before its first step, as a branch with its knobs would."""
        self.knob_state.set(self._knobs)
        self._back()
        self.knob_state.restored()
        self.turn(variant)
        if variant.order:
            reorder(self.experiment, variant.order)

    def turn(self, variant: Variant) -> None:
        """Set the variant's knobs, whatever state the experiment is in. Raises `KnobError`."""
        self.occupant = None
        self.knob_state.set(merged(self._knobs, variant.knobs))

    def go_on(self, variant: Variant, knobs: Mapping[str, Any], state: bytes) -> None:
        """Restore the variant as it was at `leave`, from its `knobs` and `state`."""
        self.begin(variant)
        self.knob_state.set(knobs)
        self._checkpointer.put_back(state)
        self.knob_state.restored()

    def leave(self) -> tuple[dict[str, Any], bytes]:
        """The knobs and the state the experiment is in."""
        self.knob_state.for_next_step()
        return self.knob_state.dump(), self._checkpointer.take()

    def take(self) -> Mapping[str, float | Tensor]:
        """Take one real step; returns its scalars."""
        return take_step(self.experiment, self.knob_state)

    @property
    def broken(self) -> bool:
        """Whether some parameter is not finite."""
        return not all(torch.isfinite(p).all() for objective in self.objectives for p in objective.parameters)

    @property
    def objectives(self) -> list[Objective]:
        """The objectives of the coming step."""
        return list(self.experiment.objectives(self.knob_state.for_next_step()).values())

    def descended(self) -> float:
        """The sum of the objectives before the coming step, which is not disturbed."""
        with borrowed(self.experiment), torch.no_grad():
            return sum(float(objective.loss()) for objective in self.objectives)

    def objective(self) -> Objective | None:
        """The only objective; None if there are several, or none."""
        found = self.objectives
        return found[0] if len(found) == 1 else None


def reorder(experiment: Experiment[Any], order: int) -> None:
    """Change the mini-batches and the noise to come, but not the state.

    Draws follow from `Experiment.seed`, from the seeds that its attributes keep, and from torch's, NumPy's
    and Python's own generators. What an experiment drew when it was built stays.
    """
    before, after = experiment.seed, (experiment.seed + 0x9E3779B9 * order) % 2**32
    experiment.seed = after
    for value in vars(experiment).values():
        if getattr(value, "__dict__", {}).get("seed") == before:
            vars(value)["seed"] = after
    seed(after)


@dataclass
class Curves:
    """The variants' curves: `losses` (S, K, N), NaN where there is none."""

    losses: np.ndarray
    taken: np.ndarray  # (K,) steps
    diverged: np.ndarray  # (K,)

    def keep(self, series: int, place: int, at: slice | int, losses: object) -> None:
        """Store losses; one of 1e39 is infinite in float32, and shown as such."""
        with np.errstate(over="ignore"):
            self.losses[series, place, at] = losses


class Single:
    """One variant, step by real step."""

    def __init__(self, stage: Stage, variant: Variant, place: int, series: Sequence[str]) -> None:
        self.places = [place]
        self._bench, self._variant, self._series = stage, variant, series
        self._kept: tuple[dict[str, Any], bytes] | None = None

    def advance(self, steps: int, curves: Curves) -> None:
        """Take `steps` steps, or fewer if a scalar is not finite."""
        stage, place = self._bench, self.places[0]
        if stage.occupant is not self:
            if isinstance(stage.occupant, Single):
                stage.occupant._kept = stage.leave()
            if self._kept is None:
                stage.begin(self._variant)
            else:
                stage.go_on(self._variant, *self._kept)
            stage.occupant = self
        for _ in range(steps):
            try:
                before = {OBJECTIVE: stage.descended()} if OBJECTIVE in self._series else {}
                row = {name: float(value) for name, value in stage.take().items()} | before
            except Finished:
                curves.taken[place] = curves.losses.shape[-1]  # nothing comes after
                return
            except Exception:
                if stage.broken:  # a step on NaN may raise
                    curves.diverged[place] = True
                    return
                raise
            if not np.isfinite(list(row.values())).all():
                curves.diverged[place] = True
                return
            at = curves.taken[place]
            for i, name in enumerate(self._series):
                curves.keep(i, place, at, row.get(name, np.nan))
            curves.taken[place] = at + 1


class Stacked:
    """Variants that differ in their learning rate alone, in one batched step."""

    def __init__(
        self,
        stage: Stage,
        variants: Sequence[Variant],
        places: Sequence[int],
        rates: Sequence[Tensor],
        seconds: float,
    ) -> None:
        self.places = list(places)
        self.series = 0  # which of the sweep's its losses are
        self.seconds = seconds  # of a step
        self._bench, self._variant, self._rates = stage, variants[0], rates
        self._taken = 0
        self._stack: BatchedSteps | None = None

    def advance(self, steps: int, curves: Curves) -> None:
        """Take `steps` steps with all variants, including diverged ones."""
        stage = self._bench
        if stage.occupant is not self:
            if isinstance(stage.occupant, Single):
                stage.occupant._kept = stage.leave()
            stage.begin(self._variant)
            stage.occupant = self
        losses = torch.stack(list(self._steps(steps))).cpu().double().numpy().T  # (K, n)
        first = self._taken - steps
        for place, row in zip(self.places, losses, strict=True):
            if curves.diverged[place]:
                continue
            bad = np.flatnonzero(~np.isfinite(row))
            good = int(bad[0]) if len(bad) else steps
            curves.keep(self.series, place, slice(first, first + good), row[:good])
            curves.taken[place] = first + good
            curves.diverged[place] = len(bad) > 0

    def _steps(self, steps: int) -> list[Tensor]:
        stage, experiment = self._bench, self._bench.experiment
        knobs = stage.knob_state.for_next_step()
        losses = []
        for _ in range(steps):
            experiment.step_index = stage.step + self._taken
            (objective,) = experiment.objectives(knobs).values()
            if self._stack is None:
                self._stack = BatchedSteps(objective, self._rates)
            losses.append(self._stack.step(objective.loss))
            self._taken += 1
        return losses


Lane = Single | Stacked


@dataclass
class _Trial:
    """The outcome of `CHECKED` real steps of a variant."""

    parameters: list[Tensor]
    moved: list[Tensor]
    rows: Sequence[Mapping[str, float]]
    rest: bytes = field(repr=False)  # the state, but for parameters and optimizer


class Rates:
    """The learning rates of variants as the optimizer has them, and its other settings."""

    def __init__(self, objective: Objective) -> None:
        groups = objective.optimizer.param_groups
        rule_of(objective.optimizer)
        self.kind = type(objective.optimizer)
        self.rates = [float(group["lr"]) for group in groups]
        self.others = [{**group, "lr": None} for group in _settings(objective.optimizer)]


def rates_of(stage: Stage, variant: Variant) -> Rates | None:
    """The variant's learning rates; None without exactly one supported optimizer. Resets `occupant`."""
    stage.turn(variant)
    try:
        objective = stage.objective()
        return None if objective is None else Rates(objective)
    except CannotBatchError:
        return None


def stacked(
    stage: Stage,
    variants: Sequence[Variant],
    places: Sequence[int],
    rates: Sequence[Rates],
    *,
    compared: tuple[int, int],
    seconds: float,
) -> tuple[Stacked, set[str]] | None:
    """These variants as one batched lane, and the scalars it measures; None unless it matches real steps.

    It must match, over a few steps, for the two variants `compared`: the same parameters, and nothing else in
    the experiment may depend on the rate. A real step takes `seconds`.
    """
    alike = all(r.kind is rates[0].kind and r.others == rates[0].others for r in rates)
    alike &= any(r.rates != rates[0].rates for r in rates)
    stage.begin(variants[0])
    objective = stage.objective()
    if not alike or objective is None or stage.knob_state.scheduled:
        return None
    like = objective.parameters[0]
    columns = zip(*(r.rates for r in rates), strict=True)
    by_group = [torch.tensor(column, dtype=like.dtype, device=like.device) for column in columns]
    try:
        stack = BatchedSteps(objective, by_group)
        begin = time.perf_counter()
        losses = [stack.step(objective.loss)]
        losses[0].sum().item()
        first = time.perf_counter() - begin
        for i in range(1, CHECKED):
            stage.experiment.step_index = stage.step + i
            (later,) = stage.experiment.objectives(stage.knob_state.knobs).values()
            begin = time.perf_counter()
            losses.append(stack.step(later.loss))
            losses[i].sum().item()
            first = min(first, time.perf_counter() - begin)
    except Exception:  # whatever it is that vmap cannot do; the real steps can
        return None
    if first > len(variants) * seconds:
        return None
    trials = [trial for i in compared if (trial := _try(stage, variants[i])) is not None]
    if len(trials) < len(compared) or not _same(trials[0].rest, trials[1].rest):
        return None
    order = [p for group in objective.optimizer.param_groups for p in group["params"]]
    places_of = {id(p): i for i, p in enumerate(objective.parameters)}
    shown = set(trials[0].rows[0])
    for i, trial in zip(compared, trials, strict=True):
        for p, mine in zip(order, stack.parameters(i), strict=True):
            at = places_of[id(p)]
            if not _close(mine, trial.parameters[at], trial.moved[at]):
                return None
        for row, loss in zip(trial.rows, losses, strict=True):
            mine_loss = float(loss[i])
            shown = {name for name in shown if name in row and _equal(row[name], mine_loss)}
    return Stacked(stage, variants, places, by_group, first), shown


def _try(stage: Stage, variant: Variant) -> _Trial | None:
    """The trial of a variant; None if the optimizer's settings change by themselves."""
    stage.begin(variant)
    objective = stage.objective()
    assert objective is not None
    optimizer = objective.optimizer
    before = [p.detach().clone() for p in objective.parameters]
    state, settings = _copied(optimizer.state_dict()), _settings(optimizer)
    rows = [{name: float(value) for name, value in stage.take().items()} for _ in range(CHECKED)]
    if _settings(optimizer) != settings:
        return None
    after = [p.detach().clone() for p in objective.parameters]
    with torch.no_grad():
        for p, was in zip(objective.parameters, before, strict=True):
            p.copy_(was)
    for group in state["param_groups"]:
        group["lr"] = 0.0
    optimizer.load_state_dict(state)
    moved = [a - b for a, b in zip(after, before, strict=True)]
    return _Trial(after, moved, rows, stage.leave()[1])


def _settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups
    ]


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _same(one: bytes, other: bytes) -> bool:
    """Whether two checkpoints hold the same; their bytes may lie in another order."""
    if metadata_of(one) != metadata_of(other):
        return False
    left, right = load_tensors(one), load_tensors(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def _close(mine: Tensor, real: Tensor, moved: Tensor) -> bool:
    """Whether the two differ by a small part of the parameter's move at most, or by rounding."""
    precision = torch.finfo(real.dtype).eps
    if not torch.isfinite(real).all():
        return not torch.isfinite(mine).all().item()
    room = CLOSE * moved.norm() + 16 * precision * real.norm()
    return bool((mine - real).norm() <= room)


def _equal(real: float, mine: float) -> bool:
    return abs(real - mine) <= CLOSE * max(abs(real), 1e-12) or (real != real and mine != mine)


def activations_of(objective: Objective) -> int:
    """Bytes that one evaluation of the loss keeps for its gradient."""
    total = 0

    def keep(tensor: Tensor) -> Tensor:
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
        objective.loss()
    return total
