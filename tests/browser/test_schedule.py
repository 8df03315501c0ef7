"""Schedules as a learner sets them: chosen, drawn on the chart of the run, ended by hand; and a way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_past, wait_to_leave


def opened(open_page: Open, **options: Any) -> Page:
    page = open_page("/lab/neural-playground", **options)
    wait_for_hero(page)
    wait_past(page, 200)
    page.get_by_test_id("group-schedule").click()
    page.get_by_test_id("schedule").scroll_into_view_if_needed()
    return page


def address(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def knobs_of(page: Page) -> dict[str, Any]:
    response = page.request.get(f"{address(page)}/api/runs/{run_id(page)}")
    return dict(response.json()["knobs"])


def schedules_once(page: Page, told: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The schedules the server knows of, once they are as told: the page shows its wish at once."""
    for _ in range(WITHIN // 100):
        schedules = knobs_of(page).get("schedules", {})
        if told(schedules):
            return dict(schedules)
        page.wait_for_timeout(100)
    raise AssertionError(f"the schedules are {schedules}")


def test_a_schedule_is_chosen_and_the_slider_follows_it_until_it_is_moved(open_page: Open) -> None:
    page = opened(open_page)
    page.locator("[data-kind=exponential]").click()
    page.locator("[data-setting=every]").fill("20")
    page.locator("[data-setting=every]").press("Enter")
    expect(page.locator(".schedule path.future")).to_be_visible(timeout=WITHIN)
    page.get_by_test_id("follow").click()
    expect(page.get_by_test_id("followed")).to_contain_text("Exponential", timeout=WITHIN)
    badge = page.get_by_test_id("follows-lr")
    expect(badge).to_contain_text("Exponential")
    rate = page.locator("[data-knob=lr] input.typed")
    expect(rate).to_have_value("1e-5", timeout=WITHIN)  # as low as the knob goes
    assert schedules_once(page, lambda schedules: "lr" in schedules)["lr"]["every"] == 20
    rate.fill("0.05")
    rate.press("Enter")
    expect(page.get_by_test_id("followed")).to_have_count(0, timeout=WITHIN)
    expect(rate).to_have_value("0.05")
    expect(badge).to_have_count(0)
    schedules_once(page, lambda schedules: not schedules)


def test_a_line_drawn_on_the_chart_of_the_running_job_is_followed(open_page: Open) -> None:
    page = opened(open_page)
    chart = page.locator(".schedule svg")
    box, now = chart.bounding_box(), page.locator(".schedule .now").bounding_box()
    assert box is not None
    assert now is not None
    start = now["x"] + 40  # the present moves on meanwhile
    page.mouse.move(start, box["y"] + 40)
    page.mouse.down()
    for i in range(1, 10):
        page.mouse.move(start + 8 * i, box["y"] + 40 + 12 * i)
    page.mouse.up()
    expect(page.get_by_test_id("followed")).to_contain_text("Drawn", timeout=WITHIN)
    schedule = schedules_once(page, lambda schedules: "lr" in schedules)["lr"]
    values = [value for _, value in schedule["points"]]
    assert len(values) >= 6
    held = knobs_of(page)["lr"]  # until the pen began
    assert values[:2] == [held, held]
    assert schedule["points"][0][0] == 0
    assert values[2:] == sorted(values[2:], reverse=True)
    assert schedule["log"]


def test_a_setting_that_cannot_be_is_told_beside_it(open_page: Open) -> None:
    page = opened(open_page, refused=True)
    page.locator("[data-kind=cosine]").click()
    page.locator("[data-setting=low]").fill("-3")
    page.locator("[data-setting=low]").press("Enter")
    problem = page.locator(".schedule [role=alert]")
    expect(problem).to_contain_text("outside the setting’s range", timeout=WITHIN)
    expect(page.locator("[data-setting=low]")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_test_id("follow")).to_be_disabled()


def a_plane(open_page: Open, lr: float) -> tuple[Page, str]:
    """A page that shows a linear network on a plane, at that rate: the page and the run's id."""
    page = open_page("/lab/neural-playground")
    wait_for_hero(page)
    response = page.request.post(
        f"{address(page)}/api/runs",
        data={"experiment": "neural-playground", "knobs": {"dataset": "plane", "hidden": [], "lr": lr}},
    )
    run = str(response.json()["id"])
    page.goto(f"{address(page)}/lab/neural-playground?run={run}")
    return page, run


def test_a_run_that_diverged_is_branched_from_where_all_was_well_at_a_lower_rate(open_page: Open) -> None:
    page, run = a_plane(open_page, lr=0.05)
    wait_past(page, 3000)  # it was well for a while
    page.request.patch(f"{address(page)}/api/runs/{run}", data={"knobs": {"lr": 5.0}})
    page.get_by_test_id("restore").first.click(timeout=WITHIN)
    wait_to_leave(page, run)
    assert 0 < knobs_of(page)["lr"] <= 2.5


def test_a_run_that_was_never_well_begins_anew_at_a_lower_rate(open_page: Open) -> None:
    page, run = a_plane(open_page, lr=5.0)
    page.get_by_test_id("again").click(timeout=WITHIN)
    wait_to_leave(page, run)
    assert 0 < knobs_of(page)["lr"] <= 2.5
