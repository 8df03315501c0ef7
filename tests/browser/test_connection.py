"""What a learner does while the connection is slow or lost is neither dropped nor undone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from proxy import Proxy, proxied

from lab import WITHIN, run_id, step_of, wait_for_hero, wait_past, wait_to_leave

DELAY = 0.15  # seconds either way


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


@pytest.fixture
def errors(context: BrowserContext) -> Iterator[list[str]]:
    """Fails the test on an exception in the page. A connection that is lost is logged, and no error."""
    found: list[str] = []
    context.on("weberror", lambda error: found.append(str(error.error)))
    yield found
    assert not found, found


@pytest.fixture
def slow(server: str) -> Iterator[Proxy]:
    with proxied(server, DELAY) as proxy:
        yield proxy


@pytest.fixture
def link(server: str) -> Iterator[Proxy]:
    with proxied(server) as proxy:
        yield proxy


def opened(context: BrowserContext, address: str, experiment: str = "neural-playground") -> Page:
    page = context.new_page()
    page.goto(f"{address}/lab/{experiment}")
    wait_for_hero(page)
    wait_past(page, 10)
    return page


def knobs_of(server: str, page: Page) -> dict[str, object]:
    knobs: dict[str, object] = httpx.get(f"{server}/api/runs/{run_id(page)}").json()["knobs"]
    return knobs


def until_knob(server: str, page: Page, name: str, value: object) -> None:
    """Until the server has that value, as the page shows in the end, too."""
    for _ in range(600):
        if knobs_of(server, page)[name] == value:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{name} is {knobs_of(server, page)[name]!r}, not {value!r}")


def lose(page: Page, link: Proxy) -> None:
    link.cut()
    expect(page.get_by_test_id("entry-lost")).to_be_visible(timeout=WITHIN)


def test_ten_quick_clicks_over_a_slow_connection_are_ten_points(
    context: BrowserContext, errors: list[str], slow: Proxy, server: str
) -> None:
    page = opened(context, slow.address)
    box = page.locator("[data-panel=decision_map] canvas").last.bounding_box()
    assert box
    for i in range(10):
        page.mouse.click(box["x"] + (0.2 + 0.06 * i) * box["width"], box["y"] + 0.3 * box["height"])
        page.wait_for_timeout(90)
    for _ in range(600):
        if len(knobs_of(server, page)["points"]) == 10:  # type: ignore[arg-type]
            break
        page.wait_for_timeout(50)
    assert len(knobs_of(server, page)["points"]) == 10  # type: ignore[arg-type]
    expect(page.locator("[data-knob=points]")).to_contain_text("10")


def test_late_echoes_do_not_move_the_thumb_under_the_pointer(
    context: BrowserContext, errors: list[str], slow: Proxy, server: str
) -> None:
    page = opened(context, slow.address)
    slider = page.locator("[data-knob=lr] input[type=range]").first
    slider.evaluate(
        """slider => {
          window.seen = [];
          const look = () => { window.seen.push(Number(slider.value)); requestAnimationFrame(look); };
          look();
        }"""
    )
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    start = box["x"] + float(slider.input_value()) / 1000 * (box["width"] - 16) + 8
    page.mouse.move(start, middle)
    page.mouse.down()
    for i in range(1, 41):
        page.mouse.move(start - i, middle)
        page.wait_for_timeout(25)
    page.mouse.up()
    shown = slider.input_value()
    until_knob(server, page, "lr", float(page.locator("[data-knob=lr] input.typed").input_value()))
    page.wait_for_timeout(4 * DELAY * 1000)  # the last echoes are on their way
    seen = page.evaluate("() => window.seen")
    assert seen == sorted(seen, reverse=True)
    assert slider.input_value() == shown


def test_what_is_set_while_the_connection_is_lost_takes_effect_when_it_is_back(
    context: BrowserContext, errors: list[str], link: Proxy, server: str
) -> None:
    page = opened(context, link.address)
    run = run_id(page)
    lose(page, link)
    expect(page.get_by_test_id("status")).to_have_text("no connection")
    expect(page.get_by_test_id("rate")).to_have_text("–")
    field = page.locator("[data-knob=lr] input.typed")
    field.fill("0.1")
    field.press("Enter")
    batch = page.locator("[data-knob=batch_size] input.typed")
    batch.fill("20")
    batch.press("Enter")
    link.restore()
    expect(page.get_by_test_id("entry-lost")).to_have_count(0, timeout=WITHIN)
    until_knob(server, page, "lr", 0.1)
    until_knob(server, page, "batch_size", 20)
    expect(field).to_have_value("0.1")
    assert run_id(page) == run
    wait_past(page, step_of(page))


def test_pause_pressed_while_the_connection_is_lost_pauses_when_it_is_back(
    context: BrowserContext, errors: list[str], link: Proxy
) -> None:
    page = opened(context, link.address)
    lose(page, link)
    page.get_by_test_id("play").click()
    expect(page.get_by_test_id("play")).to_have_attribute("aria-label", "Play")
    link.restore()
    expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    at = step_of(page)
    page.get_by_test_id("step").click()
    wait_past(page, at)
    assert step_of(page) == at + 1


def test_a_text_typed_while_the_connection_is_lost_arrives(
    context: BrowserContext, errors: list[str], link: Proxy, server: str
) -> None:
    page = opened(context, link.address, "transformer")
    lose(page, link)
    box = page.locator("[data-knob=word] input, [data-knob=word] textarea").first
    box.fill("abba")
    link.restore()
    until_knob(server, page, "word", "abba")
    expect(box).to_have_value("abba")


def test_a_text_refused_late_is_told_and_takes_no_other_value_along(
    context: BrowserContext, errors: list[str], slow: Proxy, server: str
) -> None:
    page = opened(context, slow.address, "transformer")
    word = page.locator("[data-knob=word] input, [data-knob=word] textarea").first
    rate = page.locator("[data-knob=lr] input.typed")
    rate.fill("0.0002")
    rate.press("Enter")
    word.fill("no digits: 7")
    problem = page.locator("[data-knob=word] .problem")
    expect(problem).to_be_visible(timeout=WITHIN)
    until_knob(server, page, "lr", 0.0002)
    expect(rate).to_have_value(re.compile("^(2e-4|0.0002)$"))
    expect(problem).to_be_visible()
    expect(word).to_have_value("no digits: 7")
    word.fill("abba")
    expect(problem).to_have_count(0, timeout=WITHIN)


def test_an_error_ends_when_its_cause_does_and_leaves_resume_in_its_place(
    context: BrowserContext, errors: list[str], link: Proxy, server: str
) -> None:
    page = opened(context, link.address)
    lose(page, link)
    page.get_by_test_id("reset").click()
    expect(page.get_by_test_id("error")).to_contain_text("is not responding", timeout=WITHIN)
    httpx.post(f"{server}/api/runs/{run_id(page)}/stop").raise_for_status()
    link.restore()
    expect(page.get_by_test_id("error")).to_have_count(0, timeout=WITHIN)
    expect(page.get_by_test_id("status")).to_have_text("stopped", timeout=WITHIN)


def test_new_runs_asked_for_faster_than_they_begin_lose_no_choice_and_leave_none_behind(
    context: BrowserContext, errors: list[str], slow: Proxy, server: str
) -> None:
    page = opened(context, slow.address)
    first = run_id(page)
    before = {run["id"] for run in httpx.get(f"{server}/api/runs").json()}
    expect(page.locator("[data-knob=dataset] label", has_text="circle").first).to_be_visible(timeout=WITHIN)
    page.evaluate(  # another layer, and in the same moment another data set
        """() => {
          [...document.querySelectorAll('[data-knob=hidden] .change')].at(-1).click();
          const data = [...document.querySelectorAll('[data-knob=dataset] label')];
          data.find((label) => label.innerText.trim() === 'circle').querySelector('input').click();
        }"""
    )
    rate = page.locator("[data-knob=lr] input.typed")
    rate.fill("0.2")
    rate.press("Enter")
    wait_to_leave(page, first)
    until_knob(server, page, "dataset", "circle")
    until_knob(server, page, "lr", 0.2)
    assert len(knobs_of(server, page)["hidden"]) == 3  # type: ignore[arg-type]
    shown = run_id(page)
    begun = [run for run in httpx.get(f"{server}/api/runs").json() if run["id"] not in before]
    assert all(run["status"] == "stopped" for run in begun if run["id"] != shown)
    page.get_by_test_id("previous").click(timeout=WITHIN)
    page.wait_for_function("(run) => location.search.includes('run=' + run)", arg=first, timeout=WITHIN)


def test_a_run_deleted_while_it_is_looked_at_says_so(
    context: BrowserContext, errors: list[str], link: Proxy, server: str
) -> None:
    page = opened(context, link.address)
    httpx.delete(f"{server}/api/runs/{run_id(page)}").raise_for_status()
    gone = page.get_by_test_id("entry-gone")
    expect(gone).to_be_visible(timeout=WITHIN)
    gone.get_by_role("button").click()
    expect(gone).to_have_count(0, timeout=WITHIN)
    expect(page.get_by_test_id("status")).to_have_text(re.compile("running|queued|starting"), timeout=WITHIN)


def test_a_page_hidden_with_a_frame_due_keeps_up(
    context: BrowserContext, errors: list[str], server: str
) -> None:
    page = opened(context, server)
    before = step_of(page)
    page.evaluate(
        """() => {
          window.requestAnimationFrame = () => 0;  // as in a hidden tab: none comes
          document.querySelector('[data-knob=lr] input.typed').focus();
        }"""
    )
    page.wait_for_timeout(300)  # a frame is due that will not come
    page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', { value: true, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    wait_past(page, before + 500)


def test_a_part_of_the_page_that_does_not_come_is_told_in_its_place(
    context: BrowserContext, errors: list[str], server: str
) -> None:
    page = context.new_page()
    page.route("**/assets/Graph-*.js", lambda route: route.abort())
    page.goto(f"{server}/lab/neural-playground")
    wait_for_hero(page)
    network = page.locator(".panel", has=page.locator(".problem"))
    expect(network).to_have_count(1)
    expect(network.locator(".problem")).to_contain_text("did not arrive")
    page.unroute("**/assets/Graph-*.js")
    page.reload()
    wait_for_hero(page)
    expect(page.locator(".panel .problem")).to_have_count(0)


def test_a_knobs_editor_that_does_not_come_is_told_in_its_place(
    context: BrowserContext, errors: list[str], server: str
) -> None:
    page = context.new_page()
    page.route("**/assets/Grid-*.js", lambda route: route.abort())
    page.goto(f"{server}/lab/convolution")
    wait_for_hero(page)
    expect(page.locator("[data-knob=taps] .problem")).to_contain_text("did not arrive")
