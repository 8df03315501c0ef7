"""Panels of a run in another page, and the page under a path of a proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from prefixing import prefixed

from lab import WITHIN, Open, run_id, served, wait_for_hero, wait_past


def begun(server: str, experiment: str = "linear-regression") -> str:
    """A run that trains."""
    return str(httpx.post(f"{server}/api/runs", json={"experiment": experiment}).json()["id"])


@contextmanager
def blog(frames: list[str]) -> Iterator[str]:
    """A page of another origin with these frames in it: its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<!doctype html><title>A blog</title>{''.join(frames)}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_embed_page_has_the_chosen_panels_and_nothing_else(
    language: str, theme: str, open_page: Open, server: str, screenshots: Path
) -> None:
    run = begun(server)
    described = httpx.get(f"{server}/api/runs/{run}/experiment").json()
    names = [panel["name"] for panel in described["panels"] if not panel.get("group")][:2]
    page = open_page(
        f"/embed/run/{run}?panels={','.join(names)}&lang={language}", theme=theme, width=600, height=400
    )
    expect(page.locator(".panel")).to_have_count(2, timeout=WITHIN)
    assert page.locator(".panel").evaluate_all("all => all.map((one) => one.dataset.panel)") == names
    wait_past(page, 20)
    expect(page.get_by_test_id("language")).to_have_count(0)
    assert page.evaluate("document.scrollingElement.scrollHeight") <= 400
    page.wait_for_timeout(500)
    page.screenshot(path=screenshots / f"embed-{theme}-{language}.png")


def test_an_embedded_lab_begins_a_run_where_there_is_none(open_page: Open, server: str) -> None:
    page = open_page("/embed/lab/descent-2d", width=600, height=400)
    page.get_by_test_id("begin").click()
    wait_past(page, 5)
    expect(page.locator(".panel")).to_have_count(1)


def test_an_embed_page_that_is_none_says_so(open_page: Open) -> None:
    page = open_page("/embed/film/x", width=600, height=400)
    expect(page.get_by_test_id("embed")).to_contain_text("/embed/run/ID", timeout=WITHIN)


def test_the_snippet_of_the_lab_shows_its_panels_in_a_page_that_is_allowed(
    open_page: Open, server: str, browser: Browser, tmp_path: Path
) -> None:
    page = open_page("/lab/linear-regression")
    wait_for_hero(page)
    page.get_by_test_id("share").click()
    page.get_by_role("menuitem", name="Copy embed snippet").click()
    snippet = page.get_by_test_id("snippet").input_value()
    assert f"{server}/embed/run/{run_id(page)}?panels=" in snippet.replace("&amp;", "&")
    frames: list[str] = []
    with blog(frames) as foreign, served(tmp_path, "--embed-in", foreign) as (allowing, _):
        frames.append(
            f'<iframe src="{allowing}/embed/run/{begun(allowing)}" width="600" height="400"></iframe>'
        )
        context = browser.new_context()
        with blog(frames) as elsewhere:  # another port is another origin
            refused = context.new_page()
            with refused.expect_console_message(lambda message: "frame-ancestors" in message.text):
                refused.goto(elsewhere)
            refused.close()
        shown = context.new_page()
        shown.goto(foreign)
        panel = shown.frame_locator("iframe").locator(".panel[data-step]").first
        expect(panel).to_be_visible(timeout=WITHIN)
        context.close()


def without_strays(page: Page, strays: list[str]) -> None:
    assert not strays
    assert "/base/" in page.url


@pytest.mark.parametrize("options", [("--root-path", "/base")])
def test_the_whole_page_works_under_the_path_of_a_proxy(
    options: tuple[str, ...], browser: Browser, tmp_path: Path
) -> None:
    with served(tmp_path, *options) as (server, _), prefixed(server, "/base") as proxy:
        context = browser.new_context()
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{proxy.address}/base/")
        card = page.locator("a[href='/base/lab/linear-regression']").first
        expect(card).to_be_visible(timeout=WITHIN)
        card.click()
        wait_for_hero(page)
        wait_past(page, 20)
        assert page.url.startswith(f"{proxy.address}/base/lab/linear-regression?run=")
        page.reload()
        wait_past(page, 20)
        page.get_by_test_id("history").click()
        expect(page.locator("tbody tr").first).to_be_visible(timeout=WITHIN)
        assert page.url.startswith(f"{proxy.address}/base/history")
        page.go_back()
        wait_past(page, 20)
        page.get_by_test_id("share").click()
        page.get_by_role("menuitem", name="Copy link").click()
        link = page.get_by_test_id("link").input_value()
        assert link.startswith(f"{proxy.address}/base/lab/linear-regression?")
        page.goto(link)
        wait_past(page, 20)
        run = run_id(page)
        page.goto(f"{proxy.address}/base/embed/run/{run}")
        wait_past(page, 20)
        without_strays(page, proxy.strays)
        assert errors == []
        context.close()
