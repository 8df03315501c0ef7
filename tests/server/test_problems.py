"""What the OpenAPI document says of errors is what the server answers; HEAD is answered wherever GET is."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from descent.web.problems import MEDIA_TYPE, statuses

pytestmark = pytest.mark.slow


@pytest.fixture
async def api(tiny_app, tmp_path):
    app = tiny_app(home=tmp_path)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def operations(api) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await api.get("/api/openapi.json")).json()
    assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status", "detail"]
    return [
        (method.upper(), path, operation)
        for path, found in document["paths"].items()
        for method, operation in found.items()
    ]


async def test_every_operation_declares_its_errors_as_problems(api):
    found = await operations(api)
    assert len(found) > 20
    for method, path, operation in found:
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == [MEDIA_TYPE], (method, path, status)
        assert {str(status) for status in statuses()} <= operation["responses"].keys()
    assert {400, 403, 404, 409, 413, 422, 429, 500, 504, 507} <= statuses().keys()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"json": {"surplus": [1]}},
        {"params": {"step": "x", "limit": "-1", "panel": ""}},
        {"headers": {"host": "evil.example"}},
        {"content": b"x" * 300_000},
    ],
    ids=["nothing", "broken JSON", "a field too many", "bad parameters", "a foreign host", "too much"],
)
async def test_what_is_refused_is_refused_as_declared(api, asked):
    refused = 0
    for method, path, operation in await operations(api):
        answer = await api.request(method, re.sub(r"{\w+}", "nope", path), **asked)
        if answer.status_code >= 400:
            refused += 1
            declared = operation["responses"][str(answer.status_code)]["content"]
            assert answer.headers["content-type"] in declared, (method, path, answer.status_code)
            assert {"type", "title", "status", "detail", "code"} <= answer.json().keys()
    assert refused > 15


async def test_head_is_answered_wherever_get_is_and_without_a_body(api):
    for path in ("/api/health", "/api/runs", "/api/experiments", "/api/runs/nope", "/api/nowhere", "/"):
        head, get = await api.head(path), await api.get(path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]
    assert (await api.head("/api/health")).status_code == (await api.head("/api/runs")).status_code == 200
