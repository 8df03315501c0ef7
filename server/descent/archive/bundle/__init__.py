"""A run as one file: written, read, imported."""
