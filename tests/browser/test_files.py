"""Runs taken home from the history: a file is saved, or the page says why not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect
from safetensors.numpy import load

from lab import WITHIN, Open, run_id, served, wait_past


def recorded(open_page: Open) -> tuple[str, str]:
    """A server's address and a run that it has recorded."""
    page = open_page("/lab/neural-playground")
    wait_past(page, 20)
    server, run = page.url.partition("/lab")[0], run_id(page)
    httpx.post(f"{server}/api/runs/{run}/stop").raise_for_status()
    page.close()
    return server, run


def menu(page: Page, run: str) -> Page:
    page.get_by_test_id(f"row-{run}").get_by_test_id("menu").click()
    return page


@pytest.mark.parametrize(
    ("item", "ending", "begins"),
    [
        ("Export (zip)", ".zip", b"PK"),
        ("PyTorch script", ".py", b'"""'),
        ("Scalars (CSV)", ".csv", b"step,"),
        ("Weights (PyTorch state_dict)", ".pt", b"PK"),
        ("TensorBoard", "-tensorboard.zip", b"PK"),
    ],
)
def test_a_run_is_saved_as_a_file(item: str, ending: str, begins: bytes, open_page: Open) -> None:
    if item == "TensorBoard":
        pytest.importorskip("tensorboard")
    _, run = recorded(open_page)
    page = menu(open_page("/history"), run)
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name=item).click()
    assert waited.value.suggested_filename.endswith(ending)
    assert run in waited.value.suggested_filename
    assert waited.value.path().read_bytes().startswith(begins)


def test_the_lab_saves_the_weights_of_the_step_it_shows(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 20)
    page.get_by_test_id("play").click()
    page.get_by_test_id("timeline").press("Home")
    page.get_by_test_id("share").click()
    page.get_by_role("menuitem", name="Save weights").click()
    expect(page.get_by_test_id("weights")).to_contain_text("after step 0")
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name="Weights (safetensors)").click()
    assert waited.value.suggested_filename == f"neural-playground-{run_id(page)}-0.safetensors"
    found = load(waited.value.path().read_bytes())
    assert found.keys()
    assert all(name.startswith("model.") for name in found)


def test_without_tensorboard_the_page_says_how_to_install_it_and_saves_nothing(open_page: Open) -> None:
    _, run = recorded(open_page)
    page = open_page("/history", refused=True)
    downloads: list[str] = []
    page.on("download", lambda download: downloads.append(download.suggested_filename))

    def lack(route: Route) -> None:
        problem: dict[str, object] = {
            "status": 501,
            "code": "not-installed",
            "detail": "…",
            "field": "format",
            "params": {"what": "TensorBoard", "extra": "tensorboard"},
        }
        route.fulfill(status=501, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/export?format=tensorboard", lack)
    menu(page, run).get_by_role("menuitem", name="TensorBoard").click()
    expect(page.get_by_test_id("problem")).to_contain_text(
        'pip install "descent-playground[tensorboard]"', timeout=WITHIN
    )
    assert not downloads


def test_a_run_that_was_deleted_meanwhile_is_not_saved(open_page: Open) -> None:
    server, run = recorded(open_page)
    page = menu(open_page("/history", missing=True), run)
    httpx.delete(f"{server}/api/runs/{run}").raise_for_status()
    page.get_by_role("menuitem", name="Export").click()
    expect(page.get_by_test_id("problem")).to_be_visible(timeout=WITHIN)


def test_the_script_of_an_imported_run_is_saved_only_after_a_warning(open_page: Open) -> None:
    server, run = recorded(open_page)
    bundle = httpx.get(f"{server}/api/runs/{run}/export").content
    taken = httpx.post(
        f"{server}/api/runs/import", content=bundle, headers={"Content-Type": "application/zip"}
    ).json()["id"]
    page = menu(open_page("/history"), taken)
    page.get_by_role("menuitem", name="PyTorch script").click()
    expect(page.get_by_text("This run was imported")).to_be_visible()
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name="Save it anyway").click()
    assert waited.value.suggested_filename.endswith(".py")


def test_a_run_is_saved_with_its_data_only_after_a_word_on_who_can_read_it(
    open_page: Open, server: str, tmp_path: Path, screenshots: Path
) -> None:
    with httpx.Client(base_url=server, timeout=WITHIN / 1000) as api:
        table = b"x,y\n" + b"".join(b"%d,%d\n" % (n, 3 * n + n % 5) for n in range(40))
        named = {"name": "mine.csv", "kind": "table"}
        file = api.post("/api/files", params=named, content=table).raise_for_status().json()["id"]
        body = {"experiment": "linear-regression", "max_steps": 20}
        with_data, without = (
            api.post("/api/runs", json={**body, "knobs": knobs}).raise_for_status().json()["id"]
            for knobs in ({"data": "file", "file": file}, {"data": "line", "file": file})
        )
        page = open_page("/history")
        item = page.get_by_role("menuitem", name="Export with its data (zip)")
        menu(page, without)
        expect(page.get_by_role("menuitem", name="Export (zip)")).to_be_visible()
        expect(item).to_have_count(0)
        page.keyboard.press("Escape")
        menu(page, with_data)
        item.click()
        expect(page.get_by_test_id("warning")).to_contain_text("Whoever gets it can read the data")
        page.screenshot(path=screenshots / "export-data.png")
        with page.expect_download(timeout=WITHIN) as waited:
            page.get_by_role("menuitem", name="Save it anyway").click()
        with zipfile.ZipFile(waited.value.path()) as archive:
            assert archive.read(f"data/{file}") == table
        korean = open_page("/history", language="ko", width=390, height=844)
        menu(korean, with_data)
        korean.get_by_role("menuitem", name="데이터까지 내보내기 (zip)").click()
        warning = korean.get_by_test_id("warning")
        expect(warning).to_contain_text("파일을 받은 사람은 누구나 읽을 수 있으니")
        expect(warning).to_be_in_viewport(ratio=1)
        korean.screenshot(path=screenshots / "export-data-ko.png")

        with served(tmp_path) as (elsewhere, _):
            away = httpx.Client(base_url=elsewhere, timeout=WITHIN / 1000)
            zip_type = {"Content-Type": "application/zip"}
            bundle = waited.value.path().read_bytes()
            copy = away.post("/api/runs/import", content=bundle, headers=zip_type).raise_for_status().json()
            branch = away.post(f"/api/runs/{copy['id']}/branch", json={"step": copy["step"]})
            assert branch.status_code == 201, branch.text
            assert [one["name"] for one in away.get("/api/files").json()] == ["mine.csv"]
            away.close()


def test_a_lab_says_which_other_runs_train_and_can_pause_them(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 20)
    server, left = page.url.partition("/lab")[0], run_id(page)
    other = open_page("/lab/descent-2d")
    wait_past(other, 1)
    crowd = other.get_by_test_id("entry-crowd")
    more = other.get_by_test_id("happened").get_by_test_id("more")
    expect(crowd.or_(more).first).to_be_visible(timeout=WITHIN)
    if crowd.count() == 0:
        more.click()
    crowd.get_by_test_id("who").click(timeout=WITHIN)
    row = other.get_by_test_id("crowd").locator("li", has=other.locator(f"a[href*='{left}']"))
    row.get_by_role("button").click()
    expect(row).to_have_count(0, timeout=WITHIN)
    assert httpx.get(f"{server}/api/runs/{left}").json()["status"] == "paused"
