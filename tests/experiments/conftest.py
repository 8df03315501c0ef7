"""Which of the experiments' tests are not for every time."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a preset promises is tried at seed 0 by `make test`, at its other seeds by `make promises`."""
    for item in items:
        if item.path.name.endswith("_presets.py") and isinstance(item, pytest.Function):
            callspec = getattr(item, "callspec", None)
            if callspec and callspec.params.get("seed"):
                item.add_marker("seeds")
