"""How fast the past is: scrubbing in the page, and branching from any step.

    python bench/time_machine.py [--steps 100000] [--scrubs 100] [--branches 40] [--seconds 20]

Scrub: headless Chromium presses the timeline of a finished `neural-playground` run at random places; from
the press until every panel on screen has drawn the picture of that step. Branch: each experiment trains for
`--seconds` with its defaults, as fast as it goes; then random steps are branched from over REST, until the
answer, when the branch stands at that step.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import time

import numpy as np
from playwright.sync_api import sync_playwright

from descent.registry import experiments
from served import new_run, served

SCRUB, BRANCH = 0.050, 2.0  # targets: p95, seconds
SCRUBBED = "neural-playground"
FLAGS = ["--no-sandbox", "--disable-background-networking"]

# Presses the timeline; resolves with the milliseconds until all pictures of that step are drawn.
PRESS = """(share) => new Promise((resolve) => {
  const track = document.querySelector('[data-testid=timeline]');
  const box = track.getBoundingClientRect();
  const at = { clientX: box.left + share * box.width, clientY: box.top + box.height / 2, button: 0 };
  const begin = performance.now();
  track.dispatchEvent(new PointerEvent('pointermove', { ...at, bubbles: true }));
  track.setPointerCapture = () => {};
  track.dispatchEvent(new PointerEvent('pointerdown', { ...at, bubbles: true }));
  track.dispatchEvent(new PointerEvent('pointerup', { ...at, bubbles: true }));
  const look = () => {
    const shown = document.querySelector('.board').dataset.shown;
    if (shown === track.getAttribute('aria-valuenow')) {
      const spent = performance.now() - begin;
      const panels = [...document.querySelectorAll('.panel[data-step]')];
      const late = panels.filter((panel) => Number(panel.dataset.step) > Number(shown)).length;
      resolve({ spent, late, panels: panels.length });
    } else if (performance.now() - begin > 5000) resolve({ spent: Infinity, late: 0, panels: 0 });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


async def finished(address: str, steps: int) -> str:
    """A run that has taken so many steps; it stays."""
    context = new_run(address, SCRUBBED, device="cpu", max_steps=steps)
    run = await context.__aenter__()
    while (await run.ask("GET"))["status"] != "finished":
        await asyncio.sleep(0.5)
    run.close()
    return run.id


def scrub(address: str, run: str, times: int) -> list[float]:
    """Seconds from each press to its pictures."""
    path = os.environ.get("DESCENT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}/lab/{SCRUBBED}?run={run}")
        page.wait_for_selector(".panel.hero[data-step]")
        page.wait_for_timeout(1500)
        random.seed(0)
        spent = []
        for _ in range(times):
            found = page.evaluate(PRESS, random.uniform(0.01, 0.98))
            assert found["late"] == 0, found
            spent.append(found["spent"] / 1000)
        print(f"  {found['panels']} panels with pictures")
        browser.close()
    return spent


async def branch(address: str, id: str, seconds: float, times: int) -> list[float]:
    """Seconds from each POST to a branch that stands at its step."""
    async with new_run(address, id, device="cpu") as run:
        await run.ask("POST", "pace", steps_per_second=None)
        await asyncio.sleep(seconds)
        steps = (await run.ask("POST", "pause"))["step"]
        random.seed(0)
        spent = []
        for _ in range(times):
            step = random.randint(0, steps)
            begin = time.perf_counter()
            made = await run.ask("POST", "branch", step=step, paused=True)
            spent.append(time.perf_counter() - begin)
            assert (made["status"], made["step"]) == ("paused", step), made
            run_id, run.id = run.id, made["id"]
            await run.ask("DELETE")
            run.id = run_id
    return spent


def told(name: str, seconds: list[float], target: float) -> bool:
    """Print the distribution; whether it meets its target."""
    median, late = (float(np.percentile(seconds, share)) for share in (50, 95))
    verdict = "met" if late <= target else "MISSED"
    measured = f"median {median * 1e3:7.1f} ms   p95 {late * 1e3:7.1f} ms"
    print(f"{name:28} {measured}   ≤ {target * 1e3:.0f}: {verdict}")
    return late <= target


def main() -> None:
    """Measure and print; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--scrubs", type=int, default=100)
    parser.add_argument("--branches", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--experiment", action="append", choices=list(experiments()))
    arguments = parser.parse_args()
    met = True
    with served() as address:
        if arguments.scrubs:
            run = asyncio.run(finished(address, arguments.steps))
            met &= told(f"scrub {arguments.steps} steps", scrub(address, run, arguments.scrubs), SCRUB)
        for id in (arguments.experiment or experiments()) if arguments.branches else []:
            spent = asyncio.run(branch(address, id, arguments.seconds, arguments.branches))
            met &= told(f"branch {id}", spent, BRANCH)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
