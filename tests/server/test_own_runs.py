"""Runs of experiments of one's own, in real processes: begun, branched, exported, and after a change."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from conftest import serving
from descent.cli.main import cli
from descent.own.new import begin

pytestmark = pytest.mark.slow
WITHIN = 120.0  # seconds


def until(api: httpx.Client, path: str, holds: Callable[[Any], bool]) -> Any:
    """Ask again and again until the answer is as it should be."""
    latest = time.monotonic() + WITHIN
    while not holds(found := api.get(path).json()):
        assert time.monotonic() < latest, found
        time.sleep(0.05)
    return found


def run_of(api: httpx.Client, **body: Any) -> str:
    answer = api.post("/api/runs", json={"experiment": "spiral", "device": "cpu"} | body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def finished(api: httpx.Client, run: str) -> dict[str, Any]:
    found = until(
        api, f"/api/runs/{run}", lambda told: told["status"] not in ("queued", "starting", "running")
    )
    assert found["status"] == "finished", found
    return dict(found)


def losses(api: httpx.Client, run: str) -> dict[int, float]:
    table = api.get(f"/api/runs/{run}/scalars?format=csv").raise_for_status().text
    return {int(row["step"]): float(row["loss/train"]) for row in csv.DictReader(table.splitlines())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    begin("spiral", made := tmp_path / "my-lab", set())
    return made


def test_a_run_is_branched_swept_written_as_a_script_and_carried_as_a_bundle(
    folder: Path, tmp_path: Path
) -> None:
    file = folder / "spiral.py"
    text = file.read_text(encoding="utf-8")
    (folder / "_points.py").write_text("POINTS = 400\n", encoding="utf-8")
    file.write_text(text.replace("POINTS = 400\n", "from _points import POINTS\n\n"), encoding="utf-8")
    with (
        serving(tmp_path / "home", f"--experiments={folder}") as server,
        httpx.Client(base_url=server.url, timeout=WITHIN) as api,
    ):
        until(api, "/api/own", lambda own: not own["changing"])
        run = run_of(api, max_steps=60)
        assert finished(api, run)["step"] == 60
        whole = losses(api, run)

        branched = api.post(f"/api/runs/{run}/branch", json={"step": 20, "knobs": {"lr": 0.02}})
        assert branched.status_code == 201, branched.text
        branch = branched.json()["id"]
        until(api, f"/api/runs/{branch}", lambda told: told["step"] > 40)
        api.post(f"/api/runs/{branch}/stop")
        parted = losses(api, branch)
        assert parted[20] == whole[20], "the first step is that of the same state"
        assert parted[40] != whole[40]

        swept = api.post(f"/api/runs/{run}/sweep", json={"steps": 5, "values": [0.001, 0.1]})
        assert swept.status_code == 200
        assert len(swept.content) > 100

        script = api.get(f"/api/runs/{run}/script")
        assert script.status_code == 200, script.text
        assert "POINTS = 400" in script.text, "helpers beside the file go with it"
        assert "import descent" not in script.text
        assert "from descent" not in script.text
        (tmp_path / "script.py").write_text(script.text, encoding="utf-8")
        bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=bare, check=True, timeout=WITHIN)
        with (tmp_path / "scalars.csv").open(encoding="utf-8") as rows:
            again = {int(row["step"]): float(row["loss/train"]) for row in csv.DictReader(rows)}
        assert again == pytest.approx(whole, rel=1e-6)

        bundle = api.get(f"/api/runs/{run}/export").raise_for_status().content
        api.delete(f"/api/runs/{run}").raise_for_status()
        came = api.post("/api/runs/import", content=bundle, headers={"Content-Type": "application/zip"})
        assert came.status_code == 201, came.text
        copy = came.json()["id"]
        assert losses(api, copy) == whole
        resumed = api.post(f"/api/runs/{copy}/branch", json={"step": 30, "knobs": {}, "paused": True})
        assert resumed.status_code == 201, resumed.text


def test_a_saved_file_is_for_the_next_run_and_one_under_way_keeps_its_code(
    folder: Path, tmp_path: Path
) -> None:
    file = folder / "spiral.py"
    text = file.read_text(encoding="utf-8")
    with (
        serving(tmp_path / "home", f"--experiments={folder}", "--reload") as server,
        httpx.Client(base_url=server.url, timeout=WITHIN) as api,
    ):
        until(api, "/api/experiments", lambda all: any(one["id"] == "spiral" for one in all))
        old = run_of(api)
        version = api.get("/api/own").json()["version"]
        file.write_text(text.replace('return {"loss/train": loss.detach()}', 'return {"loss/train": 42.0}'))
        until(api, "/api/own", lambda own: own["version"] > version)
        new = run_of(api, max_steps=20)
        finished(api, new)
        assert set(losses(api, new).values()) == {42.0}
        step = api.get(f"/api/runs/{old}").json()["step"]
        until(api, f"/api/runs/{old}", lambda told: told["step"] > step)
        api.post(f"/api/runs/{old}/stop")
        assert 42.0 not in losses(api, old).values()

        version = api.get("/api/own").json()["version"]
        file.write_text("def f(:\n", encoding="utf-8")
        broken = until(api, "/api/own", lambda own: own["version"] > version)["broken"]
        assert [(one["file"], one["line"], one["reason"]) for one in broken] == [
            ("my-lab/spiral.py", 1, "syntax")
        ]
        refused = api.post("/api/runs", json={"experiment": "spiral"})
        assert (refused.status_code, refused.json()["code"]) == (409, "broken-experiment")
        assert "my-lab/spiral.py, line 1" in refused.json()["detail"]
        assert api.get(f"/api/runs/{old}").status_code == 200, "what is in memory knows its code"
        assert api.get("/api/experiments").status_code == 200


def test_a_recorded_run_whose_file_changed_or_went_is_told_of_in_a_sentence(
    folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    file = folder / "spiral.py"
    with (
        serving(home, f"--experiments={file}") as server,
        httpx.Client(base_url=server.url, timeout=WITHIN) as api,
    ):
        until(api, "/api/own", lambda own: not own["changing"])
        run = run_of(api, max_steps=30)
        finished(api, run)
    file.write_text(file.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with (
        serving(home, f"--experiments={folder}") as server,
        httpx.Client(base_url=server.url, timeout=WITHIN) as api,
    ):
        until(api, "/api/own", lambda own: not own["changing"])
        assert api.get(f"/api/runs/{run}").status_code == 200
        assert len(losses(api, run)) == 30
        assert api.get(f"/api/runs/{run}/frames/border?step=30").status_code == 200
        for answer in (
            api.post(f"/api/runs/{run}/branch", json={"step": 10, "knobs": {}}),
            api.post(f"/api/runs/{run}/sweep", json={"steps": 5, "values": [0.001, 0.1]}),
            api.get(f"/api/runs/{run}/script"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "code-changed"), answer.text
            assert "my-lab/spiral.py is not what it was" in answer.json()["detail"]
    with serving(home) as server, httpx.Client(base_url=server.url, timeout=WITHIN) as api:
        assert [one["id"] for one in api.get("/api/runs").json()] == [run]
        answer = api.get(f"/api/runs/{run}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-experiment")
        assert answer.json()["params"] == {"reason": "run", "experiment": "spiral"}


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["serve", "--experiments", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "nowhere is neither a folder nor a file of Python" in result.output
