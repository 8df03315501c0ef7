"""Cells of tables for people, who open them in a spreadsheet."""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # prefixes that a spreadsheet takes for a formula


def plain(text: str) -> str:
    """A text as a cell that no spreadsheet computes."""
    return f"'{text}" if text.startswith(FORMULA) else text
