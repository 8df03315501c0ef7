"""A distributed training with real processes: what the page asks for, all of them do at the same step."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import LiveServers

WITHIN = 240.0  # seconds: importing DDP alone takes many on a busy machine
SCRIPT = """
import os, sys, time
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
import descent

torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
model = DistributedDataParallel(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)))
optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.5)
run = descent.watch(model, optimizer, name="together")
scale = run.knob("scale", 1.0, ge=0.5, le=2.0)
made = torch.Generator().manual_seed(rank)
step = 0
told = None
try:
    while True:
        x = torch.randn(8, 4, generator=made)
        loss = (scale.value * model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if rank == 0 or "alone" not in sys.argv:
            run.step(loss=loss)
        step += 1
        now = (optimizer.param_groups[0]["lr"], scale.value)
        if now != told:
            print("knobs", step, *now, flush=True)
            told = now
        (open(f"{os.environ['STEPS']}/{rank}", "w")).write(str(step))
        time.sleep(0.003)
except descent.Stopped:
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    print("stopped", step, weights.double().sum().item(), flush=True)
"""


@contextmanager
def two(folder: Path, server: str, *arguments: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Both processes of a training."""
    path = folder / "train.py"
    path.write_text(SCRIPT, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    usual = {**os.environ, "DESCENT_URL": server, "OMP_NUM_THREADS": "1", "STEPS": str(folder)}
    usual |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(path), *arguments],
            env={**usual, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN
    while not (there := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return there


def begun(server: str) -> str:
    """The run's id, once it trains."""
    runs = until(lambda: [run for run in httpx.get(f"{server}/api/runs").json() if run["step"] > 5])
    assert len(runs) == 1
    return str(runs[0]["id"])


@pytest.mark.slow
def test_all_processes_obey_at_the_same_step_and_their_weights_stay_the_same(
    live_server: LiveServers, tmp_path: Path
) -> None:
    server = live_server()
    with two(tmp_path, server) as processes:
        run = f"{server}/api/runs/{begun(server)}"

        def status() -> str:
            return str(httpx.get(run).json()["status"])

        def steps() -> list[str]:
            return [(tmp_path / str(rank)).read_text() for rank in range(2)]

        assert httpx.patch(run, json={"knobs": {"lr": 0.05}}).status_code == 200
        assert httpx.patch(run, json={"knobs": {"scale": 1.5}}).status_code == 200
        httpx.post(f"{run}/pause")
        until(lambda: status() == "paused")
        until(lambda: len(set(steps())) == 1 and "" not in steps())
        held = steps()
        time.sleep(2.5)  # longer than word is sent of
        assert steps() == held
        httpx.post(f"{run}/resume")
        until(lambda: int(steps()[1] or 0) > int(held[1]) + 5)
        httpx.post(f"{run}/stop")
        outputs = [process.communicate(timeout=WITHIN)[0] for process in processes]
    assert outputs[0] == outputs[1]
    lines = outputs[0].splitlines()
    assert [line.split()[2:] for line in lines[:-1]] == [["0.01", "1.0"], ["0.05", "1.0"], ["0.05", "1.5"]]
    assert lines[-1].startswith("stopped")


@pytest.mark.thorough
def test_where_one_process_alone_calls_step_nothing_can_be_set(
    live_server: LiveServers, tmp_path: Path
) -> None:
    server = live_server()
    with two(tmp_path, server, "alone") as processes:
        run = begun(server)
        described = httpx.get(f"{server}/api/runs/{run}/experiment").json()
        assert described["knobs"]["properties"] == {}
        processes[0].kill()
        assert "nothing can be set on the page" in processes[0].communicate()[1]
