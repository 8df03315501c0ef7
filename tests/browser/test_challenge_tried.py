"""A challenge tried, failed and solved; and a link for a class, which hides, locks and begins anew."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_past

LAB = "/lab/neural-playground"


def test_a_challenge_is_begun_broken_mended_and_solved(open_page: Open, server: str) -> None:
    page = open_page(LAB)
    wait_for_hero(page)
    page.get_by_test_id("challenges-open").click()
    strip = page.get_by_test_id("challenge")
    expect(strip).to_contain_text("The spiral on a budget", timeout=WITHIN)
    standing = page.get_by_test_id("challenge-standing")
    expect(standing).to_contain_text("does not count")  # it is the circle that is trained
    first = run_id(page)
    page.get_by_test_id("challenge-begin").click()
    page.wait_for_function("(before) => !location.href.includes(before)", arg=first, timeout=WITHIN)
    expect(standing).to_contain_text("★★★ until step 500", timeout=WITHIN)
    expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)

    begun = httpx.get(f"{server}/api/runs/{run_id(page)}").json()
    assert begun["knobs"]["dataset"] == "spiral"
    knobs = {"features": ["x1", "x2", "sin x1", "sin x2"], "hidden": [8, 4], "optimizer": "adam", "lr": 0.03}
    solving = {"experiment": "neural-playground", "knobs": {"dataset": "spiral", **knobs}, "viewed": True}
    run = httpx.post(f"{server}/api/runs", json=solving).json()["id"]
    page.goto(f"{server}{LAB}?run={run}")
    wait_past(page, 400)
    page.get_by_test_id("challenges-open").click()
    strip.get_by_role("button", name="The spiral on a budget").click()
    expect(standing).to_contain_text("Done after", timeout=WITHIN)
    expect(standing).to_contain_text("★★★")
    (solved,) = httpx.get(f"{server}/api/challenges").json()
    assert (solved["challenge"], solved["stars"], solved["run"]) == ("spiral", 3, run)

    gallery = open_page("/")
    expect(gallery.get_by_test_id("card-neural-playground")).to_contain_text("★ 3/", timeout=WITHIN)


def test_a_link_for_a_class_hides_locks_and_begins_a_run_of_ones_own(open_page: Open, server: str) -> None:
    page = open_page(LAB, permissions=["clipboard-read", "clipboard-write"])
    wait_for_hero(page)
    before = run_id(page)
    runs = len(httpx.get(f"{server}/api/runs", params={"experiment": "neural-playground"}).json())
    page.get_by_test_id("share").click()
    page.get_by_role("menuitem", name="Link for a class").click()
    page.get_by_test_id("hidden-batch_size").check(timeout=WITHIN)
    page.get_by_test_id("hidden-hidden").check()
    page.get_by_test_id("locked-activation").check()
    page.get_by_test_id("without-presets").check()
    page.get_by_test_id("without-lesson").check()
    page.get_by_test_id("build-challenge").select_option("spiral")
    expect(page.get_by_test_id("code")).to_be_visible(timeout=WITHIN)
    preview = page.frame_locator("[data-testid=preview]")
    expect(preview.locator("[data-knob=lr]")).to_be_visible(timeout=WITHIN)
    expect(preview.locator("[data-knob=hidden]")).to_have_count(0)
    page.get_by_test_id("build-copy").click()
    link = page.get_by_test_id("built").input_value()
    assert "run=" not in link
    assert len(httpx.get(f"{server}/api/runs", params={"experiment": "neural-playground"}).json()) == runs

    learner = open_page(link.removeprefix(server))
    wait_for_hero(learner)
    assert run_id(learner) != before
    expect(learner.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    expect(learner.get_by_test_id("challenge")).to_contain_text("The spiral on a budget", timeout=WITHIN)

    def as_asked() -> None:
        expect(learner.locator("[data-knob=lr]")).to_be_visible(timeout=WITHIN)
        for gone in ("[data-knob=batch_size]", "[data-knob=hidden]", ".presets", "aside.lesson.open"):
            expect(learner.locator(gone)).to_have_count(0)
        assert learner.locator("[data-knob=activation]").evaluate("(knob) => knob.inert")
        assert learner.locator("[data-knob=dataset]").evaluate("(knob) => !knob.inert")

    as_asked()
    learner.reload()
    wait_for_hero(learner)
    as_asked()


def test_a_question_is_guessed_at_and_decided_by_a_run_of_ones_own(open_page: Open, server: str) -> None:
    page = open_page(LAB, permissions=["clipboard-read", "clipboard-write"])
    wait_for_hero(page)
    page.get_by_test_id("share").click()
    page.get_by_role("menuitem", name="Link for a class").click()
    page.get_by_test_id("build-question").select_option("bend", timeout=WITHIN)
    page.get_by_test_id("build-copy").click()
    link = page.get_by_test_id("built").input_value()

    learner = open_page(link.removeprefix(server))
    wait_for_hero(learner)
    expect(learner.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
    expect(learner.get_by_test_id("predict-ask")).to_contain_text("How many points", timeout=WITHIN)
    learner.get_by_test_id("guess-most").click()
    verdict = learner.get_by_test_id("predict-verdict")
    expect(verdict).to_contain_text("It came otherwise", timeout=WITHIN)
    expect(verdict).to_contain_text("no edge separates the middle")
    run = httpx.get(f"{server}/api/runs/{run_id(learner)}").json()
    assert (run["step"], run["status"], run["knobs"]["hidden"]) == (500, "paused", [])
    learner.get_by_test_id("predict-again").click()
    learner.get_by_test_id("guess-half").click()
    expect(verdict).to_contain_text("You guessed right", timeout=WITHIN)
