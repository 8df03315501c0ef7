"""The lesson on paper: printed with its story and pictures, and saved as Markdown."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from lab import WITHIN, Open, wait_for_hero, wait_past


def test_a_lesson_is_printed_and_saved_with_its_story_and_pictures(open_page: Open) -> None:
    page = open_page("/lab/linear-regression", theme="dark")
    wait_for_hero(page)
    wait_past(page, 5)
    page.evaluate("() => { window.print = () => (window.printed = true); }")
    page.get_by_test_id("share").click()
    page.get_by_role("menuitem", name="Lesson on paper").click()
    with page.expect_download() as saved:
        page.get_by_test_id("paper-markdown").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert saved.value.suggested_filename == "linear-regression.md"
    assert text.startswith("# Linear regression\n")
    assert "## Tasks" in text
    assert "$\\hat y = wx + b$" in text
    assert "{{" not in text
    assert "[picture-1]: data:image/png;base64," in text
    page.get_by_test_id("paper-print").click()
    page.wait_for_function("() => window.printed", timeout=WITHIN)
    page.emulate_media(media="print")
    sheet = page.get_by_test_id("paper-sheet")
    expect(sheet.locator("img").first).to_be_visible()
    expect(sheet.locator(".katex").first).to_be_visible(timeout=WITHIN)
    expect(page.get_by_test_id("play")).not_to_be_visible()
    background = """image => {
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      context.drawImage(image, 0, 0);
      return [...context.getImageData(0, 0, 1, 1).data];
    }"""
    assert min(sheet.locator("img").first.evaluate(background)) > 240, "pictures are on white"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(sheet).to_have_count(0)
