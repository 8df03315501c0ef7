"""Finds the Chromium that the browser tests drive, and installs one where there is none.

`python tests/browser/chromium.py` prints its path. `DESCENT_CHROMIUM=/path/to/one` chooses another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PLAYWRIGHTS_OWN = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


def find() -> str | None:
    """The path of a Chromium or Chrome that starts, or None."""
    return next((path for path in _candidates() if _starts(path)), None)


def _candidates() -> Iterator[str]:
    if chosen := os.environ.get("DESCENT_CHROMIUM"):
        yield chosen
        return
    yield from filter(None, map(shutil.which, NAMES))
    yield ON_MACOS
    # A process of its own: Playwright's synchronous API does not start within a running event loop.
    yield _run(sys.executable, "-c", PLAYWRIGHTS_OWN).stdout.strip()


def _starts(path: str) -> bool:
    """Whether it is a browser and not, as on Ubuntu, a script that asks for a snap."""
    try:
        return _run(path, "--version").returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _has_korean_font() -> bool:
    try:
        return bool(_run("fc-list", ":lang=ko").stdout)
    except FileNotFoundError:
        return sys.platform != "linux"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def install() -> None:
    """Debian's Chromium and a Korean font where we may, else the one that Playwright downloads."""
    root = sys.platform == "linux" and os.geteuid() == 0
    if root and shutil.which("apt-get"):
        packages = [] if find() else ["chromium"]
        packages += [] if _has_korean_font() else ["fontconfig", "fonts-nanum"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", *command], check=False, stdout=sys.stderr, env=environment)
    for options in (["--with-deps"], []) if root else ([],):
        if not find():
            command = [sys.executable, "-m", "playwright", "install", *options, "chromium"]
            subprocess.run(command, check=False, stdout=sys.stderr)


def main() -> None:
    """Print the path; install first what is missing."""
    if not find() or not _has_korean_font():
        install()
    path = find()
    if path is None:
        sys.exit(
            "The browser tests need a Chromium: none was found, and none could be installed.\n"
            "Install Chromium or Chrome (Debian: apt-get install chromium), or name one in DESCENT_CHROMIUM."
        )
    if not _has_korean_font():
        print("There is no Korean font: Korean text will show as empty boxes.", file=sys.stderr)
    print(path)


if __name__ == "__main__":
    main()
