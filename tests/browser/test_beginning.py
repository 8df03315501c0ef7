"""The first minute: an untrained picture, a pace the eye can follow, a story; the film of a run; undo."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from lab import WITHIN, Open, close_story, run_id, served, step_of, wait_for_hero, wait_past, wait_to_leave

# When the hero's first picture was there, and when the texts of the glossary, of refusals and of findings
# were asked for; ms.
NOTE_PICTURE = """new MutationObserver((_, observer) => {
  if (!document.querySelector('.panel.hero[data-step]')) return;
  globalThis.pictured = performance.now();
  observer.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true })"""
REST = """performance.getEntriesByType('resource')
  .filter(({ name }) => /(terms|errors|Entry)-[^/]*[.]js/.test(name)).map(({ startTime }) => startTime)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One whose runs begin slowly, as they do by default."""
    with served(tmp_path_factory.mktemp("home"), opening=2) as (address, _):
        yield address


def test_a_lab_opens_untrained_and_gets_faster(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    page.wait_for_selector(".panel.hero[data-step='0']", timeout=WITHIN)
    wait_past(page, 3)
    assert step_of(page) < 400
    wait_past(page, 3000)
    page.get_by_test_id("slower").click()
    expect(page.get_by_test_id("pace")).not_to_have_value("null", timeout=WITHIN)
    page.keyboard.press(".")
    page.keyboard.press(".")


def test_the_first_picture_is_there_before_the_rest_is_asked_for(open_page: Open) -> None:
    page = open_page("/history")
    page.add_init_script(NOTE_PICTURE)
    page.goto(page.url.replace("/history", "/lab/linear-regression"))
    wait_for_hero(page)
    page.wait_for_function(f"() => {REST}.length === 3", timeout=WITHIN)
    asked, pictured = page.evaluate(f"() => [{REST}, globalThis.pictured]")
    assert min(asked) > pictured, (asked, pictured)


def test_the_record_is_replayed_as_a_film(open_page: Open) -> None:
    page = open_page("/lab/linear-regression")
    wait_past(page, 40)
    page.keyboard.press("f")
    expect(page.get_by_test_id("replay")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="4×").click()
    timeline = page.get_by_test_id("timeline")
    seen = {timeline.get_attribute("aria-valuenow") for _ in range(12) if page.wait_for_timeout(150) is None}
    assert len(seen) >= 4, seen
    expect(page.get_by_test_id("replay")).to_have_attribute("aria-pressed", "false", timeout=WITHIN)
    expect(timeline).to_have_attribute("aria-valuetext", "now")


def test_a_story_leads_to_the_broken_run_and_back(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_for_hero(page)
    why, onward = page.get_by_test_id("story-why"), page.get_by_test_id("story-next")
    expect(why).to_be_visible(timeout=WITHIN)
    onward.click()
    page.get_by_test_id("answer-faster").click()
    page.get_by_test_id("story-show").click()
    expect(why).to_contain_text("You guessed", timeout=WITHIN)
    onward.click()
    page.get_by_test_id("story-show").click()
    expect(why).to_be_visible(timeout=WITHIN)
    onward.click()
    broken = run_id(page)
    page.get_by_test_id("restore").first.click(timeout=WITHIN)
    wait_to_leave(page, broken)
    expect(why).to_be_visible(timeout=WITHIN)
    page.reload()
    wait_for_hero(page)
    again = page.get_by_role("button", name=re.compile("^Step 1 of 4"))  # it is over, and begins anew
    expect(again).to_have_attribute("aria-current", "step", timeout=WITHIN)
    page.get_by_test_id("story-close").click()
    expect(page.get_by_test_id("watch")).to_be_visible()


def test_settings_are_undone_and_redone_by_keys(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_for_hero(page)
    rate = page.locator("[data-knob=lr] input.typed")
    before = rate.input_value()
    rate.fill("0.5")
    rate.press("Enter")
    page.locator("[data-knob=lr] input[type=range]").focus()
    page.keyboard.press("Control+z")
    expect(rate).to_have_value(before, timeout=WITHIN)
    page.keyboard.press("Control+Shift+z")
    expect(rate).to_have_value("0.5", timeout=WITHIN)


def test_charts_are_zoomed_together_and_count_epochs(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 400)
    charts = page.locator(".scalars .chart")
    box = charts.nth(0).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page.get_by_test_id("chart-whole")).to_have_count(charts.count(), timeout=WITHIN)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    for chart in charts.all():
        crosshair = chart.locator(".u-cursor-x")
        expect(crosshair).to_be_visible()
        assert crosshair.evaluate("line => new DOMMatrix(getComputedStyle(line).transform).e") > 0
    charts.nth(0).focus()
    for _ in range(12):
        page.keyboard.press("-")
    expect(page.get_by_test_id("chart-whole")).to_have_count(0)
    page.get_by_test_id("chart-controls").first.click()
    page.get_by_test_id("chart-unit").first.click()
    page.reload()
    wait_for_hero(page)
    page.get_by_test_id("chart-controls").first.click()
    expect(page.get_by_test_id("chart-unit").first).to_have_text("epochs")


def test_steps_of_a_slow_beginning_take_their_time_on_an_axis_of_seconds(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 3000)
    page.get_by_test_id("play").click()
    chart = page.locator(".scalars .chart").first

    def crosshair() -> float:
        """Where step 100 or one soon after it is, as a share of the width."""
        chart.focus()
        page.keyboard.press("Home")
        shown = page.get_by_role("tooltip").first
        for _ in range(200):
            page.keyboard.press("ArrowRight")
            if int(re.sub(r"\D", "", shown.inner_text().splitlines()[0])) >= 100:
                break
        box, line = chart.locator(".u-over").bounding_box(), chart.locator(".u-cursor-x").bounding_box()
        assert box
        assert line
        return (line["x"] - box["x"]) / box["width"]

    assert crosshair() < 0.1
    page.get_by_test_id("chart-controls").first.click()
    unit = page.get_by_test_id("chart-unit").first
    unit.click()
    unit.click()
    expect(unit).to_have_text("seconds")
    page.keyboard.press("Escape")
    assert crosshair() > 0.2


def test_pause_is_three_keys_away(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_for_hero(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("skip-controls")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("play")).to_be_focused()


def test_beginning_anew_is_undone(open_page: Open) -> None:
    page = open_page("/lab/linear-regression")
    wait_past(page, 20)
    first, reached = run_id(page), step_of(page)
    page.get_by_test_id("reset").click()
    wait_to_leave(page, first)
    page.get_by_test_id("unbegin").click()
    page.wait_for_url(f"**run={first}*", timeout=WITHIN)
    wait_past(page, reached + 5)


def test_a_run_that_has_come_to_its_end_says_what_to_try(open_page: Open) -> None:
    page = open_page("/lab/convolution")
    close_story(page)
    page.get_by_test_id("entry-end").wait_for(timeout=WITHIN)
    first = run_id(page)
    page.get_by_test_id("try-too-few").click()
    wait_to_leave(page, first)
    assert page.get_by_test_id("try-cnn-images").count() == 0


def test_a_term_is_explained_where_it_stands(open_page: Open) -> None:
    page = open_page("/lab/learning-rate?lang=ko")
    term = page.locator("h2 .term").first
    term.focus(timeout=WITHIN)
    expect(page.get_by_test_id("explanation")).to_contain_text("그래디언트 반대쪽")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("explanation")).to_have_count(0)
