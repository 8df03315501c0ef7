import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descent.thinned import Buckets, Thinner

values = st.one_of(st.floats(-100, 100, width=32), st.just(float("nan")), st.just(float("inf")))


def by_hand(steps, column, width):
    """Least, greatest and mean of the finite values of each bucket."""
    found = {}
    for step, value in zip(steps, column, strict=True):
        found.setdefault(step // width, []).append(value)
    return [[v for v in some if np.isfinite(v)] for some in found.values()]


@given(column=st.lists(values, min_size=1, max_size=60), begin=st.integers(0, 9), halvings=st.integers(0, 5))
def test_widened_step_by_step_they_are_what_each_bucket_holds(column, begin, halvings):
    steps = np.arange(begin, begin + len(column))
    buckets = Buckets.of(steps, {"loss": np.array(column, np.float32)})
    for k in range(1, halvings + 1):
        buckets = buckets.widened(2**k)
    expected = by_hand(steps, column, 2**halvings)
    one = buckets.values["loss"]
    assert one.count.tolist() == list(map(len, expected))
    for i, held in enumerate(expected):
        if held:
            assert (one.low[i], one.high[i]) == (min(held), max(held))
            assert one.mean[i] == pytest.approx(np.mean(held), rel=1e-4, abs=1e-4)
        else:
            assert np.isnan(one.mean[i])


def test_rows_have_the_extremes_in_the_order_in_which_they_came_and_the_mean_between():
    steps = np.arange(8)
    columns = {"loss": np.array([1, 9, 2, 4, 8, 5, 0, 3], np.float32)}
    steps, columns = Buckets.of(steps, columns).widened(2).widened(4).rows()
    assert steps.tolist() == [0, 1, 3, 4, 5, 7]
    assert columns["loss"].tolist() == [1, 4, 9, 8, 4, 0]


def test_a_value_measured_once_in_a_bucket_stands_once():
    columns = {"rare": np.array([np.nan, 7, np.nan, np.nan, np.nan, np.nan], np.float32)}
    steps, found = Buckets.of(np.arange(6), columns).widened(4).rows()
    assert steps.tolist() == [0, 1, 3, 4, 5]
    assert np.array_equal(found["rare"], [np.nan, 7, np.nan, np.nan, np.nan], equal_nan=True)


def test_they_come_back_from_their_arrays():
    columns = {"a/b": np.arange(6, dtype=np.float32)}
    buckets = Buckets.of(np.arange(6), columns).widened(4)
    again = Buckets.from_arrays(buckets.arrays())
    assert again.rows()[1]["a/b"].tolist() == buckets.rows()[1]["a/b"].tolist()


@given(sizes=st.lists(st.integers(0, 40), max_size=20), points=st.integers(3, 200))
def test_a_thinner_gives_no_more_rows_than_asked_and_all_while_they_are_few(sizes, points):
    thinner = Thinner(points)
    done = 0
    for size in sizes:
        steps = np.arange(done, done + size)
        columns = {"loss": np.sin(steps).astype(np.float32)}
        thinner.add(steps, columns | ({"late": steps.astype(np.float32)} if done > 50 else {}))
        done += size
    steps, columns = thinner.rows()
    assert len(steps) <= max(points, 3)
    assert (np.diff(steps) > 0).all()
    if done <= points:
        assert steps.tolist() == list(range(done))
    else:
        everything = np.sin(np.arange(done)).astype(np.float32)
        found = columns["loss"]
        assert (np.nanmin(found), np.nanmax(found)) == (everything.min(), everything.max())
        assert (steps[0], steps[-1]) == (0, done - 1)
