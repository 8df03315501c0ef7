"""What tests in a browser share: a server, waiting for the lab, and reading what it shows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from nursery import Served, nursery

START_WITHIN = 60  # seconds
WITHIN = 60_000  # ms; a busy machine is slow, a broken page is slower
Open = Callable[..., Page]


@contextlib.contextmanager
def served(home: Path, *options: str, opening: float = 0) -> Iterator[tuple[str, Served]]:
    """A server that records in `home`, on a free port: its address, and its process.

    With defaults, but runs begin at full speed, or with so many seconds of a slow `opening`.
    """
    process = nursery().serve("--port=0", f"--home={home}", *options, DESCENT_OPENING=str(opening))
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+/", line)
        assert address, f"the server did not say where it is: {line!r}"
        yield address[0].rstrip("/"), process
    finally:
        process.terminate()
        process.wait(START_WITHIN)
        process.close()


def step_of(page: Page) -> int:
    return int(re.sub(r"\D", "", page.get_by_test_id("step-count").inner_text()))


def wait_past(page: Page, step: int) -> None:
    page.wait_for_function(
        """(step) => {
          const shown = document.querySelector('[data-testid=step-count]')?.innerText ?? '';
          return Number(shown.replace(/\\D/g, '')) > step;
        }""",
        arg=step,
        timeout=WITHIN,
    )


def wait_for_hero(page: Page) -> None:
    page.wait_for_selector(".panel.hero[data-step]", timeout=WITHIN)


def show_all(page: Page) -> None:
    """The panels beyond the first four, too."""
    page.get_by_test_id("branch").wait_for(timeout=WITHIN)
    more = page.get_by_test_id("more-panels")
    if more.count() and more.get_attribute("aria-expanded") == "false":
        more.click()


def close_story(page: Page) -> None:
    """Where there is a story, the sentence to watch is shown instead."""
    page.locator("[data-testid=story-close], [data-testid=watch]").first.wait_for(timeout=WITHIN)
    if (close := page.get_by_test_id("story-close")).count():
        close.click()


def run_id(page: Page) -> str:
    page.wait_for_url("**/lab/*?run=*", timeout=WITHIN)
    return parse_qs(urlsplit(page.url).query)["run"][0]


def wait_to_leave(page: Page, run: str) -> None:
    """Until the page shows another run."""
    page.wait_for_function(
        "(run) => /[?&]run=/.test(location.search) && !location.search.includes('run=' + run)",
        arg=run,
        timeout=WITHIN,
    )


def asked(page: Page, name: str) -> str | None:
    return parse_qs(urlsplit(page.url).query).get(name, [None])[0]


def drag_to(page: Page, share: float) -> None:
    box = page.get_by_test_id("timeline").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, y, steps=5)
    page.mouse.up()


def wait_for_past(page: Page) -> int:
    """Until all pictures are of the past step looked at; that step."""
    page.wait_for_selector("[data-shown]", timeout=WITHIN)
    page.wait_for_function(
        "() => new URL(location.href).searchParams.get('step') === "
        "document.querySelector('[data-shown]')?.dataset.shown",
        timeout=WITHIN,
    )
    return int(asked(page, "step") or -1)


def chosen(page: Page, knob: str, value: str) -> str:
    """What is chosen from a list starts another run: its id, once it is there."""
    before = run_id(page)
    page.locator(f"[data-knob={knob}] select").select_option(value)
    wait_to_leave(page, before)
    return run_id(page)
