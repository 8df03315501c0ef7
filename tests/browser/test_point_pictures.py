"""A point of the plane shows the picture that it stands for, to the pointer and to the keys."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, expect
from safetensors.numpy import load

from lab import WITHIN, Open, run_id, wait_for_hero, wait_past


def read(tip: Locator) -> np.ndarray:
    """The red of the picture that is shown, pixel by pixel."""
    url = tip.evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))[..., 0]


def test_a_point_shows_its_picture_at_the_pointer_and_by_keys(open_page: Open, server: str) -> None:
    page = open_page("/lab/autoencoder", height=1600)
    wait_for_hero(page)
    wait_past(page, 20)
    page.get_by_test_id("play").click()
    page.wait_for_timeout(1500)
    step = page.locator("[data-panel=codes]").get_attribute("data-step")
    frame = load(page.request.get(f"{server}/api/runs/{run_id(page)}/frames/codes?step={step}").body())
    canvas = page.locator("[data-panel=codes] canvas[role=application]")
    canvas.focus()
    tip = page.locator("[data-panel=codes] [role=tooltip] canvas")
    for _ in range(60):  # the keys begin in the middle of the plane, where codes lie
        page.keyboard.press("ArrowRight")
        if tip.count():
            break
    expect(canvas).to_have_attribute("aria-label", re.compile("picture: [0-9]"), timeout=WITHIN)
    shown = read(tip)
    pixels = shown[:: len(shown) // 8, :: len(shown) // 8]
    assert (frame["pictures"] == pixels).all((1, 2)).any(), "the picture is none of the frame's"
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    box = canvas.bounding_box()
    assert box is not None
    seen = set()
    for place in np.linspace(0.2, 0.8, 60):
        page.mouse.move(box["x"] + place * box["width"], box["y"] + box["height"] / 2)
        if tip.count():
            seen.add(read(tip).tobytes())
    assert len(seen) > 1
