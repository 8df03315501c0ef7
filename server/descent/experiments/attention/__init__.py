"""Attention."""

ORDER = 4  # place among the chapters
