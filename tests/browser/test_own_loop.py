"""A script with a training loop of its own, in a process of its own, and the page that watches it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from lab import START_WITHIN, WITHIN, Open, wait_past

SCRIPT = """
import sys, time
import torch
from torch import nn
import descent

torch.manual_seed(0)
torch.set_num_threads(1)

class Copier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 16)
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
        self.out = nn.Linear(16, 10)

    def forward(self, tokens):
        h = self.embed(tokens)
        return self.out(h + self.attend(h, h, h, need_weights=False)[0])

model = Copier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
run = descent.watch(model, optimizer, name="copying tokens")
run.look(torch.arange(6)[None], tokens=list("sixtok"))
rate = None
while True:
    tokens = torch.randint(10, (8, 6))
    loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.step(loss=loss)
    time.sleep(0.005)
    if rate != (rate := optimizer.param_groups[0]["lr"]):
        print("rate", rate, flush=True)
"""


class Script:
    """The script's process, and the lines it has written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._came = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.lines.append(line.strip())
                self._came.notify_all()

    def wait_for(self, found: Callable[[str], object]) -> str:
        with self._came:
            there = self._came.wait_for(lambda: any(map(found, self.lines)), WITHIN / 1000)
            assert there, self.lines
            return next(filter(found, self.lines))


@contextmanager
def running(folder: Path, server: str, script: str = SCRIPT) -> Iterator[Script]:
    path = folder / "train.py"
    path.write_text(textwrap.dedent(script), encoding="utf-8")
    environment = {**os.environ, "DESCENT_URL": server, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        try:
            yield Script(process)
        finally:
            process.kill()


def address(script: Script, server: str) -> str:
    line = script.wait_for(lambda line: "watch it at" in line)
    found = re.search(r"(/lab/\S+)", line)
    assert found, line
    return found[1]


@pytest.mark.parametrize(("language", "title"), [("en", "Attention"), ("ko", "어텐션")])
def test_a_rate_set_on_the_page_reaches_the_script_whose_attention_is_on_the_page(
    language: str, title: str, open_page: Open, server: str, tmp_path: Path, screenshots: Path
) -> None:
    with running(tmp_path, server) as script:
        page = open_page(address(script, server), language=language, width=1366, height=768)
        wait_past(page, 20)
        assert script.wait_for(lambda line: line.startswith("rate")) == "rate 0.05"
        panel = page.locator(".panel[data-step]", has_text=title)
        expect(panel).to_be_visible(timeout=WITHIN)
        expect(page.get_by_test_id("branch")).to_have_count(0)
        field = page.locator("[data-knob=lr] input:not([type=range])").first
        field.fill("0.2")
        field.press("Enter")
        script.wait_for(lambda line: line == "rate 0.2")
        page.screenshot(path=screenshots / f"watching-desktop-{language}.png")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
        page.screenshot(path=screenshots / f"watching-phone-{language}.png")


def test_the_page_pauses_steps_and_stops_the_script(open_page: Open, server: str, tmp_path: Path) -> None:
    with running(tmp_path, server) as script:
        page = open_page(address(script, server))
        wait_past(page, 20)
        page.get_by_test_id("play").click()
        expect(page.get_by_test_id("status")).to_have_text("paused", timeout=WITHIN)
        script.wait_for(lambda line: "paused from the page" in line)
        page.get_by_test_id("step").click()
        page.get_by_test_id("play").click()
        expect(page.get_by_test_id("status")).to_have_text("running", timeout=WITHIN)
        page.get_by_test_id("stop").click()
        expect(page.get_by_test_id("status")).to_have_text("stopped", timeout=WITHIN)
        script.process.wait(START_WITHIN)
        script.wait_for(lambda line: "Stopped" in line)
        expect(page.get_by_test_id("play")).to_be_disabled()


STATEFUL = SCRIPT.replace("time.sleep(0.005)", "time.sleep(0.02)")


@pytest.mark.parametrize(("language", "paused"), [("en", "paused"), ("ko", "일시정지")])
def test_the_page_puts_the_script_back_to_an_earlier_state(
    language: str, paused: str, open_page: Open, server: str, tmp_path: Path, screenshots: Path
) -> None:
    with running(tmp_path, server, STATEFUL) as script:
        page = open_page(address(script, server), language=language, width=1366, height=768)
        wait_past(page, 20)
        page.get_by_test_id("keep").click()
        kept = page.locator(".mark.kept").first
        expect(kept).to_be_attached(timeout=WITHIN)
        wait_past(page, int(kept.get_attribute("data-step") or 0) + 60)
        page.get_by_test_id("play").click()
        expect(page.get_by_test_id("status")).to_have_text(paused, timeout=WITHIN)
        timeline = page.get_by_test_id("timeline")
        timeline.focus()
        for _ in range(20):
            timeline.press("ArrowLeft")
        back = page.get_by_test_id("back")
        expect(back).to_be_visible(timeout=WITHIN)
        step = re.sub(r"\D", "", back.inner_text())
        page.screenshot(path=screenshots / f"watching-back-{language}.png")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
        page.screenshot(path=screenshots / f"watching-back-phone-{language}.png")
        back.click()
        script.wait_for(lambda line: f"put back the state after step {step}" in line)
        expect(page.locator(".mark.back")).to_be_attached(timeout=WITHIN)
        expect(page.get_by_test_id("keep")).to_be_visible()
