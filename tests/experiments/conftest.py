"""Which of the experiments' tests are for `make thorough` alone."""

from __future__ import annotations

import pytest

from descent.registry import experiments
from few import is_of_another, params_of

PLAYED = ("test_a_story_can_be_played_through", "test_a_run_comes_to_the_end_that_it_tells_of")
TRAINED = (  # long enough that of slow experiments a few must do
    "test_a_rate_dragged_to_its_end",
    "test_a_challenge_is_solved_by_its_solution",
    "test_a_question_has_one_right_answer",
)
LIGHT = ("optimisation", "training")  # chapters whose steps take a millisecond or two


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a preset promises at other seeds than 0, and most that trains for long."""
    for item in items:
        params = params_of(item)
        promise = item.path.name.endswith("_presets.py") and params.get("seed")
        played = item.name.startswith(PLAYED) and is_of_another(item)
        trained = item.name.startswith(TRAINED) and is_of_another(item)
        slow = trained and experiments()[str(params["id"])].chapter not in LIGHT
        if promise or played or slow:
            item.add_marker("thorough")
