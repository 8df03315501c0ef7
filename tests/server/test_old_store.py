"""A store that version 0.1.0 wrote before the packages were laid out anew: its runs open, branch and resume.

`tests/fixtures/make_store.py` wrote it.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from descent.settings import Settings
from descent.web.app import create_server

STORE = Path(__file__).parents[1] / "fixtures" / "old_store.db"
BRANCHED_AT, STEPS = 9, 16
# Other rounding, of another kind of CPU, grows in a game of two networks and at rates that are too large.
PART = {"dcgan": 0.2, "search": 0.2}
NOISE = {"check/float32": 0.5}  # how far rounding leads a difference astray: each processor's own
LONG = 600  # steps of a longer run that are compared, at most

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("old")
    shutil.copy(STORE, home / "descent.db")
    server = create_server(Settings(home=home, port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client
    server.should_exit = True
    thread.join()


def scalars(client: httpx.Client, run: str) -> dict[int, dict[str, float]]:
    """The scalars of each step."""
    table = client.get(f"/api/runs/{run}/scalars").raise_for_status().json()
    steps = table.pop("step")
    rows = {step: {name: column[i] for name, column in table.items()} for i, step in enumerate(steps)}
    return {s: {name: value for name, value in row.items() if value is not None} for s, row in rows.items()}


def run_to(client: httpx.Client, run: str, step: int) -> dict[int, dict[str, float]]:
    """Its scalars, once a paused run has come to a step."""
    path = f"/api/runs/{run}"
    while (info := client.get(path).json())["status"] == "starting":
        time.sleep(0.02)
    client.post(f"{path}/step", json={"steps": step - info["step"]}).raise_for_status()
    deadline = time.monotonic() + 60
    while len(found := scalars(client, run)) < step - info["step"] and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def measured(rows: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
    """Without what a clock measured."""
    return {s: {n: v for n, v in row.items() if not n.startswith("time")} for s, row in rows.items()}


def runs(client: httpx.Client, kind: str) -> list[dict[str, Any]]:
    found = client.get("/api/runs", params={"search": kind, "limit": 100}).json()
    return [run for run in found if run["name"].endswith(kind)]


def test_every_experiment_is_in_it(client: httpx.Client) -> None:
    known = {found["id"] for found in client.get("/api/experiments").json()}
    recorded = {run["experiment"] for run in runs(client, "short")}
    assert len(recorded) == 20
    assert recorded <= known


def test_the_short_runs_branch_and_train_the_same_numbers(client: httpx.Client) -> None:
    for run in runs(client, "short"):
        before = scalars(client, run["id"])
        body = {"step": BRANCHED_AT, "knobs": {}, "paused": True}
        branch = client.post(f"/api/runs/{run['id']}/branch", json=body).raise_for_status().json()
        after = run_to(client, branch["id"], STEPS)
        was = {step: row for step, row in measured(before).items() if step >= BRANCHED_AT}
        assert measured(after).keys() == was.keys(), run["experiment"]
        for step, row in measured(after).items():
            assert row.keys() == was[step].keys()
            for name, value in row.items():
                part = NOISE.get(name, PART.get(run["experiment"], 1e-4))
                expected = pytest.approx(was[step][name], rel=part, abs=1e-7)
                assert value == expected, (run["experiment"], step, name)
        assert client.get(f"/api/runs/{run['id']}/frames").json()["frames"], run["experiment"]
        client.post(f"/api/runs/{branch['id']}/stop")


@pytest.mark.thorough
def test_the_longer_runs_branch_from_a_step_with_a_checkpoint_or_a_schedule(client: httpx.Client) -> None:
    for run in runs(client, "long"):
        before = scalars(client, run["id"])
        first = max(max(before) - LONG, max(before) // 2)
        body = {"step": first, "knobs": {}, "paused": True}
        branch = client.post(f"/api/runs/{run['id']}/branch", json=body).raise_for_status().json()
        after = run_to(client, branch["id"], max(before))
        for step, row in measured(after).items():
            assert row == pytest.approx(before[step], rel=1e-3, abs=1e-6), (run["experiment"], step)
        client.post(f"/api/runs/{branch['id']}/stop")


def test_they_resume(client: httpx.Client) -> None:
    for run in runs(client, "short"):
        path = f"/api/runs/{run['id']}"
        resumed = client.post(f"{path}/resume").raise_for_status().json()
        assert resumed["status"] in ("running", "queued", "starting"), json.dumps(resumed)
        deadline = time.monotonic() + 30
        while client.get(path).json()["step"] <= STEPS and time.monotonic() < deadline:
            time.sleep(0.02)
        assert client.get(path).json()["step"] > STEPS, run["experiment"]
        client.post(f"{path}/stop")
