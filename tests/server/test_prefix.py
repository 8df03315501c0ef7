"""A server behind a proxy: under a path of its own, and in frames of other pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from descent.settings import Settings

App = Callable[..., FastAPI]


def got(app: FastAPI, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, text and policy of what a browser asks for."""
    answer = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)).get(
        path, headers={"Accept": "text/html", **headers}
    )
    return answer.status_code, answer.text, answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/lab/tiny", "/base/", "/base/lab/tiny"])
def test_the_page_s_files_lie_below_the_root_path(tiny_app: App, path: str) -> None:
    status, text, _ = got(tiny_app(root_path="/base/"), path)
    assert status == 200
    assert '<meta name="base" content="/base" />' in text
    assert 'href="/base/favicon.svg"' in text
    assert 'src="/base/assets/' in text
    assert '"./' not in text


@pytest.mark.parametrize("path", ["/api/health", "/base/api/health", "/favicon.svg", "/base/favicon.svg"])
def test_requests_come_with_the_root_path_or_without(tiny_app: App, path: str) -> None:
    assert got(tiny_app(root_path="/base"), path)[0] == 200


def test_without_a_root_path_files_lie_at_the_root(tiny_app: App) -> None:
    assert 'href="/favicon.svg"' in got(tiny_app(), "/history")[1]


def test_a_forwarded_prefix_counts_only_where_it_is_trusted(tiny_app: App) -> None:
    told = {"X-Forwarded-Prefix": "/user/a%40b/proxy/8000/"}
    assert '"/favicon.svg"' in got(tiny_app(), "/", **told)[1]
    trusting = tiny_app(trusted_proxies="127.0.0.1", no_auth=True)
    assert '"/user/a%40b/proxy/8000/favicon.svg"' in got(trusting, "/lab/tiny", **told)[1]
    wicked = {"X-Forwarded-Prefix": '"><script>'}
    assert '"/favicon.svg"' in got(trusting, "/", **wicked)[1]
    elsewhere = {"X-Forwarded-Prefix": "//evil.example"}
    assert '"/favicon.svg"' in got(trusting, "/", **elsewhere)[1]


def test_only_embed_pages_are_shown_in_frames_and_by_default_of_this_server_s_own(tiny_app: App) -> None:
    app = tiny_app()
    assert got(app, "/embed/lab/tiny")[2].endswith("frame-ancestors 'self'")
    assert got(app, "/lab/tiny")[2].endswith("frame-ancestors 'self'")
    assert got(app, "/")[2].endswith("frame-ancestors 'self'")
    app = tiny_app(embed_in="https://blog.example, http://localhost:8888", root_path="/base")
    policy = got(app, "/base/embed/run/x")[2]
    assert policy.endswith("frame-ancestors 'self' https://blog.example http://localhost:8888")
    assert got(app, "/base/lab/tiny")[2].endswith("frame-ancestors 'self'")


@pytest.mark.parametrize(
    "origin", ["blog.example", "https://a.example/page", "https://a.example; x", "'none'"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="no origin"):
        Settings(embed_in=origin)


@pytest.mark.parametrize("path", ["base", "//evil.example", '/"', "/a b", "/a//b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="has to be a path"):
        Settings(root_path=path)
