"""A class behind nginx, with TLS and below a path, in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from descent.access import Book
from descent.web.door import SECURE_COOKIE
from lab import WITHIN, served, wait_for_hero, wait_past
from proxies import free, nginx


def test_a_learner_comes_in_by_a_link_and_trains(browser: Browser, tmp_path: Path) -> None:
    port = free()
    name = f"lab.localhost:{port}"  # browsers know where that is without asking
    options = ("--trusted-proxies", "127.0.0.1", "--allowed-hosts", name, "--root-path", "/descent")
    home, folder = tmp_path / "home", tmp_path / "nginx"
    folder.mkdir()
    with served(home, *options) as (server, _), nginx(folder, int(server.rpartition(":")[2]), port):
        book = Book(home)
        _, token = book.new_key("learner")
        book.close()
        context = browser.new_context(ignore_https_errors=True, locale="ko-KR")
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"https://{name}/descent/enter#{token}")
        page.get_by_test_id("enter-name").fill("김민아")
        page.get_by_test_id("enter-go").click()
        expect(page.get_by_test_id("me")).to_contain_text("김민아", timeout=WITHIN)
        (cookie,) = context.cookies()
        assert (cookie["name"], cookie["path"]) == (SECURE_COOKIE, "/descent/")
        assert cookie["secure"]
        page.goto(f"https://{name}/descent/lab/linear-regression")
        wait_for_hero(page)
        wait_past(page, 20)
        page.reload()
        wait_past(page, 40)
        assert page.url.startswith(f"https://{name}/descent/lab/linear-regression?run=")
        assert errors == []
        context.close()
