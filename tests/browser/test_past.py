"""The time machine as a learner uses it: look back, branch, compare, find again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from lab import (
    START_WITHIN,
    WITHIN,
    Open,
    asked,
    drag_to,
    run_id,
    served,
    step_of,
    wait_for_hero,
    wait_for_past,
    wait_past,
    wait_to_leave,
)


def label_of(page: Page, run: str) -> str:
    """What a run without a name is called on the page: the time at which it began."""
    began = httpx.get(f"{page.url.partition('/lab')[0]}/api/runs/{run}").json()["created_at"]
    return datetime.fromisoformat(began).astimezone().strftime("%H:%M:%S")


def hero_step(page: Page) -> int:
    return int(page.locator(".panel.hero").get_attribute("data-step") or -1)


def trained(open_page: Open, steps: int = 400, **options: object) -> Page:
    page = open_page("/lab/neural-playground", **options)
    wait_for_hero(page)
    wait_past(page, steps)
    return page


def test_dragging_the_timeline_shows_the_pictures_of_then_and_one_click_those_of_now(open_page: Open) -> None:
    page = trained(open_page)
    drag_to(page, 0.3)
    step = wait_for_past(page)
    assert 0 < step < step_of(page)
    assert hero_step(page) <= step
    kept = httpx.get(f"{page.url.partition('/lab')[0]}/api/runs/{run_id(page)}/frames").json()
    assert hero_step(page) == max(at for at in kept["frames"]["network"] if at <= step)
    page.get_by_test_id("live").click()
    page.wait_for_function(
        "(step) => Number(document.querySelector('.panel.hero').dataset.step) > step",
        arg=step,
        timeout=WITHIN,
    )
    page.wait_for_function("() => !location.search.includes('step=')", timeout=WITHIN)


def test_keys_move_through_the_past(open_page: Open) -> None:
    page = trained(open_page)
    timeline = page.get_by_test_id("timeline")
    timeline.focus()
    page.keyboard.press("Home")
    assert timeline.get_attribute("aria-valuenow") == "0"
    page.keyboard.press("Shift+ArrowRight")
    at = int(timeline.get_attribute("aria-valuenow") or 0)
    assert at > 0
    page.keyboard.press("ArrowRight")
    assert int(timeline.get_attribute("aria-valuenow") or 0) > at
    page.keyboard.press("End")
    expect(timeline).to_have_attribute("aria-valuetext", "now")


def test_a_finger_moves_through_the_past(open_page: Open) -> None:
    page = trained(open_page, width=390, height=844, has_touch=True)
    box = page.get_by_test_id("timeline").bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    assert 0 < wait_for_past(page) < step_of(page)


def test_a_branch_with_another_rate_is_drawn_beside_its_parent(open_page: Open) -> None:
    page = trained(open_page)
    drag_to(page, 0.5)
    step = wait_for_past(page)
    parent = run_id(page)
    field = page.locator("[data-knob=lr] input.typed")
    field.fill("0.3")
    field.press("Enter")
    expect(page.get_by_test_id("entry-past")).to_contain_text("Learning rate 0.3")
    page.get_by_test_id("branch").click()
    wait_to_leave(page, parent)
    assert asked(page, "with") == parent
    wait_past(page, step)
    server = page.url.partition("/lab")[0]
    branch = httpx.get(f"{server}/api/runs/{run_id(page)}").json()
    assert (branch["parent"], branch["branched_at"], branch["knobs"]["lr"]) == (parent, step, 0.3)
    assert httpx.get(f"{server}/api/runs/{parent}").json()["knobs"]["lr"] != 0.3
    runs = page.get_by_test_id("runs")
    expect(runs).to_contain_text(label_of(page, parent))
    expect(runs.locator(".own")).to_contain_text("This run η 0.03 → 0.3 at step")


def test_a_fixed_knob_that_changes_the_models_shape_is_refused_for_a_branch(open_page: Open) -> None:
    page = trained(open_page, refused=True)
    drag_to(page, 0.5)
    wait_for_past(page)
    run = run_id(page)
    page.get_by_role("button", name="Add a layer").click()
    page.get_by_test_id("branch").click()
    expect(page.get_by_test_id("error")).to_contain_text("the model’s shape", timeout=WITHIN)
    assert run_id(page) == run


def test_two_runs_pictures_stand_side_by_side(open_page: Open) -> None:
    page = trained(open_page)
    drag_to(page, 0.5)
    wait_for_past(page)
    page.get_by_test_id("branch").click()
    page.get_by_test_id("beside").click()
    hero = page.locator(".panel.hero")
    expect(hero.locator("figure")).to_have_count(2)
    expect(hero.locator("figure canvas").last).to_be_visible(timeout=WITHIN)
    page.get_by_test_id("beside").click()
    expect(hero.locator("figure")).to_have_count(0)


def test_the_tree_leads_back_to_the_parent(open_page: Open) -> None:
    page = trained(open_page)
    parent = run_id(page)
    page.get_by_test_id("branch").click()
    page.get_by_test_id("tree").click()
    page.get_by_test_id("runs").locator("li .name").first.click()
    page.wait_for_function("(run) => location.search.includes('run=' + run)", arg=parent, timeout=WITHIN)
    expect(page.locator(".timeline .branch")).to_have_count(1, timeout=WITHIN)


def test_a_link_leads_to_the_same_run_and_step(open_page: Open) -> None:
    page = trained(open_page)
    drag_to(page, 0.4)
    step = wait_for_past(page)
    shown = hero_step(page)
    other = open_page(page.url.partition("/lab")[2].join(["/lab", ""]))
    other.wait_for_selector(f"[data-shown='{step}'] .panel.hero[data-step]", timeout=WITHIN)
    assert run_id(other) == run_id(page)
    assert shown <= hero_step(other) <= step  # one that was held back may have been recorded meanwhile


def test_the_knobs_are_those_of_then(open_page: Open) -> None:
    page = trained(open_page)
    page.locator("[data-knob=lr] input.typed").fill("0.3")
    page.locator("[data-knob=lr] input.typed").press("Enter")
    expect(page.locator(".timeline .mark.knob")).to_have_count(1, timeout=WITHIN)
    changed = int(page.locator(".timeline .mark.knob").get_attribute("data-step") or 0)
    wait_past(page, changed + 100)
    for step, rate in ((changed - 1, "0.03"), (changed + 50, "0.3")):
        then = open_page(f"/lab/neural-playground?run={run_id(page)}&step={step}")
        then.wait_for_selector(f"[data-shown='{step}']", timeout=WITHIN)
        expect(then.locator("[data-knob=lr] input.typed")).to_have_value(rate)


def test_going_back_before_a_change_that_broke_it(open_page: Open) -> None:
    page = trained(open_page)
    run = run_id(page)
    page.get_by_role("button", name="The edge of stability").click()
    wait_to_leave(page, run)
    wait_past(page, 10)
    before = page.locator("[data-knob=lr] input.typed").input_value()
    field = page.locator("[data-knob=lr] input.typed")
    field.fill("10")
    field.press("Enter")
    expect(page.get_by_test_id("status")).to_have_text("diverged", timeout=WITHIN)
    broken = run_id(page)
    page.get_by_test_id("happened").locator(".strong").first.click()
    wait_to_leave(page, broken)
    expect(field).to_have_value(before, timeout=WITHIN)
    expect(page.get_by_test_id("status")).not_to_have_text("diverged")


# The history


def test_a_run_is_found_named_starred_compared_and_deleted(open_page: Open) -> None:
    page = trained(open_page, 50)
    run = run_id(page)
    page.get_by_test_id("history").click()
    row = page.get_by_test_id(f"row-{run}")
    name = row.get_by_role("textbox")
    name.fill("my spiral")
    name.press("Enter")
    row.locator(".star").click()
    expect(row.locator(".star")).to_have_attribute("aria-pressed", "true")
    page.get_by_test_id("search").fill("spiral")
    expect(page.get_by_role("status")).to_have_text("Runs: 1")
    page.reload()
    expect(row.get_by_role("textbox")).to_have_value("my spiral", timeout=WITHIN)
    page.get_by_test_id("search").fill("nobody calls a run so")
    expect(row).to_have_count(0)
    page.get_by_test_id("search").fill("")
    row.get_by_test_id("menu").click()
    row.get_by_role("menuitem", name="Delete").click()
    expect(row).to_have_count(0)
    page.get_by_test_id("undo").click()
    expect(row).to_have_count(1)
    row.get_by_test_id("menu").click()
    row.get_by_role("menuitem", name="Delete").click()
    page.get_by_test_id("deleted").wait_for(state="detached", timeout=WITHIN)
    wait_until_gone(page, run)


def wait_until_gone(page: Page, *runs: str) -> None:
    """Until the server has none of these runs any more."""
    server = page.url.partition("/history")[0]
    for run in runs:
        while httpx.get(f"{server}/api/runs/{run}").status_code != 404:
            page.wait_for_timeout(50)


def test_several_runs_are_tagged_sorted_and_deleted_as_the_page_is_left(open_page: Open, server: str) -> None:
    body = {"experiment": "neural-playground", "max_steps": 5}
    ids = [httpx.post(f"{server}/api/runs", json=body).json()["id"] for _ in range(3)]
    page = open_page("/history")
    boxes = [page.get_by_test_id(f"row-{run}").get_by_role("checkbox") for run in ids]
    boxes[0].check(timeout=WITHIN)
    boxes[2].click(modifiers=["Shift"])
    expect(boxes[1]).to_be_checked()
    page.get_by_test_id("tag-selected").click()
    page.get_by_test_id("new-tag").fill("lesson 3, 기준")
    page.get_by_test_id("new-tag").press("Enter")
    expect(page.get_by_test_id(f"row-{ids[1]}").get_by_text("lesson 3")).to_be_visible(timeout=WITHIN)
    assert httpx.get(f"{server}/api/runs/{ids[0]}").json()["tags"] == ["lesson 3", "기준"]
    page.keyboard.press("Escape")
    page.get_by_test_id("tag-filter").select_option("기준")
    expect(page.get_by_role("status").filter(has_text="Runs: 3")).to_be_visible(timeout=WITHIN)

    steps = page.get_by_role("columnheader", name="Steps")
    steps.get_by_role("button").press("Enter")
    expect(steps).to_have_attribute("aria-sort", "descending")
    page.reload()
    expect(steps).to_have_attribute("aria-sort", "descending", timeout=WITHIN)

    for box in boxes[:2]:
        box.check(timeout=WITHIN)
    page.get_by_test_id("delete-selected").click()
    expect(page.get_by_test_id("deleted")).to_contain_text("2 runs deleted")
    assert httpx.get(f"{server}/api/runs/{ids[0]}").status_code == 200  # nothing has happened yet
    page.goto("about:blank")
    wait_until_gone(open_page("/history"), *ids[:2])
    assert httpx.get(f"{server}/api/runs/{ids[2]}").status_code == 200


def test_runs_are_compared_from_the_history(open_page: Open) -> None:
    first, second = (run_id(trained(open_page, 50)) for _ in range(2))
    page = open_page("/history")
    for run in (first, second):
        page.get_by_test_id(f"row-{run}").get_by_role("checkbox").check()
    page.get_by_test_id("compare").click()
    page.wait_for_url(f"**/lab/neural-playground?run={first}&with={second}", timeout=WITHIN)
    expect(page.get_by_test_id("runs")).to_contain_text(label_of(page, second), timeout=WITHIN)


# After the end of the server


@pytest.fixture
def killed(tmp_path: Path) -> tuple[str, str, int]:
    """The home of a server that was killed while a run trained, the run, and a step it had taken."""
    with served(tmp_path) as (address, process):
        run = httpx.post(f"{address}/api/runs", json={"experiment": "neural-playground"}).json()["id"]
        step = 0
        while step < 2000:
            step = httpx.get(f"{address}/api/runs/{run}/frames").json()["checkpoints"][-1:]
            step = step[0] if step else 0
        process.kill()
        process.wait(START_WITHIN)
    return str(tmp_path), run, step


def test_a_run_that_was_interrupted_goes_on_with_one_click(
    killed: tuple[str, str, int], browser: Browser
) -> None:
    home, run, step = killed
    with served(Path(home)) as (address, _):
        page = browser.new_page()
        page.goto(f"{address}/lab/neural-playground?run={run}")
        expect(page.get_by_test_id("status")).to_have_text("interrupted", timeout=WITHIN)
        assert step_of(page) >= step
        wait_for_hero(page)
        page.get_by_test_id("resume").click()
        expect(page.get_by_test_id("status")).to_have_text("running", timeout=WITHIN)
        wait_past(page, step_of(page))
        steps = httpx.get(f"{address}/api/runs/{run}/scalars").json()["step"]
        assert steps == list(range(len(steps)))
        page.close()
