"""What a script may do much of: steps without a server, scalars, groups. And it may bring a server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from torch import nn

import descent
from conftest import LiveServers
from descent import wire
from descent.contract.panels import Maps
from descent.engine.messages import Control
from descent.watching import link
from descent.watching.run import WatchedRun

pytestmark = pytest.mark.slow

NOBODY = "http://127.0.0.1:1"
WITHIN = 60.0  # seconds


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN
    while not (there := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return there


def watched(url: str = NOBODY, **optimizer: Any) -> WatchedRun:
    model = nn.Linear(2, 1)
    return descent.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="bounds", url=url)


def test_a_million_steps_without_a_server_take_no_more_than_their_room(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    room = 1 << 20  # 32 MB would take ten million
    monkeypatch.setattr(link, "MOST_WAITING", room)
    run = watched()
    for i in range(1_000_000):
        run.step(loss=1.0 / (i + 1))
    waiting = run._talk._link
    assert waiting._size == sum(len(one.data) for one in waiting._durable) <= room
    assert 0 < waiting._dropped < 1_000_000
    told = [one for one in waiting._durable if one.first >= 0]
    assert told[-1].first + told[-1].steps > 990_000  # the oldest went
    assert all(a.first + a.steps == b.first for a, b in pairwise(told))  # without a gap
    run.finish()
    assert capfd.readouterr().err.count("the oldest scalars are dropped") == 1


def test_steps_that_are_only_noted_count_like_others(capfd: pytest.CaptureFixture[str]) -> None:
    run = watched()
    for i in range(5_000):
        run.step(loss=torch.tensor(float(i)), acc=1)
    assert run._notes is not None
    run.step(loss="no number")  # is told, and no step
    run.step(loss=torch.ones(2))
    run.step(other=7.0)  # a scalar that was not there before
    run.knob("later", 0.5, ge=0, le=1)
    run.step(loss=1.0)
    loop = run._loop
    assert loop is not None
    loop._flush()
    assert loop.step == 5_002
    told = [wire.decode(one.data) for one in run._talk._link._durable if one.first >= 0]  # type: ignore[arg-type]
    steps = [int(step) for frame in told for step in frame.arrays["step"]]
    assert steps == list(range(5_002))
    losses = [float(loss) for frame in told for loss in frame.arrays.get("loss", [])]
    assert losses[:5_000] == list(range(5_000))
    assert "later" in run._offer.writers
    run.finish()
    assert capfd.readouterr().err.count("training goes on") >= 2


def test_what_was_kept_comes_and_what_was_dropped_leaves_a_gap(
    live_server: LiveServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MOST_WAITING", 1 << 16)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = watched(f"http://127.0.0.1:{port}")
    for i in range(30_000):
        run.step(loss=float(i))
    address = live_server(on=port)
    found = until(lambda: httpx.get(f"{address}/api/runs").json())[0]

    def last() -> dict[str, Any]:
        run.step(loss=30_000.0)
        told: dict[str, Any] = httpx.get(f"{address}/api/runs/{found['id']}/scalars").json()
        return told if told["step"] and told["step"][-1] >= 30_000 else {}

    told = until(last)
    assert told["step"][0] > 0  # the oldest are not there
    assert 29_000 in told["step"]
    assert told["loss"][told["step"].index(29_000)] == 29_000
    run.finish()


def test_more_scalars_than_there_may_be_are_told_and_the_others_go_on(
    live_server: LiveServers, capfd: pytest.CaptureFixture[str]
) -> None:
    address = live_server()
    run = watched(address)
    for i in range(300):
        run.step(loss=0.5, **{f"value {i}": 1.0})
    found = until(lambda: httpx.get(f"{address}/api/runs").json())[0]

    def arrived() -> bool:
        run.step(loss=0.25)
        told = httpx.get(f"{address}/api/runs/{found['id']}/scalars").json()
        return 0.25 in told["loss"]

    until(arrived)
    run.finish()
    assert "there are 256 scalars already" in capfd.readouterr().err


def test_one_rate_moves_many_groups_in_proportion() -> None:
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(8))
    groups = [{"params": layer.parameters(), "lr": 0.1 * 2**-i} for i, layer in enumerate(layers)]
    optimizer = torch.optim.AdamW(groups)
    run = descent.watch(layers, optimizer, name="groups", url=NOBODY)
    run.step(loss=1.0)
    assert run._loop is not None
    assert [name for name in run._offer.writers if name.startswith(("lr", "beta"))] == ["lr"]
    run._loop._set_knobs({"lr": 0.4})
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.4 * 2**-i for i in range(8)])
    run.finish()


def test_feature_maps_are_those_of_the_convolutions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    run = descent.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="maps", url=NOBODY)
    image = torch.rand(1, 1, 6, 6)
    run.look(image)
    run.step(loss=1.0)
    assert run._loop is not None
    picture = run._loop.picture("maps")
    assert isinstance(picture, Maps)
    with torch.no_grad():
        first = model[0](image)[0]
        second = model[2](model[1](model[0](image)))[0]
    values = torch.as_tensor(picture.values).double()
    at = 0
    for wanted, shape, most in zip((image[0], first, second), picture.shapes, picture.ranges, strict=False):
        size = wanted.numel()
        assert tuple(shape) == tuple(wanted.shape)
        shown = (values[at : at + size] - 128) / 127 * most  # as bytes: 128 is 0
        assert (shown - wanted.flatten()).abs().max() <= most / 127
        at += size
    run.finish()


def test_a_drawn_schedule_drives_the_scripts_rate() -> None:
    run = watched()
    run.step(loss=1.0)
    assert run._loop is not None
    drawn = {"kind": "drawn", "points": [[0, 0.1], [10, 0.01]]}
    run._talk.inbox.put(Control("knobs", {"knobs": {"schedules": {"lr": drawn}}}))
    rates = []
    for _ in range(12):
        run.step(loss=1.0)
        rates.append(run._offer.readers["lr"]())
    assert rates[0] > rates[4] > rates[8]
    assert rates[-1] == pytest.approx(0.01, rel=0.05)
    run.finish()


SERVES = """
import torch, sys
from torch import nn
import descent
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
run = descent.watch(model, optimizer, name="served", url=sys.argv[1], serve=True)
for i in range(50):
    run.step(loss=1.0 / (i + 1))
"""


def test_a_server_is_started_beside_the_script_and_stays(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://localhost:{free.getsockname()[1]}"
    script = tmp_path / "served.py"
    script.write_text(textwrap.dedent(SERVES), encoding="utf-8")
    environment = {**os.environ, "DESCENT_HOME": str(tmp_path / "home")}
    command: list[Any] = [sys.executable, script, address]
    piped: Any = {"capture_output": True, "text": True}
    ended = subprocess.run(command, check=True, env=environment, timeout=WITHIN, **piped)
    begun = re.search(r"a server was started at \S+ \(process (\d+)", ended.stderr)
    assert begun, ended.stderr
    try:
        runs = until(lambda: httpx.get(f"{address}/api/runs").json())
        assert runs[0]["name"] == "served"
        until(lambda: httpx.get(f"{address}/api/runs/{runs[0]['id']}").json()["step"] == 50)
    finally:
        os.kill(int(begun[1]), signal.SIGTERM)
