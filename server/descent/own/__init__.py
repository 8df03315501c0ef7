"""Experiments of one's own: files outside Descent, found, read and loaded."""
