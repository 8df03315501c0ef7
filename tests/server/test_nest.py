"""The process on a node of which runs are forks, without Ray: actor and nest over their socket."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_processes import children_of

from descent.datasets.own import OwnFiles
from descent.engine.messages import Event, RunSpec, ScalarsFrame
from descent.registry import experiments
from descent.workers import forks
from descent.workers.on_ray.actor import NestActor, RunActor

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not forks.FORKS, reason="nothing is forked here")]
ENOUGH = 60  # seconds
POINTS = b"x,y,kind\n" + b"".join(b"%d,%d,%s\n" % (n % 7, n % 5, b"ab"[n % 2 :][:1]) for n in range(60))


@pytest.fixture(scope="module")
def keeper():
    actor = NestActor()
    yield actor
    with actor._process as process:
        process.stdin.close()


@pytest.fixture
def nest(keeper):
    """A nest's actor, and the nest's process."""
    keeper.address()
    return keeper, keeper._process


def spec_of(experiment="neural-playground", **how):
    knobs = experiments()[experiment].knobs_type(**how.pop("knobs", {})).model_dump(mode="json")
    return pickle.dumps(RunSpec("run", experiment, knobs, 0, "cpu", **how))


def messages(said):
    return [pickle.loads(one) for one in said]


def state_of(said):
    return [one.event for one in said if isinstance(one, Event) and one.event["type"] == "state"][-1]


def wait_until(true):
    latest = time.monotonic() + ENOUGH
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.01)


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


def test_runs_are_forks_that_tell_their_end(nest):
    actor, process = nest
    for _ in range(3):
        *said, last = RunActor().train(spec_of(max_steps=5), actor.address())
        outputs = [one for batch in said for one in messages(batch)]
        assert state_of(outputs)["status"] == "finished"
        assert last == ("failed", "the worker process ended with exit code 0")
    assert process.poll() is None


def test_a_killed_fork_is_told_and_the_nest_lives_on(nest):
    actor, process = nest
    for end in (signal.SIGKILL, signal.SIGSEGV):
        said = RunActor().train(spec_of(), actor.address())
        next(batch for batch in said if any(isinstance(one, ScalarsFrame) for one in messages(batch)))
        (pid,) = children_of(process.pid)
        os.kill(pid, end)
        *_, last = said
        assert last == ("failed", f"the worker process was killed by signal {int(end)}")
    assert process.poll() is None


def test_a_fork_that_hangs_is_killed_with_its_actor(nest):
    actor, process = nest
    said = RunActor().train(spec_of(), actor.address())
    next(batch for batch in said if any(isinstance(one, ScalarsFrame) for one in messages(batch)))
    (pid,) = children_of(process.pid)
    os.kill(pid, signal.SIGSTOP)
    said.close()
    wait_until(lambda: not children_of(process.pid))


def test_what_takes_too_much_memory_says_which_knob(nest):
    actor, _ = nest
    spec = spec_of("mlp-digits", knobs={"batch_size": 128}, memory_mb=16)
    *said, _ = RunActor().train(spec, actor.address())
    state = state_of([one for batch in said for one in messages(batch)])
    assert state["status"] == "failed"
    assert "batch_size: 128 is too large: a run may take 16 MiB of memory (setting RUN_MB)" in state["reason"]


def test_actor_and_fork_may_end_at_once(nest):
    actor, process = nest
    said = RunActor().train(spec_of(), actor.address())
    next(batch for batch in said if any(isinstance(one, ScalarsFrame) for one in messages(batch)))
    (pid,) = children_of(process.pid)
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    said.close()
    os.kill(process.pid, signal.SIGCONT)
    *_, last = RunActor().train(spec_of(max_steps=1), actor.address())
    assert last == ("failed", "the worker process ended with exit code 0")
    assert process.poll() is None


def test_a_nest_that_was_killed_is_replaced_and_reads_the_nodes_own_data(nest, tmp_path, monkeypatch):
    actor, process = nest
    before = actor.address()
    with process:
        process.kill()
    monkeypatch.setenv("DESCENT_HOME", str(tmp_path))
    file = OwnFiles(tmp_path / "data", most=1).add("points.csv", "table", POINTS).id
    assert actor.address() != before
    spec = spec_of(max_steps=1, knobs={"dataset": "file", "file": file})
    *said, last = RunActor().train(spec, actor.address())
    assert state_of([one for batch in said for one in messages(batch)])["status"] == "finished"
    assert last == ("failed", "the worker process ended with exit code 0")


def test_actors_end_with_rays_own_process():
    told = (
        "import os, time; from descent.workers.on_ray.actor import RunActor;"
        "RunActor(); print(os.getpid(), flush=True); time.sleep(60)"
    )
    begin = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {told!r}]).wait()"
    with subprocess.Popen([sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
        wait_until(lambda: not alive(pid))
