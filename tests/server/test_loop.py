"""The loop's tests run in one thread: commands are put when the loop says something (see `tiny.Script`)."""

import math

import numpy as np
import pytest
import torch

from descent import wire
from descent.contract import Finished, KnobError
from descent.contract.panels import Heatmap, heatmap
from descent.engine import loop as loop_module
from descent.engine.messages import Applied, Event, Output, Refused, Replay, Reply, RunSpec, ScalarsFrame
from descent.engine.scalars import ScalarBatch
from descent.protocol import State
from descent.workers.worker import train
from tiny import EagerBudget, Parabola, Said, Script, Tiny, TinyKnobs, entry_of, event_of, loop_of, panel_of


def after_step(step, act):
    """Calls `act` once, as soon as the loop hands on the scalars of `step`."""

    def hear(output: Output) -> None:
        nonlocal act
        if isinstance(output, ScalarsFrame) and output.step >= step and act:
            then, act = act, None
            then()

    return hear


@pytest.fixture
def every_step(monkeypatch):
    """Scalars are handed on after each step, so that a test can act at an exact one."""
    monkeypatch.setattr(loop_module, "SCALAR_INTERVAL", 0)
    monkeypatch.setattr(loop_module, "UNWATCHED_INTERVAL", 0)


def final_state(loop):
    return torch.cat([tensor.flatten().double() for tensor in loop.experiment.model.state_dict().values()])


# Training


def test_it_takes_exactly_max_steps_then_finishes():
    loop, said = loop_of(Tiny, max_steps=50)
    assert loop.run() == "finished"
    assert said.steps == list(range(50))
    assert said.states == ["running", "finished"]
    assert loop.step == 50


class Over(Tiny):
    """Knows an end, and how to go on."""

    def step(self, knobs):
        if self.step_index == 7 and knobs.word == "a":
            raise Finished("Nothing more to learn.")
        return super().step(knobs)


@pytest.mark.parametrize("pace", [None, 1e6])
def test_an_experiment_ends_its_run_and_says_why(pace):
    loop, said = loop_of(Over, max_steps=50, pace=pace)
    assert loop.run() == "finished"
    assert loop.step == 7
    assert said.steps == list(range(7))
    assert said.events("state")[-1]["reason"] == "Nothing more to learn."


def test_a_branch_with_other_knobs_goes_on_where_it_ended():
    loop, said = loop_of(Over, max_steps=9, replay=Replay(7, {}, override={"word": "b"}))
    loop.run()
    assert said.steps == [7, 8]


def test_scalars_are_what_step_returned():
    loop, said = loop_of(Tiny, max_steps=20, seed=3)
    loop.run()
    torch.manual_seed(3)
    bare = Tiny(3, torch.device("cpu"))
    bare.build(TinyKnobs())
    losses = []
    for _ in range(20):
        losses.append(np.float32(bare.step(TinyKnobs())["loss/train"].item()))
        bare.step_index += 1
    assert said.column("loss/train") == losses


def test_every_message_has_the_next_seq_and_durable_ones_are_in_order():
    loop, said = loop_of(Tiny, max_steps=100, watch=("weights", "outputs"), first_seq=7)
    loop.run()
    assert [output.seq for output in said if not isinstance(output, Reply)] == list(range(7, 7 + len(said)))


def test_a_watched_run_and_an_unwatched_one_end_bit_for_bit_alike(monkeypatch):
    plain, plain_said = loop_of(Tiny, max_steps=60, seed=1)
    plain.run()
    monkeypatch.setattr("descent.engine.looking.Budget", EagerBudget)
    watched, watched_said = loop_of(Tiny, max_steps=60, seed=1, watch=("weights", "outputs"))
    watched.run()
    assert len(watched_said.pictures("outputs")) == 61
    assert watched_said.column("loss/train") == plain_said.column("loss/train")
    assert torch.equal(final_state(watched), final_state(plain))


def test_scalars_are_handed_on_less_often_while_nobody_watches(monkeypatch):
    monkeypatch.setattr(loop_module, "SCALAR_INTERVAL", 0)
    monkeypatch.setattr(loop_module, "UNWATCHED_INTERVAL", 1e9)
    script = Script()

    def hear(output):
        if isinstance(output, ScalarsFrame) and output.step == 0:
            script.tell("watch", panels=["loss"], max_fps=30)

    loop, said = loop_of(Tiny, inbox=script, hear=hear, max_steps=20)
    loop.run()
    watched = [output.step for output in said if isinstance(output, ScalarsFrame)]
    assert watched == list(range(20))
    loop, said = loop_of(Tiny, max_steps=20)
    loop.run()
    assert [output.step for output in said if isinstance(output, ScalarsFrame)] == [0, 19]


# Commands


@pytest.mark.usefixtures("every_step")
def test_knobs_take_effect_at_the_step_the_event_names():
    script = Script()
    loop, said = loop_of(
        Tiny,
        inbox=script,
        hear=after_step(9, lambda: script.tell("knobs", reply_to=5, knobs={"lr": 0.5})),
        max_steps=20,
    )
    loop.run()
    (event,) = said.events("knobs")
    assert event["step"] == 10
    assert event["knobs"] == {"lr": 0.5}
    assert said.column("lr") == [np.float32(0.1)] * 10 + [0.5] * 10
    assert said.replies[5].step == 10
    assert loop.experiment.changes == [{"lr"}]


@pytest.mark.usefixtures("every_step")
def test_the_knobs_event_comes_before_the_answer():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, max_steps=2)
    script.tell("knobs", reply_to=1, knobs={"lr": 0.5})
    loop.run()
    assert said.index(said.replies[1]) > next(
        i for i, o in enumerate(said) if event_of(o).get("type") == "knobs"
    )


def test_knobs_set_to_what_they_are_change_nothing_and_are_answered():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, max_steps=2)
    script.tell("knobs", knobs={"lr": 0.1})
    loop.run()
    assert loop.experiment.changes == []
    assert len(said.events("knobs")) == 1


@pytest.mark.parametrize("values", [{"word": "no"}, {"lr": -1.0}, {"lr": 0.7, "word": "no"}])
def test_knobs_that_cannot_be_used_are_refused_and_the_run_goes_on(values):
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, max_steps=10)
    script.tell("knobs", reply_to=1, knobs=values)
    assert loop.run() == "finished"
    assert isinstance(said.replies[1].answer, Refused)
    assert said.events("knobs") == []
    assert loop.knobs == TinyKnobs()


@pytest.mark.usefixtures("every_step")
def test_pause_resume_and_steps_continue_where_the_run_was():
    script = Script()
    seen = []

    def hear(output):
        if isinstance(output, ScalarsFrame):
            seen.append(output.step)
            if output.step == 4:
                script.tell("pause", reason="user")
            if output.step == 7:
                script.tell("resume")
        if event_of(output).get("status") == "paused":
            script.tell("step", steps=1)
            script.tell("step", steps=2)

    loop, said = loop_of(Tiny, inbox=script, hear=hear, max_steps=12)
    assert loop.run() == "finished"
    assert said.states == ["running", "paused", "running", "finished"]
    assert said.steps == list(range(12))
    plain, plain_said = loop_of(Tiny, max_steps=12)
    plain.run()
    assert said.column("loss/train") == plain_said.column("loss/train")


@pytest.mark.usefixtures("every_step")
def test_pause_ends_a_long_step_command():
    script = Script()

    def hear(output):
        if isinstance(output, ScalarsFrame) and output.step == 3:
            script.tell("pause")
            script.tell("stop")

    loop, said = loop_of(Tiny, inbox=script, hear=hear, paused=True)
    script.tell("step", steps=100_000)
    assert loop.run() == "stopped"
    assert said.steps == [0, 1, 2, 3]


def test_a_run_that_starts_paused_takes_no_step():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, paused=True)
    script.tell("stop", reason="user")
    assert loop.run() == "stopped"
    assert said.states == ["paused", "stopped"]
    assert said.events("state")[-1]["reason"] == "user"
    assert said.steps == []


def test_steps_beyond_max_steps_are_not_taken():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, paused=True, max_steps=3)
    script.tell("step", steps=10)
    assert loop.run() == "finished"
    assert said.steps == [0, 1, 2]


@pytest.mark.usefixtures("every_step")
def test_pace_keeps_steps_apart_and_commands_are_heard_in_between(monkeypatch):
    now = 0.0
    steps_at = []
    script = Script()

    def wait(seconds):
        nonlocal now
        assert seconds > 0
        now += seconds

    def hear(output):
        if isinstance(output, ScalarsFrame):
            steps_at.append(now)

    monkeypatch.setattr(loop_module.time, "perf_counter", lambda: now)
    monkeypatch.setattr(script, "wait", wait)
    loop, _ = loop_of(Tiny, inbox=script, hear=hear, pace=10.0, max_steps=5)
    loop.run()
    assert steps_at == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_seconds_of_training_are_told_without_pauses(monkeypatch):
    now = 0.0
    script = Script()

    def wait(seconds):
        nonlocal now
        now += 100.0 if seconds is None else max(seconds, 0.0)
        if seconds is None:
            script.tell("resume")

    def hear(output):
        if isinstance(output, ScalarsFrame) and output.step == 19:
            script.tell("pause")

    monkeypatch.setattr(loop_module.time, "perf_counter", lambda: now)
    monkeypatch.setattr(script, "wait", wait)
    loop, said = loop_of(Tiny, inbox=script, hear=hear, pace=10.0, max_steps=400)
    loop.run()
    told = [(event["step"], event["seconds"]) for event in said.events("clock")]
    assert (told[0], told[-1][0]) == ((0, 0.0), 400)
    for step, seconds in told:
        assert seconds == pytest.approx(step / 10, abs=0.21)
    assert 20 in dict(told)  # the pause
    apart = np.diff([seconds for _, seconds in told if seconds > 20])
    assert apart[:-1].min() > 0.3  # more rarely later
    assert 40 < len(told) < 130


def test_between_paced_steps_each_panel_is_seen_once_after_each_step(monkeypatch):
    now = 0.0
    script = Script()

    def wait(seconds):
        nonlocal now
        now += max(seconds, 0)

    monkeypatch.setattr(loop_module.time, "perf_counter", lambda: now)
    monkeypatch.setattr(script, "wait", wait)
    loop, said = loop_of(Tiny, inbox=script, pace=2.0, max_steps=4, watch=("weights",))
    loop.run()
    assert [frame.step for frame in said.pictures("weights")] == [0, 1, 2, 3, 4]


def test_a_new_pace_is_told():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, pace=1e6, max_steps=3)
    script.tell("pace", steps_per_second=None)
    loop.run()
    assert [event["pace"] for event in said.events("state")] == [1e6, None, None]


def test_what_the_server_has_to_say_gets_its_seq_from_the_loop():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, paused=True)
    script.tell("say", reply_to=1, status="queued", reason="")
    script.tell("stop")
    loop.run()
    assert said.states == ["paused", "queued", "stopped"]


# Looking


def test_all_panels_get_a_last_picture_before_the_last_word():
    loop, said = loop_of(Tiny, max_steps=5)
    loop.run()
    assert [panel_of(output) or type(output) for output in said[-4:]] == ["weights", "outputs", Event, Event]
    assert said.pictures("weights")[-1].step == 5


def test_a_watched_panel_is_seen_before_the_first_step():
    loop, said = loop_of(Tiny, max_steps=5, watch=("weights",))
    loop.run()
    order = [panel_of(output) or type(output).__name__ for output in said]
    assert order.index("weights") < order.index("ScalarsFrame")
    assert said.pictures("weights")[0].step == 0


def test_panels_of_scalars_need_no_probe():
    loop, said = loop_of(Tiny, max_steps=5, watch=("loss",))
    loop.run()
    assert said.events("diagnosis") == []


def test_knobs_changed_while_paused_are_seen():
    script = Script()

    def hear(output):
        if panel_of(output) == "outputs":
            seen = len(said.pictures("outputs"))
            script.tell("knobs", knobs={"lr": 0.2}) if seen == 1 else script.tell("stop")

    loop, said = loop_of(Tiny, inbox=script, hear=hear, paused=True, watch=("outputs",))
    loop.run()
    first, second, last = said.pictures("outputs")
    assert {first.step, second.step, last.step} == {0}
    assert np.allclose(second.arrays["values"], 2 * first.arrays["values"])  # lr is a factor in it


def test_commands_come_before_looks():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script, paused=True, watch=("weights", "outputs"))
    script.tell("stop")
    loop.run()
    order = [panel_of(output) or event_of(output)["status"] for output in said]
    assert order == ["paused", "weights", "outputs", "stopped"]


@pytest.mark.parametrize(
    ("patience", "order"),
    [(0.0, ["paused", "knobs", "what_if", "stopped"]), (60.0, ["paused", "what_if", "knobs", "what_if"])],
)
def test_a_command_breaks_off_a_long_look_at_the_rates_effects(patience, order, monkeypatch):
    monkeypatch.setattr(loop_module, "PATIENCE", patience)
    script, evaluated = Script(), 0

    class Asked(Parabola):
        """A command comes in the midst of the first look."""

        def loss(self):
            nonlocal evaluated
            evaluated += 1
            if evaluated == 10:
                script.tell("knobs", knobs={"lr": 0.2})
            return super().loss()

    def hear(output):
        if panel_of(output) == "what_if" and said.events("knobs"):
            script.tell("stop")

    loop, said = loop_of(Asked, inbox=script, hear=hear, effects=True, paused=True, watch=("what_if",))
    loop.run()
    events = [(event_of(output).get("status") or event_of(output).get("type")) for output in said]
    seen = [panel_of(output) or event for output, event in zip(said, events, strict=True)]
    assert seen[: len(order)] == order


def test_a_panel_is_seen_though_commands_never_cease(monkeypatch):
    monkeypatch.setattr(loop_module, "PATIENCE", 0.0)
    script, changes = Script(), 0

    class Dragged(Parabola):
        """Its knob is changed at each evaluation of the loss."""

        def loss(self):
            nonlocal changes
            changes += 1
            script.tell("knobs", knobs={"lr": 0.1 + changes % 2 / 10})
            return super().loss()

    def hear(output):
        if panel_of(output) == "what_if":
            script.tell("stop")

    loop, said = loop_of(Dragged, inbox=script, hear=hear, effects=True, paused=True, watch=("what_if",))
    loop.run()
    assert len(said.pictures("what_if")) == 1


def test_a_panel_newly_watched_while_paused_is_seen_and_others_are_not_again():
    script = Script()

    def hear(output):
        if panel_of(output) == "weights" and len(said.pictures("weights")) == 1:
            script.tell("watch", panels=["weights", "outputs"], max_fps=30)
        if panel_of(output) == "outputs":
            script.tell("stop")

    loop, said = loop_of(Tiny, inbox=script, hear=hear, paused=True, watch=("weights",))
    loop.run()
    assert [panel_of(output) for output in said if panel_of(output)][:-2] == ["weights", "outputs"]


@pytest.mark.usefixtures("every_step")
def test_pausing_shows_the_step_it_paused_at():
    script = Script()

    def hear(output):
        if isinstance(output, ScalarsFrame) and output.step == 4:
            script.tell("pause")
        if panel_of(output) and output.step == 5:
            script.tell("stop")

    loop, said = loop_of(Tiny, inbox=script, hear=hear, watch=("weights",), probe_budget=0.0)
    loop.run()
    assert [frame.step for frame in said.pictures("weights")][:2] == [0, 5]


class BadProbe(Tiny):
    @heatmap(title="Broken", caption="It cannot.")
    def broken(self, knobs):
        torch.rand(5)
        raise ZeroDivisionError("by zero")


def test_a_probe_that_fails_is_told_and_training_goes_on_unchanged():
    loop, said = loop_of(BadProbe, max_steps=20, watch=("weights", "broken"))
    assert loop.run() == "finished"
    diagnosis = said.events("diagnosis")[0]
    assert diagnosis["code"] == "probe-failed"
    assert diagnosis["step"] == 0
    assert diagnosis["params"] == {"panel": "broken", "error": "ZeroDivisionError: by zero"}
    assert len(said.events("diagnosis")) == 2  # at the first look, and at the last
    plain, plain_said = loop_of(Tiny, max_steps=20)
    plain.run()
    assert said.column("loss/train") == plain_said.column("loss/train")


class Meddler(Tiny):
    @heatmap(title="Meddler", caption="It writes.")
    def meddles(self, knobs):
        self.model[2].weight.add_(1)
        return Heatmap(values=self.model[2].weight)


def test_a_probe_that_writes_a_parameter_fails_the_run():
    loop, _ = loop_of(Meddler, max_steps=20, watch=("meddles",))
    with pytest.raises(RuntimeError, match="a parameter was written"):
        loop.run()


# Ends


class Exploding(Tiny):
    def step(self, knobs):
        row = super().step(knobs)
        if self.step_index % 2:
            row = {**row, "rare": 1.0}
        if self.step_index >= 6:
            with torch.no_grad():
                self.model[2].weight.fill_(math.nan)
            row = {**row, "loss/train": torch.tensor(math.nan)}
        return row


def test_nan_ends_the_run_as_diverged_at_that_step():
    loop, said = loop_of(Exploding, max_steps=50)
    assert loop.run() == "diverged"
    assert said.steps == list(range(7))
    assert all(map(math.isfinite, said.column("loss/train")[:6]))
    (diagnosis,) = said.events("diagnosis")
    assert diagnosis["step"] == 6
    assert diagnosis["code"] == "non-finite"
    assert diagnosis["params"] == {
        "scalars": {"loss/train": "nan"},
        "parameters": ["2.weight"],
        "rates": {"lr": 0.1},
        "remedy": {},
    }
    assert said.events("state")[-1] | {"seq": 0} == {
        "type": "state",
        "seq": 0,
        "step": 7,
        "status": "diverged",
        "reason": "loss/train is not finite at step 6",
        "pace": None,
        "steps_per_epoch": None,
        "epoch": None,
    }


@pytest.mark.parametrize("ending", ["max_steps", "stop", "pause", "knobs"])
def test_nan_that_is_read_back_late_still_ends_the_run_as_diverged(ending, monkeypatch):
    monkeypatch.setattr(loop_module, "UNWATCHED_INTERVAL", 1e9)
    script = Script()
    loop, said = loop_of(Exploding, inbox=script, max_steps=10 if ending == "max_steps" else None)
    loop._batch = ScalarBatch(deferred=True)
    step = loop.experiment.step

    def step_and_tell(knobs):
        if loop.step == 9 and ending != "max_steps":
            script.tell(ending, reply_to=1, **({"knobs": {"lr": 1.0}} if ending == "knobs" else {}))
        return step(knobs)

    loop.experiment.step = step_and_tell
    loop._become("paused")
    script.tell("step", steps=1)  # the first batch is handed on at once, the next when something ends it
    script.tell("resume")
    assert loop.run() == "diverged"
    assert said.steps[-1] == 6
    assert said.states[-1] == "diverged"


def test_a_step_that_raises_keeps_the_scalars_before_it():
    class Raising(Tiny):
        def step(self, knobs):
            if self.step_index == 5:
                raise ZeroDivisionError
            return super().step(knobs)

    loop, said = loop_of(Raising)
    with pytest.raises(ZeroDivisionError):
        loop.run()
    loop.fail("the reason")
    assert said.steps == [0, 1, 2, 3, 4]
    assert said.events("state")[-1]["status"] == "failed"
    assert said.events("state")[-1]["reason"] == "the reason"


def test_a_stopped_run_says_so_once_and_answers():
    script = Script()
    loop, said = loop_of(Tiny, inbox=script)
    script.tell("stop", reply_to=1, reason="user")
    script.tell("resume", reply_to=2)
    assert loop.run() == "stopped"
    assert said.states == ["running", "stopped"]
    assert list(said.replies) == [1]


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    def losses(seed):
        loop, said = loop_of(Tiny, max_steps=20, seed=seed)
        loop.run()
        return said.column("loss/train")

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_a_scalar_that_float32_cannot_hold_ends_the_run():
    class Large(Tiny):
        def step(self, knobs):
            return {"loss/train": 10.0 ** (36 + self.step_index)}

    loop, said = loop_of(Large, max_steps=10)
    assert loop.run() == "diverged"
    assert said.events("diagnosis")[0]["step"] == 3
    assert wire.decode(next(o.payload for o in reversed(said) if isinstance(o, ScalarsFrame))).step == 3


def test_said_is_empty_before_run():
    assert loop_of(Tiny)[1] == Said()


def test_what_a_branch_begins_with_is_no_change_that_could_be_blamed():
    replay = Replay(3, {"lr": 0.1, "word": "a"}, override={"lr": 0.5})
    loop, said = loop_of(Exploding, max_steps=50, replay=replay)
    assert loop.run() == "diverged"
    (diagnosis,) = said.events("diagnosis")
    assert "back" not in diagnosis["params"]


def test_a_run_that_diverges_after_a_change_says_which_and_how_to_go_back():
    def change(output):
        if event_of(output).get("status") == "running":
            inbox.tell("knobs", knobs={"lr": 0.5})

    inbox = Script()
    loop, said = loop_of(Exploding, inbox=inbox, hear=change, max_steps=50)
    assert loop.run() == "diverged"
    (diagnosis,) = said.events("diagnosis")
    assert diagnosis["params"]["changes"] == {"lr": [0.1, 0.5]}
    assert diagnosis["params"]["back"] == {"step": 0, "knobs": {"lr": 0.1}}


def test_knobs_that_cannot_be_built_with_are_named_in_the_last_event():
    class Choosy(Tiny):
        def build(self, knobs):
            raise KnobError("size", "there is no room for {n}", n=knobs.size)

    spec = RunSpec("run", "tiny", TinyKnobs().model_dump(mode="json"), 0, "cpu")
    said = Said()
    train(entry_of(Choosy), spec, Script(), said.append)
    (state,) = said.events("state")
    assert (state["status"], state["field"], state["reason"]) == (
        "failed",
        "size",
        "size: there is no room for 3",
    )
    assert state["params"] == {"reason": "refused", "message": "there is no room for {n}", "n": 3}
    State.model_validate(state)


def test_set_by_hand_a_knob_follows_its_schedule_no_more_and_the_event_says_all():
    script = Script()
    step = {"kind": "step", "every": 5, "factor": 0.5}
    script.tell("knobs", knobs={"schedules": {"lr": step}})
    script.tell("knobs", reply_to=1, knobs={"lr": 0.7})
    loop, said = loop_of(Tiny, inbox=script, max_steps=3)
    loop.run()
    answer = said.replies[1].answer
    assert isinstance(answer, Applied)
    assert answer.changed == {"lr": 0.7, "schedules": {}}
    assert (
        answer.knobs
        == said.events("knobs")[-1]["now"]
        == {"lr": 0.7, "word": "a", "size": 3, "schedules": {}}
    )
