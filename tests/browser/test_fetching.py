"""A data set is fetched at the setting that chooses it, and trained on once it is there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from filehost import Tap, Web, of_other_bytes
from lab import START_WITHIN, WITHIN, Open, run_id, wait_for_hero, wait_to_leave


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


PROGRAM = """
import socket
from pathlib import Path
from descent.datasets.catalogue import DataSet, File
from descent.settings import Settings
from descent.web.app import create_server

server = create_server(Settings(home=Path({home!r})), catalogue={catalogue!r})
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    server.run(sockets=[listening])
"""


@pytest.fixture(scope="module")
def server(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a process of its own that fetches the test's data sets."""
    program = PROGRAM.format(home=str(tmp_path_factory.mktemp("home")), catalogue=web.catalogue)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()
        process.wait(START_WITHIN)


def choosing(page: Page, name: str = "mnist") -> str:
    """Choose a set that is not there; the run that goes on meanwhile."""
    wait_for_hero(page)
    before = run_id(page)
    expect(page.locator("[data-knob=dataset] option").nth(1)).to_contain_text("MB", timeout=WITHIN)
    page.locator("[data-knob=dataset] select").select_option(name)
    expect(page.get_by_test_id(f"set-{name}")).to_be_visible(timeout=WITHIN)
    return before


def test_a_set_is_fetched_with_progress_and_then_trained_on_and_removed(
    web: Web, open_page: Open, screenshots: Path
) -> None:
    tap = Tap()
    web.handler.answers.append(tap)
    page = open_page("/lab/mlp-digits")
    before = choosing(page)
    row = page.get_by_test_id("set-mnist")
    expect(row).to_contain_text("Licence: MIT")
    assert run_id(page) == before  # nothing ends before there is something to train on
    row.get_by_role("button", name="Fetch").click()
    expect(row.get_by_role("progressbar", name="Fetching MNIST")).to_be_visible(timeout=WITHIN)
    row.screenshot(path=screenshots / "data-fetching.png")
    tap.opened.set()
    wait_to_leave(page, before)
    wait_for_hero(page)
    expect(page.locator("[data-knob=dataset] select")).to_have_value("mnist")
    row.get_by_role("button", name="Remove").click()
    row.get_by_role("button", name="Remove it for good?").click()
    expect(row.get_by_role("button", name="Fetch")).to_be_visible(timeout=WITHIN)


def test_a_run_that_lacks_its_data_says_so_at_the_setting_and_begins_when_they_are_there(
    server: str, open_page: Open
) -> None:
    page = open_page("/lab/mlp-digits", refused=True)
    before = choosing(page)
    knob = page.locator("[data-knob=dataset]")
    knob.get_by_role("button", name="Fetch").click()
    wait_to_leave(page, before)
    wait_for_hero(page)
    before = run_id(page)
    assert httpx.delete(f"{server}/api/data/mnist").json()["state"] == "absent"  # in another window
    page.get_by_test_id("reset").click()
    expect(knob.get_by_role("alert")).to_contain_text("MNIST is not on this machine yet", timeout=WITHIN)
    knob.get_by_role("button", name="Fetch").click()
    wait_to_leave(page, before)
    wait_for_hero(page)
    knob.get_by_role("button", name="Remove").click()
    knob.get_by_role("button", name="Remove it for good?").click()
    expect(knob.get_by_role("button", name="Fetch")).to_be_visible(timeout=WITHIN)


def test_a_fetch_that_is_cancelled_or_fails_leaves_the_run_as_it_was(web: Web, open_page: Open) -> None:
    tap = Tap()
    web.handler.answers[:] = [tap, of_other_bytes]
    page = open_page("/lab/mlp-digits", language="ko")
    before = choosing(page)
    row = page.get_by_test_id("set-mnist")
    row.get_by_role("button", name="내려받기").click()
    cancel = row.get_by_role("button", name="취소")
    expect(cancel).to_be_focused(timeout=WITHIN)  # the button that was pressed
    cancel.click()
    fetch = row.get_by_role("button", name="내려받기")
    expect(fetch).to_be_enabled(timeout=WITHIN)
    fetch.click()
    expect(row.get_by_role("alert")).to_contain_text("체크섬", timeout=WITHIN)
    page.locator("[data-knob=dataset] select").select_option("digits")
    expect(row).not_to_be_attached()
    assert run_id(page) == before
