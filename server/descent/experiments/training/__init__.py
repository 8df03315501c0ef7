"""Training neural networks."""

ORDER = 2  # place among the chapters
