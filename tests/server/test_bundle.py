"""Runs that leave as a bundle and come back, and bundles that nobody should trust."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import pickle
import random
import re
import runpy
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from descent import wire
from descent.archive.bundle import zip as entries
from descent.archive.bundle.import_ import Intake
from descent.engine.messages import CheckpointTaken, Event, PanelFrame, ScalarsFrame
from descent.errors import BadArchive, TooLarge
from descent.runs.channel import Viewer
from descent.store.schema import CheckpointRow
from descent.store.store import Store
from descent.web.archive import Download
from tiny import REGISTRY, Tiny, loop_of

MIB = 1 << 20
Json = dict[str, Any]


@pytest.fixture
async def api(tiny_app, tmp_path):
    app = tiny_app(import_mb=1, home=tmp_path / "home")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        client.app = app
        yield client


def store_of(api) -> Store:
    return api.app.state.manager.history.store


async def until(api, run, condition):
    run = await api.app.state.manager.get(run["id"])
    viewer = Viewer(cursor=0)
    run.channel.viewers.add(viewer)
    async with asyncio.timeout(20):
        while not condition(run):
            viewer.wake.clear()
            await viewer.wake.wait()
    run.channel.viewers.discard(viewer)


async def asked(answering) -> Any:
    answer = await answering
    assert answer.is_success, answer.text
    is_json = answer.content and answer.headers["content-type"] == "application/json"
    return answer.json() if is_json else answer.content


async def steps(api, run, count):
    """Let a paused run take some steps."""
    done = (await asked(api.get(f"/api/runs/{run['id']}")))["step"] + count
    await asked(api.post(f"/api/runs/{run['id']}/step", json={"steps": count}))
    await until(api, run, lambda run: run.step == done)


async def trained(api) -> Json:
    """A run of 30 steps whose rate was changed after 10 and after 20."""
    run = await asked(api.post("/api/runs", json={"experiment": "tiny", "seed": 5, "paused": True}))
    path = f"/api/runs/{run['id']}"
    for lr in (0.2, 0.05, None):
        await steps(api, run, 10)
        if lr is not None:
            await asked(api.patch(path, json={"knobs": {"lr": lr}}))
    await asked(api.patch(path, json={"name": "여름", "tags": ["여름 학기"]}))
    return await asked(api.post(f"{path}/stop"))


async def branched(api, run, step, **knobs) -> Json:
    """A branch that trains to step 30 at least."""
    body = {"step": step, "knobs": knobs, "paused": True}
    branch = await asked(api.post(f"/api/runs/{run['id']}/branch", json=body))
    await until(api, branch, lambda run: run.status == "paused")
    await steps(api, branch, 30 - step)
    return await asked(api.post(f"/api/runs/{branch['id']}/stop"))


async def scalars(api, run) -> dict[int, dict[str, float]]:
    """Its scalars by step."""
    table = await asked(api.get(f"/api/runs/{run['id']}/scalars"))
    return {step: {n: v[i] for n, v in table.items()} for i, step in enumerate(table["step"])}


async def exported(api, run) -> bytes:
    return await asked(api.get(f"/api/runs/{run['id']}/export"))


async def imported(api, data) -> Json:
    return await asked(api.post("/api/runs/import", content=data))


async def drop_checkpoints(api, run):
    await api.app.state.manager.recorder.flush()
    with Session(store_of(api).engine) as session, session.begin():
        session.execute(delete(CheckpointRow).where(CheckpointRow.run == run["id"]))


# There and back


async def test_a_bundle_holds_everything_in_formats_that_anything_reads(api):
    run = await trained(api)
    answer = await api.get(f"/api/runs/{run['id']}/export")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="tiny-{run["id"]}.zip"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        said = json.loads(archive.read("run.json"))
        log = json.loads(archive.read("knobs.json"))
        events = [json.loads(line) for line in archive.read("events.jsonl").splitlines()]
        rows = list(csv.DictReader(io.StringIO(archive.read("scalars.csv").decode())))
        exact = wire.decode(archive.read("scalars.safetensors")).arrays
        frames = [name for name in archive.namelist() if name.startswith("frames/")]
        assert {wire.decode(archive.read(name)).panel for name in frames} == {"weights", "outputs"}
    assert (said["id"], said["experiment"], said["seed"], said["step"]) == (run["id"], "tiny", 5, 30)
    assert (said["name"], said["status"], said["format"], said["parent"]) == ("여름", "stopped", 1, None)
    assert said["built_with"] == said["began_with"] == {"lr": 0.1, "word": "a", "size": 3}
    assert said["environment"].keys() == {"descent", "numpy", "python", "system", "torch"}
    assert [(entry["step"], entry["knobs"].get("lr")) for entry in log] == [(0, 0.1), (10, 0.2), (20, 0.05)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert exact["step"].tolist() == [int(row["step"]) for row in rows] == list(range(30))
    assert exact["loss/train"].tolist() == [float(row["loss/train"]) for row in rows]


async def test_an_imported_run_is_the_run_under_an_id_of_its_own(api):
    run = await trained(api)
    copy = await imported(api, await exported(api, run))
    assert copy["id"] != run["id"]
    assert (run["imported"], copy["imported"]) == (False, True)
    listed = await asked(api.get("/api/runs"))
    assert {r["id"]: r["imported"] for r in listed} == {run["id"]: False, copy["id"]: True}
    same = ("experiment", "status", "step", "knobs", "seed", "name", "tags", "latest", "created_at", "reason")
    assert {name: copy[name] for name in same} == {name: run[name] for name in same}
    assert await scalars(api, copy) == await scalars(api, run)
    for what in ("knobs", "frames"):
        theirs = [await asked(api.get(f"/api/runs/{one['id']}/{what}")) for one in (copy, run)]
        assert theirs[0] == theirs[1]
    for panel in ("weights", "outputs"):
        path = f"frames/{panel}?step=30"
        one, other = [wire.decode(await asked(api.get(f"/api/runs/{r['id']}/{path}"))) for r in (copy, run)]
        assert one.run == copy["id"]
        assert (one.step, one.kind, one.meta) == (other.step, other.kind, other.meta)
        assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in other.arrays)
    assert {r["id"] for r in await asked(api.get("/api/runs"))} == {run["id"], copy["id"]}


async def test_the_answer_says_that_the_same_run_is_here_already(api):
    run = await trained(api)
    data = await exported(api, run)
    assert (await imported(api, data))["already"] == run["id"]
    await asked(api.delete(f"/api/runs/{run['id']}"))
    (copy,) = await asked(api.get("/api/runs"))
    assert (await imported(api, data))["already"] == copy["id"]
    for one in await asked(api.get("/api/runs")):
        await asked(api.delete(f"/api/runs/{one['id']}"))
    assert (await imported(api, data))["already"] is None


async def test_one_can_go_back_in_an_imported_run_and_go_on(api):
    run = await trained(api)
    before = await scalars(api, run)
    copy = await imported(api, await exported(api, run))
    await asked(api.delete(f"/api/runs/{run['id']}"))
    branch = await branched(api, copy, 5)
    assert (branch["parent"], branch["imported"]) == (copy["id"], True)
    # From step 10 on the original trained with other rates.
    assert {s: row for s, row in (await scalars(api, branch)).items() if s < 10} == {
        s: row for s, row in before.items() if 5 <= s < 10
    }
    await asked(api.post(f"/api/runs/{copy['id']}/resume"))
    await until(api, copy, lambda run: run.step > 40)
    await asked(api.post(f"/api/runs/{copy['id']}/stop"))
    after = await scalars(api, copy)
    assert list(after)[:41] == list(range(41))
    assert {step: after[step] for step in before} == before


async def test_a_branch_comes_alone_from_its_own_checkpoint_on(api):
    run = await trained(api)
    branch = await branched(api, run, 12, lr=0.4)
    before = await scalars(api, branch)
    data = await exported(api, branch)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        said = json.loads(archive.read("run.json"))
        assert said["parent"] == {"id": run["id"], "name": "여름", "branched_at": 12}
        assert said["begins_at"] == 12
        assert "checkpoints/12.safetensors" in archive.namelist()
    await asked(api.delete(f"/api/runs/{branch['id']}"))
    await asked(api.delete(f"/api/runs/{run['id']}"))
    copy = await imported(api, data)
    assert (copy["parent"], copy["branched_at"]) == (None, 12)
    assert await scalars(api, copy) == before
    again = await branched(api, copy, 15)
    assert await scalars(api, again) == {step: row for step, row in before.items() if step >= 15}


async def test_a_branch_without_its_checkpoint_comes_with_what_led_to_it(api):
    run = await trained(api)
    branch = await branched(api, run, 12, lr=0.4)
    twig = await branched(api, branch, 14, lr=0.3)
    theirs = [await scalars(api, one) for one in (run, branch, twig)]
    for one in (run, branch, twig):
        await drop_checkpoints(api, one)
    data = await exported(api, twig)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert json.loads(archive.read("run.json"))["begins_at"] is None
    for one in (twig, branch, run):
        await asked(api.delete(f"/api/runs/{one['id']}"))
    copy = await imported(api, data)
    whole = {s: row for s, row in theirs[0].items() if s < 12}
    whole |= {s: row for s, row in theirs[1].items() if s < 14} | theirs[2]
    assert await scalars(api, copy) == whole
    assert copy["branched_at"] is None
    log = await asked(api.get(f"/api/runs/{copy['id']}/knobs"))
    changes = [(entry["step"], entry["knobs"].get("lr")) for entry in log]
    assert changes == [(0, 0.1), (10, 0.2), (12, 0.4), (14, 0.3)]
    again = await branched(api, copy, 11)
    assert (await scalars(api, again))[11] == whole[11]
    again = await branched(api, copy, 20)
    assert await scalars(api, again) == {s: row for s, row in whole.items() if s >= 20}


async def test_a_run_that_is_alive_comes_back_interrupted(api):
    run = await asked(api.post("/api/runs", json={"experiment": "tiny"}))
    await until(api, run, lambda run: run.step > 20)
    data = await exported(api, run)
    await asked(api.post(f"/api/runs/{run['id']}/stop"))
    copy = await imported(api, data)
    assert (copy["status"], copy["reason"]) == ("interrupted", "")
    last = list(store_of(api).messages(copy["id"], "state"))[-1]
    assert json.loads(last.data)["status"] == "interrupted"
    assert store_of(api).interrupted() == []
    before = await scalars(api, copy)
    await asked(api.post(f"/api/runs/{copy['id']}/resume"))
    await until(api, copy, lambda run: run.step > copy["step"] + 5)
    await asked(api.post(f"/api/runs/{copy['id']}/stop"))
    after = await scalars(api, copy)
    assert list(after) == list(range(len(after)))
    assert {step: after[step] for step in before} == before


async def test_a_bundle_survives_a_second_journey(api):
    first = await imported(api, await exported(api, await trained(api)))
    data = await exported(api, first)
    second = await imported(api, data)
    assert contents(await exported(api, second)).keys() == contents(data).keys()
    assert await scalars(api, second) == await scalars(api, first)


async def test_a_run_leaves_as_a_script_that_trains_its_numbers(api, tmp_path):
    run = await trained(api)
    branch = await branched(api, run, 12, lr=0.4)
    answer = await api.get(f"/api/runs/{branch['id']}/script")
    assert answer.headers["content-type"].startswith("text/x-python")
    assert answer.headers["content-disposition"] == f'attachment; filename="tiny_{branch["id"]}.py"'
    (tmp_path / "script.py").write_text(answer.text, encoding="utf-8")
    script = runpy.run_path(str(tmp_path / "script.py"))
    assert script["STEPS"] == 30
    script["run"](30, "cpu", tmp_path / "out.csv", None)
    with (tmp_path / "out.csv").open(newline="") as file:
        found = {int(row["step"]): float(np.float32(row["loss/train"])) for row in csv.DictReader(file)}
    known = {s: row for s, row in (await scalars(api, run)).items() if s < 12} | await scalars(api, branch)
    assert found == {step: row["loss/train"] for step, row in known.items()}


async def test_scalars_leave_for_tensorboard(api):
    run = await trained(api)
    path = f"/api/runs/{run['id']}/export"
    answer = await api.get(path, params={"format": "tensorboard"})
    assert answer.headers["content-disposition"] == f'attachment; filename="tiny-{run["id"]}-tensorboard.zip"'
    assert ["tfevents" in name for name in contents(answer.content)] == [True]
    answer = await api.get(path, params={"format": "xml"})
    assert (answer.status_code, answer.json()["field"]) == (422, "format")


@pytest.mark.parametrize("what", ["export", "script"])
async def test_of_an_unknown_run_nothing_leaves(api, what):
    answer = await api.get(f"/api/runs/nope/{what}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-run")


async def test_where_nothing_is_recorded_nothing_leaves_or_enters(tiny_app):
    app = tiny_app(record=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as api,
    ):
        run = await asked(api.post("/api/runs", json={"experiment": "tiny", "paused": True}))
        for answering in (
            api.get(f"/api/runs/{run['id']}/export"),
            api.get(f"/api/runs/{run['id']}/script"),
            api.post("/api/runs/import", content=b""),
        ):
            answer = await answering
            assert (answer.status_code, answer.json()["code"]) == (409, "not-recorded")


async def test_a_store_that_cannot_be_written_to_is_left_as_it_was(api, monkeypatch):
    data = await exported(api, await trained(api))
    save, saved = Store.save, []
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"

    def save_once(store, batches):
        if saved:
            raise OperationalError("INSERT", {}, full)
        saved.append(save(store, batches))

    monkeypatch.setattr("descent.archive.bundle.import_.AT_ONCE", 1)
    monkeypatch.setattr(Store, "save", save_once)
    answer = await api.post("/api/runs/import", content=data)
    monkeypatch.undo()
    assert (answer.status_code, answer.json()["code"]) == (507, "not-written")
    assert "disk-full" in answer.json()["detail"]
    assert saved
    assert len(await asked(api.get("/api/runs"))) == 1


@pytest.mark.parametrize("done", [1, 2, 3])
def test_an_import_that_was_cut_off_leaves_nothing_behind(tmp_path, monkeypatch, done):
    monkeypatch.setattr("descent.archive.bundle.import_.AT_ONCE", 1)
    store = Store("", tmp_path)
    with Intake(io.BytesIO(zipped(sample())), MIB, REGISTRY) as intake:
        for work in itertools.islice(intake.steps(store), done):
            work()
        assert store.runs() == []
    assert (store.run(intake.run_id) is not None) == (done > 1)
    store.close()  # as it is when the server is killed: nobody said that the import has ended
    store = Store("", tmp_path)
    assert store.run(intake.run_id) is None
    assert [*store.messages(intake.run_id)] == []
    with Intake(io.BytesIO(zipped(sample())), MIB, REGISTRY) as intake:
        intake.write(store)
    store.close()
    store = Store("", tmp_path)
    assert [row.id for row in store.runs()] == [intake.run_id]
    store.close()


async def test_one_run_is_imported_at_a_time_one_waits_and_others_are_refused(api):
    data = await exported(api, await trained(api))
    go = asyncio.Event()
    begun = asyncio.Event()

    async def slowly():
        begun.set()
        yield data[:100]
        await go.wait()
        yield data[100:]

    first = asyncio.create_task(api.post("/api/runs/import", content=slowly()))
    await begun.wait()
    gate = api.app.state.imports
    async with asyncio.timeout(10):
        while not gate._free.locked():
            await asyncio.sleep(0)
        second = asyncio.create_task(api.post("/api/runs/import", content=data))
        while not gate._waiting:
            await asyncio.sleep(0)
    answer = await api.post("/api/runs/import", content=data)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-imports")
    go.set()
    assert [(await task).status_code for task in (first, second)] == [201, 201]
    assert (await api.post("/api/runs/import", content=data)).status_code == 201


async def test_an_upload_that_takes_for_ever_ends(api, monkeypatch):
    monkeypatch.setattr("descent.web.archive.UPLOAD_WITHIN", 0.05)

    async def never():
        yield b"PK"
        await asyncio.Event().wait()

    answer = await api.post("/api/runs/import", content=never())
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-archive")
    assert "was not sent within" in answer.json()["detail"]


async def test_all_imported_runs_together_have_a_limit(api, monkeypatch):
    data = await exported(api, await trained(api))
    monkeypatch.setattr(Store, "imported_bytes", lambda _: 4096 * MIB - len(data))
    await imported(api, data)
    monkeypatch.setattr(Store, "imported_bytes", lambda _: 4096 * MIB - len(data) + 1)
    answer = await api.post("/api/runs/import", content=data)
    assert (answer.status_code, answer.json()["code"]) == (507, "imports-full")
    assert "IMPORTS_MB" in answer.json()["detail"]
    monkeypatch.undo()
    (copy,) = [run for run in await asked(api.get("/api/runs")) if run["imported"]]
    taken_up = store_of(api).imported_bytes()
    assert taken_up > copy["recorded_bytes"] > 0
    await asked(api.delete(f"/api/runs/{copy['id']}"))
    assert store_of(api).imported_bytes() == 0


# Uploads


async def chunks(size, count):
    for _ in range(count):
        yield b"x" * size


@pytest.mark.parametrize("content", [b"x" * (MIB + 1), chunks(MIB // 4, 100)])
async def test_an_upload_over_the_limit_is_refused_before_it_is_read(api, content):
    answer = await api.post("/api/runs/import", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert answer.json()["params"]["limit"] == MIB


async def test_an_upload_larger_than_other_bodies_may_be_is_read(api):
    answer = await api.post("/api/runs/import", content=b"x" * 600_000)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-archive")


async def test_what_is_refused_leaves_no_run_and_no_file(api, tmp_path):
    data = contents(await exported(api, await trained(api)))
    answer = await api.post("/api/runs/import", content=zipped({**data, "run.json": b"{}"}))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (422, "bad-archive", "archive")
    assert problem["params"]["entry"] == "run.json"
    assert problem["detail"].startswith("run.json: ")
    assert len(await asked(api.get("/api/runs"))) == 1
    names = {path.name for path in (tmp_path / "home").iterdir()}
    assert {re.sub(r"(descent|class)\.db.*", "store", name) for name in names} <= {"store", "tapes"}


# Hostile bundles


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(
    content: Mapping[str, bytes], *, more: Callable[[zipfile.ZipFile], None] = lambda _: None
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        more(archive)
    return out.getvalue()


@cache
def sample() -> Mapping[str, bytes]:
    """A bundle's entries: a run of 8 steps with a change of knobs, two pictures and a checkpoint after 4."""
    loop, said = loop_of(Tiny, record_budget=0.01)
    built_with = loop.knobs.model_dump(mode="json")
    loop._become("running")
    for _ in range(4):
        loop._train(1)
    loop._set_knobs({"lr": 0.2})
    loop._keep()
    for _ in range(4):
        loop._train(1)
    loop._end("stopped", "user")
    events = [output for output in said if isinstance(output, Event)]
    (checkpoint,) = [output for output in said if isinstance(output, CheckpointTaken)]
    frames = [wire.decode(output.payload) for output in said if isinstance(output, ScalarsFrame)]
    columns = {n: np.concatenate([frame.arrays[n] for frame in frames]) for n in ("loss/train", "lr")}
    run = {
        "format": 1,
        "id": "0123456789ab",
        "experiment": "tiny",
        "name": "",
        "status": "stopped",
        "reason": "user",
        "step": 8,
        "begins_at": None,
        "parent": None,
        "seed": 0,
        "device": "cpu",
        "built_with": built_with,
        "began_with": built_with,
        "max_steps": None,
        "pace": None,
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:00:00Z",
        "environment": {"torch": "2"},
    }
    log = [{"step": 0, "knobs": built_with}, {"step": 4, "knobs": {"lr": 0.2}}]
    lines = [json.dumps({**output.event, "seq": number}) for number, output in enumerate(events, 1)]
    before = sum(output.seq <= checkpoint.seq for output in events)
    return {
        "run.json": json.dumps(run).encode(),
        "knobs.json": json.dumps(log).encode(),
        "events.jsonl": "\n".join(lines).encode(),
        "scalars.csv": b"step\r\n",
        "scalars.safetensors": wire.encode_columns("run", 0, np.arange(8), columns),
        **{f"frames/{one.panel}/8.safetensors": one.payload for one in said if isinstance(one, PanelFrame)},
        "checkpoints/4.safetensors": checkpoint.payload,
        "checkpoints/4.json": json.dumps({"seq": before, "knobs": dict(checkpoint.knobs)}).encode(),
    }


def taken(data: bytes, limit: int = 16 * MIB, store: Store | None = None) -> str:
    """The id of a run that was taken in."""
    with Intake(io.BytesIO(data), limit, REGISTRY) as intake:
        if store is not None:
            intake.write(store)
        return intake.run_id


def changed(name: str, /, **values: Any) -> dict[str, bytes]:
    """The sample with some fields of a JSON entry changed."""
    return {**sample(), name: json.dumps({**json.loads(sample()[name]), **values}).encode()}


def events_with(line: int, **values: Any) -> dict[str, bytes]:
    lines = [json.loads(text) for text in sample()["events.jsonl"].splitlines()]
    lines[line] |= values
    return {**sample(), "events.jsonl": "\n".join(map(json.dumps, lines)).encode()}


def scalars_of(**columns: np.ndarray) -> dict[str, bytes]:
    data = save_arrays(columns, {"type": "scalars", "run": "r", "seq": "1", "step": "1"})
    return {**sample(), "scalars.safetensors": data}


def frame_of(
    arrays: Mapping[str, np.ndarray] | None = None, rest: Any = None, **header: str
) -> dict[str, bytes]:
    """The sample with another picture of `weights`."""
    name = "frames/weights/8.safetensors"
    frame = wire.decode(sample()[name])
    kept = wire.metadata_of(sample()[name])
    meta = json.dumps(frame.meta if rest is None else rest)
    data = save_arrays(dict(frame.arrays if arrays is None else arrays), {**kept, "meta": meta, **header})
    return {**sample(), name: data}


def read_off(text: Any, **values: Any) -> Any:
    """The rest of the sample's picture of `weights`, with what is read from it."""
    return {**wire.decode(sample()["frames/weights/8.safetensors"]).meta, "reading": [text, values]}


def checkpoint_of(tensors: Mapping[str, np.ndarray] | None = None, **header: str) -> dict[str, bytes]:
    name = "checkpoints/4.safetensors"
    kept = wire.metadata_of(sample()[name])
    arrays = load_arrays(sample()[name]) if tensors is None else dict(tensors)
    return {**sample(), name: save_arrays(arrays, {**kept, **header})}


def chance_with(**values: Any) -> str:
    chance = json.loads(wire.metadata_of(sample()["checkpoints/4.safetensors"])["chance"])
    return json.dumps({**chance, **values})


def state_with(**values: Any) -> str:
    state = json.loads(wire.metadata_of(sample()["checkpoints/4.safetensors"])["state"])
    return json.dumps({**state, **values})


def without(*names: str) -> dict[str, bytes]:
    return {name: data for name, data in sample().items() if name not in names}


def renamed(old: str, new: str) -> dict[str, bytes]:
    return {new if name == old else name: data for name, data in sample().items()}


PICKLE = pickle.dumps({"weights": [1.0]})
WEIGHTS = np.zeros((1, 3), np.float32)
MALFORMED: dict[str, tuple[Callable[[], Mapping[str, bytes]], str]] = {
    # JSON
    "no run.json": (lambda: without("run.json"), "run.json: it is missing"),
    "no scalars": (lambda: without("scalars.safetensors"), "scalars.safetensors: it is missing"),
    "no JSON": (lambda: {**sample(), "run.json": b"{"}, "run.json: Invalid JSON"),
    "deep JSON": (lambda: {**sample(), "run.json": b"[" * 100_000}, "run.json: Invalid JSON"),
    "a pickle for JSON": (lambda: {**sample(), "run.json": PICKLE}, "run.json: Invalid JSON"),
    "a field too many": (lambda: changed("run.json", starred=True), "run.json: starred: Extra inputs"),
    "another format": (
        lambda: changed("run.json", format=2),
        "run.json: its format is 2, this version reads 1",
    ),
    "no such experiment": (
        lambda: changed("run.json", experiment="nope"),
        "run.json: there is no experiment 'nope'",
    ),
    "no such status": (lambda: changed("run.json", status="dreaming"), "run.json: status: "),
    "no such device": (lambda: changed("run.json", device="tpu"), "run.json: device: "),
    "a large seed": (lambda: changed("run.json", seed=2**32), "run.json: seed: "),
    "a long name": (lambda: changed("run.json", name="x" * 101), "run.json: name: "),
    "a long tag": (lambda: changed("run.json", tags=["x" * 31]), "run.json: tags: "),
    "a name with NUL": (lambda: changed("run.json", name="a\0b"), "run.json: name: "),
    "no time zone": (lambda: changed("run.json", created_at="2025-01-01T00:00:00"), "run.json: created_at: "),
    "beyond the calendar": (
        lambda: changed("run.json", created_at="0001-01-01T00:00:00+14:00"),
        "run.json: created_at",
    ),
    "steps without scalars": (lambda: changed("run.json", step=9), "run.json: it says 9 steps"),
    "an unknown knob": (
        lambda: changed("run.json", built_with={"speed": 1}),
        "run.json: tiny has no knob 'speed'",
    ),
    "a bad knob": (lambda: changed("run.json", built_with={"lr": -1}), "run.json: lr: "),
    "two sizes": (lambda: changed("run.json", began_with={"size": 4}), "run.json: size is fixed"),
    "other knobs": (lambda: {**sample(), "knobs.json": b"[]"}, "knobs.json: it differs"),
    "knobs and more": (
        lambda: {**sample(), "knobs.json": sample()["knobs.json"] + b"[]"},
        "knobs.json: there is more behind the array",
    ),
    "knobs cut off": (
        lambda: {**sample(), "knobs.json": sample()["knobs.json"][:-1]},
        "knobs.json: it is no array of JSON",
    ),
    "knobs of a wrong type": (
        lambda: {**sample(), "knobs.json": b"{}"},
        "knobs.json: Input should be a valid array",
    ),
    "events out of order": (lambda: events_with(1, seq=3), "events.jsonl line 2: its seq"),
    "an unknown event": (lambda: events_with(0, type="hello"), "events.jsonl line 1: "),
    "a time before the beginning": (
        lambda: events_with(0, seconds=-1),
        "events.jsonl line 1: clock.seconds: Input should be greater than or equal to 0",
    ),
    "a field in an event": (lambda: events_with(1, html="<b>"), "events.jsonl line 2: state.html: Extra"),
    "a knob in an event": (lambda: events_with(2, knobs={"lr": "fast"}), "events.jsonl line 3: lr: "),
    "a fixed knob in an event": (
        lambda: events_with(2, knobs={"size": 4}),
        "events.jsonl line 3: size is fixed",
    ),
    # Scalars
    "a pickle for scalars": (
        lambda: {**sample(), "scalars.safetensors": PICKLE},
        "scalars.safetensors: it is no frame",
    ),
    "a picture for scalars": (
        lambda: {**sample(), "scalars.safetensors": sample()["frames/weights/8.safetensors"]},
        "scalars.safetensors: it must hold",
    ),
    "doubles": (lambda: scalars_of(step=np.arange(8), loss=np.zeros(8)), "scalars.safetensors: it must hold"),
    "columns unlike": (
        lambda: scalars_of(step=np.arange(8), loss=np.zeros(7, np.float32)),
        "scalars.safetensors: it must",
    ),
    "steps twice": (
        lambda: scalars_of(step=np.array([0, 1, 1, 7])),
        "scalars.safetensors: its steps must rise",
    ),
    "steps that wrap": (
        lambda: scalars_of(step=np.array([2**62, -(2**62) - 2, 7])),
        "scalars.safetensors: its steps",
    ),
    "steps below 0": (lambda: scalars_of(step=np.array([-1, 7])), "scalars.safetensors: its steps must rise"),
    "a long scalar's name": (
        lambda: scalars_of(step=np.arange(8), **{"x" * 201: np.zeros(8, np.float32)}),
        "scalars.safetensors: it has over",
    ),
    **{
        f"a formula for a name: {name!r}": (
            lambda name=name: scalars_of(step=np.arange(8), **{name: np.zeros(8, np.float32)}),
            "scalars.safetensors: no scalar may be called",
        )
        for name in ("=HYPERLINK(1)", "+1", "-2", "@SUM(A1)", "\tx", "a\nb", "a\u202eb")
    },
    "tensors that overlap": (
        lambda: {**sample(), "scalars.safetensors": sample()["scalars.safetensors"][:-4]},
        "scalars.safetensors: it is no frame of scalars",
    ),
    # Pictures
    "a pickle for a picture": (
        lambda: {**sample(), "frames/weights/8.safetensors": PICKLE},
        "frames/weights/8.safetensors: it is no picture",
    ),
    "no such panel": (
        lambda: renamed("frames/weights/8.safetensors", "frames/nope/8.safetensors"),
        "no panel 'nope'",
    ),
    "a chart's picture": (
        lambda: renamed("frames/weights/8.safetensors", "frames/loss/8.safetensors"),
        "no panel 'loss'",
    ),
    "another panel's": (lambda: frame_of(panel="outputs"), "it says heatmap 'outputs' at step 8"),
    "another kind": (lambda: frame_of(kind="bars"), "it says bars 'weights' at step 8"),
    "another step": (lambda: frame_of(step="7"), "it says heatmap 'weights' at step 7"),
    "after the end": (
        lambda: renamed("frames/weights/8.safetensors", "frames/weights/9.safetensors"),
        "took 8 steps",
    ),
    "doubles in a picture": (lambda: frame_of({"values": np.zeros((1, 3))}), "values is float64"),
    "a wrong shape": (lambda: frame_of({"values": np.zeros(3, np.float32)}), "expected 2 dimensions"),
    "an endless side": (
        lambda: frame_of({"values": np.zeros((0, 2**40), np.float32)}),
        "values is float32 (0, 1099",
    ),
    "a field too many in a picture": (
        lambda: frame_of({"values": WEIGHTS, "html": WEIGHTS}),
        "its fields are",
    ),
    "a picture without an array": (lambda: frame_of({}, {"values": [[1.0]]}), "its fields are"),
    "an array where none belongs": (
        lambda: frame_of({"values": WEIGHTS, "rows": WEIGHTS}, {}),
        "its fields are",
    ),
    "an endless sentence": (lambda: frame_of(rest=read_off("…" * 201)), "at most 200 characters"),
    "a sentence that is none": (lambda: frame_of(rest=read_off({"html": "…"})), "it is no picture"),
    "a list for its rest": (lambda: frame_of(rest=[1]), "it is no picture"),
    # Checkpoints
    "a pickle for a checkpoint": (
        lambda: {**sample(), "checkpoints/4.safetensors": PICKLE},
        "checkpoints/4.safetensors: it is no checkpoint",
    ),
    "no knobs beside": (lambda: without("checkpoints/4.json"), "checkpoints/4.json: it is missing"),
    "no checkpoint beside": (
        lambda: without("checkpoints/4.safetensors"),
        "checkpoints/4.json: its checkpoint is missing",
    ),
    "an event to come": (
        lambda: changed("checkpoints/4.json", seq=99),
        "checkpoints/4.json: there is no event 99",
    ),
    "a checkpoint's knobs": (
        lambda: changed("checkpoints/4.json", knobs={"lr": -1}),
        "checkpoints/4.json: lr: ",
    ),
    "a checkpoint's size": (
        lambda: changed("checkpoints/4.json", knobs={"size": 4}),
        "checkpoints/4.json: size is fixed",
    ),
    "another checkpoint format": (lambda: checkpoint_of(format="2"), "its format is 2, this version reads 1"),
    "a state that is none": (lambda: checkpoint_of(state="[]"), "its state is no JSON object"),
    "a deep state": (lambda: checkpoint_of(state="[" * 100_000), "it is no checkpoint"),
    "a picture for a checkpoint": (
        lambda: {**sample(), "checkpoints/4.safetensors": sample()["frames/weights/8.safetensors"]},
        "checkpoints/4.safetensors: it is no checkpoint",
    ),
    "no random numbers": (lambda: checkpoint_of({"x": WEIGHTS}), "it is no checkpoint: 'rng/torch'"),
    "random floats": (lambda: checkpoint_of({"rng/torch": WEIGHTS}), "rng/torch is F32 (1, 3)"),
    "beyond NumPy's words": (
        lambda: checkpoint_of(chance=chance_with(numpy=["MT19937", [0] * 624, 625, 0, 0.0])),
        "it is no checkpoint",
    ),
    "few words": (
        lambda: checkpoint_of(chance=chance_with(numpy=["MT19937", [0], 0, 0, 0.0])),
        "it is no checkpoint",
    ),
    "a checkpoint of another step": (
        lambda: checkpoint_of(state=state_with(step_index=10**18)),
        "checkpoints/4.safetensors: it is no checkpoint: it says that it was taken after 1000000000000000000",
    ),
    "a checkpoint of no step": (lambda: checkpoint_of(state=state_with(step_index=None)), "after None steps"),
    "a checkpoint to come": (
        lambda: {
            **without("checkpoints/4.json", "checkpoints/4.safetensors"),
            "checkpoints/9.json": sample()["checkpoints/4.json"],
            "checkpoints/9.safetensors": sample()["checkpoints/4.safetensors"],
        },
        "checkpoints/9.safetensors: the record has the steps 0 to 8",
    ),
}


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "mps"])
def test_a_run_that_trained_elsewhere_goes_on_on_what_is_here(tmp_path, monkeypatch, device):
    store = Store("", tmp_path)
    assert store.run(taken(zipped(changed("run.json", device=device)), store=store)).device == "cpu"
    monkeypatch.setattr("descent.archive.bundle.import_.offered", lambda: ("cpu", "cuda:0", "cuda:1"))
    here = {"cpu": "cpu", "cuda": "cuda:0", "cuda:1": "cuda:1", "mps": "cpu"}[device]
    assert store.run(taken(zipped(changed("run.json", device=device)), store=store)).device == here
    store.close()


def test_why_a_device_was_chosen_comes_along(tmp_path):
    said = {"type": "device", "device": "cuda:0", "rates": {"cpu": 3.0, "cuda": 9.0}, "failed": {}, "step": 0}
    lines = [json.loads(line) for line in sample()["events.jsonl"].splitlines()]
    lines = [{**line, "seq": number} for number, line in enumerate([*lines, said], 1)]
    store = Store("", tmp_path)
    run = taken(zipped({**sample(), "events.jsonl": "\n".join(map(json.dumps, lines)).encode()}), store=store)
    (kept,) = store.messages(run, "device")
    assert json.loads(kept.data) == {**said, "seq": kept.seq}
    store.close()


def test_the_sample_of_these_tests_is_sound(tmp_path):
    store = Store("", tmp_path)
    row = store.run(taken(zipped(sample()), store=store))
    assert (row.status, row.step, row.knobs["lr"], row.name) == ("stopped", 8, 0.2, "")
    assert [kept.panel for kept in store.kept(row.id)] == ["", "outputs", "weights"]
    assert row.environment["imported"] == "0123456789ab"
    (checkpoint,) = store.checkpoints(row.id, 8)
    before = [m for m in store.messages(row.id) if m.kind == "knobs" and m.seq <= checkpoint.seq]
    assert len(before) == 1
    store.close()


def test_what_is_read_from_a_picture_travels(tmp_path):
    store = Store("", tmp_path)
    run = taken(zipped(frame_of(rest=read_off("{n} of them are dead.", n=3))), store=store)
    found = store.frame(run, "weights", 8)
    assert found
    assert wire.decode(found[1]).meta["reading"] == ["{n} of them are dead.", {"n": 3}]
    store.close()


def test_a_picture_of_an_earlier_version_may_lack_what_came_later(tmp_path):
    store = Store("", tmp_path)
    run = taken(zipped(frame_of(rest={"rows": ["a"]})), store=store)
    found = store.frame(run, "weights", 8)
    assert found
    meta = wire.decode(found[1]).meta
    assert (meta["rows"], meta["texts"], meta["annotate"]) == (["a"], [], False)
    store.close()


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_wrong_in_a_bundle_is_named(name):
    content, complaint = MALFORMED[name]
    with pytest.raises(BadArchive) as refusal:
        taken(zipped(content()))
    assert complaint in refusal.value.detail
    assert refusal.value.params["entry"] in refusal.value.detail


def entry(name: str, **attributes: Any) -> Callable[[zipfile.ZipFile], None]:
    """Add an entry whose list entry has some other attributes."""

    def add(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("frames/weights/7.safetensors")
        archive.writestr(info, b"x")
        info.filename = info.orig_filename = name
        for key, value in attributes.items():
            setattr(info, key, value)

    return add


@pytest.mark.parametrize(
    "name",
    [
        "../run.json",
        "frames/../../evil.safetensors",
        "/etc/passwd",
        "C:\\evil.json",
        "frames\\weights\\7.safetensors",
        "frames/weights/7.safetensors/",
        "frames/weights/07.safetensors",
        "frames/weights/-1.safetensors",
        "frames/weights/7.SAFETENSORS",
        "frames/weights/7.safetensors\n",
        "frames/wei/ghts/7.safetensors",
        "frames//7.safetensors",
        "checkpoints/4.pt",
        "checkpoints/٤.safetensors",
        "run.pkl",
        "",
        "한국어" * 1000,
    ],
)
def test_an_entry_of_another_name_is_refused(name):
    with pytest.raises(BadArchive, match="no entry may be called that"):
        taken(zipped(sample(), more=entry(name)))


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"external_attr": (stat.S_IFLNK | 0o777) << 16}, "it is no plain file"),
        ({"external_attr": (stat.S_IFIFO | 0o777) << 16}, "it is no plain file"),
        ({"flag_bits": 1}, "without a password"),
        ({"compress_type": zipfile.ZIP_LZMA}, "stored or deflated"),
        ({"compress_type": 97}, "stored or deflated"),
        ({"header_offset": 0}, "it cannot be unpacked"),
        ({"header_offset": 2**31}, "it cannot be unpacked"),
        ({"CRC": 1}, "it cannot be unpacked: Bad CRC-32"),
    ],
)
def test_an_entry_that_is_not_what_it_should_be_is_refused(attributes, complaint):
    name = "frames/weights/7.safetensors"
    with pytest.raises(BadArchive, match=complaint) as refusal:
        taken(zipped(sample(), more=entry(name, **attributes)))
    assert refusal.value.params["entry"] == name


@pytest.mark.parametrize("name", ["run.json", "run.json\0.txt"])
def test_an_entry_that_is_there_twice_is_refused(name):
    with pytest.raises(BadArchive, match=r"run\.json: it is there twice"):
        taken(zipped(sample(), more=entry(name)))


@pytest.mark.parametrize("data", [b"", b"PK", PICKLE, b"PK\5\6" + bytes(17), b"x" * 100_000])
def test_what_is_no_zip_file_is_refused(data):
    with pytest.raises(BadArchive, match="no whole zip file"):
        taken(data)


def test_a_bomb_is_refused_by_what_unpacks_and_not_by_what_it_says():
    name = "frames/weights/7.safetensors"
    bomb = zipped({**sample(), name: bytes(20 * MIB)})
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge) as refusal:
        taken(bomb, limit=512 * MIB)
    assert refusal.value.params == {"entry": name, "limit": 16 * MIB}
    said = bomb.replace((20 * MIB).to_bytes(4, "little"), (20).to_bytes(4, "little"))
    with pytest.raises(BadArchive, match="cannot be unpacked"):
        taken(said, limit=512 * MIB)


def test_many_entries_together_may_be_too_large_too():
    data = zipped(sample())
    size = sum(map(len, without("scalars.csv").values()))  # nobody needs to read the table
    taken(data, limit=size)
    with pytest.raises(TooLarge, match="the archive unpacks to more than") as refusal:
        taken(data, limit=size - 1)
    assert "IMPORT_MB" in refusal.value.detail


def test_a_long_list_of_entries_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(entries, "LIST", 200)
    with pytest.raises(BadArchive, match="its list of entries has"):
        taken(zipped(sample()))


def test_a_truncated_bundle_is_refused_wherever_it_ends():
    data = zipped(sample())
    for length in range(0, len(data), 97):
        with pytest.raises(BadArchive):
            taken(data[:length])


def test_a_damaged_bundle_is_taken_or_refused_and_nothing_else():
    data, chance, refused = zipped(sample()), random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        try:
            taken(bytes(damaged))
        except (BadArchive, TooLarge):
            refused += 1
    assert refused > 200


@pytest.mark.slow
def test_damage_that_a_checksum_does_not_show_is_taken_or_refused_and_nothing_else():
    names = [name for name in sample() if name != "scalars.csv"]
    chance, refused = random.Random(1), 0
    for _ in range(600):
        name = chance.choice(names)
        damaged = bytearray(sample()[name])
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(min(len(damaged), 2000))] = chance.randrange(256)
        try:
            taken(zipped({**sample(), name: bytes(damaged)}))
        except (BadArchive, TooLarge):
            refused += 1
    assert refused > 300


async def test_the_file_of_a_download_is_closed_although_who_asked_has_left():
    async def gone(*_):
        raise ConnectionResetError

    file = io.BytesIO(b"a zip")
    with pytest.raises(ClientDisconnect):
        await Download(file, {})({"type": "http", "asgi": {"spec_version": "2.4"}}, gone, gone)
    assert file.closed
