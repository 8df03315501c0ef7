"""The gallery leads: a first start, the way back, what is running, chapters, the search."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from descent.registry import experiments
from lab import WITHIN, Open, run_id, wait_for_hero, wait_past

START = next(iter(experiments()))


def test_a_learner_starts_comes_back_and_ends_a_run(open_page: Open, server: str) -> None:
    page = open_page("/")
    start = page.get_by_test_id("start")
    expect(start).to_contain_text("Start here", timeout=WITHIN)
    expect(start).to_be_in_viewport()
    expect(page.get_by_test_id("continue")).to_have_count(0)
    expect(page.get_by_test_id("mark")).to_have_count(0)
    start.click()
    wait_for_hero(page)
    run = run_id(page)
    wait_past(page, 20)
    page.get_by_role("link", name="Descent", exact=True).click()

    resume = page.get_by_test_id("continue")
    expect(resume).to_contain_text(re.compile(r"step \d+"), timeout=WITHIN)
    expect(page.get_by_test_id("next")).to_be_visible()
    expect(page.get_by_test_id(f"card-{START}").get_by_test_id("mark")).to_contain_text("opened")
    resume.click()
    wait_for_hero(page)
    assert run_id(page) == run
    page.get_by_role("link", name="Descent", exact=True).click()

    running = page.get_by_test_id("running")
    row = running.get_by_role("listitem").filter(has=page.locator(f"a[href*='{run}']"))
    row.get_by_test_id("end").click()
    expect(row).to_have_count(0, timeout=WITHIN)
    httpx.delete(f"{server}/api/runs/{run}", timeout=30).raise_for_status()


def test_a_deleted_run_begins_anew(open_page: Open, server: str) -> None:
    with httpx.Client(base_url=server, timeout=30) as api:
        run = api.post("/api/runs", json={"experiment": START, "max_steps": 5}).json()["id"]
        page = open_page(f"/lab/{START}?run={run}", missing=True)
        wait_for_hero(page)
        page.get_by_role("link", name="Descent", exact=True).click()
        expect(page.get_by_test_id("continue")).to_have_attribute("href", re.compile(run), timeout=WITHIN)
        api.delete(f"/api/runs/{run}").raise_for_status()
    page.reload()
    again = page.get_by_test_id("continue")
    expect(again).to_contain_text("Open again", timeout=WITHIN)
    expect(again).to_have_attribute("href", f"/lab/{START}")


def test_the_search_finds_both_languages_and_says_when_it_finds_nothing(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_test_id("start").wait_for(timeout=WITHIN)
    page.keyboard.press("/")
    expect(page.get_by_test_id("search")).to_be_focused()
    page.keyboard.type("기울기 소실")
    result = page.get_by_test_id("result-neural-playground")
    expect(result.locator("mark")).to_have_text("그래디언트 소실", timeout=WITHIN)
    expect(page.get_by_test_id("start")).to_have_count(0)
    page.get_by_test_id("search").fill("σ(z)")
    expect(page.get_by_test_id("result-activations").locator("mark")).to_have_text("σ(z)", timeout=WITHIN)
    page.get_by_test_id("result-activations").click()
    page.wait_for_url("**/lab/activations*", timeout=WITHIN)
    page.go_back()
    expect(page.get_by_test_id("result-activations")).to_be_visible(timeout=WITHIN)
    page.get_by_test_id("search").fill("xyzzy")
    expect(page.get_by_test_id("found")).to_have_text("Nothing has “xyzzy”.", timeout=WITHIN)
    page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("start")).to_be_visible(timeout=WITHIN)
    expect(page.get_by_test_id("search")).to_be_focused()


def test_a_chapters_page_leads_to_its_experiments_and_the_next_chapter(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_test_id("chapter-optimisation").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Optimisation", timeout=WITHIN)
    expect(page.locator("article .katex").first).to_be_visible(timeout=WITHIN)
    ids = [id for id, entry in experiments().items() if entry.chapter == "optimisation"]
    links = page.get_by_test_id("path").get_by_role("link")
    assert [link.get_attribute("href") for link in links.all()] == [f"/lab/{id}" for id in ids]
    expect(page.locator("[data-testid^=card-]")).to_have_count(len(ids))
    page.get_by_role("link", name="Training").click()
    expect(page).to_have_title("Training · Descent", timeout=WITHIN)
    page.goto(page.url.replace("training", "cooking"))
    expect(page.get_by_test_id("nowhere")).to_be_visible(timeout=WITHIN)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_lines_of_chapters_do_not_wrap_on_the_smallest_phone(language: str, open_page: Open) -> None:
    page = open_page("/", language=language, width=360, height=740)
    page.get_by_test_id("start").wait_for(timeout=WITHIN)
    heights = page.locator(".about").evaluate_all("(all) => all.map((each) => each.clientHeight)")
    assert max(heights) < 24
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [1440, 2560])
def test_the_cards_fill_the_width_evenly(width: int, open_page: Open) -> None:
    page = open_page("/", width=width, height=1000)
    page.get_by_test_id("start").wait_for(timeout=WITHIN)
    boxes = [box for card in page.locator("[data-testid^=card-]").all() if (box := card.bounding_box())]
    left = min(box["x"] for box in boxes)
    right = width - max(box["x"] + box["width"] for box in boxes)
    assert left == pytest.approx(right, abs=2)
    assert left < 80


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_card_moves_when_pointed_at_or_focused_and_never_with_less_motion(
    motion: str, open_page: Open
) -> None:
    page = open_page("/", reduced_motion=motion)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith(".webp") else None)
    card, film = page.get_by_test_id(f"card-{START}"), page.get_by_test_id("film")
    wait_for_all_pictures(page)
    stills = page.locator("main img").evaluate_all("(all) => all.map((each) => each.src)")
    assert set(asked) <= set(stills), "a film is fetched before anybody points at its card"
    asked.clear()
    card.hover()
    if motion == "reduce":
        page.wait_for_timeout(500)
        expect(film).to_have_count(0)
        assert asked == []
        return
    expect(card.locator(film)).to_be_visible(timeout=WITHIN)
    page.mouse.move(0, 0)
    expect(film).to_have_count(0)
    card.focus()
    expect(card.locator(film)).to_be_visible()
    assert len(set(asked)) == 1


def test_all_pictures_are_there_to_be_printed(open_page: Open) -> None:
    wait_for_all_pictures(open_page("/"))


def wait_for_all_pictures(page: Page) -> None:
    """Without scrolling."""
    page.get_by_test_id("start").wait_for(timeout=WITHIN)
    page.wait_for_function(
        """() => {
          const all = [...document.querySelectorAll('[data-testid^=card-] img')];
          return all.length && all.every((each) => each.complete && each.naturalWidth);
        }""",
        timeout=WITHIN,
    )
