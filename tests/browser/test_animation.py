"""What a panel has shown, saved as an animation: the frames that come out are what it draws."""

from __future__ import annotations

import io
from itertools import pairwise

import httpx
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageSequence, ImageStat
from playwright.sync_api import Page, expect
from safetensors.numpy import load

from lab import WITHIN, Open, run_id, show_all, wait_past

FOOT = 20  # px below the picture, for its title and step
RUN, IMAGES = "Save as animation (GIF)", "Save these images as animation (GIF)"


def pause_after(page: Page, server: str, step: int) -> None:
    """Train past `step`, pause, and wait for the record."""
    wait_past(page, step)
    at = f"{server}/api/runs/{run_id(page)}"
    httpx.post(f"{at}/pause").raise_for_status()
    before, now = None, httpx.get(f"{at}/frames").json()
    while now != before:
        page.wait_for_timeout(1000)
        before, now = now, httpx.get(f"{at}/frames").json()


def menu(page: Page, panel: str) -> None:
    page.locator(f"[data-panel={panel}] button[aria-haspopup=menu]").click()


def saved(page: Page, panel: str, item: str) -> list[Image.Image]:
    """The frames of the animation that the page saves."""
    menu(page, panel)
    page.locator(f"[data-panel={panel}]").get_by_role("menuitem", name=item).first.click()
    dialog = page.get_by_role("group", name=item, exact=True)
    with page.expect_download(timeout=WITHIN) as waited:
        dialog.get_by_role("button", name="Save").click()
    assert waited.value.suggested_filename.endswith(f"-{panel}.gif")
    expect(dialog).to_have_count(0)
    film = Image.open(io.BytesIO(waited.value.path().read_bytes()))
    assert film.format == "GIF"
    return [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]


def picture(page: Page, panel: str) -> Image.Image:
    """What the panel draws now, as the page saves it."""
    menu(page, panel)
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name="Save picture (PNG)").click()
    return Image.open(io.BytesIO(waited.value.path().read_bytes())).convert("RGB")


def numbers(page: Page, panel: str) -> dict[str, np.ndarray]:
    """What is saved for NumPy of what the panel shows."""
    menu(page, panel)
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name="Save data (NumPy, NPZ)").click()
    step = page.locator(f"[data-panel={panel}]").get_attribute("data-step")
    assert waited.value.suggested_filename.endswith(f"-{panel}-{step}.npz")
    with np.load(waited.value.path(), allow_pickle=False) as data:
        assert f'"step": {step},' in str(data["meta"])
        return dict(data)


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of their bytes."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.mark.parametrize(
    ("experiment", "panels"),
    [
        ("neural-playground", ("decision_map", "weights")),
        ("linear-regression", ("fit",)),  # by uPlot
        ("dcgan", ("latent_walk",)),
    ],
)
def test_each_frame_is_what_the_panel_draws_at_its_step(
    experiment: str, panels: tuple[str, ...], open_page: Open, server: str
) -> None:
    page = open_page(f"/lab/{experiment}", height=2400)  # all panels on screen, so that all are recorded
    show_all(page)
    pause_after(page, server, 40)
    run = run_id(page)
    for panel in panels:
        steps = httpx.get(f"{server}/api/runs/{run}/frames").json()["frames"][panel]
        card = page.locator(f"[data-panel={panel}]")
        page.wait_for_selector(f"[data-panel={panel}][data-step]", timeout=WITHIN)
        stamp = card.get_attribute("data-step")
        frames = saved(page, panel, RUN)
        assert card.get_attribute("data-step") == stamp
        assert "step=" not in page.url  # the learner's view has not moved
        assert len(frames) == len(steps) > 1
        assert len({frame.size for frame in frames}) == 1
        assert any(difference(one, other) > 0.1 for one, other in pairwise(frames))
        at = len(steps) // 2
        page.goto(f"{server}/lab/{experiment}?run={run}&step={steps[at]}")
        page.wait_for_selector(f"[data-panel={panel}][data-step='{steps[at]}']", timeout=WITHIN)
        page.wait_for_timeout(500)  # drawn, too
        drawn = picture(page, panel)
        assert frames[at].size == (drawn.width, drawn.height + FOOT)
        differences = [difference(frame.crop((0, 0, *drawn.size)), drawn) for frame in frames]
        assert differences[at] < 2, "256 colours may move a channel by that much on average"
        assert differences[at] == min(differences) < max(differences)
        arrays = load(httpx.get(f"{server}/api/runs/{run}/frames/{panel}?step={steps[at]}").content)
        npz = numbers(page, panel)
        assert npz.keys() == arrays.keys() | {"meta"}
        for name, array in arrays.items():
            np.testing.assert_array_equal(npz[name], array)
        page.goto(f"{server}/lab/{experiment}?run={run}")


def test_the_images_of_one_frame_follow_one_another(open_page: Open, server: str) -> None:
    page = open_page("/lab/dcgan")
    pause_after(page, server, 40)
    answer = httpx.get(f"{server}/api/runs/{run_id(page)}/frames/samples?step={10**9}").content
    pixels = load(answer)["pixels"]  # (64, 16, 16)
    frames = saved(page, "samples", IMAGES)
    assert len(frames) == len(pixels) == 64
    for frame, image in zip(frames, pixels, strict=True):
        shown = np.asarray(frame.crop((4, 4, 260, 260)))[8::16, 8::16]  # 16 times as large, 4 px around it
        apart = np.abs(shown - image.astype(float)[..., None])
        assert apart.max() <= 16, "256 colours, of five or six bits a channel"
        assert apart.mean() < 4
    assert any(difference(one, other) > 1 for one, other in pairwise(frames))


def test_curves_grow_in_axes_that_stay(open_page: Open, server: str) -> None:
    page = open_page("/lab/neural-playground")
    pause_after(page, server, 200)
    steps = httpx.get(f"{server}/api/runs/{run_id(page)}/scalars").json()["step"]
    frames = saved(page, "loss", RUN)
    assert 1 < len(frames) == min(120, len(steps))
    drawn = picture(page, "loss")
    assert frames[-1].size[0] == drawn.width
    last = frames[-1].crop((0, 0, *drawn.size))
    differences = [difference(frame.crop((0, 0, *drawn.size)), last) for frame in frames]
    assert difference(last, drawn) < 5 < differences[0], "nothing of the present is missing"
    assert all(later < earlier for earlier, later in pairwise(differences[:: len(frames) // 6]))


def test_a_table_is_saved_too(open_page: Open, server: str) -> None:
    page = open_page("/lab/optimizers", height=2400)
    show_all(page)
    pause_after(page, server, 40)
    table = page.locator("[data-panel]:has(table)").first.get_attribute("data-panel")
    assert table
    frames = saved(page, table, RUN)
    steps = httpx.get(f"{server}/api/runs/{run_id(page)}/frames").json()["frames"][table]
    assert len(frames) == min(120, len(steps)) > 1
    drawn = picture(page, table)
    assert len(drawn.getcolors(drawn.width * drawn.height) or []) > 20  # not an empty sheet
    last = frames[-1].crop((0, 0, *drawn.size))
    assert difference(last, drawn) < 2
    assert max(difference(frame, frames[-1]) for frame in frames) > 0.1


def test_saving_is_cancelled(open_page: Open, server: str) -> None:
    page = open_page("/lab/neural-playground")
    downloads: list[str] = []
    page.on("download", lambda download: downloads.append(download.suggested_filename))
    pause_after(page, server, 40)
    menu(page, "decision_map")
    page.get_by_role("menuitem", name=RUN).click()
    dialog = page.get_by_role("group", name=RUN)
    expect(dialog.get_by_role("button", name="Save")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    page.wait_for_timeout(1000)
    assert not downloads


def test_the_last_ten_seconds_are_saved_with_one_click(open_page: Open, server: str) -> None:
    page = open_page("/lab/neural-playground")
    pause_after(page, server, 40)
    menu(page, "decision_map")
    with page.expect_download(timeout=WITHIN) as waited:
        page.get_by_role("menuitem", name="Save the last ten seconds").click()
    film = Image.open(io.BytesIO(waited.value.path().read_bytes()))
    steps = httpx.get(f"{server}/api/runs/{run_id(page)}/frames").json()["frames"]["decision_map"]
    frames = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert 1 < len(frames) <= min(len(steps), 120)
    assert sum(frames[:-1]) <= 10_500
