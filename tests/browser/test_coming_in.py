"""A teacher and a learner on a server that asks for keys, each in a browser of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from descent.access import Book
from lab import WITHIN, run_id, served, wait_for_hero


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def class_server(home: Path) -> Iterator[str]:
    """A server that others could reach; its address as this machine has it."""
    with served(home, "--host", "0.0.0.0") as (address, _):
        yield f"http://127.0.0.1:{address.rpartition(':')[2]}"


def page_of(browser: Browser, language: str = "en", **options: object) -> Page:
    context = browser.new_context(
        viewport={"width": 1366, "height": 768},
        locale="ko-KR" if language == "ko" else "en-GB",
        **options,  # type: ignore[arg-type]
    )
    return context.new_page()


def test_a_teacher_hands_out_a_link_and_shows_a_run(
    browser: Browser, class_server: str, home: Path, screenshots: Path
) -> None:
    book = Book(home)
    _, token = book.new_key("teacher")
    book.close()
    teacher, learner = page_of(browser), page_of(browser, "ko")
    teacher.goto(f"{class_server}/lab/linear-regression")
    teacher.get_by_test_id("enter").wait_for(timeout=WITHIN)
    teacher.screenshot(path=screenshots / "coming-in-1366-en.png")
    teacher.goto(f"{class_server}/enter#{token}")
    teacher.get_by_test_id("enter-name").fill("Ms Kim")
    teacher.get_by_test_id("enter-go").click()
    teacher.get_by_test_id("me").click()
    assert token not in teacher.url
    teacher.get_by_test_id("people").click()
    teacher.get_by_test_id("new-label").fill("class 3")
    teacher.get_by_test_id("new-key").click()
    link = teacher.get_by_test_id("new-link")
    link.wait_for(timeout=WITHIN)
    assert re.fullmatch(rf"{class_server}/enter#[\w-]+", link.input_value())
    assert (
        teacher.locator(".made img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    )

    learner.goto(link.input_value())
    learner.get_by_test_id("enter-name").fill("김민아")
    learner.get_by_test_id("enter-go").click()
    expect(learner.get_by_test_id("me")).to_contain_text("김민아", timeout=WITHIN)
    expect(teacher.get_by_test_id("people-in")).to_contain_text("김민아", timeout=WITHIN)
    expect(teacher.get_by_test_id("server-training")).to_contain_text("0 of")
    teacher.screenshot(path=screenshots / "people-1366-en.png")

    teacher.goto(f"{class_server}/lab/linear-regression")
    wait_for_hero(teacher)
    run = run_id(teacher)
    learner.goto(f"{class_server}/lab/linear-regression?run={run}")
    expect(learner.get_by_text("실행을 찾을 수 없습니다")).to_be_visible(timeout=WITHIN)
    teacher.get_by_test_id("share").click()
    teacher.get_by_role("menuitem", name="Show to everybody").click()
    expect(teacher.get_by_text("Everybody here may watch this run.")).to_be_visible(timeout=WITHIN)
    learner.reload()
    wait_for_hero(learner)
    # Nothing on the page seems to obey that does not
    expect(learner.get_by_test_id("watched")).to_contain_text("분기하면", timeout=WITHIN)
    expect(learner.get_by_test_id("play")).to_be_disabled()
    assert learner.locator("[data-knob=lr]").evaluate("(knob) => knob.inert")
    learner.screenshot(path=screenshots / "shared-run-1366-ko.png")
    learner.keyboard.press("Space")
    expect(learner.get_by_text("다른 사람의 실행입니다", exact=False)).to_be_visible(timeout=WITHIN)
    expect(teacher.get_by_test_id("status")).to_have_text("running")
    learner.get_by_test_id("watched-branch").click()
    learner.wait_for_function(
        "(run) => new URLSearchParams(location.search).get('run') !== run", arg=run, timeout=WITHIN
    )
    expect(learner.get_by_test_id("watched")).to_have_count(0, timeout=WITHIN)
    expect(learner.get_by_test_id("play")).to_be_enabled(timeout=WITHIN)
    teacher.context.close()
    learner.context.close()
