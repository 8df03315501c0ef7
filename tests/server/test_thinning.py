from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from descent.store.records import Kept
from descent.store.retention import EASE, surplus

records = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 10_000)), st.integers(1, 1000), max_size=150
).map(
    lambda sizes: sorted(
        (Kept(panel, step, size) for (panel, step), size in sizes.items()), key=lambda one: one.step
    )
)
rooms = st.integers(0, 50_000)


def size(kept):
    return sum(one.size for one in kept)


def ends(kept):
    """The first and the last of each panel."""
    panels = {one.panel for one in kept}
    of_panel = [[one for one in kept if one.panel == panel] for panel in panels]
    return {one for ones in of_panel for one in (ones[0], ones[-1])}


@given(records, rooms)
def test_nothing_goes_while_there_is_room(kept, room):
    if size(kept) <= room:
        assert surplus(kept, room) == []


@given(records, rooms)
def test_the_first_and_the_last_of_every_panel_stay(kept, room):
    assert not ends(kept) & set(surplus(kept, room))


@given(records, rooms)
def test_what_is_left_fits_or_nothing_more_may_go(kept, room):
    dropped = surplus(kept, room)
    assert set(dropped) <= set(kept)
    assert len(set(dropped)) == len(dropped)
    left = set(kept) - set(dropped)
    assert size(left) <= room or left == ends(kept)


@given(records, rooms)
def test_no_more_goes_than_must(kept, room):
    dropped = surplus(kept, room)
    if dropped:
        assert size(kept) - size(dropped[:-1]) > room * EASE


def recorded(steps, room, panels=("a",)):
    """What is kept in the end of a run that records a picture of each panel at every step."""
    kept = []
    for step in range(steps):
        kept += [Kept(panel, step, 1) for panel in panels]
        gone = set(surplus(kept, room))
        kept = [one for one in kept if one not in gone]
    return kept


@given(st.integers(300, 1500), st.integers(40, 100))
def test_the_further_back_the_sparser(steps, room):
    kept = [one.step for one in recorded(steps, room)]
    assert kept[0] == 0
    assert kept[-1] == steps - 1
    counts = [
        sum(steps * (1 - 2.0**-part) <= step < steps * (1 - 2.0 ** -(part + 1)) for step in kept)
        for part in range(4)
    ]  # in the older half, the older half of the rest, …
    assert max(counts) <= 3 * min(counts), kept
    gaps = [after - before for before, after in pairwise(kept)]
    assert all(later <= 3 * earlier for earlier, later in pairwise(gaps)), gaps


def test_panels_get_their_share():
    counts = Counter(one.panel for one in recorded(1000, 100, panels=("a", "b")))
    assert abs(counts["a"] - counts["b"]) <= 10
