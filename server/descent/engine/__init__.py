"""The training loop, and what may happen between two of its steps."""
