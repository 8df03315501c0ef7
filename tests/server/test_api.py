"""Every REST route, against the app in this process (see `conftest.tiny_settings`)."""

import asyncio
import csv
import io
import json
import math

import httpx
import numpy as np
import pytest
from pydantic import TypeAdapter

from descent import __version__, registry, wire
from descent.contract.panels import Picture
from descent.runs.channel import Viewer
from descent.settings import Settings
from descent.web.descriptions import ExperimentDescription
from descent.web.experiments import describe
from descent.web.runs import FARTHEST, MOST_CHANGES

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def api(tiny_app):
    app = tiny_app(max_running=2, max_live=4)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=JSON) as client,
    ):
        client.app = app
        yield client


async def until(api, run, condition):
    """Wait until `condition(run)` holds; it is looked at whenever the run says something."""
    run = await api.app.state.manager.get(run["id"])
    viewer = Viewer(cursor=0)
    run.channel.viewers.add(viewer)
    async with asyncio.timeout(20):
        while not condition(run):
            viewer.wake.clear()
            await viewer.wake.wait()
    run.channel.viewers.discard(viewer)


async def new_run(api, **body):
    answer = await api.post("/api/runs", json={"experiment": "tiny", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def finished_run(api, steps=20, **body):
    run = await new_run(api, max_steps=steps, **body)
    await until(api, run, lambda run: run.status == "finished")
    return run


async def refused(answering, status, code, field):
    answer = await answering
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["field"] == field
    assert problem["detail"]
    return problem


# Health and experiments


async def test_health(api):
    told = {"status": "ok", "version": __version__, "device": "cpu", "devices": ["cpu"]}
    assert (await api.get("/api/health")).json() == told


async def test_experiments_are_listed_without_their_lessons_text(api):
    (tiny,) = (await api.get("/api/experiments")).json()
    assert tiny["id"] == "tiny"
    assert "lesson" not in tiny
    assert [panel["name"] for panel in tiny["panels"]] == ["loss", "weights", "outputs"]


async def test_an_experiment_has_knobs_panels_and_a_lesson(api):
    tiny = (await api.get("/api/experiments/tiny")).json()
    assert tiny["lesson"] == "<p>Tiny.</p>"
    assert tiny["knobs"]["properties"]["lr"] == {
        "default": 0.1,
        "description": "How far a step goes.",
        "maximum": 1e9,
        "minimum": 0,
        "title": "Learning rate",
        "type": "number",
        "x-live": True,
        "x-role": "rate",
    }
    assert tiny["knobs"]["properties"]["size"]["x-live"] is False
    assert tiny["panels"][0]["options"] == {
        "series": {"loss/train": "training"},
        "log": False,
        "smoothing": 0.0,
    }
    assert tiny["panels"][1]["kind"] == "heatmap"


async def test_an_experiment_speaks_korean(api):
    tiny = (await api.get("/api/experiments/tiny?lang=ko")).json()
    assert tiny["title"] == "작은 실험"
    assert tiny["knobs"]["properties"]["lr"]["title"] == "학습률"
    assert tiny["panels"][0]["options"]["series"] == {"loss/train": "훈련"}
    assert tiny["words"] == {"a": "가"}
    assert tiny["lesson"] == "<p>작습니다.</p>"


async def test_an_unknown_language_or_experiment_is_refused(api):
    await refused(api.get("/api/experiments?lang=fr"), 422, "bad-field", "lang")
    problem = await refused(api.get("/api/experiments/nope"), 404, "unknown-experiment", "experiment")
    assert "there are tiny" in problem["detail"]


# Runs


async def test_a_run_is_created_trained_and_shown(api):
    run = await new_run(api, knobs={"lr": 0.5}, seed=7, max_steps=30)
    assert run["experiment"] == "tiny"
    assert run["status"] == "starting"
    assert run["knobs"] == {"lr": 0.5, "word": "a", "size": 3}
    assert run["seed"] == 7
    assert run["device"] == "cpu"
    await until(api, run, lambda run: run.status == "finished")
    shown = (await api.get(f"/api/runs/{run['id']}")).json()
    assert (shown["status"], shown["step"], shown["reason"]) == ("finished", 30, "")


async def test_runs_are_listed_the_newest_first(api):
    ids = [(await new_run(api))["id"] for _ in range(3)]
    assert [run["id"] for run in (await api.get("/api/runs")).json()] == ids[::-1]


async def test_a_deleted_run_is_gone(api):
    run = await new_run(api)
    assert (await api.delete(f"/api/runs/{run['id']}")).status_code == 204
    await refused(api.get(f"/api/runs/{run['id']}"), 404, "unknown-run", "run")
    assert (await api.get("/api/runs")).json() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("PATCH", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/stop"),
        ("POST", "/step"),
        ("POST", "/pace"),
        ("GET", "/knobs"),
        ("GET", "/scalars"),
        ("GET", "/frames/weights"),
    ],
)
@pytest.mark.slow
async def test_an_unknown_run_is_refused_everywhere(api, method, path):
    body = {"PATCH": {"knobs": {}}, "POST": {"steps_per_second": 1}}.get(method)
    if path in ("/pause", "/resume", "/stop", "/step"):
        body = None
    await refused(api.request(method, f"/api/runs/nope{path}", json=body), 404, "unknown-run", "run")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "bad-field", "experiment"),
        ({"experiment": 3}, "bad-field", "experiment"),
        ({"experiment": "x" * 101}, "bad-field", "experiment"),
        ({"experiment": "tiny", "speed": 1}, "bad-field", "speed"),
        ({"experiment": "tiny", "seed": -1}, "bad-field", "seed"),
        ({"experiment": "tiny", "seed": 2**32}, "bad-field", "seed"),
        ({"experiment": "tiny", "device": "tpu"}, "bad-field", "device"),
        ({"experiment": "tiny", "max_steps": 0}, "bad-field", "max_steps"),
        ({"experiment": "tiny", "paused": "maybe"}, "bad-field", "paused"),
        ({"experiment": "tiny", "knobs": [1]}, "bad-field", "knobs"),
        ({"experiment": "tiny", "knobs": {"lr": -1}}, "bad-knob", "lr"),
        ({"experiment": "tiny", "knobs": {"speed": 1}}, "bad-knob", "speed"),
        ({"experiment": "tiny", "knobs": {"\ud800": 1}}, "bad-knob", "\ud800"),
        ({"experiment": "tiny", "knobs": {"size": "3"}}, "bad-knob", "size"),
        ({"experiment": "tiny", "device": "cuda"}, "no-device", "device"),
        ([], "bad-field", "body"),
    ],
)
@pytest.mark.slow
async def test_a_bad_run_is_refused_naming_the_field(api, body, code, field):
    await refused(api.post("/api/runs", content=json.dumps(body)), 422, code, field)
    assert (await api.get("/api/runs")).json() == []


async def test_a_run_of_an_unknown_experiment_is_refused(api):
    await refused(api.post("/api/runs", json={"experiment": "nope"}), 404, "unknown-experiment", "experiment")


@pytest.mark.parametrize(
    "text", ["{", "", "nonsense", '{"experiment": "tiny"', "\x00", "[" * 100_000, "1" * 5000]
)
@pytest.mark.slow
async def test_malformed_json_is_refused(api, text):
    answer = await api.post("/api/runs", content=text)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert answer.json().get("field", "body") == "body"


async def test_a_knob_that_is_not_a_number_in_json_is_refused(api):
    for text in ("NaN", "Infinity", "1e999"):
        body = '{"experiment": "tiny", "knobs": {"lr": %s}}' % text  # noqa: UP031
        await refused(api.post("/api/runs", content=body), 422, "bad-knob", "lr")


async def test_half_a_surrogate_pair_is_refused(api):
    body = r'{"experiment": "tiny", "knobs": {"word": "a\ud83d"}}'
    await refused(api.post("/api/runs", content=body), 422, "bad-knob", "knobs")


async def test_a_body_too_large_is_refused(api):
    await refused(api.post("/api/runs", content=b"x" * 300_000), 413, "too-large", "body")


async def test_too_many_runs_are_refused(api):
    for _ in range(4):
        await new_run(api, paused=True)
    await refused(api.post("/api/runs", json={"experiment": "tiny"}), 429, "too-many-runs", "experiment")


async def test_a_new_run_takes_a_plan_over_rest(api):
    changes = [{"step": 5, "knobs": {"lr": 0.25}}, {"step": 3, "knobs": {"word": "b"}}]
    answer = await api.post(
        "/api/runs",
        json={"experiment": "tiny", "changes": changes, "until": 8, "paused": True, "knobs": {"lr": 0.2}},
    )
    assert answer.status_code == 201, answer.text
    run = answer.json()
    await until(api, run, lambda run: run.status == "paused")
    shown = (await api.get(f"/api/runs/{run['id']}")).json()
    assert (shown["status"], shown["step"], shown["knobs"]["lr"]) == ("paused", 8, 0.25)
    log = (await api.get(f"/api/runs/{run['id']}/knobs")).json()
    assert [(one["step"], one["knobs"]) for one in log[1:]] == [(3, {"word": "b"}), (5, {"lr": 0.25})]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"until": FARTHEST + 1}, "bad-field", "until"),
        ({"until": -1}, "bad-field", "until"),
        ({"changes": [{"step": -1, "knobs": {}}]}, "bad-field", "changes.0.step"),
        ({"changes": [{"step": 1, "knobs": {}, "more": 1}]}, "bad-field", "changes.0.more"),
        ({"changes": [{"step": 1, "knobs": {}}] * (MOST_CHANGES + 1)}, "bad-field", "changes"),
        ({"changes": [{"step": 1, "knobs": {"lr": -1}}]}, "bad-knob", "lr"),
        ({"changes": [{"step": 1, "knobs": {"nothing": 1}}]}, "bad-knob", "nothing"),
        ({"changes": [{"step": 1, "knobs": {"size": 4}}]}, "fixed-knob", "size"),
        (
            {"changes": [{"step": 1, "knobs": {"schedules": {"lr": {"kind": "no"}}}}]},
            "bad-schedule",
            "schedules",
        ),
    ],
)
@pytest.mark.slow
async def test_a_plan_that_cannot_be_followed_is_refused_by_its_field(api, body, code, field):
    status = 409 if code == "fixed-knob" else 422
    await refused(api.post("/api/runs", json={"experiment": "tiny", **body}), status, code, field)
    assert (await api.get("/api/runs")).json() == []


# Commands


async def test_live_knobs_of_a_running_run_take_effect_at_the_step_answered(api):
    run = await new_run(api, max_steps=None)
    path = f"/api/runs/{run['id']}"
    await until(api, run, lambda run: run.step > 10)
    answer = (await api.patch(path, json={"knobs": {"lr": 0.25}})).json()
    assert answer["knobs"] == {"lr": 0.25}
    await until(api, run, lambda run: run.step > answer["step"] + 10)
    await api.post(f"{path}/stop")
    table = (await api.get(f"{path}/scalars")).json()
    at = table["step"].index(answer["step"])
    assert table["lr"][at] == 0.25
    assert table["lr"][at - 1] == pytest.approx(0.1)
    log = (await api.get(f"{path}/knobs")).json()
    assert log == [
        {"step": 0, "knobs": {"lr": 0.1, "word": "a", "size": 3}},
        {"step": answer["step"], "knobs": {"lr": 0.25}},
    ]


async def test_a_knob_that_cannot_change_is_refused_and_the_run_goes_on(api):
    run = await new_run(api)
    path = f"/api/runs/{run['id']}"
    await refused(api.patch(path, json={"knobs": {"size": 4}}), 409, "fixed-knob", "size")
    await refused(api.patch(path, json={"knobs": {"lr": "fast"}}), 422, "bad-knob", "lr")
    await refused(api.patch(path, json={"knobs": {"word": "no"}}), 422, "bad-knob", "word")
    await refused(api.patch(path, json={"lr": 1}), 422, "bad-field", "lr")
    shown = (await api.get(path)).json()
    assert shown["status"] == "running"
    assert shown["knobs"] == run["knobs"]


async def test_pause_step_resume_and_stop(api):
    run = await new_run(api, paused=True)
    path = f"/api/runs/{run['id']}"
    assert (await api.post(f"{path}/pause")).json()["status"] == "paused"
    assert (await api.post(f"{path}/step")).status_code == 200
    assert (await api.post(f"{path}/step", json={"steps": 4})).status_code == 200
    await until(api, run, lambda run: run.step == 5)
    assert (await api.post(f"{path}/resume")).json()["status"] == "running"
    await until(api, run, lambda run: run.step > 50)
    assert (await api.post(f"{path}/pause")).json()["status"] == "paused"
    assert (await api.post(f"{path}/stop")).json()["status"] == "stopped"
    await refused(api.post(f"{path}/step"), 409, "wrong-state", "status")
    await refused(api.patch(path, json={"knobs": {"lr": 0.2}}), 409, "wrong-state", "status")
    await refused(api.post(f"{path}/pause"), 409, "wrong-state", "status")


@pytest.mark.parametrize("steps", [0, -1, 100_001, 1.5, "many", None])
@pytest.mark.slow
async def test_a_bad_number_of_steps_is_refused(api, steps):
    run = await new_run(api, paused=True)
    await refused(api.post(f"/api/runs/{run['id']}/step", json={"steps": steps}), 422, "bad-field", "steps")


async def test_pace(api):
    run = await new_run(api, paused=True)
    path = f"/api/runs/{run['id']}/pace"
    assert (await api.post(path, json={"steps_per_second": 5})).json()["pace"] == 5
    assert (await api.post(path, json={"steps_per_second": None})).json()["pace"] is None
    for bad in (0, -1, 1e7, "fast"):
        await refused(api.post(path, json={"steps_per_second": bad}), 422, "bad-field", "steps_per_second")
    await refused(api.post(path, json={}), 422, "bad-field", "steps_per_second")


# Reading


async def test_scalars_as_json_are_columns(api):
    run = await finished_run(api, steps=25)
    table = (await api.get(f"/api/runs/{run['id']}/scalars")).json()
    assert table["step"] == list(range(25))
    assert set(table) == {"step", "loss/train", "lr"}
    assert all(map(math.isfinite, table["loss/train"]))


async def test_scalars_as_csv_have_a_header_and_a_line_per_step(api):
    run = await finished_run(api, steps=25)
    answer = await api.get(f"/api/runs/{run['id']}/scalars?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(answer.text)))
    assert lines[0][0] == "step"
    assert set(lines[0]) == {"step", "loss/train", "lr"}
    assert [int(line[0]) for line in lines[1:]] == list(range(25))


async def test_what_was_not_finite_is_null_and_an_empty_cell(api):
    run = await new_run(api, knobs={"lr": 1e9})
    await until(api, run, lambda run: run.status == "diverged")
    path = f"/api/runs/{run['id']}/scalars"
    assert (await api.get(path)).json()["loss/train"][-1] is None
    *_, last = csv.DictReader(io.StringIO((await api.get(f"{path}?format=csv")).text))
    assert last["loss/train"] == ""


async def test_scalars_of_a_run_that_has_none(api):
    run = await new_run(api, paused=True)
    assert (await api.get(f"/api/runs/{run['id']}/scalars")).json() == {"step": []}
    await refused(api.get(f"/api/runs/{run['id']}/scalars?format=xml"), 422, "bad-field", "format")


async def test_the_last_frame_of_a_panel(api):
    run = await finished_run(api, steps=25)
    answer = await api.get(f"/api/runs/{run['id']}/frames/weights")
    assert answer.headers["x-step"] == "25"
    frame = wire.decode(answer.content)
    assert (frame.panel, frame.kind, frame.step, frame.run) == ("weights", "heatmap", 25, run["id"])
    assert (await api.get(f"/api/runs/{run['id']}/frames/weights?step=25")).status_code == 200


async def test_a_panel_is_read_by_numpy_without_pickle(api):
    run = await finished_run(api, steps=25)
    path = f"/api/runs/{run['id']}/frames/weights?step=25"
    frame = wire.decode((await api.get(path)).content)
    answer = await api.get(f"{path}&format=npz")
    assert answer.headers["x-step"] == "25"
    assert answer.headers["content-disposition"] == 'attachment; filename="tiny-weights-25.npz"'
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as data:
        assert set(data.files) == {*frame.arrays, "meta"}
        for name, array in frame.arrays.items():
            np.testing.assert_array_equal(data[name], array)
            assert data[name].dtype == array.dtype
        meta = json.loads(str(data["meta"]))
    assert {name: meta[name] for name in ("experiment", "run", "step", "panel", "kind")} == {
        "experiment": "tiny",
        "run": run["id"],
        "step": 25,
        "panel": "weights",
        "kind": "heatmap",
    }
    assert meta["fields"] == frame.meta
    path = f"/api/runs/{run['id']}/frames"
    await refused(api.get(f"{path}/nope?format=npz"), 404, "unknown-panel", "panels")
    await refused(api.get(f"{path}/loss?format=npz"), 404, "no-frame", "panel")
    await refused(api.get(f"{path}/weights?format=pickle"), 422, "bad-field", "format")


async def test_a_frame_that_is_not_there_is_refused(api):
    run = await finished_run(api, steps=25)
    path = f"/api/runs/{run['id']}/frames"
    for step in (-1, 10**30):
        await refused(api.get(f"{path}/weights?step={step}"), 422, "bad-field", "step")
    await refused(api.get(f"{path}/nope"), 404, "unknown-panel", "panels")
    await refused(api.get(f"{path}/loss"), 404, "no-frame", "panel")


# The record


async def test_a_branch_is_a_new_run_that_knows_where_it_comes_from(api):
    run = await finished_run(api, steps=25)
    answer = await api.post(f"/api/runs/{run['id']}/branch", json={"step": 10, "knobs": {"lr": 0.5}})
    assert answer.status_code == 201
    branch = answer.json()
    assert (branch["parent"], branch["branched_at"]) == (run["id"], 10)
    assert branch["branch_changes"] == {"lr": {"before": 0.1, "after": 0.5}}
    await until(api, branch, lambda branch: branch.status == "finished")
    path = f"/api/runs/{branch['id']}"
    assert (await api.get(f"{path}/scalars")).json()["step"] == list(range(10, 25))
    assert (await api.get(f"{path}/knobs")).json()[-1] == {"step": 10, "knobs": {"lr": 0.5}}
    family = (await api.get(f"{path}/family")).json()
    assert [member["id"] for member in family] == [run["id"], branch["id"]]


async def test_a_branch_that_cannot_be_is_refused(api):
    run = await finished_run(api, steps=25)
    path = f"/api/runs/{run['id']}/branch"
    await refused(api.post(path, json={"knobs": {"size": 4}}), 409, "different-shape", "size")
    await refused(api.post(path, json={"knobs": {"lr": -1}}), 422, "bad-knob", "lr")
    await refused(api.post(path, json={"step": 26}), 422, "bad-field", "step")
    await refused(api.post(path, json={"step": -1}), 422, "bad-field", "step")
    await refused(api.post("/api/runs/nope/branch", json={}), 404, "unknown-run", "run")
    assert len((await api.get("/api/runs")).json()) == 1


async def test_a_run_is_named_starred_and_found_again(api):
    run = await finished_run(api, steps=5)
    await finished_run(api, steps=5)
    path = f"/api/runs/{run['id']}"
    answer = await api.patch(path, json={"name": " the\u0000 best ", "starred": True})
    assert answer.json() == {"step": 5, "knobs": {}}
    shown = (await api.get(path)).json()
    assert (shown["name"], shown["starred"]) == ("the best", True)
    for query in ("search=BEST", "starred=true", f"search={run['id']}", "limit=1&offset=1"):
        assert [found["id"] for found in (await api.get(f"/api/runs?{query}")).json()] == [run["id"]]
    assert (await api.get("/api/runs?search=%00")).status_code == 200
    await refused(api.patch(path, json={"name": "x" * 101}), 422, "bad-field", "name")
    await refused(api.get("/api/runs?limit=1001"), 422, "bad-field", "limit")


async def test_a_run_is_found_by_its_tags(api):
    run = await finished_run(api, steps=5)
    other = await finished_run(api, steps=5)
    path = f"/api/runs/{run['id']}"
    await api.patch(path, json={"tags": [" week\n3 ", "기준", "Week 3"]})
    assert (await api.get(path)).json()["tags"] == ["week 3", "기준"]
    for query in ("tag=WEEK 3", "tag=기준", "search=기", "search=eek"):
        assert [found["id"] for found in (await api.get(f"/api/runs?{query}")).json()] == [run["id"]]
    assert (await api.get("/api/runs?tag=week")).json() == []
    assert (await api.get("/api/runs/tags")).json() == ["week 3", "기준"]
    for tags in (["x" * 31], ["a,b"], [" "], [f"tag {i}" for i in range(11)]):
        await refused(api.patch(path, json={"tags": tags}), 422, "bad-field", "tags")
    marks = {"ids": [run["id"], other["id"], "nope"], "starred": True}
    answer = await api.patch("/api/runs", json={**marks, "add_tags": ["both"], "remove_tags": ["WEEK 3"]})
    assert [(one["id"], one["tags"], one["starred"]) for one in answer.json()] == [
        (run["id"], ["기준", "both"], True),
        (other["id"], ["both"], True),
    ]
    full = {"ids": [run["id"]], "add_tags": [f"tag {i}" for i in range(9)]}
    await refused(api.patch("/api/runs", json=full), 422, "bad-field", "add_tags")
    await refused(api.patch("/api/runs", json={"ids": []}), 422, "bad-field", "ids")
    await refused(api.patch("/api/runs", json={"ids": ["x"] * 201}), 422, "bad-field", "ids")


async def test_a_list_of_runs_is_sorted_and_tells_how_long_it_is(api):
    short, long = [await finished_run(api, steps=steps) for steps in (5, 9)]
    wide = await finished_run(api, steps=7, knobs={"size": 5})
    for run, name in ((short, "beta"), (long, "Alpha")):
        await api.patch(f"/api/runs/{run['id']}", json={"name": name})

    async def order(query):
        answer = await api.get(f"/api/runs?{query}")
        assert answer.headers["X-Total-Count"] == "3"
        return [found["id"] for found in answer.json()]

    a, b, c = short["id"], long["id"], wide["id"]
    assert await order("") == [c, b, a]
    assert await order("descending=false") == [a, b, c]
    assert await order("sort=step") == [b, c, a]
    assert await order("sort=name&descending=false") == [b, a, c]
    assert await order("sort=name") == [a, b, c]  # one without a name is last, whichever way
    assert (await order("sort=changes"))[0] == c
    assert await order("sort=step&limit=1&offset=1") == [c]
    losses = {run["id"]: run["latest"]["loss/train"] for run in (await api.get("/api/runs")).json()}
    assert await order("sort=loss&descending=false") == sorted(losses, key=losses.get)
    await refused(api.get("/api/runs?sort=colour"), 422, "bad-field", "sort")


@pytest.mark.slow
async def test_a_run_is_found_by_the_title_of_its_experiment_in_either_language(api):
    run = await finished_run(api, steps=5)
    entry = api.app.state.registry["tiny"]
    for language in ("en", "ko"):
        found = await api.get("/api/runs", params={"search": entry.titled(language)[:5].upper()})
        assert [one["id"] for one in found.json()] == [run["id"]]


async def test_several_runs_are_deleted_at_once(api):
    gone, kept = [await finished_run(api, steps=5) for _ in range(2)]
    answer = await api.delete(f"/api/runs?id={gone['id']}&id=nope")
    assert answer.status_code == 204
    assert [run["id"] for run in (await api.get("/api/runs")).json()] == [kept["id"]]
    await refused(api.delete("/api/runs"), 422, "bad-field", "id")


async def test_a_moment_is_the_last_frame_of_each_panel_one_after_the_other(api):
    run = await finished_run(api, steps=25)
    path = f"/api/runs/{run['id']}"
    kept = (await api.get(f"{path}/frames")).json()
    assert kept["frames"]["weights"][-1] == 25
    body = (await api.get(f"{path}/moment?step=25&panel=weights&panel=loss&panel=outputs")).content
    frames = []
    while body:
        length = int.from_bytes(body[:4], "little")
        frames.append(wire.decode(body[4 : 4 + length]))
        body = body[4 + length :]
    assert [(frame.panel, frame.step) for frame in frames] == [("weights", 25), ("outputs", 25)]
    await refused(api.get(f"{path}/moment?step=25&panel=nope"), 404, "unknown-panel", "panels")
    await refused(api.get(f"{path}/moment?step=25"), 422, "bad-field", "panel")


async def test_a_server_that_records_nothing_refuses_what_needs_the_record(tiny_app):
    app = tiny_app(record=False)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=JSON) as client,
    ):
        run = await new_run(client, paused=True)
        path = f"/api/runs/{run['id']}"
        await refused(client.post(f"{path}/branch", json={}), 409, "not-recorded", "run")
        await refused(client.get(f"{path}/frames"), 409, "not-recorded", "run")
        assert [found["id"] for found in (await client.get("/api/runs")).json()] == [run["id"]]


# The rest


async def test_what_is_not_there_or_not_allowed_is_a_problem_too(api):
    for answer, status in ((await api.get("/api/nope"), 404), (await api.put("/api/runs"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_openapi_names_every_route_once_and_every_reference_resolves(api):
    schema = (await api.get("/api/openapi.json")).json()
    assert schema["openapi"].startswith("3.")
    operations = [o for path in schema["paths"].values() for o in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {"/api/health", "/api/experiments/{id}", "/api/runs", "/api/runs/{run_id}/frames/{panel}"} <= set(
        schema["paths"]
    )

    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            node = list(node.values())
        if isinstance(node, list):
            for item in node:
                yield from references(item)

    for reference in references(schema):
        here = schema
        for key in reference.removeprefix("#/").split("/"):
            here = here[key]
    assert (await api.get("/openapi.json")).status_code == 404
    assert (await api.get("/docs")).status_code == 404


async def test_openapi_says_what_travels_over_the_stream(api):
    schemas = (await api.get("/api/openapi.json")).json()["components"]["schemas"]
    for name, kinds in (("Command", {"watch", "knobs", "ack"}), ("Event", {"hello", "knobs", "diagnosis"})):
        named = [schemas[option["$ref"].rpartition("/")[2]] for option in schemas[name]["anyOf"]]
        assert kinds <= {schema["properties"]["type"]["const"] for schema in named}
        assert all("type" in schema["required"] for schema in named)
    assert "tag" not in schemas["SetKnobs"]["required"]
    assert set(schemas["RunInfo"]["required"]) == set(schemas["RunInfo"]["properties"])


async def test_openapi_says_what_the_frames_carry(api):
    schemas = (await api.get("/api/openapi.json")).json()["components"]["schemas"]
    pictures = schemas["Pictures"]["properties"]
    assert set(pictures) == set(Picture.kinds)
    assert pictures["lines"]["properties"]["tensors"]["enum"] == ["x", "values", "low", "high", "dots"]
    bars = schemas[pictures["bars"]["properties"]["meta"]["$ref"].rpartition("/")[2]]
    assert set(bars["required"]) == {"labels", "series", "range", "log", "note"}
    assert bars["properties"]["note"]["type"] == "string"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_experiment_is_described_as_the_schema_says(language):
    described = TypeAdapter(ExperimentDescription)
    for entry in registry.experiments().values():
        told = describe(entry, language)
        as_sent = json.dumps(told)
        understood = described.validate_json(as_sent, strict=True)
        assert json.loads(described.dump_json(understood)) == json.loads(as_sent)


async def test_every_setting_has_help():
    assert all(field.description for field in Settings.model_fields.values())
