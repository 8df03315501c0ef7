"""What stands above the panels is whole, covers none of them, and does not move them while a run trains."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from lab import WITHIN, Open, wait_for_hero

SIZES = {390: 844, 768: 1024, 1366: 768}  # px
FOUND = "[data-testid=happened] [data-testid^=entry-]"

COVERED = """() => {
  const inner = (element) => element.getBoundingClientRect();
  const above = inner(document.querySelector('[data-testid=happened] > *'));
  return [...document.querySelectorAll('.panel')]
    .filter((panel) => {
      const box = inner(panel);
      const across = box.left < above.right && above.left < box.right;
      return across && box.top < above.bottom && above.top < box.bottom;
    })
    .map((panel) => `${panel.dataset.panel} under ${above.height} px`);
}"""

# Where the first panel has been since.
FOLLOW = """() => {
  globalThis.tops = new Set();
  const look = () => {
    const hero = document.querySelector('.panel.hero');
    if (hero) globalThis.tops.add(Math.round(hero.getBoundingClientRect().top + scrollY));
    requestAnimationFrame(look);
  };
  look();
}"""

SCROLLS = """() => [...document.querySelectorAll('.strip, .strip *')]
  .filter((e) => e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY !== 'visible')
  .map((e) => `${e.className}: ${e.scrollHeight} px in ${e.clientHeight}`)"""


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    ("experiment", "change"), [("learning-rate", "60*lr*1"), ("neural-playground", "100*lr*2")]
)
def test_findings_cover_no_panel_and_move_none(
    experiment: str, change: str, language: str, open_page: Open
) -> None:
    page = open_page(
        f"/lab/{experiment}?seed=0&device=cpu&log={change}", language=language, width=390, height=844
    )
    wait_for_hero(page)
    page.evaluate(FOLLOW)
    page.get_by_test_id("why").first.wait_for(timeout=WITHIN)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.locator(FOUND).first.is_visible()
        assert not page.evaluate(COVERED), f"at {width} px in {language}"
        if width == 390:
            assert len(page.evaluate("[...globalThis.tops]")) == 1, "the hero moved"
    page.get_by_test_id("why").first.click()
    expect(page.get_by_test_id("why").first).to_have_attribute("aria-expanded", "true")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_step_of_a_story_is_whole_and_ticking_it_moves_nothing(language: str, open_page: Open) -> None:
    page = open_page("/lab/learning-rate?seed=0&device=cpu&paused=1", language=language)
    wait_for_hero(page)
    ways = page.locator(".strip ol button")
    waiting = {width: heights(page, width) for width in SIZES}
    progress = json.dumps({"done": list(steps_of(page))[:-1], "closed": False, "of": ways.count()})
    page.evaluate("(kept) => localStorage.setItem('descent.story.learning-rate', kept)", progress)
    page.reload()
    wait_for_hero(page)
    expect(page.locator(".strip .done")).to_have_count(ways.count() - 1, timeout=WITHIN)
    for width in SIZES:
        assert heights(page, width) == waiting[width], f"at {width} px in {language}"
    page.set_viewport_size({"width": 390, "height": 844})
    hero = page.locator(".panel.hero").bounding_box()
    assert hero
    assert hero["y"] < 844 / 2


def heights(page: Page, width: int) -> list[int]:
    """Of the strip at each of the story's steps, where nothing scrolls."""
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    found = []
    for step in page.locator(".strip ol button").all():
        step.click()
        assert not page.evaluate(SCROLLS), f"at {width} px"
        found.append(page.locator(".strip").evaluate("(strip) => strip.offsetHeight"))
    return found


def steps_of(page: Page) -> list[str]:
    told = page.evaluate("fetch('/api/experiments/learning-rate').then((answer) => answer.json())")
    return [step["id"] for step in told["story"]]
