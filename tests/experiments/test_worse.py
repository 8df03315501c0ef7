"""It got much worse after a knob was changed: said at once, with the way back. And what is no reason to."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch

from descent.contract import Experiment, Knobs, Measure, Scalars, live
from descent.engine.health import Finding, Health
from descent.registry import experiments
from driving import built

FRAME = 1 / 30  # seconds between two batches of scalars


class PlayKnobs(Knobs):
    lr: float = live(0.1, name="η", help="", range=(0, 10), role="rate")
    lr_b: float = live(0.1, name="η of b", help="", range=(0, 10))
    walk: int = live(0, name="Walk", help="", range=(0, 99), role="look")
    noise: float = live(0.0, name="Noise", help="", range=(0, 10), role="task")


class Play(Experiment[PlayKnobs]):
    """Two losses and an accuracy that are what the test says they are."""

    measures: ClassVar[Mapping[str, Measure]] = {
        "loss/a": Measure("loss", of="a"),
        "loss/b": Measure("loss", of="b", knobs=("lr_b",)),
        "acc/a": Measure("accuracy", of="a"),
    }

    left: Collection[str] = ()

    def build(self, knobs: PlayKnobs) -> None: ...

    def out(self) -> Collection[str]:
        """The learners a test has sent out of the race."""
        return self.left

    def step(self, knobs: PlayKnobs) -> Scalars:
        return {}


class Played:
    """A run of `Play` whose scalars are given, thirty times a second."""

    def __init__(self, at: int = 0) -> None:
        self.experiment = Play(0, torch.device("cpu"))
        self.experiment.step_index = at
        self.now = 0.0
        self.knobs = PlayKnobs()
        self.health = Health(self.experiment, lambda: self.now)
        self.found: list[Finding] = []

    def go(self, frames: int, **values: Callable[[], float] | float) -> Played:
        """So many batches, each of a single step, with these values by the scalar's letter."""
        names = {"a": "loss/a", "b": "loss/b", "acc": "acc/a"}
        for _ in range(frames):
            step = self.experiment.step_index
            columns = {names[k]: [v() if callable(v) else v] for k, v in values.items()}
            self.experiment.step_index += 1
            self.now += FRAME
            self.found += self.health.hear([step], columns, self.knobs)
        return self

    def set(self, **values: Any) -> Played:
        before, self.knobs = self.knobs, self.knobs.model_copy(update=values)
        self.health.changed(before, self.knobs)
        return self

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.found]


def test_it_is_said_with_the_knob_the_step_and_the_way_back() -> None:
    run = Played().go(5, a=2.0).go(60, a=0.5).set(lr=3.0).go(10, a=1.4)
    (finding,) = run.found
    assert finding.code == "worse"
    params = dict(finding.params)
    assert (params["scalar"], params["was"], params["value"]) == ("loss/a", 0.5, 1.4)
    assert params["changes"] == {"lr": [0.1, 3.0]}
    assert params["at"] == 65
    assert params["back"] == {"step": 65, "knobs": {"lr": 0.1}}
    assert params["healthy"] <= 65


def test_a_drag_is_one_change_from_where_it_began_to_where_it_ended() -> None:
    run = Played().go(60, a=0.5)
    for rate in (0.2, 0.5, 1.0, 2.0, 5.0):
        run.set(lr=rate).go(3, a=0.5)
    run.go(10, a=1.4)
    (finding,) = run.found
    assert finding.params["changes"] == {"lr": [0.1, 5.0]}
    assert finding.params["back"] == {"step": 60, "knobs": {"lr": 0.1}}


def test_going_back_is_to_before_the_cause_and_not_to_a_later_change_that_did_no_harm() -> None:
    run = Played().go(60, a=0.5).set(lr=3.0).go(3, a=0.5).go(2, a=0.6)
    run.now += 2
    run.set(lr_b=0.2).go(12, a=1.4)
    assert run.found[0].params["changes"] == {"lr": [0.1, 3.0]}
    assert run.found[0].params["back"] == {"step": 60, "knobs": {"lr": 0.1}}


def test_changes_too_soon_after_each_other_to_be_told_apart_are_taken_back_together() -> None:
    run = Played().go(60, a=0.5).set(lr=3.0).go(2, a=0.5).set(lr_b=0.2, lr=4.0).go(12, a=1.4)
    assert run.found[0].params["back"] == {"step": 60, "knobs": {"lr": 0.1, "lr_b": 0.1}}


def test_it_is_said_again_when_the_knob_has_come_to_rest() -> None:
    run = Played().go(60, a=0.5)
    for rate in (2.0, 3.0, 4.0, 5.0):
        run.set(lr=rate).go(12, a=1.4)
    assert run.codes == ["worse"]
    run.go(30, a=1.6)
    assert run.codes == ["worse", "worse"]
    assert run.found[1].params["changes"] == {"lr": [0.1, 5.0]}
    assert run.found[1].params["back"] == {"step": 60, "knobs": {"lr": 0.1}}


def test_a_change_that_did_no_harm_is_not_blamed_for_a_later_ones() -> None:
    run = Played().go(60, a=0.5).set(lr=0.2).go(100, a=0.4).set(lr=3.0).go(12, a=1.4)
    assert run.found[0].params["back"] == {"step": 160, "knobs": {"lr": 0.2}}


def test_an_accuracy_that_falls_counts() -> None:
    assert Played().go(60, acc=0.95).set(lr=3.0).go(10, acc=0.6).codes == ["worse"]
    assert Played().go(60, acc=0.95).set(lr=3.0).go(10, acc=0.9).codes == []


def test_a_learner_answers_only_to_knobs_that_act_on_it() -> None:
    assert Played().go(60, a=0.5).set(lr_b=3.0).go(10, a=1.4).codes == []
    assert Played().go(60, b=0.5).set(lr_b=3.0).go(10, b=1.4).codes == ["worse"]
    assert Played().go(60, b=0.5).set(lr=3.0).go(10, b=1.4).codes == ["worse"]


def test_its_own_noise_before_is_what_it_is_held_against() -> None:
    dice = random.Random(0)
    noisy = lambda: dice.expovariate(2.0)  # noqa: E731, as a batch of one has it
    assert Played().go(100, a=noisy).set(lr=0.2).go(600, a=noisy).codes == []


def test_a_larger_noise_about_the_same_level_is_not_worse() -> None:
    dice = random.Random(1)
    run = Played().go(100, a=lambda: dice.gauss(0.5, 0.02)).set(lr=0.2)
    assert run.go(600, a=lambda: abs(dice.gauss(0.5, 0.3))).codes == []


def test_what_is_next_to_nothing_of_the_first_loss_may_double() -> None:
    assert Played().go(5, a=2.0).go(60, a=1e-6).set(lr=0.2).go(60, a=3e-6).codes == []
    assert Played().go(5, a=2.3).go(60, a=3e-4).set(lr=0.2).go(10, a=0.06).codes == ["worse"]


def test_looking_is_no_change_and_another_task_is_a_beginning() -> None:
    run = Played().go(60, a=0.5).set(lr=3.0).go(4, a=0.5).set(walk=7).go(10, a=1.4)
    assert run.found[0].params["changes"] == {"lr": [0.1, 3.0]}
    assert Played().go(60, a=0.5).set(noise=3.0).go(60, a=1.4).codes == []


def test_what_is_as_good_again_is_said_and_may_break_once_more() -> None:
    run = Played().go(60, a=0.5).set(lr=3.0).go(30, a=1.4)
    run.now += 2
    run.set(lr=0.1).go(60, a=0.5)
    assert run.codes == ["worse", "recovered"]
    assert run.found[1].params == {"of": ["worse"]}
    assert run.set(lr=3.0).go(30, a=1.4).codes == ["worse", "recovered", "worse"]


def test_a_learner_that_is_out_is_not_waited_for() -> None:
    run = Played().go(60, a=0.5, b=0.5).set(lr=3.0).go(12, a=1.4, b=1.4)
    run.experiment.left = ["b"]
    run.go(2, a=1.4).set(lr=0.1).go(60, a=0.5)
    assert [code for code in run.codes if code != "out"] == ["worse", "recovered"]


def test_a_learner_that_is_out_has_not_recovered_and_hides_nothing_of_the_others() -> None:
    run = Played().go(60, a=0.5, b=0.5).set(lr_b=3.0).go(12, a=0.5, b=1.4)
    run.experiment.left = ["b"]
    run.go(60, a=0.5)
    assert run.codes == ["worse", "out", "out"]  # again, once the knobs were at rest
    assert run.found[2].params["back"] == {"step": 60, "knobs": {"lr_b": 0.1}}
    run.set(lr=3.0).go(12, a=1.4)
    assert run.codes == ["worse", "out", "out", "worse"]
    assert run.found[3].params["back"]["knobs"] == {"lr": 0.1}


def test_more_that_breaks_is_no_news_while_it_is_broken() -> None:
    run = Played().go(60, a=0.5, b=0.5).set(lr=3.0).go(20, a=1.4, b=0.5)
    run.now += 2
    assert run.set(lr=5.0).go(20, a=1.4, b=2.0).codes == ["worse"]


def columns_of(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [row.get(name, math.nan) for row in rows] for name in {n for row in rows for n in row}}


@pytest.mark.parametrize("id", experiments())
@pytest.mark.slow
def test_every_experiment_says_what_its_scalars_mean(id: str) -> None:
    """Each is measured in the first steps, and an objective's name or none is what it is of."""
    cls = experiments()[id].cls
    experiment, knobs = built(cls)
    seen: set[str] = set()
    for _ in range(41):
        seen |= experiment.step(knobs).keys()
        experiment.step_index += 1
        if cls.measures.keys() <= seen:
            break
    assert cls.measures.keys() - seen <= {f"loss/{name}" for name in ("large", "own")}  # out at once
    assert any(measure.kind == "loss" for measure in cls.measures.values())
    assert {knob for m in cls.measures.values() for knob in m.knobs} <= set(cls.knobs_type.model_fields)
    objectives = experiment.objectives(knobs).keys()
    if objectives and objectives != {""}:
        assert {measure.of for measure in cls.measures.values()} - {""} == objectives
