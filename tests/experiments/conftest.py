"""Which of the experiments' tests are for `make thorough` alone."""

from __future__ import annotations

import pytest

from few import is_of_another, params_of

PLAYED = ("test_a_story_can_be_played_through", "test_a_run_comes_to_the_end_that_it_tells_of")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a preset promises at other seeds than 0, and most stories played to their end."""
    for item in items:
        promise = item.path.name.endswith("_presets.py") and params_of(item).get("seed")
        played = item.name.startswith(PLAYED) and is_of_another(item)
        if promise or played:
            item.add_marker("thorough")
