"""Look knobs: what is looked at may change as often as one likes, and nothing of the run does."""

import asyncio
import math

import numpy as np
import pytest
from test_recording import finished, often, serve, take, until  # noqa: F401

from descent.contract import Experiment, live
from descent.contract.panels import Heatmap, heatmap
from descent.engine import loop as loop_module
from descent.engine.messages import Refused
from descent.errors import BadKnob, BadSchedule
from descent.runs.channel import Viewer
from descent.runs.sweeps import SweepRequest
from tiny import Script, Tiny, TinyKnobs, loop_of, panel_of


class LookingKnobs(TinyKnobs):
    shown: int = live(0, name="Shown", help="Which is looked at.", range=(0, 9), role="look")
    drawn: str = live("", name="Drawn", help="By hand.", max_length=1000, role="look")


class Looking(Tiny, Experiment[LookingKnobs]):
    """Tiny, with something to choose that it is not trained on."""

    @heatmap(title="Shown", caption="What was chosen.")
    def chosen(self, knobs: LookingKnobs) -> Heatmap:
        return Heatmap(values=np.full((1, 1), knobs.shown, np.float32))


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(loop_module, "SCALAR_INTERVAL", 0)
    monkeypatch.setattr(loop_module, "UNWATCHED_INTERVAL", 0)


# The engine


def test_look_knobs_are_told_apart_from_those_that_train():
    script = Script()
    loop, said = loop_of(Looking, inbox=script, max_steps=4)
    script.tell("knobs", knobs={"shown": 3})
    script.tell("knobs", reply_to=2, knobs={"shown": 4, "lr": 0.5})
    loop.run()
    assert said.events("look") == [
        {"type": "look", "step": 0, "knobs": {"shown": 3, "drawn": ""}},
        {"type": "look", "step": 0, "knobs": {"shown": 4, "drawn": ""}},
    ]
    (event,) = said.events("knobs")
    assert event["knobs"] == {"lr": 0.5}
    assert not isinstance(said.replies[2].answer, Refused)


def test_a_look_clears_no_finding_and_restarts_no_mean(monkeypatch):
    script = Script()
    loop, _ = loop_of(Looking, inbox=script, max_steps=4)
    cleared = []
    monkeypatch.setattr(loop._health, "changed", lambda *args, **rest: cleared.append(args))
    script.tell("knobs", knobs={"shown": 3})
    loop.run()
    assert cleared == []
    script.tell("knobs", knobs={"shown": 4})
    loop._set_knobs({"shown": 5})
    assert cleared == []


def test_while_paused_the_new_choice_is_seen():
    script = Script()

    def look_at_another(output):
        if panel_of(output) == "chosen":
            seen = len(said.pictures("chosen"))
            script.tell("stop") if seen == 2 else script.tell("knobs", knobs={"shown": 7})

    loop, said = loop_of(Looking, inbox=script, hear=look_at_another, paused=True, watch=("chosen",))
    loop.run()
    assert said.pictures("chosen")[1].arrays["values"].item() == 7


def test_a_look_ends_no_schedule():
    script = Script()
    cosine = {"kind": "cosine", "steps": 100, "low": 0.0}
    loop, said = loop_of(Looking, inbox=script, max_steps=4, knobs={"schedules": {"lr": cosine}})
    script.tell("knobs", knobs={"shown": 3})
    loop.run()
    assert said.events("knobs") == []
    assert loop._knob_state.dump()["schedules"]["lr"]["kind"] == "cosine"
    assert said.column("lr")[3] == pytest.approx(0.05 * (1 + math.cos(math.pi * 3 / 100)))


# The server


async def test_a_stroke_leaves_only_what_is_drawn(serve, often):  # noqa: F811
    manager = await serve(Looking)
    run = manager.create("tiny", {}, paused=True)
    await take(manager, run, 3)
    before = run.channel.tape.last_seq
    for length in range(1, 201):
        await manager.set_knobs(run, {"drawn": "f" * length})
    assert len(run.knob_log) == 1
    assert run.channel.tape.last_seq == before
    assert run.knobs["drawn"] == "f" * 200
    await manager.set_knobs(run, {"lr": 0.5})
    assert run.knob_log[1:] == [(3, {"lr": 0.5})]


async def test_viewers_are_told_the_latest_choice_and_late_ones_find_it(serve):  # noqa: F811
    manager = await serve(Looking)
    run = manager.create("tiny", {}, paused=True)
    await take(manager, run, 1)
    viewer, heard = Viewer(cursor=run.channel.tape.last_seq), asyncio.Queue()
    manager.join(run, viewer)
    pump = asyncio.create_task(run.channel.pump(viewer, heard.put))
    await manager.set_knobs(run, {"shown": 2})
    async with asyncio.timeout(20):
        assert await heard.get() == ['{"type":"look","step":1,"knobs":{"shown":2,"drawn":""}}']
    pump.cancel()

    late, heard = Viewer(cursor=run.channel.tape.last_seq), asyncio.Queue()
    manager.join(run, late)
    assert run.info().knobs["shown"] == 2
    pump = asyncio.create_task(run.channel.pump(late, heard.put))
    await asyncio.sleep(0)
    assert heard.empty()
    pump.cancel()


async def test_what_is_looked_at_is_there_after_a_restart_and_in_a_branch(serve, often):  # noqa: F811
    manager = await serve(Looking)
    run = manager.create("tiny", {}, paused=True)
    await take(manager, run, 5)
    await manager.set_knobs(run, {"shown": 6, "drawn": "0f"})
    await manager.stop(run)
    run_id = run.id
    await serve.stop(manager)

    manager = await serve(Looking)
    run = await manager.get(run_id)
    assert run.knobs["shown"] == 6
    await manager.resume(run)
    await manager.pause(run)
    assert (run.knobs["shown"], run.knobs["drawn"]) == (6, "0f")
    assert len(run.knob_log) == 1

    branch = await manager.branch(run, 3, {"lr": 0.2}, paused=True)
    assert (branch.knobs["shown"], branch.knobs["lr"]) == (6, 0.2)
    assert branch.knob_log[1:] == [(3, {"lr": 0.2})]
    other = await manager.branch(run, 3, {"shown": 1}, paused=True)
    assert (other.knobs["shown"], other.knobs["drawn"]) == (1, "0f")
    assert len(other.knob_log) == 1


async def test_what_touches_no_training_follows_no_schedule_and_is_not_swept(serve):  # noqa: F811
    manager = await serve(Looking)
    run = await finished(manager, max_steps=2)
    with pytest.raises(BadSchedule, match="touches no training"):
        manager.create("tiny", {"schedules": {"shown": {"kind": "constant"}}})
    with pytest.raises(BadKnob, match="touches no training"):
        await manager.sweep(run, None, SweepRequest("shown", steps=1, values=[1, 2]))
    with pytest.raises(BadKnob, match="touches no training"):
        await manager.sweep(run, None, SweepRequest("lr", steps=1, values=[0.1], vary={"drawn": ["a", "b"]}))
    await until(run, lambda: run.ended)
