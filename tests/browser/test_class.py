"""A lesson played through: one teacher, five learners, each in a browser of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from descent.access import Book
from lab import WITHIN, run_id, served, wait_for_hero

NAMES = ("김민아", "Ben", "Chloé", "Đỗ An", "Eun")
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def class_server(home: Path) -> Iterator[str]:
    """A server that others could reach; its address as this machine has it."""
    with served(home, "--host", "0.0.0.0") as (address, _):
        yield f"http://127.0.0.1:{address.rpartition(':')[2]}"


def come_in(
    browser: Browser, address: str, token: str, name: str, *, phone: bool = False, korean: bool = False
) -> Page:
    context = browser.new_context(
        viewport=PHONE if phone else {"width": 1366, "height": 768},  # type: ignore[arg-type]
        locale="ko-KR" if korean else "en-GB",
        color_scheme="dark" if phone else "light",
    )
    entered = context.request.post(f"{address}/api/enter", data={"key": token, "name": name})
    assert entered.ok
    page = context.new_page()
    page.goto(address)
    return page


@pytest.mark.timeout(600)
def test_a_lesson_is_played_through(
    browser: Browser, class_server: str, home: Path, screenshots: Path
) -> None:
    book = Book(home)
    (_, teachers), (_, learners) = book.new_key("teacher"), book.new_key("learner")
    book.close()
    teacher = come_in(browser, class_server, teachers, "Ms Kim")
    pupils = [
        come_in(browser, class_server, learners, name, phone=i == 1, korean=i < 2)
        for i, name in enumerate(NAMES)
    ]
    teacher.get_by_test_id("class-open").click(timeout=WITHIN)
    for name in NAMES:
        expect(teacher.get_by_test_id("class")).to_contain_text(name, timeout=WITHIN)

    # Follow me
    teacher.goto(f"{class_server}/lab/linear-regression")
    wait_for_hero(teacher)
    run = run_id(teacher)
    teacher.get_by_test_id("class-open").click()
    teacher.get_by_test_id("class-show").click(timeout=WITHIN)
    for pupil in pupils:
        pupil.wait_for_url(f"**/lab/linear-regression?run={run}*", timeout=WITHIN)
        wait_for_hero(pupil)
    first = pupils[0]
    teacher.locator(".panel.hero").hover()
    pointed = False
    for i in range(150):
        teacher.mouse.move(500 + i, 300)
        pointed = pointed or first.get_by_test_id("pointed").count() > 0
        if pointed:
            break
        teacher.wait_for_timeout(200)
    assert pointed, "what the teacher points at is shown to all"
    first.screenshot(path=screenshots / "class-follows-1366-ko.png")
    first.get_by_test_id("class-open").click()  # folded, and not unfolded by where the teacher goes
    teacher.locator(".panel.hero").get_by_role("button", name="Menu of").click()
    teacher.get_by_role("menuitem", name="Enlarge").click()
    first.locator(".panel.enlarged").wait_for(timeout=WITHIN)
    expect(first.get_by_test_id("class-open")).to_have_attribute("aria-expanded", "false")
    teacher.keyboard.press("Escape")

    # One looks around, and stays there
    around = pupils[4]
    around.get_by_test_id("class-follow").click()
    around.goto(f"{class_server}/lab/moving-average")
    wait_for_hero(around)
    expect(around.get_by_test_id("class-follow")).to_have_text("Come along", timeout=WITHIN)
    assert "/lab/moving-average" in around.url
    around.get_by_test_id("class-follow").click()
    around.wait_for_url(f"**/lab/linear-regression?run={run}*", timeout=WITHIN)

    # What one trains is seen by the teacher, and shown to all
    teacher.get_by_test_id("class-show").click()
    expect(first.get_by_test_id("class")).to_have_count(0, timeout=WITHIN)
    around.goto(f"{class_server}/lab/moving-average")
    wait_for_hero(around)
    theirs = run_id(around)
    teacher.get_by_test_id("class-pictures").check()
    row = teacher.get_by_test_id("class").locator("li", has_text=NAMES[4])
    row.locator("iframe").scroll_into_view_if_needed()
    teacher.frame_locator(f"iframe[src*='{theirs}']").locator(".panel[data-step]").wait_for(timeout=WITHIN)
    teacher.screenshot(path=screenshots / "class-pictures-1366-en.png")
    row.get_by_test_id("class-theirs").click()
    first.wait_for_url(f"**/lab/moving-average?run={theirs}*", timeout=WITHIN)
    teacher.get_by_test_id("class-stop").click()

    # A question, guessed before it is seen
    teacher.goto(f"{class_server}/lab/neural-playground")
    wait_for_hero(teacher)
    teacher.get_by_test_id("class-open").click()
    teacher.get_by_test_id("class-question").select_option("bend", timeout=WITHIN)
    teacher.get_by_test_id("class-ask").click()
    for i, pupil in enumerate(pupils):
        pupil.get_by_test_id("guess-half" if i < 3 else "guess-most").click(timeout=WITHIN)
        pupil.get_by_test_id("given").wait_for(timeout=WITHIN)
    expect(teacher.get_by_test_id("class")).to_contain_text("5 of 5 have answered", timeout=WITHIN)
    asked = run_id(first)
    assert httpx.get(f"{class_server}/api/runs/{asked}").status_code == 401
    told = first.context.request.get(f"{class_server}/api/runs/{asked}").json()
    assert (told["step"], told["knobs"]["hidden"]) == (0, [])
    pupils[1].screenshot(path=screenshots / "class-asked-390-ko.png")

    # The teacher's page goes away in the midst of it, and comes back
    teacher.reload()
    teacher.get_by_test_id("class-open").click(timeout=WITHIN)
    teacher.get_by_test_id("class-close").click(timeout=WITHIN)
    expect(first.get_by_test_id("guesses")).to_contain_text("3", timeout=WITHIN)
    teacher.screenshot(path=screenshots / "class-closed-1366-en.png")
    teacher.get_by_test_id("class-go").click()
    for i, pupil in enumerate(pupils):
        verdict = pupil.get_by_test_id("verdict")
        verdict.wait_for(timeout=2 * WITHIN)
        right = ("예상이 맞았습니다" if i < 2 else "You guessed right") if i < 3 else "It came otherwise"
        expect(verdict).to_contain_text(right)
    first.screenshot(path=screenshots / "class-seen-1366-ko.png")
    teacher.get_by_test_id("class-end").click()
    expect(first.get_by_test_id("class")).to_contain_text("1문제 중 1개", timeout=WITHIN)
    for page in (teacher, *pupils):
        page.context.close()


def test_after_a_restart_of_the_server_everyone_is_where_they_were(browser: Browser, home: Path) -> None:
    outside = ("--host", "0.0.0.0")
    with served(home, *outside) as (address, _):
        port = address.rpartition(":")[2]
        address = f"http://127.0.0.1:{port}"
        book = Book(home)
        (_, teachers), (_, learners) = book.new_key("teacher"), book.new_key("learner")
        book.close()
        teacher = come_in(browser, address, teachers, "Ms Kim")
        first, second = (come_in(browser, address, learners, name) for name in NAMES[:2])
        teacher.goto(f"{address}/lab/neural-playground")
        wait_for_hero(teacher)
        teacher.get_by_test_id("class-open").click()
        teacher.get_by_test_id("class-question").select_option("bend", timeout=WITHIN)
        teacher.get_by_test_id("class-ask").click()
        first.get_by_test_id("guess-half").click(timeout=WITHIN)
        first.get_by_test_id("given").wait_for(timeout=WITHIN)
        second.get_by_test_id("guess-half").wait_for(timeout=WITHIN)
    with served(home, *outside, f"--port={port}"):
        second.get_by_test_id("guess-most").click(timeout=WITHIN)
        second.get_by_test_id("given").wait_for(timeout=WITHIN)
        expect(first.get_by_test_id("given")).to_be_visible()
        expect(teacher.get_by_test_id("class")).to_contain_text("2 of 2 have answered", timeout=WITHIN)
        teacher.get_by_test_id("class-close").click()
        expect(first.get_by_test_id("guesses")).to_contain_text("1", timeout=WITHIN)
        for page in (teacher, first, second):
            page.context.close()
