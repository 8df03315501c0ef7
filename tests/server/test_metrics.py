"""What a server tells a monitor, and the line and the id of each request."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_watching import until


def told(client: httpx.Client) -> dict[str, dict[str, float]]:
    """Every sample by name and labels, as Prometheus reads it."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[",".join(sample.labels.values())] = sample.value
    return found


def test_runs_steps_refusals_and_the_loops_delay_are_told(live_server: Callable[..., str]) -> None:
    with httpx.Client(base_url=live_server(max_running=1), timeout=30) as client:
        before = told(client)
        assert before["descent_runs"]["running"] == 0
        first = client.post("/api/runs", json={"experiment": "tiny"}).json()["id"]
        client.post("/api/runs", json={"experiment": "tiny"})
        assert client.get("/api/runs/nothing").status_code == 404
        until(lambda: told(client)["descent_steps_total"][""] > 10)
        now = told(client)
        assert (now["descent_runs"]["running"], now["descent_runs"]["queued"]) == (1, 1)
        assert now["descent_people_training"][""] == 1
        assert now["descent_viewers"][""] == 0
        refused = now["descent_refused_total"]["unknown-run"]
        assert refused == before.get("descent_refused_total", {}).get("unknown-run", 0) + 1
        page = client.get("/api/server").json()  # the same, for the teacher's page
        assert (page["statuses"]["running"], page["statuses"]["queued"], page["slots"]) == (1, 1, 1)
        assert (page["people_training"], page["viewers"]) == (1, 0)
        assert page["steps"] >= now["descent_steps_total"][""]
        assert {"code": "unknown-run", "times": int(refused)} in page["refused"]
        until(lambda: told(client)["descent_loop_delay_seconds_count"][""] > 0)
        assert 0 <= client.get("/api/server").json()["late"] < page["uptime"] + 10
        until(lambda: "descent_recorded_bytes" in told(client))
        client.post(f"/api/runs/{first}/stop")
        until(lambda: told(client)["descent_runs"]["stopped"] == 1)


def test_an_answer_has_its_requests_id_and_no_line_is_written_unasked(
    live_server: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "descent.requests"), httpx.Client(base_url=live_server()) as client:
        ids = [client.get("/api/health").headers["x-request-id"] for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f]{16}", id) for id in ids)
    assert ids[0] != ids[1]
    assert not caplog.records


def test_a_line_says_who_asked_for_what(
    live_server: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    server = live_server(log_requests=True)
    with caplog.at_level(logging.INFO, "descent.requests"), httpx.Client(base_url=server) as client:
        answer = client.get("/api/runs", params={"search": "secret"})
        until(lambda: len(caplog.records) > 0)
    line: dict[str, Any] = json.loads(caplog.records[0].message)
    assert line["id"] == answer.headers["x-request-id"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/runs", 200)
    assert line["person"] == ""
    assert "secret" not in caplog.text
