"""Where there is more than a CPU, a lab offers what a new run trains on."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, Route, expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_to_leave

pytestmark = pytest.mark.browser

WORDS = {
    "en": ["Automatic", "CPU", "GPU, the least busy", "GPU 0", "GPU 1"],
    "ko": ["자동", "CPU", "가장 한가한 GPU", "GPU 0", "GPU 1"],
}


@pytest.mark.parametrize(("language", "width"), [("en", 1366), ("ko", 390)])
def test_a_new_run_trains_on_the_device_that_was_chosen(open_page: Open, language: str, width: int) -> None:
    """The server says that it has two GPUs, which it has not."""
    page: Page = open_page("/", language=language, width=width, height=844, refused=True)

    def with_gpus(route: Route) -> None:
        told = route.fetch().json() | {"devices": ["cpu", "cuda:0", "cuda:1"]}
        route.fulfill(json=told)

    page.route("**/api/health", with_gpus)
    page.goto(page.url.rstrip("/") + f"/lab/neural-playground?lang={language}")
    wait_for_hero(page)
    before = run_id(page)
    if width < 640:
        page.locator("button.only-phone").last.click()
    choice = page.locator("#device")
    expect(choice.locator("option")).to_have_text(WORDS[language], timeout=WITHIN)
    with page.expect_request(lambda one: one.method == "POST" and one.url.endswith("/api/runs")) as asked:
        choice.select_option("cpu")
    assert json.loads(asked.value.post_data or "")["device"] == "cpu"
    wait_to_leave(page, before)
    with page.expect_response(lambda one: one.url.endswith("/api/runs")) as refused:
        choice.select_option("cuda:1")
    assert refused.value.status == 422
    wrong = page.get_by_role("alert").filter(has_text="cuda:1").first
    expect(wrong).to_contain_text("auto, cpu")
