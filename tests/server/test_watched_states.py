"""States that a script's training loop keeps, and goes back to in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from torch import nn

import descent
from conftest import LiveServers
from descent.engine.messages import Control
from descent.watching.checkpoints import MOST_KEPT, Checkpoints, StateError
from descent.watching.run import WatchedRun

pytestmark = pytest.mark.slow

WITHIN = 60.0  # seconds

SCRIPT = """
import hashlib, random, sys
import numpy as np
import torch
from torch import nn
import descent

torch.manual_seed(0); random.seed(0); np.random.seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
seen = torch.zeros(3)
run = descent.watch(model, optimizer, name="kept")
run.state("scheduler", scheduler)
run.state("seen", get=lambda: {"seen": seen}, put=lambda kept: seen.copy_(kept["seen"]))

def digest():
    found = hashlib.sha256()
    parts = [*model.state_dict().values(), seen, torch.get_rng_state()]
    for state in optimizer.state.values():
        parts += [state["step"], state["exp_avg"], state["exp_avg_sq"]]
    for part in parts:
        found.update(part.numpy().tobytes())
    _, keys, place, *_ = np.random.get_state()
    last = [scheduler.last_epoch, random.getstate(), keys.tolist(), place]
    found.update(repr([optimizer.param_groups[0]["lr"], *last]).encode())
    return found.hexdigest()[:16]

step = 0
while True:
    x = torch.randn(8, 4) + random.random() + np.random.random()
    loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    seen += x.mean()
    step += 1
    run.step(loss=loss)
    print("after", step, digest(), flush=True)
    for line in sys.stdin if step % 20 == 0 else ():
        break
"""


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN
    while not (there := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return there


class Script:
    """A script that trains twenty steps at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.states: dict[int, str] = {}
        self.told: list[str] = []
        assert process.stdout is not None
        assert process.stderr is not None
        for read in (self._read_states, self._read_told):
            threading.Thread(target=read, daemon=True).start()

    def _read_states(self) -> None:
        for line in self._process.stdout or ():
            _, step, digest = line.split()
            self.states[int(step)] = digest

    def _read_told(self) -> None:
        self.told.extend(self._process.stderr or ())

    def train(self) -> int:
        """Train on; the step after which it waits."""
        assert self._process.stdin is not None
        last = max(self.states) + 20
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        until(lambda: last in self.states)
        return last


@contextmanager
def running(folder: Path, server: str) -> Iterator[Script]:
    path = folder / "train.py"
    path.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "DESCENT_URL": server, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(path)], text=True, env=environment, **pipes) as process:
        try:
            script = Script(process)
            until(lambda: 20 in script.states)
            yield script
        finally:
            process.kill()


def test_a_script_goes_back_to_its_own_state_bit_for_bit(live_server: LiveServers, tmp_path: Path) -> None:
    server = live_server()
    with running(tmp_path, server) as script, httpx.Client(base_url=server, timeout=WITHIN) as client:
        run = until(lambda: client.get("/api/runs").json())[0]["id"]
        until(lambda: client.get(f"/api/runs/{run}").json()["status"] == "running")

        def asked(what: str, **body: Any) -> httpx.Response:
            answers: list[httpx.Response] = []
            asking = threading.Thread(
                target=lambda: answers.append(client.post(f"/api/runs/{run}/{what}", json=body or None))
            )
            asking.start()
            while not answers:
                script.train()
            return answers[0]

        assert asked("back", step=0).json()["code"] == "not-recorded"
        assert asked("keep").status_code == 200
        for _ in range(3):
            script.train()
        answer = asked("back", step=10**6, knobs={})
        assert answer.status_code == 200, answer.text
        [told] = until(lambda: [line for line in script.told if "put back" in line])
        at, to = map(int, re.findall(r"step (\d+)", told))
        assert to < at
        script.train()
        states = script.states
        last = max(states)
        again_taken = range(min(last - at + 1, at - to))  # at `at` begins what was put back
        assert [states[at + n] for n in again_taken] == [states[to + n] for n in again_taken]
        assert states[at - 1] != states[to]
        assert client.get(f"/api/runs/{run}").json()["step"] >= at  # the count goes on

        script.train()
        asked("back", step=at)  # the state there is the one that was put back
        later = until(lambda: [line for line in script.told if "put back" in line][1:])[0]
        again, where = map(int, re.findall(r"step (\d+)", later))
        assert where == at
        script.train()
        assert states[again] == states[to]


def test_only_a_script_s_run_is_put_back_in_place(live_server: LiveServers) -> None:
    server = live_server()
    run = httpx.post(f"{server}/api/runs", json={"experiment": "tiny"}).json()["id"]
    answer = httpx.post(f"{server}/api/runs/{run}/back", json={"step": 0})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-recorded")


# Within this process


class Training:
    """A model, its optimizer, and a run that no server hears of."""

    def __init__(self, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.run: WatchedRun = descent.watch(self.model, self.optimizer, name="x", url="http://127.0.0.1:1")

    def step(self) -> None:
        x = torch.randn(4, 3)
        loss = (self.model(x) - x.sum()).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.run.step(loss=loss)

    def ask(self, name: Any, **arguments: Any) -> None:
        self.run._talk.inbox.put(Control(name, arguments))
        self.step()

    @property
    def weights(self) -> list[torch.Tensor]:
        return [p.detach().clone() for p in self.model.parameters()]


@pytest.fixture
def training() -> Iterator[Training]:
    found = Training()
    yield found
    found.run.finish()


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_settings_go_back_with_the_state_and_schedules_go_on_from_where_they_were(training: Training) -> None:
    loop_knobs = {"lr": 0.02, "schedules": {"lr": {"kind": "exponential", "every": 10, "factor": 0.5}}}
    training.step()
    group = training.optimizer.param_groups[0]
    training.ask("knobs", knobs=loop_knobs)
    for _ in range(4):
        training.step()
    training.ask("keep")
    rates = [group["lr"]]
    for _ in range(5):
        training.step()
        rates.append(group["lr"])
    assert rates == sorted(rates, reverse=True)
    training.ask("knobs", knobs={"lr": 0.5})
    assert group["lr"] == 0.5
    training.ask("back", step=10**6, knobs={})
    assert training.optimizer.param_groups[0] is group  # a scheduler of the script's may hold on to it
    found = [group["lr"]]
    for _ in range(5):
        training.step()
        found.append(group["lr"])
    assert found == pytest.approx(rates, rel=1e-12)


def test_going_back_can_change_a_setting(training: Training) -> None:
    training.step()
    training.ask("keep")
    training.ask("back", step=10**6, knobs={"lr": 0.3})
    assert training.optimizer.param_groups[0]["lr"] == 0.3


def test_a_state_that_cannot_be_put_back_changes_nothing(training: Training) -> None:
    def refuse(value: Any) -> None:
        raise RuntimeError("not now")

    training.step()
    training.run.state("mine", get=lambda: [1.0], put=refuse)
    training.ask("keep")
    for _ in range(3):
        training.step()
    before, moments = training.weights, training.optimizer.state_dict()["state"][0]["exp_avg"].clone()
    chance = torch.get_rng_state()
    checkpoints = training.run._checkpoints
    assert checkpoints is not None
    found = checkpoints.at(10**6)
    assert found is not None
    with pytest.raises(StateError, match="not now"):
        checkpoints.put_back(found, 99, lambda: None)
    assert same(before, training.weights)
    assert torch.equal(moments, training.optimizer.state_dict()["state"][0]["exp_avg"])
    assert torch.equal(chance, torch.get_rng_state())


def test_what_could_not_be_read_again_is_refused_at_once(
    training: Training, capfd: pytest.CaptureFixture[str]
) -> None:
    training.run.state("mine", get=lambda: {"x": training}, put=print)
    assert "mine has something beside tensors" in capfd.readouterr().err
    training.step()
    training.ask("keep")
    assert training.run._checkpoints is not None
    assert training.run._checkpoints.steps == [2]


def test_states_keep_to_their_room_and_lie_sparser_into_the_past() -> None:
    model = nn.Linear(500, 500)
    size = 4 * (500 * 500 + 500)
    checkpoints = Checkpoints(model, [], 10 * (size + (1 << 17)))
    for step in range(1, 201):
        checkpoints.keep(step, {})
    steps = checkpoints.steps
    assert len(steps) == 10
    assert (steps[0], steps[-1]) == (1, 200)
    gaps = [b - a for a, b in pairwise(steps)]
    assert gaps[-1] < gaps[0]
    tiny = Checkpoints(model, [], size)
    with pytest.raises(StateError, match="DESCENT_WATCH_CHECKPOINTS"):
        tiny.keep(1, {})
    checkpoints.close()
    many = Checkpoints(nn.Linear(1, 1), [], 1 << 30)
    for step in range(3 * MOST_KEPT):
        many.keep(step, {})
    assert len(many.steps) == MOST_KEPT
    many.close()


def test_a_state_that_was_put_back_is_found_before_an_earlier_one(training: Training) -> None:
    for _ in range(3):
        training.step()
        training.ask("keep")
    checkpoints = training.run._checkpoints
    assert checkpoints is not None
    first, *_, last = checkpoints.steps
    training.ask("back", step=first, knobs={})
    assert checkpoints.steps[-1] > last
    found = checkpoints.at(10**6)
    assert found is not None
    assert found.came == first


def test_a_state_that_is_not_finite_is_not_kept(training: Training) -> None:
    training.step()
    training.ask("keep")
    assert training.run._checkpoints is not None
    kept = list(training.run._checkpoints.steps)
    with torch.no_grad():
        training.model[0].weight.fill_(float("nan"))
    training.ask("keep")
    assert training.run._checkpoints.steps == kept


def test_the_clock_keeps_states_by_itself(training: Training) -> None:
    assert training.run._checkpoints is not None

    def kept() -> bool:
        training.step()
        return len(training.run._checkpoints.steps) > 1  # type: ignore[union-attr]

    until(kept)


@pytest.mark.parametrize("told", ["0", "nonsense"])
def test_no_room_is_no_checkpoint(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_WATCH_CHECKPOINTS", told)
    training = Training()
    training.step()
    training.ask("keep")
    training.ask("back", step=1, knobs={})
    assert training.run._checkpoints is None
    training.run.finish()
