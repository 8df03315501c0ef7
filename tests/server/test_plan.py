"""A new run that follows a plan: changes of knobs at exact steps, and how far to train as fast as it goes."""

import numpy as np
import pytest
from test_loop import after_step, final_state

from descent.engine import loop as loop_module
from descent.engine.messages import Plan
from tiny import Parabola, Script, Tiny, loop_of

CHANGES = [(0, {"word": "b"}), (7, {"lr": 0.5}), (7, {"lr": 0.3, "word": "c"}), (12, {"lr": 0.2})]


def test_planned_changes_hold_from_exactly_their_steps_and_are_recorded_as_usual():
    loop, said = loop_of(Tiny, plan=Plan(CHANGES), max_steps=20)
    loop.run()
    assert said.column("lr") == [np.float32(lr) for lr in [0.1] * 7 + [0.3] * 5 + [0.2] * 8]
    assert [(event["step"], event["knobs"]) for event in said.events("knobs")] == CHANGES
    assert loop.experiment.changes == [{"word"}, {"lr"}, {"lr", "word"}, {"lr"}]


def test_the_changes_of_a_run_planned_for_another_one_make_the_same_run(monkeypatch):
    monkeypatch.setattr(loop_module, "SCALAR_INTERVAL", 0)
    monkeypatch.setattr(loop_module, "UNWATCHED_INTERVAL", 0)
    script = Script()
    by_hand = after_step(9, lambda: script.tell("knobs", knobs={"lr": 0.5, "word": "b"}))
    loop, said = loop_of(Tiny, inbox=script, hear=by_hand, max_steps=30, seed=3, watch=("weights",))
    loop.run()
    log = [(event["step"], event["knobs"]) for event in said.events("knobs")]
    assert log
    again, said_again = loop_of(Tiny, plan=Plan(log, until=30), max_steps=30, seed=3)
    again.run()
    assert said_again.column("loss/train") == said.column("loss/train")
    assert final_state(again).equal(final_state(loop))


def test_a_plateau_that_lowered_its_knob_by_itself_is_not_told_twice():
    plateau = {"lr": {"kind": "plateau", "window": 1, "patience": 2, "factor": 0.5, "threshold": 0.5}}
    loop, said = loop_of(Parabola, knobs={"lr": 1e-3, "schedules": plateau}, max_steps=40)
    loop.run()
    log = [(event["step"], event["knobs"]) for event in said.events("knobs")]
    assert log
    again, said_again = loop_of(
        Parabola, knobs={"lr": 1e-3, "schedules": plateau}, plan=Plan(log), max_steps=40
    )
    again.run()
    assert said_again.events("knobs") == said.events("knobs")
    assert said_again.column("loss/train") == said.column("loss/train")


@pytest.mark.parametrize("pause", [True, False])
def test_it_trains_to_a_step_as_fast_as_it_goes_and_then_pauses_or_keeps_its_pace(pause, monkeypatch):
    monkeypatch.setattr(loop_module, "SCALAR_INTERVAL", 0)
    script = Script()
    stop = after_step(60, lambda: script.tell("stop"))

    def hear(output):
        stop(output)
        if pause and said.states[-1:] == ["paused"]:
            script.tell("stop")

    loop, said = loop_of(
        Tiny, inbox=script, hear=hear, pace=1e5, watch=("weights",), plan=Plan(until=40, pause=pause)
    )
    loop.run()
    first, then = said.events("state")[:2]
    assert (first["status"], first["pace"], first["step"]) == ("running", None, 0)
    assert (then["status"], then["pace"], then["step"]) == ("paused" if pause else "running", 1e5, 40)
    assert said.steps == list(range(len(said.steps)))
    assert (loop.step == 40) is pause
    if pause:
        assert said.pictures("weights")[-1].step == 40


def test_a_change_that_the_experiment_refuses_ends_the_run_at_the_knob():
    loop, _ = loop_of(Tiny, plan=Plan([(3, {"word": "no"})]), max_steps=5)
    with pytest.raises(Exception, match="anything else"):
        loop.run()
    assert loop.step == 3
