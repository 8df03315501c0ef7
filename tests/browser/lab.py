"""What tests of the lab in a browser share: waiting for it, and reading what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page

WITHIN = 20_000  # ms; a busy machine is slow, a broken page is slower
Open = Callable[..., Page]


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


def run_id(page: Page) -> str:
    page.wait_for_url("**/lab/*?run=*", timeout=WITHIN)
    return page.url.partition("run=")[2]
