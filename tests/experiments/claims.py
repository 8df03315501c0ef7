"""What a preset says is to be seen, tried at seed 0, and at others by `make thorough`.

A preset's `watch` is a claim. `@claim(Experiment, "preset")` above a function makes a test of it for each
seed: the function is given the experiment, built with the preset's knobs, and checks on it every number and
every comparison of the sentence. `test_presets.py` fails for a preset without a claim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from descent.contract import Experiment
from driving import Driven

SEEDS = (0, 1, 2)
CLAIMED: set[tuple[type[Experiment[Any]], str]] = set()


def preset(cls: type[Experiment[Any]], name: str, seed: int = 0, **knobs: Any) -> Driven:
    """An experiment before its first step, with a preset's knobs and some more."""
    return Driven(cls, seed, **{**cls.presets[name].knobs, **knobs})


def claim(cls: type[Experiment[Any]], *names: str) -> Callable[[Callable[[Driven], None]], Any]:
    """The test that what `watch` of these presets says holds, at each seed."""
    CLAIMED.update((cls, name) for name in names)

    def test_of(check: Callable[[Driven], None]) -> Any:
        @pytest.mark.slow
        @pytest.mark.parametrize("seed", SEEDS)
        @pytest.mark.parametrize("name", names)
        def test(name: str, seed: int) -> None:
            check(preset(cls, name, seed))

        return test

    return test_of
