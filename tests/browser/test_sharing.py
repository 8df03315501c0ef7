"""What is passed on from a lab: a link that makes the same run where it is not recorded."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from lab import WITHIN, Open, run_id, step_of, wait_for_hero, wait_past, wait_to_leave

AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
LAB = "/lab/neural-playground"


def paused(page: Page, address: str) -> int:
    """Pause the run; its step."""
    httpx.post(f"{address}/api/runs/{run_id(page)}/pause").raise_for_status()
    expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    return int(httpx.get(f"{address}/api/runs/{run_id(page)}").json()["step"])


def scalars(address: str, run: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = httpx.get(f"{address}/api/runs/{run}/scalars").raise_for_status().json()
    return found


def panels(page: Page) -> list[str]:
    """The names of the panels shown."""
    return sorted(page.locator("[data-panel]").evaluate_all("(all) => all.map((one) => one.dataset.panel)"))


def copied_link(page: Page) -> str:
    """The link that the page copies, asked for by key."""
    page.keyboard.press("l")
    field = page.get_by_test_id("link")
    expect(field).to_be_focused(timeout=WITHIN)
    return field.input_value()


def test_a_link_makes_the_same_run_where_it_was_deleted(open_page: Open, server: str) -> None:
    page = open_page(LAB, permissions=["clipboard-read", "clipboard-write"])
    wait_for_hero(page)
    wait_past(page, 60)
    run = run_id(page)
    at = f"{server}/api/runs/{run}"
    for values in ({"optimizer": "adam", "lr": 0.01}, {"activation": "relu", "regularisation": "l2"}):
        before = step_of(page)
        httpx.patch(at, json={"knobs": values}).raise_for_status()
        wait_past(page, before + 30)
    step = paused(page, server)
    changes = httpx.get(f"{at}/knobs").json()[1:]
    assert len(changes) == 2
    page.get_by_test_id("share").click()
    page.get_by_role("menuitem", name="Copy link").click()
    expect(page.get_by_test_id("copied")).to_have_text("The link is copied.", timeout=WITHIN)
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.get_by_test_id("link").input_value()
    expected = scalars(server, run)

    here = open_page(link.removeprefix(server))  # recorded: it is shown
    expect(here.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    assert run_id(here) == run

    httpx.delete(at).raise_for_status()
    again = open_page(link.removeprefix(server), missing=True)
    wait_for_hero(again)
    expect(again.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    other = run_id(again)
    assert other != run
    assert "seed" not in parse_qs(urlsplit(again.url).query)  # a reload shows that run
    shown = httpx.get(f"{server}/api/runs/{other}").json()
    assert (shown["step"], shown["seed"]) == (step, 0)
    assert httpx.get(f"{server}/api/runs/{other}/knobs").json()[1:] == changes
    assert scalars(server, other) == expected, "bit for bit"


def test_a_link_says_what_is_shown(open_page: Open, server: str) -> None:
    page = open_page(LAB, language="ko")
    wait_for_hero(page)
    page.get_by_test_id("group-effects").click()
    page.wait_for_selector("[data-panel][data-step]", timeout=WITHIN)
    first = page.locator("[data-panel]").first
    name = first.get_attribute("data-panel")
    first.get_by_role("button", name="메뉴").click()
    first.get_by_role("menuitem", name="숨기기").click()
    expect(page.locator(f"[data-panel={name}]")).to_have_count(0)
    link = copied_link(page)
    query = {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}
    assert (query["group"], query["lang"]) == ("effects", "ko")
    assert "paused" not in query
    shown = panels(page)
    assert len(shown) > 1
    httpx.delete(f"{server}/api/runs/{run_id(page)}").raise_for_status()
    there = open_page(link.removeprefix(server), missing=True)  # by someone who reads English
    wait_past(there, int(query["step"]))
    assert there.evaluate("document.documentElement.lang") == "ko"
    assert panels(there) == shown
    expect(there.get_by_test_id("status")).to_have_text("학습 중", timeout=WITHIN)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"seed": "0", "step": "99999999"}, "whole step up to 1000000"),
        ({"seed": "0", "k.lr": "-5"}, "Learning rate"),
        ({"seed": "0", "k.nonsense": "1"}, "nonsense"),
        ({"seed": "0", "log": "5*lr"}, "Copy the link again"),
        ({"seed": "0", "k.lr": "x" * 13_000}, "too long"),
    ],
)
def test_a_link_is_never_trusted(open_page: Open, asked: dict[str, str], says: str) -> None:
    page = open_page(f"{LAB}?{urlencode(asked)}", refused=True)
    expect(page.get_by_test_id("missing")).to_contain_text("This link cannot be opened", timeout=WITHIN)
    expect(page.get_by_test_id("missing")).to_contain_text(says)
    page.get_by_test_id("new-run").click()
    wait_for_hero(page)


@pytest.mark.parametrize(("width", "height", "language"), [(1366, 768, "en"), (1920, 1080, "ko")])
def test_a_class_is_held_from_the_projector(
    open_page: Open, server: str, width: int, height: int, language: str
) -> None:
    page = open_page("/lab/learning-rate", width=width, height=height, language=language)
    wait_for_hero(page)
    run = run_id(page)
    page.keyboard.press("p")
    stage = page.get_by_test_id("present")
    expect(stage.locator(".panel[data-step]").first).to_be_visible(timeout=WITHIN)
    expect(page.get_by_test_id("share")).to_have_count(0)  # no other chrome
    expect(page.locator(".lab")).to_be_hidden()
    assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
    assert stage.locator(".panel h2").first.evaluate(
        "(e) => parseFloat(getComputedStyle(e).fontSize) * e.currentCSSZoom"
    ) == pytest.approx(19.5)

    chart = stage.locator(".u-over").first  # the pointer is where it points
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5)
    page.wait_for_function(
        """([x, slack]) => {
          const line = document.querySelector('.present .u-cursor-x').getBoundingClientRect();
          return Math.abs(line.right - x) < slack;
        }""",
        arg=[box["x"] + box["width"] * 0.7, 6],
        timeout=WITHIN,
    )

    page.get_by_test_id("present-choose").click()
    pressed = stage.locator(".chooser [role=group]").first.locator("[aria-pressed=true]")
    expect(pressed).to_have_count(2)
    pressed.first.click()
    expect(stage.locator(".panel")).to_have_count(1)
    page.evaluate(AXE.read_text())
    assert page.evaluate("() => axe.run().then((found) => found.violations.map((one) => one.id))") == []
    page.keyboard.press("Escape")  # closes the chooser alone
    expect(stage).to_be_visible()

    with page.expect_popup() as opened:
        page.keyboard.press("n")
    notes = opened.value
    expect(notes.locator("article h2").first).to_be_visible(timeout=WITHIN)
    page.keyboard.press("2")
    wait_to_leave(page, run)
    expect(stage.locator(".panel")).to_have_count(1)
    title = httpx.get(f"{server}/api/experiments/learning-rate?lang={language}").json()["presets"][1]["title"]
    expect(notes.get_by_test_id("notes-now")).to_contain_text(title, timeout=WITHIN)
    assert notes.evaluate("document.documentElement.lang") == language

    page.keyboard.press("Escape")
    expect(stage).to_have_count(0)
    expect(page.locator(".board .panel.hero")).to_be_visible()
    page.keyboard.press("p")  # what was chosen is remembered
    expect(stage.locator(".panel")).to_have_count(1)
