"""Sweeping as a learner does: curves grow, one is chosen, its rate is used or branched with."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_past


def opened(open_page: Open, steps: int = 300, **options: object) -> Page:
    page = open_page("/lab/neural-playground", **options)
    wait_for_hero(page)
    wait_past(page, steps)
    if options.get("width", 1440) > 640:  # type: ignore[operator]
        page.get_by_test_id("group-sweep").click()
    else:
        page.get_by_role("tab").nth(2).click()
    page.get_by_test_id("sweep").scroll_into_view_if_needed()
    return page


def swept(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.get_by_test_id(f"sweep-{name}").fill(value)
    page.get_by_test_id("sweep-run").click()
    expect(page.get_by_test_id("sweep-status")).to_contain_text("steps taken", timeout=WITHIN)


def choose(page: Page, presses: int, key: str = "ArrowRight") -> str:
    """By keyboard; the curve's name."""
    chart = page.get_by_test_id("sweep-range").locator("[role=application]")
    chart.focus()
    for _ in range(presses):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    return page.get_by_test_id("sweep-chosen").inner_text()


def test_a_rate_that_was_swept_is_used(open_page: Open) -> None:
    page = opened(open_page)
    expect(page.get_by_test_id("sweep-adopt")).to_be_disabled()
    height = page.get_by_test_id("sweep").bounding_box()
    swept(page, low="0.001", high="1", count="4", steps="40")
    assert page.get_by_test_id("sweep").bounding_box()["height"] == height["height"]  # type: ignore[index]
    expect(page.get_by_test_id("sweep-status")).to_contain_text(
        "160 steps taken, 4 curves at once in batched steps"
    )
    for chart in ("fan", "range"):
        box = page.get_by_test_id(f"sweep-{chart}").locator("canvas").bounding_box()
        assert box is not None
        assert box["width"] > 200
    assert choose(page, 3).startswith("η 0.1 ")
    page.get_by_test_id("sweep-adopt").click()
    expect(page.locator("[data-knob=lr] input.typed")).to_have_value("0.1", timeout=WITHIN)
    page.wait_for_function(
        "async (run) => (await (await fetch(`/api/runs/${run}`)).json()).knobs.lr === 0.1",
        arg=run_id(page),
        timeout=WITHIN,
    )


def test_a_curve_is_chosen_by_pointer_and_branched_with(open_page: Open) -> None:
    page = opened(open_page)
    swept(page, low="0.001", high="1", count="4", steps="40")
    parent = run_id(page)
    chart = page.get_by_test_id("sweep-fan").locator(".u-over")
    box = chart.bounding_box()
    assert box is not None
    names = set()
    for share in range(1, 20):
        page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + box["height"] * share / 20)
        tips = page.get_by_test_id("sweep").get_by_role("tooltip")
        if tips.count():
            names.add(tips.first.inner_text().partition("\n")[0])
            assert tips.count() == 2  # named in both plots
    assert len(names) > 1
    page.mouse.click(box["x"] + box["width"] * 0.98, box["y"] + box["height"] * 0.9)
    expect(page.get_by_test_id("sweep-chosen")).to_contain_text("η")
    chosen = page.get_by_test_id("sweep-chosen").locator("b").inner_text().removeprefix("η ")
    page.get_by_test_id("sweep-branch").click()
    page.wait_for_url(lambda url: parent not in url.partition("&")[0], timeout=WITHIN)
    info = httpx.get(f"{page.url.partition('/lab')[0]}/api/runs/{run_id(page)}").json()
    assert info["parent"] == parent
    assert f"{info['knobs']['lr']:.3g}" == f"{float(chosen):.3g}"


def test_a_bad_range_is_said_at_its_field_and_nothing_begins(open_page: Open) -> None:
    page = opened(open_page, refused=True)
    page.get_by_test_id("sweep-low").fill("2")
    page.get_by_test_id("sweep-high").fill("1")
    page.get_by_test_id("sweep-run").click()
    expect(page.get_by_test_id("sweep-problem")).to_have_text("2 is not below 1.", timeout=WITHIN)
    expect(page.get_by_test_id("sweep-low")).to_have_attribute("aria-invalid", "true")
    page.get_by_test_id("sweep-low").fill("x")
    page.get_by_test_id("sweep-run").click()
    expect(page.get_by_test_id("sweep-problem")).to_have_text("from: “x” is not a number.")
    swept(page, low="0.1", count="2", steps="5")
    expect(page.get_by_test_id("sweep-problem")).to_have_count(0)


def test_a_sweep_can_be_stopped_and_begun_again(open_page: Open) -> None:
    page = opened(open_page)
    page.get_by_test_id("sweep-count").fill("24")
    page.get_by_test_id("sweep-steps").fill("2000")
    page.get_by_test_id("sweep-each").select_option("")
    page.get_by_test_id("sweep-run").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_test_id("sweep-run")).to_have_text("Sweep")
    swept(page, count="2", steps="5")


def test_on_a_phone_in_korean_it_fits(open_page: Open) -> None:
    page = opened(open_page, width=390, height=844, language="ko", theme="dark")
    page.get_by_test_id("sweep-count").fill("3")
    page.get_by_test_id("sweep-steps").fill("10")
    page.get_by_test_id("sweep-run").click()
    expect(page.get_by_test_id("sweep-status")).to_contain_text("30스텝 학습", timeout=WITHIN)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert choose(page, 1).startswith("η")
