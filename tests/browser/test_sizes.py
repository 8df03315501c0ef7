"""Labs on a projector, a small laptop, a large screen, and enlarged: nothing is cut, nothing scrolls away."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from few import labs
from lab import Open, show_all, wait_for_hero

SIZES = {"projector": (1366, 768), "small": (1024, 600), "large": (2560, 1440), "enlarged": (720, 450)}
LEAST_PLOT = 120  # px
SETTLED = 200  # ms: the layout is done, and a picture or two are drawn in it

CUT = """() => {
  const cut = [];
  for (const element of document.querySelectorAll('main *, header *, footer *')) {
    const style = getComputedStyle(element);
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !/hidden|clip/.test(style.overflowX + style.overflowY)) continue;
    if (style.clipPath !== 'none' || style.visibility === 'hidden') continue;
    if (!element.getClientRects().length || element.closest('select, textarea')) continue;
    const wide = style.overflowX !== 'auto' && element.scrollWidth > element.clientWidth + 1;
    const high = style.overflowY !== 'auto' && element.scrollHeight > element.clientHeight + 3;
    const opens = element.parentElement.querySelector('[data-testid=more]')
      ?? element.closest('.row')?.querySelector('[data-testid=why]');
    if ((wide || high) && !opens) cut.push(`${element.className}: ${element.textContent}`.slice(0, 90));
  }
  return cut;
}"""

LOW = """(least) => [...document.querySelectorAll('.panel .plot')]
  .filter((plot) => plot.clientHeight < least)
  .map((plot) => `${plot.closest('.panel').dataset.panel}: ${plot.clientHeight} px`)"""

EXTRA = """() => {
  const { scrollWidth, scrollHeight } = document.scrollingElement;
  return [scrollWidth - innerWidth, scrollHeight - innerHeight];
}"""


@pytest.mark.parametrize("experiment", labs())
def test_nothing_is_cut_at_any_size(experiment: str, open_page: Open, screenshots: Path) -> None:
    page = open_page(f"/lab/{experiment}", width=1366, height=768)
    wait_for_hero(page)
    found = problems(page, ("projector", "large"), screenshots / f"{experiment}-first-en")
    show_all(page)
    found += problems(page, SIZES, screenshots / f"{experiment}-own-en")
    effects = page.get_by_test_id("group-effects")
    page.set_viewport_size({"width": 1366, "height": 768})
    if effects.count():
        effects.click()
        found += problems(page, ("projector",), screenshots / f"{experiment}-effects-en")
        page.get_by_test_id("group-own").click()
    page.get_by_test_id("language").click()
    found += problems(page, ("projector", "enlarged"), screenshots / f"{experiment}-own-ko")
    assert not found, "\n".join(found)


def test_a_legend_without_room_is_whole_while_it_is_pointed_at(open_page: Open) -> None:
    page = open_page("/lab/schedules", width=1366, height=768)
    wait_for_hero(page)
    head = page.locator(".panel").filter(has=page.locator(".head.more")).first.locator(".head.more")
    last = head.get_by_role("button").last
    assert last.bounding_box()["y"] > head.bounding_box()["y"] + head.bounding_box()["height"] - 10  # type: ignore[index]
    head.hover(position={"x": 5, "y": 5})
    expect(last).to_be_in_viewport(ratio=1)
    assert head.evaluate("(head) => getComputedStyle(head).overflow") == "visible"
    last.click()
    expect(last).to_have_attribute("aria-pressed", "false")


def problems(page: Page, sizes: Container[str], picture: Path) -> list[str]:
    found = []
    for name, (width, height) in SIZES.items():
        if name not in sizes:
            continue
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(SETTLED)
        page.screenshot(path=f"{picture}-{name}.png")
        said = [f"the page is {extra} px too large" for extra in page.evaluate(EXTRA) if extra > 0]
        said += [f"cut: {text}" for text in page.evaluate(CUT)]
        said += [f"too low: {plot}" for plot in page.evaluate(LOW, LEAST_PLOT)]
        found += [f"{picture.name} {name}: {each}" for each in said]
    return found
