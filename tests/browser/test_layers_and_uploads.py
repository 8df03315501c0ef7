"""A network put together in the list of layers, and a picture of a file in place of a drawing."""

from __future__ import annotations

import io
from typing import Any

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

from lab import WITHIN, Open, run_id, wait_for_hero, wait_to_leave

LIST = "[data-knob=layers]"


def row(page: Page, n: int) -> Locator:
    return page.locator(f"{LIST} [data-row='{n}']")


def kinds(page: Page, server: str) -> list[str]:
    """Of the layers of the run, as the server has them."""
    knobs = httpx.get(f"{server}/api/runs/{run_id(page)}").json()["knobs"]
    return [one["kind"] for one in knobs["layers"]]


def png(width: int, height: int) -> bytes:
    """A red picture with a white bar across its middle."""
    picture = Image.new("RGB", (width, height), (255, 0, 0))
    ImageDraw.Draw(picture).rectangle((0, height * 0.4, width, height * 0.6), (255, 255, 255))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def choose(page: Page, knob: str, name: str, data: bytes, kind: str = "image/png") -> None:
    page.locator(f"[data-knob={knob}] input[type=file]").set_input_files(
        {"name": name, "mimeType": kind, "buffer": data}
    )


def value(page: Page, server: str, knob: str) -> Any:
    return httpx.get(f"{server}/api/runs/{run_id(page)}").json()["knobs"][knob]


def waited(page: Page, server: str, knob: str, length: int) -> str:
    """The knob's text, once it has so many letters."""
    for _ in range(200):
        if len(found := value(page, server, knob)) == length:
            return str(found)
        page.wait_for_timeout(100)
    raise AssertionError(f"{knob} has {len(found)} letters, not {length}")


def test_rows_are_added_moved_and_removed_and_the_run_has_them(open_page: Open, server: str) -> None:
    page = open_page("/lab/cnn-images")
    wait_for_hero(page)
    conv = ["convolution", "activation", "pooling"]
    assert kinds(page, server) == conv * 2
    expect(row(page, 3)).to_contain_text("8 × 4 × 4")
    run = run_id(page)
    page.locator(LIST).get_by_role("button", name="+ Dropout").click()
    wait_to_leave(page, run)
    assert kinds(page, server) == [*conv, *conv, "dropout"]
    run = run_id(page)
    up = row(page, 7).get_by_role("button", name="Move up")
    up.focus()
    page.keyboard.press("Enter")
    wait_to_leave(page, run)
    assert kinds(page, server) == [*conv, "convolution", "activation", "dropout", "pooling"]
    expect(row(page, 6).get_by_role("button", name="Move up")).to_be_focused()  # it goes with its row
    run = run_id(page)
    row(page, 1).get_by_role("button", name="Remove").click()
    wait_to_leave(page, run)
    assert kinds(page, server) == ["activation", "pooling", "convolution", "activation", "dropout", "pooling"]
    expect(row(page, 2)).to_contain_text("1 × 4 × 4")  # channels of the picture itself, now
    wait_for_hero(page)


def test_an_impossible_layer_is_refused_at_its_row_and_the_run_goes_on(open_page: Open, server: str) -> None:
    page = open_page("/lab/cnn-images", refused=True)
    wait_for_hero(page)
    add = page.locator(LIST).get_by_role("button", name="+ Pooling")
    run = run_id(page)
    add.click()
    wait_to_leave(page, run)
    run = run_id(page)
    add.click()
    expect(row(page, 8).get_by_role("alert")).to_contain_text(
        "pooling 2 would shrink a map of 1 × 1 to nothing", timeout=WITHIN
    )
    assert run_id(page) == run
    row(page, 8).get_by_role("button", name="Remove").click()
    expect(page.locator(f"{LIST} [data-row]")).to_have_count(7)
    expect(page.locator(LIST).get_by_role("alert")).to_have_count(0)


def test_a_picture_is_uploaded_shown_and_cleared(open_page: Open, server: str) -> None:
    page = open_page("/lab/convolution")
    wait_for_hero(page)
    run = run_id(page)
    page.locator("[data-knob=source] select").select_option("own")
    wait_to_leave(page, run)
    wait_for_hero(page)
    run = run_id(page)
    choose(page, "picture", "bar.png", png(400, 400))
    text = waited(page, server, "picture", 3 * 96 * 96)
    assert (text[:3], text[3 * 96 * 48 :][:3]) == ("f00", "fff")
    assert run_id(page) == run  # it learns on, on another picture
    pad = page.locator("[data-knob=picture] canvas")
    pixel = "(canvas) => [...canvas.getContext('2d').getImageData(5, 5, 1, 1).data]"
    assert pad.evaluate(pixel) == [255, 0, 0, 255]
    page.locator("[data-knob=picture]").get_by_role("button", name="Clear").click()
    waited(page, server, "picture", 0)


def test_what_is_no_picture_says_so_at_the_field(open_page: Open, server: str) -> None:
    page = open_page("/lab/cnn-images", refused=True)
    wait_for_hero(page)
    alert = page.locator("[data-knob=picture]").get_by_role("alert")
    choose(page, "picture", "notes.png", b"no picture at all")
    expect(alert).to_contain_text("neither PNG nor JPEG", timeout=WITHIN)
    choose(page, "picture", "large.png", bytes(13 << 20))
    expect(alert).to_contain_text("larger than 12 MB", timeout=WITHIN)
    choose(page, "picture", "cut.png", png(60, 90)[:60])
    expect(alert).to_contain_text("breaks off, or is damaged", timeout=WITHIN)
    assert value(page, server, "picture") == ""
    choose(page, "picture", "bar.png", png(60, 90))
    waited(page, server, "picture", 3 * 28 * 28)
    expect(alert).to_have_count(0)
