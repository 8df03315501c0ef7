"""A cell of a matrix is picked by pointer or key, where the panel edits a knob."""

from __future__ import annotations

from playwright.sync_api import expect

from lab import Open, wait_for_hero


def test_a_score_is_taken_apart_by_key_and_by_click(open_page: Open) -> None:
    page = open_page("/lab/self-attention")
    wait_for_hero(page)
    canvas = page.locator(".panel.hero canvas")
    row, column = page.locator("[data-knob=cell] input").nth(0), page.locator("[data-knob=cell] input").nth(1)
    expect(row).to_have_value("2")
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):  # the first one goes to the first cell
        page.keyboard.press(key)
    expect(row).to_have_value("1")
    expect(column).to_have_value("1")
    box = canvas.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(row).to_have_value("2")
    expect(
        page.get_by_role("region", name="One cell").or_(page.locator("[data-panel=product]"))
    ).to_be_visible()
