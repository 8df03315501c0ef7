"""How optimisers find their way down a loss surface."""

ORDER = 1  # place among the chapters
