"""The knob that takes a network from a recorded run: it lists them, and says where there is none any more."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect

from lab import WITHIN, Open, chosen, run_id, wait_for_hero

NONE = '[data-testid="no-recorded-run"]'


def test_a_recorded_run_is_chosen_and_one_deleted_meanwhile_is_named(open_page: Open, server: str) -> None:
    page = open_page("/lab/transfer-learning", refused=True)
    wait_for_hero(page)
    knob = page.locator("[data-knob=recorded]")
    options = knob.locator("option")
    before = options.count()

    ids = []
    for steps in (2, 1000):  # before the first checkpoint, and after
        body = {"experiment": "cnn-images", "max_steps": steps}
        run = httpx.post(f"{server}/api/runs", json=body).raise_for_status().json()["id"]
        while httpx.get(f"{server}/api/runs/{run}").json()["status"] != "finished":
            page.wait_for_timeout(100)
        ids.append(run)
    short, long = ids
    knob.locator("select").focus()  # whoever opens the list sees the runs there are now
    expect(options).to_have_count(before + 2, timeout=WITHIN)
    expect(page.locator(NONE)).to_have_count(0)

    first = run_id(page)
    knob.locator("select").select_option(short)
    expect(knob.get_by_role("alert")).to_contain_text("no checkpoint yet", timeout=WITHIN)
    assert run_id(page) == first
    borrowing = chosen(page, "recorded", long)
    assert httpx.get(f"{server}/api/runs/{borrowing}").json()["knobs"]["recorded"] == long
    wait_for_hero(page)

    httpx.delete(f"{server}/api/runs/{short}").raise_for_status()
    knob.locator("select").select_option(short)
    expect(knob.get_by_role("alert")).to_contain_text("not recorded here", timeout=WITHIN)
    assert run_id(page) == borrowing
