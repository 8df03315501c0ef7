"""Descent: a visual deep-learning playground on real PyTorch."""

__version__ = "0.1.0"
