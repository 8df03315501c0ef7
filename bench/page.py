"""What a learner feels, measured in headless Chromium against the real server.

    python bench/page.py

Prints, and checks against the targets: epochs per second that `neural-playground` shows with 2-8-8-1,
batch 10, 250 training points; animation frames per second meanwhile; the time from the slider's event
to a decision map computed with the new value; from play to the first picture; and the JavaScript
that the page asks for until it has one.
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from served import served
from served.page import all_met, chromium

STATIC = Path(__file__).parents[1] / "server/descent/static"
LATER = ("katex",)  # typesets the lesson; no run waits for it

FRAMES_PER_SECOND = """() => new Promise((resolve) => {
  const begin = performance.now();
  let frames = 0;
  const count = () => {
    frames++;
    const spent = performance.now() - begin;
    if (spent > 5000) resolve((frames * 1000) / spent);
    else requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
})"""

# Moves the slider; resolves when the hero shows a step computed after the change took effect.
DRAG = """([position]) => new Promise((resolve) => {
  const marked = () => [...document.querySelectorAll('.timeline .mark.knob')];
  const marks = () => marked().map((mark) => Number(mark.dataset.step));
  const hero = document.querySelector('.panel.hero');
  const slider = document.querySelector('[data-knob=lr] input[type=range]');
  const known = marks().length;
  const begin = performance.now();
  slider.value = String(position);
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  const look = () => {
    const now = marks();
    if (now.length > known && Number(hero.dataset.step) > now.at(-1)) resolve(performance.now() - begin);
    else if (performance.now() - begin > 5000) resolve(Infinity);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""

# Starts anew; resolves when the new run's hero has its first picture.
PLAY = """() => new Promise((resolve) => {
  const before = new URL(location.href).searchParams.get('run');
  const begin = performance.now();
  document.querySelector('[data-testid=reset]').click();
  const look = () => {
    const run = new URL(location.href).searchParams.get('run');
    if (run !== before && document.querySelector('.panel.hero')?.dataset.step !== undefined) {
      resolve(performance.now() - begin);
    } else if (performance.now() - begin > 10000) resolve(Infinity);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


def epochs_per_second(page: Page) -> float:
    """What the page itself shows, the median of ten looks, a second apart."""
    shown = []
    for _ in range(10):
        page.wait_for_timeout(1000)
        text = page.get_by_test_id("epoch-rate").inner_text()
        found = re.search(r"[\d.]+", text.replace("\u202f", ""))
        shown.append(float(found[0]) if found else 0.0)
    return float(np.median(shown))


def main() -> int:
    """Measure, print, and say whether every target is met."""
    with served() as address, sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        sent: set[str] = set()
        page.on("request", lambda request: sent.add(request.url.rsplit("/", 1)[-1]))
        page.goto(f"{address}/lab/neural-playground")
        page.wait_for_selector(".panel.hero[data-step]")
        size = sum(
            len(gzip.compress(path.read_bytes()))
            for path in STATIC.glob("assets/*.js")
            if path.name in sent and not path.name.startswith(LATER)
        )
        page.wait_for_timeout(3000)
        epochs = epochs_per_second(page)
        fps = page.evaluate(FRAMES_PER_SECOND)
        drags = [page.evaluate(DRAG, [500 + 10 * (i % 20)]) for i in range(40)]
        plays = [page.evaluate(PLAY) for _ in range(20)]
        browser.close()
    figures = [
        ("epochs per second on the page", epochs, 150, "≥"),
        ("animation frames per second", fps, 58, "≥"),
        ("slider to picture, p95, ms", float(np.percentile(drags, 95)), 100, "≤"),
        ("slider to picture, median, ms", float(np.median(drags)), 100, "≤"),
        ("play to first picture, p95, ms", float(np.percentile(plays, 95)), 250, "≤"),
        ("JavaScript until the first picture, gzipped, kB", size / 1000, 150, "≤"),
    ]
    return 0 if all_met(figures, digits=1) else 1


if __name__ == "__main__":
    sys.exit(main())
