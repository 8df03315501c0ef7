"""Callbacks that watch what a trainer of another library trains: `HuggingFace` and `Lightning`.

Each is imported when it is first asked for; its library is an extra of its name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from descent.callbacks.huggingface import HuggingFace
    from descent.callbacks.lightning import Lightning

__all__ = ["HuggingFace", "Lightning"]

_MODULES = {"HuggingFace": "huggingface", "Lightning": "lightning"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'descent.callbacks' has no attribute {name!r}")
    module = _MODULES[name]
    try:
        return getattr(import_module(f"descent.callbacks.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("descent"):
            raise
        raise ImportError(
            f"descent.callbacks.{name} needs {error.name}, which is not installed: "
            f"pip install 'descent-playground[{module}]'"
        ) from error
