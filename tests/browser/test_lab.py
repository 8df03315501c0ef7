"""The lab in a real browser: play, drag, step, diverge, reload."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from descent.registry import experiments
from descent.web.experiments import describe
from few import labs
from lab import (
    WITHIN,
    Open,
    close_story,
    run_id,
    show_all,
    step_of,
    wait_for_hero,
    wait_past,
    wait_to_leave,
)


def live_rate(experiment: str) -> str:
    """The experiment's first live learning rate; where nothing is descended, its first live slider."""
    knobs = experiments()[experiment].knobs_type
    live = [
        name
        for name, field in knobs.model_fields.items()
        if knobs.is_live(name) and field.annotation is float
    ]
    return next((name for name in live if name.startswith("lr")), live[0])


@pytest.mark.parametrize("experiment", labs())
def test_it_plays_and_goes_on_after_its_learning_rate_is_dragged(experiment: str, open_page: Open) -> None:
    page = open_page(f"/lab/{experiment}")
    wait_for_hero(page)
    wait_past(page, 3)
    run = run_id(page)
    slider = page.locator(f"[data-knob={live_rate(experiment)}] input[type=range]").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    at = float(slider.input_value()) / 1000 * (box["width"] - 16) + 8
    page.mouse.move(box["x"] + at, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + at - 12, middle, steps=4)
    page.mouse.up()
    expect(page.locator(".timeline .mark.knob").first).to_be_attached(timeout=WITHIN)
    changed_at = int(page.locator(".timeline .mark.knob").last.get_attribute("data-step") or 0)
    wait_past(page, changed_at + 5)
    assert run_id(page) == run, "a live knob must not start another run"
    expect(page.get_by_test_id("status")).to_have_text("running")
    show_all(page)
    groups = [""]
    for name, panel in experiments()[experiment].panels.items():
        if panel.options.keys() & {"when", "above"}:
            continue  # with these knobs it may not be there
        if panel.group not in groups:
            groups.append(panel.group)
            page.get_by_test_id(f"group-{panel.group}").click()
        card = page.locator(f"[data-panel={name}]")
        card.scroll_into_view_if_needed()
        if panel.kind != "scalars":
            expect(card).to_have_attribute("data-step", re.compile(r"\d+"), timeout=WITHIN)
        expect(card.locator("canvas, table").first).to_be_visible(timeout=WITHIN)


def test_space_pauses_the_arrow_takes_one_step_and_r_starts_anew(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 10)
    page.keyboard.press("Space")
    expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    before = step_of(page)
    page.keyboard.press("ArrowRight")
    wait_past(page, before)
    assert step_of(page) == before + 1
    expect(page.locator(".panel.hero")).to_have_attribute("data-step", str(before + 1), timeout=WITHIN)
    run = run_id(page)
    page.keyboard.press("r")
    wait_to_leave(page, run)
    expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    page.keyboard.press("Space")
    wait_past(page, 0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_reload_finds_the_same_run_with_its_curve(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 500)
    run, before = run_id(page), step_of(page)
    page.reload()
    wait_for_hero(page)
    assert run_id(page) == run
    wait_past(page, before)
    marks = page.locator("[data-panel=loss] .uplot canvas")
    expect(marks).to_be_visible()


def test_the_same_run_can_be_seen_by_two_people(open_page: Open) -> None:
    first = open_page("/lab/neural-playground")
    wait_past(first, 10)
    second = open_page(f"/lab/neural-playground?run={run_id(first)}")
    wait_for_hero(second)
    assert run_id(second) == run_id(first)
    first.keyboard.press("Space")
    expect(second.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)


def test_a_rate_that_is_far_too_large_ends_as_diverged_and_says_so(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 10)
    run = run_id(page)
    page.get_by_role("button", name="The edge of stability").click()
    wait_to_leave(page, run)
    wait_past(page, 10)
    field = page.locator("[data-knob=lr] input.typed")
    field.fill("10")
    field.press("Enter")
    expect(page.get_by_test_id("status")).to_have_text("diverged", timeout=WITHIN)
    expect(page.get_by_test_id("entry-non-finite")).to_contain_text("Diverged at step")
    broken = run_id(page)
    page.keyboard.press("r")
    wait_to_leave(page, broken)


def test_a_value_out_of_range_is_refused_at_its_field_and_the_run_goes_on(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 10)
    field = page.locator("[data-knob=lr] input.typed")
    field.fill("1e9")
    field.press("Enter")
    expect(page.locator("[data-knob=lr] [role=alert]")).to_be_visible()
    wait_past(page, step_of(page))


def test_a_fixed_knob_starts_a_new_run(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 10)
    run = run_id(page)
    page.locator("[data-knob=hidden] .change").last.click()
    wait_to_leave(page, run)
    wait_for_hero(page)
    assert page.locator("[data-knob=hidden] .size").count() == 3


def test_a_panel_can_be_enlarged_hidden_and_put_back(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_for_hero(page)
    card = page.locator("[data-panel=network]")
    small = card.bounding_box()
    card.get_by_role("button", name="Menu of").click()
    page.get_by_role("menuitem", name="Enlarge").click()
    large = card.bounding_box()
    assert small
    assert large
    assert large["width"] > 1.5 * small["width"]
    page.keyboard.press("Escape")
    card.get_by_role("button", name="Menu of").click()
    page.get_by_role("menuitem", name="Hide").click()
    expect(card).not_to_be_attached()
    page.get_by_role("button", name="Show 1 hidden").click()
    expect(card).to_have_attribute("data-step", re.compile(r"\d+"), timeout=WITHIN)


def test_four_panels_are_shown_at_first_and_the_others_on_request_or_when_they_have_something_to_show(
    open_page: Open,
) -> None:
    page = open_page("/lab/regularisation")
    wait_for_hero(page)
    panels = page.locator(".board > .panel")
    expect(panels).to_have_count(4)
    page.get_by_test_id("more-panels").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-panel=waiting]")).to_be_visible()
    all_but_three = panels.count()
    expect(page.locator("[data-panel=masks]")).to_have_count(0)
    field = page.locator("[data-knob=dropout] input.typed")
    field.fill("0.5")
    field.press("Enter")
    expect(page.locator("[data-panel=masks]")).to_have_attribute(
        "data-step", re.compile(r"\d+"), timeout=WITHIN
    )
    assert panels.count() == all_but_three + 2
    page.reload()
    expect(page.locator("[data-panel=waiting]")).to_be_visible(timeout=WITHIN)
    page.get_by_test_id("more-panels").click()
    expect(panels).to_have_count(4)


def test_a_unit_fills_the_map_beside_and_a_weight_is_set_where_it_is_drawn(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_for_hero(page)
    page.keyboard.press("Space")
    expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    network = page.locator("[data-panel=network] canvas").first
    plane = "[data-panel=decision_map] canvas"
    page.wait_for_selector(f"{plane}", timeout=WITHIN)
    page.wait_for_timeout(500)  # the last pictures of the run are drawn
    shown = page.locator(plane).first.evaluate("canvas => canvas.toDataURL()")
    differs = "([plane, shown]) => document.querySelector(plane).toDataURL() !== shown"
    network.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(differs, arg=[plane, shown], timeout=WITHIN)
    page.keyboard.press("Escape")
    page.wait_for_function(differs.replace("!==", "==="), arg=[plane, shown], timeout=WITHIN)
    box = network.bounding_box()
    assert box
    for part in range(10, 30):  # of the height; some weight of the first layer is hit
        network.click(position={"x": box["width"] * 0.2, "y": box["height"] * part / 40})
        page.wait_for_timeout(150)
        if page.get_by_role("dialog").count():
            break
    page.get_by_role("dialog").get_by_role("slider").focus()
    page.keyboard.press("End")
    expect(page.locator("[data-knob=weight] input").last).to_have_value("5", timeout=WITHIN)
    expect(page.locator(".timeline .mark.knob").first).to_be_attached(timeout=WITHIN)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_dragging_the_start_restarts_the_race(open_page: Open) -> None:
    page = open_page("/lab/descent-2d")
    wait_past(page, 20)
    field = page.locator("[data-knob=start] input").first
    before = field.input_value()
    page.get_by_label(re.compile("^Start at")).focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "(before) => document.querySelector('[data-knob=start] input').value !== before",
        arg=before,
        timeout=WITHIN,
    )
    wait_past(page, step_of(page))


def test_the_surface_can_be_seen_in_three_dimensions(open_page: Open) -> None:
    page = open_page("/lab/descent-2d")
    wait_past(page, 20)
    page.locator("[data-panel=surface]").get_by_role("radio", name=re.compile("3")).click()
    expect(page.locator("[data-panel=surface] canvas[data-engine^=three]")).to_be_visible(timeout=WITHIN)


def test_a_preset_says_what_to_watch_until_that_is_dismissed(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 1)
    run = run_id(page)
    page.locator(".presets button").first.click()
    wait_to_leave(page, run)
    watch = describe(experiments()["neural-playground"], "en")["presets"][0]["watch"]
    shown = page.get_by_test_id("watch")
    expect(shown).to_contain_text(watch, timeout=WITHIN)
    page.locator("[data-knob=lr] input.typed").fill("0.5")
    page.locator("[data-knob=lr] input.typed").press("Enter")
    expect(page.locator(".timeline .mark.knob").first).to_be_attached(timeout=WITHIN)
    expect(shown).to_contain_text(watch)
    page.reload()
    expect(shown).to_contain_text(watch, timeout=WITHIN)
    shown.get_by_role("button").click()
    expect(shown).to_have_count(0)
    page.get_by_test_id("watch-again").click()
    expect(shown).to_contain_text(watch)


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1440, 900), (390, 844)])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_to_watch_is_whole_on_every_screen(
    language: str, width: int, height: int, open_page: Open
) -> None:
    page = open_page("/lab/gradient-check", language=language, width=width, height=height)
    wait_past(page, 1)
    for choice in page.locator(".presets button").all():
        choice.evaluate("button => button.click()")
        expect(choice).to_have_class(re.compile("chosen"), timeout=WITHIN)
        text = page.get_by_test_id("watch").locator("span")
        assert text.evaluate(
            "e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight + 1 "
            "&& e.getBoundingClientRect().right <= innerWidth"
        ), text.inner_text()
        assert text.inner_text() == choice.get_attribute("title")


def test_each_tool_says_what_to_do_there(open_page: Open) -> None:
    page = open_page("/lab/architectures")
    wait_past(page, 1)
    close_story(page)
    said = {page.get_by_test_id("watch").inner_text()}
    for view in ("effects", "sweep", "schedule"):
        page.get_by_test_id("tools-lr").click()
        page.get_by_role("menuitem").nth(("effects", "sweep", "schedule").index(view)).click()
        said.add(page.get_by_test_id("watch").inner_text())
    assert len(said) == 4


def test_a_start_anew_keeps_the_run_before_within_reach(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 50)
    first = run_id(page)
    page.locator("[data-knob=lr] input[type=range]").focus()
    page.keyboard.press("r")
    wait_past(page, step_of(page))
    assert run_id(page) == first, "R on a slider starts nothing"
    page.locator("body").click(position={"x": 2, "y": 60})
    page.keyboard.press("r")
    wait_to_leave(page, first)
    page.get_by_test_id("previous").click(timeout=WITHIN)
    page.wait_for_function("(run) => location.search.includes('run=' + run)", arg=first, timeout=WITHIN)
    expect(page.get_by_test_id("status")).to_have_text("stopped", timeout=WITHIN)


def test_back_leads_to_the_run_before(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 200)
    parent = run_id(page)
    page.get_by_test_id("branch").click()
    wait_to_leave(page, parent)
    branch = run_id(page)
    page.go_back()
    page.wait_for_function("(run) => location.search.includes('run=' + run)", arg=parent, timeout=WITHIN)
    expect(page.locator(".timeline .branch")).to_have_count(1, timeout=WITHIN)
    page.go_forward()
    page.wait_for_function("(run) => location.search.includes('run=' + run)", arg=branch, timeout=WITHIN)
    expect(page.locator(".timeline .branch")).to_have_count(0, timeout=WITHIN)
    expect(page.get_by_test_id("timeline")).to_have_attribute("aria-valuemin", re.compile(r"[1-9]\d*"))


# Addresses that lead nowhere


@pytest.mark.parametrize("run", ["0123456789ab", "no%20such%2Frun", "%E2%82%AC--"])
def test_a_link_to_a_run_that_is_gone_says_so_and_starts_nothing(run: str, open_page: Open) -> None:
    page = open_page(f"/lab/mlp-digits?run={run}", missing=True)
    server = page.url.partition("/lab")[0]
    before = httpx.get(f"{server}/api/runs").json()
    expect(page.get_by_test_id("missing")).to_be_visible(timeout=WITHIN)
    assert "was not found" in page.get_by_test_id("missing").inner_text()
    assert page.url.endswith(f"?run={run}")
    assert len(httpx.get(f"{server}/api/runs").json()) == len(before)
    page.get_by_test_id("new-run").click()
    wait_past(page, 1)
    expect(page.get_by_test_id("missing")).to_have_count(0)


def test_a_link_to_a_run_of_another_experiment_leads_there(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 1)
    run = run_id(page)
    other = open_page(f"/lab/descent-2d?run={run}")
    other.get_by_test_id("missing").get_by_role("link").first.click(timeout=WITHIN)
    other.wait_for_url(f"**/lab/neural-playground?run={run}", timeout=WITHIN)
    wait_for_hero(other)


def test_an_address_at_which_there_is_nothing_says_so(open_page: Open) -> None:
    page = open_page("/nope")
    expect(page.get_by_test_id("nowhere")).to_contain_text("/nope", timeout=WITHIN)


def test_blocked_storage_costs_the_theme_and_not_the_page(browser: Browser, server: str) -> None:
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', "
        "{ get() { throw new DOMException('', 'SecurityError'); } })"
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server}/lab/neural-playground")
    wait_past(page, 1)
    before = page.locator("html").get_attribute("data-theme")
    page.get_by_test_id("theme").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", str(before))
    page.get_by_test_id("language").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    assert not errors, errors
    context.close()
