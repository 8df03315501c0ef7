"""Generative models."""

ORDER = 5  # place among the chapters
