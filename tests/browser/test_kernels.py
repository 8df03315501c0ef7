"""A matrix of numbers and the sliding window, by pointer and by keys."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from lab import WITHIN, Open, run_id, wait_for_hero

EQUATION = "[data-panel=sliding] .equation"


def knob(page: Page, server: str, name: str) -> Any:
    """The value that the server has."""
    return httpx.get(f"{server}/api/runs/{run_id(page)}").json()["knobs"][name]


def cell(page: Page, row: int, column: int) -> Any:
    return page.locator("[data-knob=taps]").get_by_label(f"row {row}, column {column}")


def wait_for(page: Page, server: str, name: str, value: Any) -> None:
    for _ in range(100):
        if knob(page, server, name) == value:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{name} is {knob(page, server, name)}, not {value}")


def test_a_kernel_is_typed_nudged_and_dragged(open_page: Open, server: str) -> None:
    page = open_page("/lab/convolution")
    wait_for_hero(page)
    cell(page, 1, 1).click()
    page.keyboard.type("2")
    page.keyboard.press("ArrowRight")
    expect(cell(page, 1, 2)).to_be_focused()
    page.keyboard.press("-")  # a step less, unless a digit follows
    page.keyboard.press("-")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("-2.5")
    page.keyboard.press("Enter")
    wait_for(page, server, "taps", [[2.0, -1.0, -2.5]])
    page.keyboard.press("End")
    page.keyboard.type("abc")
    page.keyboard.press("Enter")
    expect(page.locator("[data-knob=taps]")).to_contain_text("not a number")
    page.keyboard.press("Escape")
    expect(cell(page, 1, 3)).to_have_value("−2.5")
    box = cell(page, 1, 1).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 18, steps=3)
    page.mouse.up()
    wait_for(page, server, "taps", [[5.0, -1.0, -2.5]])
    page.get_by_label("Add a column").nth(1).click()
    wait_for(page, server, "taps", [[5.0, -1.0, -2.5, 0.0]])


def test_a_kernel_of_zeros_is_refused_at_the_field(open_page: Open, server: str) -> None:
    page = open_page("/lab/convolution")
    wait_for_hero(page)
    for column in (1, 2, 3):
        cell(page, 1, column).click()
        page.keyboard.type("0")
        page.keyboard.press("Enter")
    expect(page.locator("[data-knob=taps]")).to_contain_text("all numbers are 0", timeout=WITHIN)


def test_the_window_goes_where_keys_and_pointer_put_it(open_page: Open) -> None:
    page = open_page("/lab/convolution", reduced_motion="reduce")
    wait_for_hero(page)
    expect(page.locator(EQUATION)).to_have_text("(1·1 + 4·1 + 6·1)/3 = 3.67")
    page.wait_for_timeout(2500)
    expect(page.locator(EQUATION)).to_have_text("(1·1 + 4·1 + 6·1)/3 = 3.67")  # it does not move by itself
    canvas = page.locator("[data-panel=sliding] canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(EQUATION)).to_have_text("(4·1 + 6·1 + 7·1)/3 = 5.67")
    expect(canvas).to_have_attribute("aria-label", re.compile(r"column 2: \(4·1 \+ 6·1 \+ 7·1\)/3"))
    page.keyboard.press("End")
    expect(page.locator(EQUATION)).to_have_text("(6·1 + 7·1 + 4·1)/3 = 5.67")
    page.keyboard.press("Home")
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(EQUATION)).to_have_text("(4·1 + 6·1 + 7·1)/3 = 5.67")
    page.get_by_role("button", name="Let the window slide").first.click()
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector).innerText !== text",
        arg=[EQUATION, "(1·1 + 4·1 + 6·1)/3 = 3.67"],
        timeout=WITHIN,
    )
