"""How the page looks in both themes and languages, wide and on a phone; screenshots are kept for people."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import httpx
import pytest
from PIL import Image, ImageChops, ImageOps
from playwright.sync_api import Locator, Page, expect

from descent.registry import experiments
from lab import WITHIN, Open, drag_to, show_all, wait_for_hero, wait_for_past

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "frontend/node_modules/axe-core/axe.min.js"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LOOKS = {"desktop": [("light", "en"), ("dark", "ko")], "phone": [("dark", "en"), ("light", "ko")]}
LABS = list(experiments())
BESIDE_THE_HERO = {"neural-playground", "transformer"}  # what is on the card
CARDS = REPOSITORY / "frontend/src"
CARD, FILM = (640, 400), (400, 250)  # px
AIM, LARGEST = 29_000, 60_000  # bytes of a film
PAST = (0.0, 0.01, 0.04, 0.1, 0.2, 0.4, 0.7)  # of a run's steps, that a film shows before the last
SHOWN = 450  # ms of each
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
VIEWS = ["gallery", "chapter", "history", "past", *LABS]


def show(page: Page, view: str) -> None:
    if view == "gallery":
        page.get_by_test_id(f"card-{next(iter(experiments()))}").wait_for(timeout=WITHIN)
    elif view == "chapter":
        page.wait_for_selector("article .katex", timeout=WITHIN)
    elif view == "history":
        page.locator("tbody .title").first.wait_for(timeout=WITHIN)
    else:
        wait_for_hero(page)
        show_all(page)


def address(view: str, server: str) -> str:
    """Where a view is; the past and the history have a run with a branch to show."""
    if view == "chapter":
        return "/chapter/optimisation"
    if view not in ("history", "past"):
        return "/" if view == "gallery" else f"/lab/{view}"
    with httpx.Client(base_url=server, timeout=30) as api:
        body = {"experiment": "neural-playground", "max_steps": 300}
        run = api.post("/api/runs", json=body).json()["id"]
        while (step := api.get(f"/api/runs/{run}").json()["step"]) < 300:
            pass
        change = {"step": step // 2, "knobs": {"lr": 0.3}}
        branch = api.post(f"/api/runs/{run}/branch", json=change).json()["id"]
    return "/history" if view == "history" else f"/lab/neural-playground?run={branch}&step=200&with={run}"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits_is_translated_and_accessible(
    view: str, size: str, open_page: Open, screenshots: Path, server: str
) -> None:
    """Each theme and each language on either screen; all four pairs on one of them."""
    width, height = SIZES[size]
    page = open_page(address(view, server), width=width, height=height)
    show(page, view)
    for theme, language in LOOKS[size]:
        switch(page, "theme", "data-theme", theme)
        switch(page, "language", "lang", language)
        page.screenshot(path=screenshots / f"{view}-{size}-{theme}-{language}.png")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width, "it scrolls sideways"
        text = page.locator("body").inner_text()
        assert not re.findall(r"\b[a-z]+\.[a-z]+[A-Z]\w*\b", text), "a text's key is shown, not the text"
        read = " ".join(page.get_by_test_id("reading").all_inner_texts())  # it may quote what the model reads
        allowed = korean_in(quoted(view)) + korean_in(read) + 3
        assert korean_in(text) > 60 if language == "ko" else korean_in(text) <= allowed
        if size == "desktop":
            if view in LABS:
                page.wait_for_selector(".katex", timeout=WITHIN)
            assert violations(page) == [], f"{theme}, {language}"


def violations(page: Page) -> list[str]:
    """What axe has to say of the page's accessibility."""
    # Through the debugging protocol, which the page's own policy against foreign scripts does not bind.
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def korean_in(text: str) -> int:
    return len(re.findall(r"[가-힣]", text))


def quoted(view: str) -> str:
    """The English lesson, which may give an example in Korean."""
    return experiments()[view].lessons["en"].html if view in LABS else ""


def switch(page: Page, button: str, attribute: str, value: str) -> None:
    """Press a button of the top bar unless the page is as wanted already; wait for the new texts."""
    if page.locator("html").get_attribute(attribute) != value:
        with page.expect_response("**/api/experiments?lang=*") if button == "language" else nullcontext():
            page.get_by_test_id(button).click()
    expect(page.locator("html")).to_have_attribute(attribute, value)
    page.wait_for_timeout(400)  # one more picture in the new colours


def test_language_and_theme_switch_without_losing_the_run(open_page: Open) -> None:
    page = open_page("/lab/neural-playground")
    show(page, "neural-playground")
    page.wait_for_url("**/lab/*?run=*")
    run = page.url
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("status")).to_have_text("학습 중", timeout=WITHIN)
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.get_by_test_id("theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url == run
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "ko")


def test_the_gallery_opens_an_experiment_that_already_plays(open_page: Open) -> None:
    page = open_page("/")
    for experiment in experiments():
        expect(page.get_by_test_id(f"card-{experiment}")).to_be_visible(timeout=WITHIN)
    page.get_by_test_id("card-neural-playground").click()
    show(page, "neural-playground")
    expect(page.get_by_test_id("status")).to_have_text("running", timeout=WITHIN)
    page.go_back()
    expect(page.get_by_test_id("card-neural-playground")).to_be_visible(timeout=WITHIN)


def test_on_a_phone_the_knobs_leave_the_hero_visible(open_page: Open) -> None:
    page = open_page("/lab/neural-playground", width=390, height=844, has_touch=True)
    show(page, "neural-playground")
    page.get_by_role("button", name="Settings", exact=True).click()
    sheet = page.locator(".knobs.open").bounding_box()
    hero = page.locator(".panel.hero").bounding_box()
    assert sheet
    assert hero
    assert sheet["y"] - hero["y"] > 200
    panels = [panel.bounding_box() for panel in page.locator(".panel").all()]
    tops_and_ends = [(box["y"], box["y"] + box["height"]) for box in panels if box]
    for (_, end), (top, _) in itertools.pairwise(tops_and_ends):
        assert top >= end, "one panel covers another"
    page.get_by_role("tab", name="Lesson").click()
    expect(page.locator("article")).to_be_visible()
    page.mouse.wheel(0, 900)
    expect(page.get_by_role("tab", name="Lesson")).to_be_in_viewport()


@pytest.mark.skipif(not os.environ.get("DESCENT_UPDATE_PICTURES"), reason="asked for by `make pictures`")
@pytest.mark.parametrize("experiment", list(experiments()))
def test_pictures_for_the_gallery_and_the_readme(experiment: str, open_page: Open) -> None:
    """Of one run, in either theme: what its largest picture is in the end, and how that came about."""
    page = open_page(f"/lab/{experiment}", width=1440, height=900)
    wait_for_hero(page)
    page.wait_for_timeout(15_000)  # a picture of a run that has got somewhere
    if experiment == "neural-playground":
        page.screenshot(path=REPOSITORY / "docs/screenshot.png")
    page.get_by_test_id("play").click()
    page.wait_for_timeout(1000)
    panel = page.locator(f".panel.{'pair' if experiment in BESIDE_THE_HERO else 'hero'}")
    frames = [_in_both_themes(page, panel)]
    for share in reversed(PAST):
        drag_to(page, share)
        wait_for_past(page)
        frames.insert(0, _in_both_themes(page, panel))
    for theme, taken in zip(THEMES, zip(*frames, strict=True), strict=True):
        taken[-1].save(CARDS / "cards" / f"{experiment}-{theme}.webp", quality=80)
        _save_film(taken, CARDS / "films" / f"{experiment}-{theme}.webp")


def _in_both_themes(page: Page, panel: Locator) -> list[Image.Image]:
    """The largest canvas of a panel, as on a card."""
    canvases = panel.locator("canvas")
    areas = canvases.evaluate_all("(all) => all.map((each) => each.clientWidth * each.clientHeight)")
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.wait_for_timeout(400)  # until it is drawn in the new colours
        largest = canvases.nth(areas.index(max(areas)))
        panel.evaluate("(all) => all.querySelectorAll('button').forEach((one) => (one.style.opacity = 0))")
        found.append(_card(largest.screenshot()))
    return found


def _card(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    return ImageOps.pad(picture, CARD, color=picture.getpixel((0, 0)))


def _save_film(frames: Sequence[Image.Image], path: Path) -> None:
    """As sharp as may be at the size aimed at; none where nothing moves."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    small = [frame.resize(FILM, Image.Resampling.LANCZOS) for frame in frames]
    if not any(ImageChops.difference(one, small[-1]).getbbox() for one in small):
        return
    durations = [SHOWN] * (len(small) - 1) + [3 * SHOWN]
    for quality in (75, 60, 45, 30, 15, 5):
        made = io.BytesIO()
        small[0].save(
            made, "WEBP", save_all=True, append_images=small[1:], duration=durations, quality=quality
        )
        if made.tell() <= AIM:
            break
    path.write_bytes(made.getvalue())


def test_the_cards_pictures_are_small() -> None:
    """Together they are a part of every installation, and one film is fetched when a card is pointed at."""
    stills, films = (list((CARDS / kind).glob("*.webp")) for kind in ("cards", "films"))
    assert max((film.stat().st_size for film in films), default=0) <= LARGEST
    assert sum(picture.stat().st_size for picture in [*stills, *films]) <= 3 << 20
