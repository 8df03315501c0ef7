"""Drag the learning rate until it breaks, press one button, and be back before it broke."""

from __future__ import annotations

import math
import re
from statistics import median

import httpx
import pytest
from playwright.sync_api import Page, expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_past, wait_to_leave

FOLLOWED = 150  # steps after the button
KINDS = [("mlp-digits", 300), ("descent-2d", 100), ("neural-playground", 3000)]


def drag_to_the_right_end(page: Page, knob: str) -> None:
    slider = page.locator(f"[data-knob={knob}] input[type=range]").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    start = box["x"] + float(slider.input_value()) / 1000 * (box["width"] - 16) + 8
    page.mouse.move(start, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 40, middle, steps=15)
    page.mouse.up()


def losses(server: str, run: str) -> dict[str, dict[int, float]]:
    """Each loss of a run by step, as far as it was measured."""
    columns = httpx.get(f"{server}/api/runs/{run}/scalars").json()
    steps = columns.pop("step")
    return {
        name: {
            step: value
            for step, value in zip(steps, values, strict=True)
            if value is not None and math.isfinite(value)
        }
        for name, values in columns.items()
        if name.startswith("loss")
    }


@pytest.mark.parametrize(("experiment", "steps"), KINDS)
def test_a_rate_dragged_until_it_breaks_is_taken_back_with_one_button(
    experiment: str, steps: int, open_page: Open
) -> None:
    page = open_page(f"/lab/{experiment}")
    server = page.url.partition("/lab")[0]
    wait_for_hero(page)
    wait_past(page, steps)
    broken = run_id(page)
    rate = page.locator("[data-knob=lr] input.typed").input_value()
    drag_to_the_right_end(page, "lr")
    told = page.locator("[data-testid^=entry-]", has=page.get_by_test_id("restore")).first
    expect(told).to_be_visible(timeout=WITHIN)
    expect(told.get_by_test_id("restore")).to_have_text(
        re.compile(rf" {re.escape(rate)}\s*$"), timeout=WITHIN
    )
    told.get_by_test_id("restore").click()
    wait_to_leave(page, broken)
    expect(page.locator("[data-knob=lr] input.typed")).to_have_value(rate, timeout=WITHIN)
    mended = httpx.get(f"{server}/api/runs/{run_id(page)}").json()
    step = mended["branched_at"]
    assert mended["parent"] == broken
    wait_past(page, step + FOLLOWED)
    before, after = losses(server, broken), losses(server, run_id(page))
    assert before.keys() == after.keys()
    for name in before:
        was = [value for at, value in before[name].items() if step - FOLLOWED <= at < step]
        now = [value for at, value in after[name].items() if at >= step + FOLLOWED // 2]
        assert was, name
        assert now, name
        assert median(now) <= 1.25 * median(was) + 1e-6, f"{name}: {median(was)} became {median(now)}"
    expect(page.locator("[data-testid=entry-worse]")).to_have_count(0)
