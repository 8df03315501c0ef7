import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from descent.contract.panels import Panel, Size
from descent.engine.budget import SURCHARGE, Budget, intervals
from descent.engine.looking import Looking

costs = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(1e-9, 10), min_size=1, max_size=12)
shares = st.floats(0, 1, allow_subnormal=False)
rates = st.floats(0.5, 60)


@given(costs, shares, rates, st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 5)))
def test_all_probes_together_never_take_more_than_the_share(costs, share, max_fps, weights):
    granted = intervals(costs, share, max_fps, weights)
    assert sum(cost / granted[name] for name, cost in costs.items()) <= share * (1 + 1e-9)


@given(costs, shares, rates)
def test_no_panel_is_faster_than_it_wishes(costs, share, max_fps):
    assert min(intervals(costs, share, max_fps).values()) >= 1 / max_fps


@given(costs, shares, rates)
def test_a_dearer_panel_is_never_faster_than_a_cheaper_one(costs, share, max_fps):
    granted = intervals(costs, share, max_fps)
    by_cost = sorted(costs, key=costs.__getitem__)
    for cheap, dear in pairwise(by_cost):
        assert granted[cheap] <= granted[dear] * (1 + 1e-9)


def test_cheap_panels_get_their_wish_and_dear_ones_share_the_rest():
    granted = intervals({"cheap": 0.0001, "dear": 0.1, "dearer": 0.2}, share=0.05, max_fps=30)
    assert granted["cheap"] == pytest.approx(1 / 30)
    left = 0.05 - 0.0001 * 30
    assert granted["dear"] == pytest.approx(0.1 / (left / 2))
    assert granted["dearer"] == pytest.approx(0.2 / (left / 2))


def test_a_heavier_panel_gets_a_larger_part():
    granted = intervals({"hero": 0.1, "other": 0.1}, share=0.05, max_fps=30, weights={"hero": 3})
    assert granted["other"] == pytest.approx(3 * granted["hero"])
    assert sum(0.1 / interval for interval in granted.values()) == pytest.approx(0.05)


def test_all_wishes_are_granted_when_they_fit():
    assert intervals({"a": 0.0002, "b": 0.0003}, share=0.05, max_fps=20) == {"a": 0.05, "b": 0.05}


def test_without_a_share_a_panel_is_looked_at_once_and_no_more():
    budget = Budget(0)
    budget.watch(["a"], 30)
    assert budget.due(0.0) == ["a"]
    budget.spent("a", 0.001, 0.0)
    assert budget.due(1e9) == []
    assert math.isinf(budget.next_due)


def test_a_new_panel_is_due_at_once():
    budget = Budget(0.05)
    budget.watch(["a"], 30)
    budget.spent("a", 0.001, 100.0)
    budget.watch(["a", "b"], 30)
    assert budget.due(100.0) == ["b"]


def test_looking_away_and_back_brings_no_extra_look():
    budget = Budget(0.05)
    budget.watch(["a"], 30)
    budget.spent("a", 0.001, 100.0)
    for _ in range(3):
        budget.watch([], 30)
        assert budget.next_due == math.inf
        budget.watch(["a"], 30)
    assert budget.due(100.01) == []
    assert budget.due(budget.next_due) == ["a"]


def test_the_first_look_warms_up_and_is_not_counted():
    budget = Budget(0.05)
    budget.watch(["a"], 30)
    budget.spent("a", 2.0, 100.0)
    assert budget.next_due < 101
    budget.spent("a", 0.01, 101.0)
    assert budget.next_due == pytest.approx(101 + (0.01 + SURCHARGE) / 0.05)


def test_the_longest_waiting_panel_comes_first():
    budget = Budget(0.05)
    budget.watch(["a", "b"], 30)
    budget.spent("b", 0.001, 100.0)
    budget.spent("a", 0.001, 101.0)
    assert budget.due(200.0) == ["b", "a"]


def test_a_forgotten_panel_is_due_no_more_until_it_is_watched_anew():
    budget = Budget(0.05)
    budget.watch(["a", "b"], 30)
    budget.forget("a")
    assert budget.due(0.0) == ["b"]
    budget.watch(["a", "b"], 30)
    assert budget.due(0.0) == ["a", "b"]


def test_a_hurried_panel_is_due_at_the_next_frame_but_no_sooner():
    budget = Budget(0.05)
    budget.watch(["slow"], 30)
    budget.spent("slow", 0.1, 0.0)
    budget.spent("slow", 0.1, 10.0)
    assert budget.due_at("slow") > 11.9
    budget.hurry("slow", 10.001)
    assert budget.due_at("slow") == pytest.approx(10 + 1 / 30)
    budget.hurry("slow", 11.0)
    assert budget.due_at("slow") == pytest.approx(10 + 1 / 30)
    budget.spent("slow", 0.1, 11.0)
    assert budget.due_at("slow") > 12.9


def test_a_panel_hurried_with_a_share_takes_no_more_than_that_however_often_it_is_hurried():
    budget = Budget(0.05)
    budget.watch(["slow"], 30)
    now = spent = 0.0
    budget.spent("slow", 0.1, now)
    while now < 10:
        budget.hurry("slow", now, 0.2)
        if budget.due(now):
            now += 0.1
            spent += 0.1
            budget.spent("slow", 0.1, now)
        now += 0.01
    assert 0.1 < spent / now < 0.2


def test_after_a_change_of_a_look_every_watched_panel_answers_and_after_others_the_hero():
    sizes: dict[str, Size] = {"hero": "hero", "other": "small", "unseen": "small"}
    panels = {
        name: Panel(name=name, kind="images", title=name, caption="", size=size, options={})
        for name, size in sizes.items()
    }
    for changed, due in ((True, {"hero", "other"}), (False, {"hero"})):
        looking = Looking(panels, 0.01, 0.0)
        looking.watch(["hero", "other"], 30, 0.0, paused=False)
        looking.waiting.clear()
        for _ in range(2):
            for name in ("hero", "other"):
                looking.seen(name, 0, 0.1, 10.0)
        looking.knobs_changed(12.0, look=changed)
        looking.collect(12.0)
        assert set(looking.waiting) == due


def test_a_look_put_off_costs_nothing_and_is_tried_again_soon():
    budget = Budget(0.05)
    budget.watch(["slow"], 30)
    budget.spent("slow", 0.5, 0.0)
    budget.spent("slow", 0.5, 10.0)
    budget.put_off("slow", 20.0, 0.5)
    assert 20.9 < budget.due_at("slow") < 21.1
    budget.spent("slow", 0.5, 21.0)
    assert budget.due_at("slow") > 30
