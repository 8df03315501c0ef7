"""Who writes an experiment sees it in the gallery, runs it, breaks it, mends it, and runs it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from descent.own.new import begin
from lab import WITHIN, Open, served, wait_for_hero, wait_past


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own") / "my-lab"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[str]:
    folder.mkdir()
    with served(tmp_path_factory.mktemp("home"), "--experiments", str(folder), "--reload") as (address, _):
        yield address


def test_an_experiment_is_written_run_broken_mended_and_run_again(open_page: Open, folder: Path) -> None:
    for left in folder.glob("spiral*"):  # by a try before this one
        left.unlink()
    page = open_page("/", refused=True)
    expect(page.get_by_test_id("start")).to_be_visible(timeout=WITHIN)
    expect(page.get_by_test_id("card-spiral")).to_have_count(0, timeout=WITHIN)

    begin("spiral", folder, set())  # the page is open meanwhile
    card = page.get_by_test_id("card-spiral")
    expect(card).to_contain_text("A small network learns", timeout=WITHIN)
    expect(card.get_by_test_id("monogram")).to_have_text("S")
    expect(page.get_by_test_id("chapter-my-lab")).to_contain_text("my-lab")
    card.click()
    wait_for_hero(page)
    wait_past(page, 20)

    file = folder / "spiral.py"
    text = file.read_text(encoding="utf-8")
    place = text.splitlines().index("    def step(self, knobs: SpiralKnobs) -> Scalars:")
    file.write_text(text.replace("def step(self,", "def step(self"), encoding="utf-8")
    page.get_by_role("link", name="Descent", exact=True).click()
    broken = page.get_by_test_id("broken-spiral")
    expect(broken).to_contain_text("my-lab/spiral.py", timeout=WITHIN)
    expect(broken.get_by_test_id("line")).to_have_text(f"Line {place + 1}")
    expect(broken).to_contain_text("Python cannot read this file.")
    expect(page.get_by_test_id("card-spiral")).to_have_count(0)

    page.goto(page.url.rstrip("/") + "/lab/spiral")
    expect(page.get_by_text(f"my-lab/spiral.py, line {place + 1}")).to_be_visible(timeout=WITHIN)
    page.go_back()

    mended = text.replace('"Drag the learning rate up', '"Now drag the learning rate up')
    file.write_text(mended, encoding="utf-8")
    expect(card).to_be_visible(timeout=WITHIN)
    expect(broken).to_have_count(0)
    card.click()
    expect(page.get_by_text("Now drag the learning rate up")).to_be_visible(timeout=WITHIN)
    wait_for_hero(page)
    wait_past(page, 20)


def test_a_korean_reader_is_told_in_korean_and_reads_english_else(open_page: Open, folder: Path) -> None:
    begin("arms", folder, set())
    (folder / "arms.ko.md").unlink()
    (folder / "bad.py").write_text("1 / 0\n", encoding="utf-8")
    page = open_page("/", language="ko")
    expect(page.get_by_test_id("card-arms")).to_contain_text("A small network learns", timeout=WITHIN)
    broken = page.get_by_test_id("broken-bad")
    expect(broken).to_contain_text("불러오는 중에 오류", timeout=WITHIN)
    expect(broken.get_by_test_id("line")).to_have_text("1번째 줄")
    expect(broken).to_contain_text("ZeroDivisionError")
