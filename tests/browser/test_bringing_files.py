"""A file of one's own is brought at the knob that takes it, trained on, and missed when it is gone."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Page, expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_past, wait_to_leave

TABLE = "날짜,기온,습도\n" + "".join(
    f"2024-{1 + day // 28:02}-{1 + day % 28:02},{day % 9},{day % 7}\n" for day in range(300)
)


def bring(page: Page, name: str, content: bytes) -> None:
    page.locator("[data-knob=file] input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def knobs_of(page: Page, server: str) -> dict[str, Any]:
    return dict(httpx.get(f"{server}/api/runs/{run_id(page)}").json()["knobs"])


def recorded(page: Page, server: str, scalar: str) -> float:
    """A scalar's latest value in the record, which may come after the page's."""
    by = time.monotonic() + WITHIN / 1000
    while scalar not in (latest := httpx.get(f"{server}/api/runs/{run_id(page)}").json()["latest"]):
        assert time.monotonic() < by, f"{scalar} is not recorded"
        time.sleep(0.05)
    return float(latest[scalar])


def test_a_table_saved_by_excel_in_korea_is_brought_and_trained_on(open_page: Open, server: str) -> None:
    page = open_page("/lab/da-rnn", language="ko", refused=True)
    wait_for_hero(page)
    before = run_id(page)
    page.locator("[data-knob=dataset] select").select_option("file")
    knob = page.locator("[data-knob=file]")
    expect(knob).to_contain_text("고른 파일이 없습니다", timeout=WITHIN)
    assert run_id(page) == before

    bring(page, "날씨.csv", TABLE.replace("2024-01-02,1", "2024-01-02,맑음").encode("cp949"))
    expect(knob).to_contain_text("3행", timeout=WITHIN)  # the row, in Korean
    expect(knob).to_contain_text("기온")
    assert run_id(page) == before

    bring(page, "날씨.csv", TABLE.encode("cp949"))
    wait_to_leave(page, before)
    wait_for_hero(page)
    assert knobs_of(page, server)["dataset"] == "file"
    chosen = knob.locator("select option:checked")
    expect(chosen).to_contain_text("날씨.csv")


def test_a_text_is_dropped_listed_for_others_and_deleted(open_page: Open, server: str) -> None:
    text = ("Down the rabbit hole, said the cat; and never once looked back. " * 300).encode()
    answer = httpx.post(
        f"{server}/api/files", params={"name": "cat.txt", "kind": "text"}, content=text, timeout=WITHIN / 1000
    )
    file = answer.raise_for_status().json()["id"]
    page = open_page("/lab/lstm-cells", refused=True)
    wait_for_hero(page)
    before = run_id(page)
    page.locator("[data-knob=corpus] select").select_option("file")
    knob = page.locator("[data-knob=file]")
    expect(knob.locator("option")).to_contain_text(["choose a file", "cat.txt · 20 kB"], timeout=WITHIN)
    knob.locator("select").select_option(file)
    wait_to_leave(page, before)
    wait_for_hero(page)
    assert knobs_of(page, server)["file"] == file

    dropped = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            const png = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 1, 2);
            data.items.add(new File([png], 'x.png'));
            return data;
        }"""
    )
    knob.locator(".own").dispatch_event("drop", {"dataTransfer": dropped})
    expect(knob).to_contain_text("This is not a text", timeout=WITHIN)

    running = run_id(page)
    knob.get_by_role("button", name="Remove").click()
    knob.get_by_role("button", name="Remove it for good?").click()
    expect(knob).to_contain_text("No file is chosen", timeout=WITHIN)
    kept = httpx.get(f"{server}/api/files").json()  # the server is shared: tables of other tests may be there
    assert [one for one in kept if one["kind"] == "text"] == []
    assert run_id(page) == running  # it goes on with what it has read


def zip_of_pictures() -> bytes:
    """Two folders: pictures that are bright above, and below."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, top in (("위", 0), ("아래", 30)):
            for n in range(15):
                one, picture = io.BytesIO(), Image.new("RGB", (60, 60), (20 + n, 40, 60))
                picture.paste((250, 200 + n, 90), (0, top, 60, top + 30))
                picture.save(one, "JPEG")
                archive.writestr(f"사진/{name}/{n}.jpg", one.getvalue())
    return file.getvalue()


def test_a_zip_of_pictures_is_brought_and_a_network_learns_its_folders(open_page: Open, server: str) -> None:
    page = open_page("/lab/cnn-images", language="ko", refused=True)
    wait_for_hero(page)
    before = run_id(page)
    page.locator("[data-knob=dataset] select").select_option("file")
    knob = page.locator("[data-knob=file]")
    expect(knob).to_contain_text("PNG나 JPEG", timeout=WITHIN)

    bring(page, "bad.zip", zip_of_pictures()[:200])
    expect(knob).to_contain_text("zip 파일이 아니거나", timeout=WITHIN)
    assert run_id(page) == before

    bring(page, "사진.zip", zip_of_pictures())
    wait_to_leave(page, before)
    wait_for_hero(page)
    run = httpx.get(f"{server}/api/runs/{run_id(page)}").json()
    assert run["knobs"]["dataset"] == "file"
    wait_past(page, 40)
    assert recorded(page, server, "acc/test") == 1
    knob.locator("summary").click()
    expect(knob.get_by_test_id("preview")).to_contain_text("아래 · 15장", timeout=WITHIN)
    assert knob.locator("img").count() == 12


def test_the_library_shows_renames_and_deletes(open_page: Open, server: str) -> None:
    page = open_page("/data", refused=True)
    page.get_by_label("Bring a file…").set_input_files(
        {
            "name": "weather.csv",
            "mimeType": "text/csv",
            "buffer": b"day,place,degrees\n2024-01-01,Seoul,1.5\n2024-01-02,Busan,\n",
        }
    )
    file = page.get_by_test_id("file").filter(has_text="weather.csv")
    expect(file.get_by_role("columnheader")).to_contain_text(
        ["daydate", "placewords", "degreesnumber"], timeout=WITHIN
    )
    file.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the file").fill("two days.csv")
    page.get_by_role("button", name="Save").click()
    file = page.get_by_test_id("file").filter(has_text="two days.csv")
    expect(file).to_be_visible(timeout=WITHIN)
    assert "two days.csv" in [one["name"] for one in httpx.get(f"{server}/api/files").json()]

    file.get_by_role("button", name="Change types").click()
    file.get_by_label("Type of place").select_option("number")
    file.get_by_role("button", name="Read it so").click()
    expect(file).to_contain_text("Row 2, column “place”: “Seoul” is no number", timeout=WITHIN)
    file.get_by_label("Type of place").select_option("words")
    file.get_by_label("Type of day").select_option("words")
    file.get_by_role("button", name="Read it so").click()
    other = page.get_by_test_id("file").filter(has_text="day: words")
    expect(other.get_by_role("columnheader")).to_contain_text(["daywords", "placewords"], timeout=WITHIN)
    other.get_by_role("button", name="Remove").click()
    other.get_by_role("button", name="Remove it for good?").click()
    expect(other).to_have_count(0, timeout=WITHIN)

    page.get_by_label("Bring a file…").set_input_files(
        [
            {"name": "one.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n3,4\n"},
            {"name": "two.txt", "mimeType": "text/plain", "buffer": b"two lines\nof text"},
        ]
    )
    for name, kind in (("one.csv", "table"), ("two.txt", "text")):
        brought = page.get_by_test_id("file").filter(has_text=name)
        expect(brought).to_contain_text(f"{kind} · 1 kB", timeout=WITHIN)
        brought.get_by_role("button", name="Remove").click()
        brought.get_by_role("button", name="Remove it for good?").click()
        expect(brought).to_have_count(0, timeout=WITHIN)

    page.get_by_label("Bring a file…").set_input_files(
        {"name": "bad.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n3,warm\n"}
    )
    expect(page.locator("main")).to_contain_text("Row 3, column “b”: “warm” is no number", timeout=WITHIN)
    file.get_by_role("button", name="Remove").click()
    file.get_by_role("button", name="Remove it for good?").click()
    expect(file).to_have_count(0, timeout=WITHIN)
    assert "two days.csv" not in [one["name"] for one in httpx.get(f"{server}/api/files").json()]


PEOPLE = "이름,키 (cm),몸무게 (kg),성별\n" + "".join(
    f"학생,{150 + n / 2},{'' if n == 7 else 45 + n / 2 + n % 5},{'남' if n > 40 else '여'}\n"
    for n in range(80)
)


def test_columns_of_a_korean_table_become_the_playgrounds_axes_and_classes(
    open_page: Open, server: str
) -> None:
    page = open_page("/lab/neural-playground", language="ko", refused=True)
    wait_for_hero(page)
    before = run_id(page)
    page.locator("[data-knob=dataset]").get_by_role("radio", name="내 표", exact=True).check(force=True)
    expect(page.locator("[data-knob=file]")).to_contain_text("고른 파일이 없습니다", timeout=WITHIN)
    bring(page, "학생.csv", PEOPLE.encode("cp949"))
    wait_to_leave(page, before)
    wait_for_hero(page)
    label = page.locator("[data-knob=label_column]")
    columns = ["이름 · 낱말", "키 (cm) · 숫자", "몸무게 (kg) · 숫자", "성별 · 낱말"]
    expect(label.locator("option")).to_contain_text(["알맞은 열 자동으로", *columns], timeout=WITHIN)
    label.locator("select").select_option("이름")
    expect(label).to_contain_text("“이름” 열은 모든 행에서 “학생”입니다", timeout=WITHIN)

    before = run_id(page)
    label.locator("select").select_option("성별")
    wait_to_leave(page, before)
    wait_for_hero(page)
    knobs = knobs_of(page, server)
    assert (knobs["dataset"], knobs["label_column"]) == ("file", "성별")
    remarks = page.locator("[data-panel=decision_map]")
    expect(remarks).to_contain_text("+1: 성별 = 여, −1: 남.", timeout=WITHIN)
    expect(remarks).to_contain_text("빈칸이 있어 뺀 행: 1개", timeout=WITHIN)
    wait_past(page, 300)
    assert recorded(page, server, "acc/train") > 0.9


def test_a_line_is_drawn_through_two_columns_of_a_korean_table(open_page: Open, server: str) -> None:
    page = open_page("/lab/linear-regression", language="ko", refused=True)
    wait_for_hero(page)
    before = run_id(page)
    page.locator("[data-knob=data] select").select_option("file")
    bring(page, "학생.csv", PEOPLE.encode("cp949"))
    wait_to_leave(page, before)
    wait_for_hero(page)
    fit = page.locator("[data-panel=fit]")
    expect(fit).to_contain_text("↑ 몸무게 (kg)", timeout=WITHIN)

    before = run_id(page)
    page.locator("[data-knob=y_column] select").select_option("성별")
    expect(page.locator("[data-knob=y_column]")).to_contain_text(
        "“성별” 열에는 수가 아니라 글자가 있습니다. “키 (cm)”, “몸무게 (kg)” 가운데서 고르세요.",
        timeout=WITHIN,
    )
    before = run_id(page)
    page.locator("[data-knob=y_column] select").select_option("몸무게 (kg)")
    wait_to_leave(page, before)
    wait_for_hero(page)
    wait_past(page, 100)
    run = httpx.get(f"{server}/api/runs/{run_id(page)}").json()
    assert run["knobs"]["data"] == "file"
    assert run["latest"]["loss/batch"] < 30  # of weights whose variance is 130
