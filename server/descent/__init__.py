"""Descent: a visual deep-learning playground on real PyTorch."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WATCHING = ("Stopped", "watch")  # of `descent.watching`, which imports torch


def __getattr__(name: str) -> Any:
    if name in _WATCHING:
        return getattr(import_module("descent.watching"), name)
    if name == "callbacks":
        return import_module("descent.callbacks")
    raise AttributeError(f"module 'descent' has no attribute {name!r}")
