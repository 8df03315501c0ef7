"""The page in headless Chromium, and how its figures are told against their targets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from playwright.sync_api import Browser, Playwright

FLAGS = ["--no-sandbox", "--disable-background-networking"]


def chromium(playwright: Playwright) -> Browser:
    """The Chromium that DESCENT_CHROMIUM names, or the one on the PATH."""
    path = os.environ.get("DESCENT_CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


def all_met(figures: Iterable[tuple[str, float, float, str]], digits: int) -> bool:
    """Print each figure (name, value, target, and "≤" or "≥"); whether every target is met."""
    met = True
    for name, value, target, relation in figures:
        ok = value >= target if relation == "≥" else value <= target
        met &= ok
        print(f"{name:48} {value:9.{digits}f}   target {relation} {target}{'' if ok else '   MISSED'}")
    return met
