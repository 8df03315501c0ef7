"""Texts in a real browser: typed into a model, read cell by cell, ranked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from lab import WITHIN, Open, chosen, run_id, show_all, wait_for_hero, wait_to_leave


def open_lab(open_page: Open, experiment: str, **options: str | bool) -> Page:
    page = open_page(f"/lab/{experiment}", **options)
    wait_for_hero(page)
    return page


def knob(page: Page, name: str) -> Locator:
    return page.locator(f"[data-knob={name}] input").last


def paste(page: Page, box: Locator, text: str) -> None:
    """In place of what is there, as from the clipboard: within the limits of the box."""
    box.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def test_what_is_typed_is_attended_to_at_once(open_page: Open) -> None:
    page = open_lab(open_page, "transformer")
    run = run_id(page)
    large = page.locator("[data-panel=cross_attention] .map canvas")
    knob(page, "word").fill("qxz")
    for key, letter in (("Home", "q"), ("ArrowRight", "x"), ("ArrowRight", "z")):
        large.focus()
        page.keyboard.press(key)
        expect(large).to_have_attribute("aria-label", re.compile(f"key \\d: “{letter}”"), timeout=WITHIN)
        expect(page.locator("[data-panel=cross_attention] .map")).to_contain_text(f"“{letter}”")
    assert run_id(page) == run


def test_a_letter_the_model_does_not_know_is_refused_while_it_stays_in_the_box(open_page: Open) -> None:
    page = open_lab(open_page, "transformer", language="ko")
    knob(page, "word").press_sequentially("가")
    problem = page.locator("[data-knob=word] [role=alert]")
    expect(problem).to_contain_text("가", timeout=WITHIN)
    assert re.search("[가-힣]{2}", problem.inner_text().replace("가", "", 1)), "it is not in Korean"
    expect(knob(page, "word")).to_have_value(re.compile("가"))
    step = page.locator(".panel.hero").get_attribute("data-step")
    expect(page.locator(".panel.hero")).not_to_have_attribute("data-step", step or "", timeout=WITHIN)
    knob(page, "word").fill("abc")
    expect(problem).not_to_be_attached(timeout=WITHIN)


@pytest.mark.parametrize(
    ("experiment", "preset", "name", "most"),
    [("next-word", {}, "sentences", 1000), ("lstm-cells", {"corpus": "pasted"}, "pasted", 20_000)],
)
def test_a_text_too_long_for_its_box_stays_whole_and_is_refused(
    open_page: Open, experiment: str, preset: dict[str, str], name: str, most: int
) -> None:
    page = open_lab(open_page, experiment)
    for other, value in preset.items():
        chosen(page, other, value)
    run = run_id(page)
    box = page.locator(f"[data-knob={name}] textarea")
    expect(box).to_be_visible(timeout=WITHIN)
    long = "a" * (most + 1)
    paste(page, box, long)
    box.blur()
    problem = page.locator(f"[data-knob={name}] [role=alert]")
    expect(problem).to_contain_text(re.compile(f"{most + 1:,}|{most + 1}"))
    expect(problem).to_contain_text(re.compile(f"{most:,}|{most}"))
    assert box.input_value() == long
    assert run_id(page) == run


def test_a_pasted_table_is_taken_whole(open_page: Open, server: str) -> None:
    page = open_lab(open_page, "linear-regression")
    run = chosen(page, "data", "custom")
    box = page.locator("[data-knob=csv] textarea")
    expect(box).to_be_visible(timeout=WITHIN)
    table = "\n".join(f"{i:.18e},{2 * i:.18e}" for i in range(450))
    paste(page, box, table)
    box.blur()
    wait_to_leave(page, run)
    told = page.request.get(f"{server}/api/runs/{run_id(page)}").json()
    assert told["knobs"]["csv"] == table


def test_every_head_can_be_enlarged_by_keyboard(open_page: Open) -> None:
    page = open_lab(open_page, "transformer")
    hero = page.locator("[data-panel=cross_attention]")
    large = hero.locator(".map canvas")
    expect(large).to_have_attribute("aria-label", re.compile("layer 2 · head 1"), timeout=WITHIN)
    large.focus()
    page.keyboard.press("]")
    expect(large).to_have_attribute("aria-label", re.compile("layer 2 · head 2"), timeout=WITHIN)


def test_a_character_is_picked_in_the_text_and_moved_by_the_arrow_keys(open_page: Open) -> None:
    page = open_lab(open_page, "lstm-cells")
    text = page.locator(".panel.hero .text canvas")
    box = text.bounding_box()
    assert box
    before = knob(page, "position").input_value()
    page.mouse.click(box["x"] + 60, box["y"] + 35)
    expect(knob(page, "position")).not_to_have_value(before, timeout=WITHIN)
    picked = int(knob(page, "position").input_value())
    text.focus()
    page.keyboard.press("ArrowRight")
    expect(knob(page, "position")).to_have_value(str(picked + 1), timeout=WITHIN)


def test_a_stretch_is_marked_by_dragging_or_by_keys_and_let_go_by_a_click(open_page: Open) -> None:
    page = open_lab(open_page, "lstm-cells")
    text = page.locator(".panel.hero .text canvas")
    stretch = page.locator("[data-knob=stretch] input")
    ends = (stretch.nth(0), stretch.nth(1))
    box = text.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 35)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 35)
    page.mouse.move(box["x"] + 140, box["y"] + 35)
    page.mouse.up()
    expect(ends[0]).not_to_have_value("0", timeout=WITHIN)
    start, stop = (int(end.input_value()) for end in ends)
    assert stop - start > 5
    expect(page.locator(".panel.hero")).to_contain_text(re.compile("is on|are on"), timeout=WITHIN)
    page.mouse.click(box["x"] + 60, box["y"] + 35)
    expect(ends[1]).to_have_value("0", timeout=WITHIN)
    picked = int(knob(page, "position").input_value())
    assert picked == start
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(ends[1]).to_have_value(str(picked + 3), timeout=WITHIN)
    expect(knob(page, "position")).to_have_value(str(picked), timeout=WITHIN)
    show_all(page)
    page.locator("[data-panel=cells]").scroll_into_view_if_needed()
    expect(page.locator("[data-panel=cells] thead")).to_contain_text("on inside", timeout=WITHIN)


def test_a_cell_is_picked_in_the_ranking_which_can_be_sorted(open_page: Open) -> None:
    page = open_lab(open_page, "lstm-cells")
    show_all(page)
    card = page.locator("[data-panel=cells]")
    card.scroll_into_view_if_needed()
    row = card.locator("tbody tr").nth(5)
    row.click(timeout=WITHIN)
    expect(card.locator("tr[aria-selected=true]")).to_have_count(1, timeout=WITHIN)
    chosen = int(knob(page, "cell").input_value())
    row = card.locator("tbody tr").nth(7)
    row.click()
    expect(knob(page, "cell")).not_to_have_value(str(chosen), timeout=WITHIN)
    header = card.locator("thead th button").last
    header.click()
    expect(card.locator("thead th").last).to_have_attribute("aria-sort", "descending", timeout=WITHIN)


def test_a_cell_that_is_not_there_after_a_rebuild_is_named_at_its_field(open_page: Open) -> None:
    page = open_lab(open_page, "lstm-cells", refused=True)
    run = run_id(page)
    knob(page, "cell").fill("100")
    knob(page, "cell").press("Enter")
    expect(page.locator("[data-knob=cell] [role=alert]")).to_have_count(0)
    knob(page, "hidden").fill("32")
    knob(page, "hidden").press("Enter")
    expect(page.locator("[data-knob=cell] [role=alert]")).to_contain_text("0 to 31", timeout=WITHIN)
    assert run_id(page) == run


def test_the_learners_own_sentences_start_a_new_run(open_page: Open) -> None:
    page = open_lab(open_page, "next-word", language="ko", refused=True)
    run = run_id(page)
    box = page.locator("[data-knob=sentences] textarea")
    box.fill("나는 밥을 먹는다\n너는 물을 마신다")
    box.blur()
    wait_to_leave(page, run)
    wait_for_hero(page)
    hero = page.locator(".panel.hero canvas").last
    hero.focus()
    page.keyboard.press("Home")
    expect(hero).to_have_attribute("aria-label", re.compile("나는"), timeout=WITHIN)
    run = run_id(page)
    box.fill("하나")
    box.blur()
    expect(page.locator("[data-knob=sentences] [role=alert]")).to_contain_text("하나", timeout=WITHIN)
    assert run_id(page) == run
