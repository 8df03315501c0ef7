"""Names as they are told: in one line, and as identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from descent.contract import Knobs


def line(text: str, most: int = 100) -> str:
    """A text as one printable line."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())[:most]


def identifier(name: str, taken: Sequence[str]) -> str:
    """A name for JSON and Python that nothing else has."""
    slug = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")[:50]
    if not slug or not slug[0].isalpha() or slug in dir(Knobs) or slug == "schedules":
        slug = f"own_{slug}".rstrip("_")
    found, number = slug, 1
    while found in taken:
        number += 1
        found = f"{slug}_{number}"
    return found
