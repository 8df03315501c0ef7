"""Attention as lines between two columns of tokens, and the page that it is saved as."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from safetensors.numpy import load

from lab import WITHIN, Open, run_id, wait_past

INK = """canvas => {
    const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => sum + (i % 4 == 3 ? value : 0), 0);
}"""


@pytest.fixture
def lab(open_page: Open, server: str) -> Page:
    page = open_page("/lab/transformer")
    wait_past(page, 30)
    httpx.post(f"{server}/api/runs/{run_id(page)}/pause").raise_for_status()
    page.wait_for_timeout(1000)
    page.locator("[data-panel=cross_attention]").get_by_role("radio", name="lines").click()
    return page


def test_lines_show_the_heads_that_are_on_and_read_one_token(lab: Page) -> None:
    panel = lab.locator("[data-panel=cross_attention]")
    canvas = panel.locator(".links canvas")
    heads = panel.get_by_role("group", name=re.compile("^heads of layer")).get_by_role("button")
    everything = canvas.evaluate(INK)
    heads.first.click()
    expect(heads.first).to_have_attribute("aria-pressed", "false")
    fewer = canvas.evaluate(INK)
    assert fewer < everything
    heads.first.click()
    canvas.focus()
    lab.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("aria-label", re.compile(r"^key 0: “.”(, \S+ [01]\.\d{3})+"))
    assert canvas.evaluate(INK) < everything
    lab.keyboard.press("Escape")
    panel.get_by_role("radio", name=re.compile("head 2$")).first.click()
    pressed = [head.get_attribute("aria-pressed") for head in heads.all()]
    assert pressed == ["false", "true", *["false"] * (len(pressed) - 2)]


def test_a_token_of_the_output_points_out_its_row_of_attention(lab: Page) -> None:
    attention = lab.locator("[data-panel=cross_attention]")
    attention.get_by_role("radio", name="map").click()
    rows = attention.locator(".one canvas")
    tokens = lab.locator(".panel.hero .text canvas")
    before = rows.evaluate("canvas => canvas.toDataURL()")
    tokens.focus()
    lab.keyboard.press("Home")
    expect(tokens).to_have_attribute("aria-label", re.compile("position 0"))
    lab.wait_for_function(
        "([selector, before]) => document.querySelector(selector).toDataURL() !== before",
        arg=["[data-panel=cross_attention] .one canvas", before],
        timeout=WITHIN,
    )
    lab.keyboard.press("Escape")
    lab.wait_for_function(
        "([selector, before]) => document.querySelector(selector).toDataURL() === before",
        arg=["[data-panel=cross_attention] .one canvas", before],
        timeout=WITHIN,
    )


def test_a_map_is_saved_as_a_page_that_needs_no_server(lab: Page, server: str, tmp_path: Path) -> None:
    lab.locator("[data-panel=cross_attention] button[aria-haspopup=menu]").click()
    with lab.expect_download(timeout=WITHIN) as waited:
        lab.get_by_role("menuitem", name="Save as a page (HTML)").click()
    name = waited.value.suggested_filename
    step = int(re.fullmatch(r"transformer-cross_attention-(\d+)\.html", name).group(1))  # type: ignore[union-attr]
    file = tmp_path / name
    waited.value.save_as(file)

    alone = lab.context.new_page()
    asked: list[str] = []
    alone.on("request", lambda request: asked.append(request.url))
    errors: list[str] = []
    alone.on("pageerror", lambda error: errors.append(str(error)))
    alone.goto(file.as_uri())
    canvas = alone.locator("canvas")
    expect(canvas).to_be_visible()
    everything = canvas.evaluate(INK)
    alone.get_by_role("checkbox", name="head 1").uncheck()
    assert 0 < canvas.evaluate(INK) < everything
    assert not errors
    assert asked == [file.as_uri()]

    told = json.loads(alone.locator("#maps").text_content() or "")
    answer = httpx.get(f"{server}/api/runs/{run_id(lab)}/frames/cross_attention", params={"step": step})
    weights = load(answer.raise_for_status().content)["weights"]
    assert told["weights"] == pytest.approx(weights.flatten().tolist(), abs=1e-4)
