"""How far a learner's first minute is, measured in headless Chromium against the real server.

    python bench/first_minute.py

From the gallery's first lead into a lab of `neural-playground`, through its story to a run that breaks, and
back to before it broke. Prints, and checks against the targets: the clicks, and the seconds that the page
took (a learner reads besides); the time from the gallery to the first picture; how many of the panels'
pictures are in view at 1366 × 768, and how much of the last is not; and the tab stops to the pause button.
"""

from __future__ import annotations

import sys
import time

from playwright.sync_api import Page, sync_playwright

from served import served
from served.page import all_met, chromium

WITHIN = 60_000  # ms

IN_VIEW = """() => {
  const { bottom } = document.querySelector('.middle').getBoundingClientRect();
  const below = [...document.querySelectorAll('.panel')].map((panel) =>
    Math.max(0, panel.querySelector('.body').getBoundingClientRect().bottom - bottom));
  return [below.filter((px) => px === 0).length, Math.max(...below)];
}"""


class Learner:
    """Clicks, counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, test_id: str) -> None:
        """One click, once there is what is clicked at."""
        self.page.get_by_test_id(test_id).first.click(timeout=WITHIN)
        self.clicks += 1


def tab_stops(page: Page) -> int:
    """From the page's beginning to the pause button, by the skip link."""
    page.reload()
    page.wait_for_selector(".panel.hero[data-step]", timeout=WITHIN)
    page.keyboard.press("Tab")
    stops = 1
    while page.evaluate("() => document.activeElement?.dataset.testid") != "play":
        skips = page.evaluate("() => document.activeElement?.dataset.testid") == "skip-controls"
        page.keyboard.press("Enter" if skips else "Tab")
        stops += not skips
        if stops > 100:
            break
    return stops


def main() -> int:
    """Measure, print, and say whether every target is met."""
    with served() as address, sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(address)
        learner = Learner(page)
        page.locator("a[href='/lab/neural-playground']").first.wait_for(timeout=WITHIN)
        begin = time.perf_counter()
        page.locator("a[href='/lab/neural-playground']").first.click()
        learner.clicks += 1
        page.wait_for_selector(".panel.hero[data-step]", timeout=WITHIN)
        first_picture = time.perf_counter() - begin
        whole, beyond = page.evaluate(IN_VIEW)
        page.get_by_test_id("story-why").wait_for(timeout=WITHIN)
        for press in ("story-next", "answer-faster", "story-show"):
            learner.click(press)
        page.get_by_test_id("restore").first.wait_for(timeout=WITHIN)
        broken = time.perf_counter() - begin
        before = page.url
        learner.click("restore")
        page.wait_for_function("(url) => location.href !== url", arg=before, timeout=WITHIN)
        back = time.perf_counter() - begin
        stops = tab_stops(page)
        browser.close()
    figures = [
        ("clicks to a broken run and back", learner.clicks, 6, "≤"),
        ("seconds to a broken run", broken, 60, "≤"),
        ("seconds to a broken run and back", back, 60, "≤"),
        ("seconds from the gallery to the first picture", first_picture, 0.5, "≤"),
        ("pictures wholly in view at 1366 × 768", whole, 4, "≥"),
        ("the last one's part below the view, px", beyond, 0, "≤"),
        ("tab stops to pause", stops, 15, "≤"),
    ]
    return 0 if all_met(figures, digits=2) else 1


if __name__ == "__main__":
    sys.exit(main())
