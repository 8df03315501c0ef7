"""Which of the experiments' tests are for `make thorough` alone."""

from __future__ import annotations

import pytest

from few import is_of_another

PLAYED = ("test_a_story_can_be_played_through", "test_a_run_comes_to_the_end_that_it_tells_of")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a preset promises at other seeds than 0, and most stories played to their end."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        promise = item.path.name.endswith("_presets.py") and params.get("seed")
        played = item.name.startswith(PLAYED) and any(map(is_of_another, params.values()))
        if promise or played:
            item.add_marker("thorough")
