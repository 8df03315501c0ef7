"""Schedules: the rules against torch's, knobs that follow them as a run trains, and going back to them."""

import json
import math
import warnings
from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import Field
from test_recording import (  # noqa: F401  (serve and often are fixtures)
    drop_checkpoints,
    often,
    serve,
    table,
    take,
    until,
)
from torch.optim import lr_scheduler

from descent.contract import Experiment, Scalars, live
from descent.engine.knobs import KnobState, heard_by
from descent.engine.messages import Refused
from descent.engine.schedules import BaseSchedule, Setting, offered, range_of
from descent.errors import BadSchedule
from descent.kit.nn import schedules
from descent.registry import experiments
from descent.runs.knobs import check, planned
from tiny import Parabola, Script, Tiny, TinyKnobs, entry_of, loop_of

STEPS = 60


def torchs(make, base=0.1, steps=STEPS, **optimizer):
    """The learning rates of one of torch's schedulers."""
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], base, **optimizer)
    scheduler = make(sgd)
    rates = []
    for _ in range(steps):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()
    return rates


RULES = {
    "step": (
        {"kind": "step", "every": 7, "factor": 0.3},
        lambda o: lr_scheduler.StepLR(o, 7, 0.3),
    ),
    "exponential": (
        {"kind": "exponential", "every": 10, "factor": 0.5},
        lambda o: lr_scheduler.ExponentialLR(o, 0.5**0.1),
    ),
    "cosine": (
        {"kind": "cosine", "steps": STEPS, "low": 0.003},
        lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, 0.003),
    ),
    "restarts": (
        {"kind": "restarts", "every": 7, "growth": 2, "low": 0.001},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, 2, 0.001),
    ),
    "restarts of one length": (
        {"kind": "restarts", "every": 7, "growth": 1, "low": 0.001},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, 1, 0.001),
    ),
    "warm-up": (
        {"kind": "warmup", "steps": 20, "low": 0.001},
        lambda o: lr_scheduler.LinearLR(o, 0.01, 1.0, 20),
    ),
    "one cycle": (
        {"kind": "one-cycle", "steps": STEPS, "peak": 1.0, "low": 0.0001, "rise": 0.3},
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, STEPS, pct_start=0.3, div_factor=10, final_div_factor=1000, cycle_momentum=False
        ),
    ),
    "inverse square root": (
        {"kind": "inverse-sqrt", "warm": 12},
        lambda o: lr_scheduler.LambdaLR(o, lambda n: min((n + 1) / 12, (12 / (n + 1)) ** 0.5)),
    ),
    "constant": ({"kind": "constant"}, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
}


@pytest.mark.parametrize(("rule", "make"), RULES.values(), ids=list(RULES))
def test_a_rule_is_torchs_scheduler(rule, make):
    ours = [schedules.value(rule, 0.1, n) for n in range(STEPS)]
    assert ours == pytest.approx(torchs(make), rel=1e-9)


def test_after_its_end_a_rule_stays_where_it_ended():
    for rule, _ in RULES.values():
        if {"steps"} & rule.keys():
            assert schedules.value(rule, 0.1, 10 * STEPS) == schedules.value(rule, 0.1, 20 * STEPS)


def test_a_drawn_line_goes_through_its_points_and_straight_between():
    rule = {"kind": "drawn", "points": [[10, 1.0], [20, 3.0]], "log": False}
    values = [schedules.value(rule, 9.0, n) for n in (0, 10, 15, 20, 99)]
    assert values == [1.0, 1.0, 2.0, 3.0, 3.0]
    logarithmic = {"kind": "drawn", "points": [[0, 1.0], [10, 1e-4]], "log": True}
    assert schedules.value(logarithmic, 9.0, 5) == pytest.approx(1e-2)


@pytest.mark.parametrize("seed", range(5))
def test_a_plateau_is_torchs(seed):
    losses = 1 / (1 + torch.arange(300) / 20) + 0.05 * torch.randn(300, generator=torch.manual_seed(seed))
    plateau = schedules.Plateau(window=1, patience=4, factor=0.5, threshold=1e-3)
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(sgd, factor=0.5, patience=4, threshold=1e-3, eps=0)
    rate = 1.0
    for loss in losses.tolist():
        rate *= 0.5 if plateau.hear(loss) else 1.0
        theirs.step(loss)
        assert rate == sgd.param_groups[0]["lr"]
    assert rate < 1e-2


# As a run trains


def rates(steps, change=None, cls=Tiny, **spec):
    """The rate at each step, as the experiment used it."""
    script = Script()
    loop, said = loop_of(cls, inbox=script, max_steps=steps, **spec)
    if change is not None:
        at, values = change
        for _ in range(at):
            loop._train(1)
        script.tell("knobs", reply_to=1, knobs=values)
    assert loop.run() == "finished", said.events("state")
    return said, said.column("lr")


COSINE = {"kind": "cosine", "steps": 30, "low": 0.01}


def test_a_knob_follows_its_schedule_from_the_step_it_is_told():
    said, used = rates(50, change=(10, {"schedules": {"lr": COSINE}}))
    assert used[:10] == [np.float32(0.1)] * 10
    wanted = [schedules.value(COSINE, 0.1, n) for n in range(40)]
    assert used[10:] == pytest.approx(wanted, rel=1e-6)
    (event,) = said.events("knobs")
    assert event["step"] == 10
    assert event["knobs"]["schedules"]["lr"] == {**COSINE, "start": 10}


def test_what_a_followed_knob_was_is_a_scalar():
    said, used = rates(20, knobs={"schedules": {"lr": COSINE}})
    assert said.column("knob/lr") == used


def test_a_kind_of_schedule_offers_its_settings_and_names_the_values_it_aims_at():
    class Triangle(BaseSchedule):
        kind: Literal["triangle"]
        width: int = Field(json_schema_extra=offered(0.5, "ahead"))
        top: float = Field(json_schema_extra=offered(3, "value"))
        sharpness: float = 1.0  # not offered

    assert Triangle.settings() == [
        Setting(name="width", whole=True, amount=0.5, of="ahead"),
        Setting(name="top", whole=False, amount=3, of="value"),
    ]
    assert Triangle(kind="triangle", width=5, top=0.2).targets() == [("top", 0.2)]


def test_a_schedule_stays_within_the_knobs_range():
    growing = {"kind": "step", "every": 1, "factor": 10}
    assert planned(entry_of(Tiny), "lr", growing, 1e8, [0, 1, 2, 10**6]) == [1e8, 1e9, 1e9, 1e9]


def test_setting_the_knob_by_hand_ends_its_schedule():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, max_steps=30, knobs={"schedules": {"lr": COSINE}})
    for _ in range(10):
        loop._train(1)
    script.tell("knobs", knobs={"lr": 0.5})
    loop.run()
    assert said.column("lr")[10:] == [0.5] * 20
    assert said.events("knobs")[-1]["knobs"] == {"lr": 0.5, "schedules": {}}


def test_setting_another_knob_leaves_it():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, max_steps=30, knobs={"schedules": {"lr": COSINE}})
    for _ in range(10):
        loop._train(1)
    script.tell("knobs", knobs={"word": "b"})
    loop.run()
    assert said.column("lr") == pytest.approx([schedules.value(COSINE, 0.1, n) for n in range(30)], rel=1e-6)
    assert said.events("knobs")[-1]["knobs"] == {"word": "b"}


def test_a_refused_change_leaves_the_schedule_as_it_was():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, max_steps=30, knobs={"schedules": {"lr": COSINE}})
    for _ in range(10):
        loop._train(1)
    script.tell("knobs", reply_to=1, knobs={"word": "no", "lr": 3.0})
    loop.run()
    assert isinstance(said.replies[1].answer, Refused)
    assert said.column("lr") == pytest.approx([schedules.value(COSINE, 0.1, n) for n in range(30)], rel=1e-6)


def test_watching_a_scheduled_run_changes_nothing():
    plain, _ = rates(40, knobs={"schedules": {"lr": COSINE}})
    watched, _ = rates(40, knobs={"schedules": {"lr": COSINE}}, watch=("weights", "outputs"), max_fps=60)
    assert watched.column("loss/train") == plain.column("loss/train")


def test_a_plateau_lowers_its_knob_and_says_so():
    plateau = {"kind": "plateau", "window": 5, "patience": 2, "factor": 0.5}
    said, used = rates(300, cls=Tiny, knobs={"lr": 0.4, "schedules": {"lr": plateau}})
    lowered = said.events("knobs")
    assert lowered
    for event in lowered:
        at = event["step"]
        assert used[at] == np.float32(event["knobs"]["lr"]) == np.float32(used[at - 1] / 2)
    changes = [n for n in range(1, 300) if used[n] != used[n - 1]]
    assert changes == [event["step"] for event in lowered]


@pytest.mark.parametrize(
    ("id", "knob", "scalar"),
    [
        ("lstm-cells", "lr", "bits/train"),
        ("dcgan", "lr_g", "loss/g"),
        ("dcgan", "lr_d", "loss/d"),
        ("ensembles", "lr_snapshot", "loss/snapshots"),
        ("descent-2d", "lr_adam", "loss/adam"),
        ("mlp-digits", "lr", "loss/train"),
    ],
)
def test_a_plateau_hears_the_loss_of_the_learner_that_its_knob_acts_on(id, knob, scalar):
    assert heard_by(experiments()[id].cls, knob, []) == scalar


@pytest.mark.parametrize("entry", experiments().values(), ids=list(experiments()))
def test_every_number_that_trains_can_follow_a_plateau(entry):
    for name in entry.knobs_type.model_fields:
        live = entry.knobs_type.is_live(name) and name not in entry.knobs_type.looks()
        if live and range_of(entry.knobs_type, name) is not None:
            check(entry, {"schedules": {name: {"kind": "plateau"}}})


def test_a_plateau_that_hears_nothing_is_refused_with_what_there_is():
    with pytest.raises(BadSchedule, match=r"no scalar 'loss/x'; there are .*loss/train"):
        check(experiments()["mlp-digits"], {"schedules": {"lr": {"kind": "plateau", "watch": "loss/x"}}})


class Whole(TinyKnobs):
    count: int = live(100, name="Count", help="How many.", range=(1, 100))


class Counting(Tiny, Experiment[Whole]):
    """It tells what it was given."""

    def step(self, knobs: Whole) -> Scalars:
        assert isinstance(knobs.count, int)
        return {**super().step(knobs), "count": knobs.count}


def test_a_whole_number_stays_whole():
    loop, said = loop_of(
        Counting, max_steps=20, knobs={"schedules": {"count": {"kind": "warmup", "steps": 10, "low": 1}}}
    )
    loop.run()
    assert said.column("count")[:4] == [1, 11, 21, 31]


def test_a_schedule_on_a_parabola_ends_what_a_constant_rate_cannot():
    """Just above 2/λ it diverges; lowered in time it settles."""
    lowered = {"kind": "exponential", "every": 20, "factor": 0.5}
    loop, said = loop_of(Parabola, max_steps=200, knobs={"lr": 0.51, "schedules": {"lr": lowered}})
    loop.run()
    constant, other = loop_of(Parabola, max_steps=200, knobs={"lr": 0.51})
    constant.run()
    assert said.column("loss/train")[-1] < 1e-6
    assert other.column("loss/train")[-1] > 1


# Epochs


class Passing(Counting):
    """Of 100 samples; `count` is how many a batch holds."""

    def steps_per_epoch(self, knobs: Whole) -> float:
        return 100 / knobs.count


async def test_epochs_go_on_when_the_batch_changes_and_in_a_branch(serve, often):  # noqa: F811
    manager = await serve(Passing)
    run = manager.create("tiny", {"count": 1}, paused=True)
    await take(manager, run, 50)
    await manager.set_knobs(run, {"count": 100})
    await take(manager, run, 3)
    await manager.set_knobs(run, {"count": 1})

    def told(of):
        events = [json.loads(e.data) for e in of.channel.tape.after(0) if e.data and not e.binary]
        return [e["epoch"] for e in events if e["type"] == "knobs"]

    assert told(run) == pytest.approx([0.5, 3.5])
    branch = await manager.branch(run, 52, {"count": 50}, paused=True)
    assert told(branch) == pytest.approx([2.5])
    await take(manager, branch, 4)
    await manager.set_knobs(branch, {"count": 1})
    assert told(branch)[-1] == pytest.approx(4.5)


# Going back


PLATEAU = {"kind": "plateau", "window": 3, "patience": 1, "factor": 0.7}


@pytest.mark.parametrize(
    "schedule", [COSINE, PLATEAU, {**COSINE, "kind": "restarts", "every": 7, "steps": None}]
)
@pytest.mark.parametrize("kept", ["after every step", "none", "every tenth"])
@pytest.mark.slow
async def test_a_branch_of_a_scheduled_run_is_the_run_again(serve, request, kept, schedule):  # noqa: F811
    schedule = {name: value for name, value in schedule.items() if value is not None}
    if kept != "none":
        request.getfixturevalue("often")
    manager = await serve()
    run = manager.create("tiny", {}, paused=True, max_steps=60)
    await take(manager, run, 10)
    await manager.set_knobs(run, {"schedules": {"lr": schedule}})
    await manager.resume(run)
    await until(run, lambda: run.ended)
    if kept == "every tenth":
        await drop_checkpoints(manager, run, {at for at in range(60) if at % 10})
    for step in (10, 23, 37):
        branch = await manager.branch(run, step, {})
        await until(branch, lambda: branch.ended)  # noqa: B023
        assert table(branch) == table(run, since=step)


async def test_a_branch_may_leave_the_schedule(serve, often):  # noqa: F811
    manager = await serve()
    run = manager.create("tiny", {"schedules": {"lr": COSINE}}, max_steps=40)
    await until(run, lambda: run.ended)
    branch = await manager.branch(run, 20, {"lr": 0.5})
    await until(branch, lambda: branch.ended)
    assert set(branch.channel.tape.scalars()[1]["lr"].tolist()) == {0.5}
    assert branch.knobs["schedules"] == {}


# What cannot be followed


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"nothing": COSINE}, "no such knob"),
        ({"size": COSINE}, "a fixed knob cannot"),
        ({"word": COSINE}, "only a number"),
        ({"lr": {"kind": "sine"}}, "kind"),
        ({"lr": {}}, "kind"),
        ({"lr": 3}, "kind"),
        ({"lr": {"kind": "cosine", "low": 0.1}}, "steps: Field required"),
        ({"lr": {**COSINE, "steps": 0}}, "steps: Input should be greater than or equal to 1"),
        ({"lr": {**COSINE, "low": -1.0}}, "low: -1 is outside the knob's range, 0 to 1e+09"),
        ({"lr": {**COSINE, "low": math.nan}}, "low: Input should be a finite number"),
        ({"lr": {**COSINE, "high": 1}}, "high: Extra inputs"),
        ({"lr": {"kind": "drawn", "points": []}}, "points: List should have at least 1 item"),
        ({"lr": {"kind": "drawn", "points": [[5, 1], [5, 2]]}}, "steps must rise, 5 follows 5"),
        ({"lr": {"kind": "drawn", "points": [[0, 1], [5, -2]]}}, "points: -2 is outside"),
        ({"lr": {"kind": "drawn", "points": [[0, 0], [5, 2]], "log": True}}, "must be above 0"),
        ({"lr": {"kind": "drawn", "points": [[n, 1] for n in range(9999)]}}, "at most 512"),
        ({"lr": {"kind": "plateau", "factor": 1.5}}, "factor: Input should be less than 1"),
        (3, "expected an object"),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_refused(told, says):
    with pytest.raises(BadSchedule) as refused:
        check(entry_of(Tiny), {"schedules": told})
    assert says in refused.value.detail
    assert refused.value.field == "schedules"
    json.dumps(refused.value.problem())


def test_a_plan_tells_what_a_schedule_would_do():
    wanted = [schedules.value(COSINE, 0.2, n) for n in (0, 15, 30, 99)]
    assert planned(entry_of(Tiny), "lr", {**COSINE, "start": 7}, 0.2, [0, 15, 30, 99]) == wanted
    assert planned(entry_of(Tiny), "lr", PLATEAU, 0.2, [0, 99]) == [0.2, 0.2]


def test_a_course_tells_the_experiment_only_what_differs():
    torch.manual_seed(0)
    experiment = Tiny(0, torch.device("cpu"))
    experiment.build(TinyKnobs())
    knob_state = KnobState(experiment, {"schedules": {"lr": {"kind": "step", "every": 3, "factor": 0.5}}})
    for experiment.step_index in range(7):
        knob_state.for_next_step()
    assert experiment.changes == [{"lr"}, {"lr"}]
