"""A panel's picture as SVG looks like its picture as PNG, and is made of lines and text."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Page

from lab import WITHIN, Open, wait_past

SVG = "{http://www.w3.org/2000/svg}"


def saved(page: Page, panel: str, ending: str) -> bytes:
    """What the menu of a panel saves."""
    page.locator(f"[data-panel={panel}] .menu button").first.click()
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name=f"Save picture ({ending.upper()})").click()
    assert waited.value.suggested_filename.endswith(f".{ending}")
    return waited.value.path().read_bytes()


def drawn(page: Page, svg: bytes, size: tuple[int, int]) -> Image.Image:
    """The picture as a browser draws it on a page of its own."""
    other = page.context.new_page()
    other.set_viewport_size({"width": size[0], "height": size[1]})
    address = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    other.set_content(f"<style>body {{ margin: 0 }} img {{ display: block }}</style><img src='{address}'>")
    other.wait_for_function("() => document.images[0].complete")
    picture = Image.open(io.BytesIO(other.screenshot())).convert("RGB")
    other.close()
    return picture


def apart(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of their bytes, four pixels taken together: letters have other soft edges."""
    return sum(ImageStat.Stat(ImageChops.difference(one.reduce(4), other.reduce(4))).mean) / 3


def test_a_picture_of_lines_looks_as_the_panel_does(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    wait_past(page, 20)
    page.get_by_test_id("play").click()
    page.wait_for_timeout(500)  # the last pictures have come
    for panel, images in (("decision_map", 2), ("loss", 0)):
        svg = saved(page, panel, "svg")
        png = Image.open(io.BytesIO(saved(page, panel, "png"))).convert("RGB")
        empty = Image.new("RGB", png.size, png.getpixel((0, 0)))
        shown = drawn(page, svg, png.size)
        assert shown.size == png.size
        assert apart(shown, png) < 0.15 * apart(png, empty), panel
        root = ElementTree.fromstring(svg)
        assert root.find(f"{SVG}title") is not None
        assert len(list(root.iter(f"{SVG}path"))) > 5
        assert any(text.text for text in root.iter(f"{SVG}text"))
        assert len(list(root.iter(f"{SVG}image"))) == images, panel
