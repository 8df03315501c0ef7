"""A real server and a real Chromium for the browser tests."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from descent.protocol import ENDED
from few import is_of_another
from lab import WITHIN, served

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
REFUSED = re.compile(r"status of (409|422|501)")
MISSING = re.compile(r"status of 404")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests need a browser and wait for other processes: each is tried up to three times. Those that
    open every lab are for `make thorough`, but for a few labs.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")
            if is_of_another(item):
                item.add_marker("thorough")
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that the module's tests share."""
    with served(tmp_path_factory.mktemp("home")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or the installed one, or Playwright's own.

    Not for the whole session: while Playwright is started, no other event loop can run in this thread.
    """
    path = os.environ.get("DESCENT_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of the app; fails the test on any error, console message or foreign request.

    `refused`: the server will refuse a knob's value, `missing`: it will not find something. The browser logs
    both. Runs that the test began are stopped after it: they would train beside all tests that follow.
    """
    contexts: list[BrowserContext] = []
    earlier = _training(server)
    complaints: list[str] = []

    def open_(
        path: str = "/",
        *,
        language: str = "en",
        theme: str = "light",
        width: int = 1440,
        height: int = 900,
        refused: bool = False,
        missing: bool = False,
        **options: object,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale="ko-KR" if language == "ko" else "en-GB",
            color_scheme="dark" if theme == "dark" else "light",
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        expected = [*([REFUSED] if refused else []), *([MISSING] if missing else [])]
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", lambda message: complaints.extend(_complaint(message, expected)))
        page.on(
            "request",
            lambda request: (
                complaints.append(f"request to {request.url}")
                if not request.url.startswith((server, "blob:", "data:"))
                else None
            ),
        )
        page.goto(server + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    for run in _training(server) - earlier:
        httpx.post(f"{server}/api/runs/{run}/stop", timeout=WITHIN / 1000)
    assert not complaints, complaints


def _training(server: str) -> set[str]:
    """The runs that have not ended."""
    listed = httpx.get(f"{server}/api/runs", timeout=WITHIN / 1000).json()
    return {run["id"] for run in listed if run["status"] not in ENDED}


def _complaint(message: ConsoleMessage, expected: list[re.Pattern[str]]) -> list[str]:
    """Errors and warnings, but not what is expected or the software rasteriser says of its speed."""
    serious = message.type in ("error", "warning") and "GL Driver Message" not in message.text
    return [message.text] if serious and not any(one.search(message.text) for one in expected) else []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where the tests leave their screenshots, for people to look at."""
    folder = Path(__file__).parent / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
