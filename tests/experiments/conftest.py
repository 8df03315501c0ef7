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
HEAVY = ("end-to-end",)  # its steps among them do not
PRESETS = "_presets.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What presets promise at other seeds than 0, and all that trains for long, but for a few."""
    for item in items:
        if item.path.name.endswith(PRESETS):
            id = item.path.name.removeprefix("test_").removesuffix(PRESETS).replace("_", "-")
            thorough = bool(params_of(item).get("seed")) or not is_light(id)
        elif item.name.startswith(PLAYED):
            thorough = is_of_another(item) or not is_light(params_of(item)["id"])
        else:
            thorough = (
                item.name.startswith(TRAINED) and is_of_another(item) and not is_light(params_of(item)["id"])
            )
        if thorough:
            item.add_marker("thorough")


def is_light(id: object) -> bool:
    """Whether the experiment trains fast enough that each `make test` can train it for long."""
    entry = experiments().get(str(id))
    return entry is None or (entry.chapter in LIGHT and id not in HEAVY)
