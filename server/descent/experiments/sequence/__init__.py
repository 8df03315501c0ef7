"""Sequences."""

ORDER = 3  # place among the chapters
