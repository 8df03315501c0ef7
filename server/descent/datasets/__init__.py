"""Data sets that Descent fetches when asked to: which there are, where they lie, how they come."""
