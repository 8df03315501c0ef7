"""End to end: CTC by enumeration, strips by hand, cuts and pieces, and what errors of stages multiply to."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from descent.experiments.training.end_to_end import (
    BATCH,
    EVERY,
    SHOWN,
    TESTED,
    EndToEnd,
    found_cuts,
    means_by_count,
    product_rule,
    spelt_out,
)
from descent.kit.data.batches import coming_rows
from descent.kit.data.strips import (
    DIGIT,
    MOST_DIGITS,
    PIECE,
    STRIP_WIDTH,
    StripPlan,
    agree,
    pieces,
    plan_strips,
)
from descent.kit.nn.ctc import ctc_of, greedy_reading, packed_left
from descent.kit.text import rough
from driving import Driven, built, said_of, take


def collapsed(path: tuple[int, ...] | list[int]) -> list[int]:
    """B, written out: merge repeats, then drop blanks (0)."""
    merged = [symbol for symbol, _ in itertools.groupby(path)]
    return [symbol - 1 for symbol in merged if symbol != 0]


def padded(rows: list[list[int]], width: int) -> Tensor:
    return torch.tensor([row + [-1] * (width - len(row)) for row in rows])


def written_out(rows: Tensor) -> list[list[int]]:
    return [[value for value in row if value >= 0] for row in rows.tolist()]


def plan(count: int = 200, seed: int = 0) -> StripPlan:
    """Strips of digits that are all ink, so that every column shows where it belongs."""
    generator = torch.Generator().manual_seed(seed)
    return plan_strips(torch.ones(10, DIGIT, DIGIT), torch.arange(10), count, generator)


# CTC


@pytest.mark.parametrize("labels", [[0], [1, 0], [1, 1], [0, 1, 0], [1, 1, 1]])
def test_the_loss_is_the_sum_over_all_paths_that_say_it(labels: list[int]) -> None:
    torch.manual_seed(0)
    columns, classes = 6, 3
    logits = torch.randn(1, classes, columns, dtype=torch.float64)
    p = logits.softmax(1)[0]  # (K + 1, T)
    paths = itertools.product(range(classes), repeat=columns)
    total = sum(float(p[list(path), range(columns)].prod()) for path in paths if collapsed(path) == labels)
    assert 0 < total < 1
    expected = -torch.tensor(total, dtype=torch.float64).log() / len(labels)
    torch.testing.assert_close(ctc_of(logits, padded([labels], 4)), expected)


def test_the_loss_of_several_is_their_mean() -> None:
    torch.manual_seed(1)
    logits, labels = torch.randn(3, 11, 12), padded([[3], [3, 3], [1, 2, 9, 9]], 4)
    alone = [ctc_of(logits[i : i + 1], labels[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(ctc_of(logits, labels), torch.stack(alone).mean())


@pytest.mark.parametrize("seed", range(5))
def test_a_reading_merges_repeats_and_then_drops_blanks(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    paths = torch.randint(4, (50, 12), generator=generator)
    logits = F.one_hot(paths, 4).mT.float()
    expected = padded([collapsed(path) for path in paths.tolist()], 12)
    assert torch.equal(greedy_reading(logits), expected)


def test_a_blank_between_equal_digits_keeps_both() -> None:
    paths = torch.tensor([[2, 2, 0, 2], [2, 2, 2, 2], [0, 0, 0, 0]])
    assert greedy_reading(F.one_hot(paths, 4).mT.float()).tolist() == [
        [1, 1, -1, -1],
        [1, -1, -1, -1],
        [-1] * 4,
    ]


def test_what_is_kept_moves_left() -> None:
    values, keep = torch.tensor([[5, 6, 7], [8, 9, 4]]), torch.tensor([[0, 1, 1], [0, 0, 0]]).bool()
    assert packed_left(values, keep).tolist() == [[6, 7, -1], [-1, -1, -1]]


# Strips


@pytest.mark.parametrize("overlap", range(5))
def test_strips_hold_their_digits_and_a_column_after_them(overlap: int) -> None:
    strips = plan()
    begins, cuts, drawn = strips.begins(overlap), strips.cuts(overlap), strips.drawn(overlap, 0.0)
    assert drawn.shape == (200, DIGIT, STRIP_WIDTH)
    for i, count in enumerate(strips.counts.tolist()):
        columns = set()
        for k in range(count):
            columns |= set(range(int(begins[i, k]), int(begins[i, k]) + DIGIT))
            if k:
                assert int(begins[i, k] - begins[i, k - 1]) - (DIGIT - overlap) in (0, 1)
        assert set(drawn[i, 0].nonzero()[:, 0].tolist()) == columns
        expected = [min(columns), *((begins[i, 1:count] + begins[i, : count - 1] + DIGIT) // 2).tolist()]
        assert cuts[i].tolist() == [*expected, max(columns) + 1] + [-1] * (MOST_DIGITS - count)
        assert min(columns) >= 0
        assert max(columns) + 1 < STRIP_WIDTH
        assert (strips.labels[i] >= 0).tolist() == [k < count for k in range(MOST_DIGITS)]


def test_where_digits_meet_the_darker_ink_stays_and_noise_is_added() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(10, DIGIT, DIGIT, generator=generator)
    strips = plan_strips(images, torch.arange(10), 20, generator)
    clean, noisy = strips.drawn(3, 0.0), strips.drawn(3, 0.5)
    torch.testing.assert_close(noisy - clean, 0.5 * strips.noise)
    begins = strips.begins(3)
    for i, count in enumerate(strips.counts.tolist()):
        expected = torch.zeros(DIGIT, STRIP_WIDTH)
        for k in range(count):
            at = slice(int(begins[i, k]), int(begins[i, k]) + DIGIT)
            expected[:, at] = torch.maximum(expected[:, at], images[strips.labels[i, k]])
        torch.testing.assert_close(clean[i], expected)


def test_no_digit_is_in_strips_to_train_on_and_to_test_with() -> None:
    experiment, _ = built(EndToEnd, strips=200)

    def of(strips: StripPlan) -> set[bytes]:
        return {digit.numpy().tobytes() for digit in strips.digits[strips.labels >= 0]}

    assert not of(experiment.train) & of(experiment.test)


# The pipeline


def test_cuts_are_peaks_above_one_half() -> None:
    logits = torch.tensor([[-1.0, 2, 1, -2, 3, -1, -0.5, -1], [-1.0] * 8])
    assert found_cuts(logits).tolist() == [[1, 4, -1, -1, -1, -1, -1, -1], [-1] * 8]


def test_a_piece_is_what_lies_between_two_cuts_and_nothing_else() -> None:
    x = torch.arange(1.0, STRIP_WIDTH + 1).expand(2, DIGIT, -1)
    found, there = pieces(x, torch.tensor([[2, 9, 15, -1], [0, 3, -1, -1]]))
    assert there.tolist() == [[True, True, False], [True, False, False]]
    assert found.shape == (3, DIGIT, PIECE)
    for piece, (left, right) in zip(found, [(2, 9), (9, 15), (0, 3)], strict=True):
        assert piece[0][piece[0] > 0].tolist() == [float(column + 1) for column in range(left, right)]
        inked = piece[0].nonzero()[:, 0]
        assert abs(int(inked[0]) - (PIECE - 1 - int(inked[-1]))) <= 1  # in the middle


def test_a_strip_without_cuts_has_no_piece() -> None:
    found, there = pieces(torch.ones(2, DIGIT, STRIP_WIDTH), torch.tensor([[-1, -1, -1], [4, -1, -1]]))
    assert len(found) == 0
    assert not there.any()


def test_readings_agree_digit_by_digit_and_cuts_within_a_column() -> None:
    truth = torch.tensor([[3, 7, -1], [3, 7, -1], [3, 7, -1], [3, 7, -1]])
    said = torch.tensor([[3, 7, -1, -1], [3, 8, -1, -1], [3, 7, 0, -1], [3, -1, -1, -1]])
    assert agree(said, truth).tolist() == [True, False, False, False]
    assert agree(said, truth, 1).tolist() == [True, True, False, False]
    assert spelt_out(said[2:]) == ["370", "3"]
    assert spelt_out(torch.tensor([[-1] * 7, [0, 1, 2, 3, 4, 5, 6]])) == ["–", "012345…"]


# Errors multiply


def test_the_product_is_what_independent_errors_would_give() -> None:
    """Stages that err by chance: the share of strips right is the product, by number of digits and in all."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, MOST_DIGITS + 1, (400_000,), generator=generator)
    cut = torch.rand(len(counts), generator=generator) < 0.95 - 0.05 * counts
    read = torch.rand(len(counts), MOST_DIGITS, generator=generator) < 0.93
    there = torch.arange(MOST_DIGITS) < counts[:, None]
    right = cut & (read | ~there).all(1)
    p_cut, p_read = means_by_count(cut, counts), read[there].float().mean()
    n = torch.arange(1, MOST_DIGITS + 1)
    torch.testing.assert_close(
        product_rule(p_cut, p_read, n), means_by_count(right, counts), atol=0.005, rtol=0
    )
    expected = product_rule(p_cut, p_read, counts).mean()
    torch.testing.assert_close(expected, right.float().mean(), atol=0.003, rtol=0)


def test_the_product_is_written_out() -> None:
    cut, read = torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor(0.5)
    assert product_rule(cut, read, torch.tensor([1, 3])).tolist() == pytest.approx([0.45, 0.7 / 8])
    means = means_by_count(torch.tensor([True, False, True]), torch.tensor([1, 1, 4]))
    assert means.tolist() == [0.5, 0, 0, 1]


@pytest.mark.slow
def test_scores_are_shares_of_the_test_strips() -> None:
    run = Driven(EndToEnd, strips=64).train(4 * EVERY)
    x, cuts = run.experiment._drawn(run.knobs, "test")
    truth = written_out(run.experiment.test.labels)
    with torch.no_grad():
        rights, losses = run.experiment._tested(run.knobs)  # as the coming step will find it
        found, pipeline = run.experiment._in_stages(x)
        whole = run.experiment.whole(x)
    for said, name in ((pipeline, "pipeline"), (greedy_reading(whole), "ctc")):
        assert rights[name].tolist() == [a == b for a, b in zip(written_out(said), truth, strict=True)]
    near = [
        len(a) == len(b) and all(abs(i - j) <= 1 for i, j in zip(a, b, strict=True))
        for a, b in zip(written_out(found), written_out(cuts), strict=True)
    ]
    assert rights["cut"].tolist() == near
    assert len(rights["read"]) == sum(map(len, truth))
    row = run.train(1).rows[-1]
    for name, right in rights.items():
        assert row[f"acc/{name}"] == pytest.approx(float(right.float().mean()))
    assert row["loss/ctc-test"] == pytest.approx(float(losses["ctc"]), rel=1e-5)
    counts = run.experiment.test.counts
    by_count = [rights["cut"][counts == n].float().mean() for n in range(1, MOST_DIGITS + 1)]
    product = [float(by_count[n - 1]) * row["acc/read"] ** n for n in counts.tolist()]
    assert row["acc/product"] == pytest.approx(sum(product) / TESTED, rel=1e-4)


# The training


def test_each_step_is_adams_on_its_own_loss_and_both_ways_see_the_same_strips() -> None:
    (experiment, knobs), (twin, _) = built(EndToEnd, strips=100), built(EndToEnd, strips=100)
    networks = {"ctc": twin.whole, "cut": twin.cutter, "read": twin.reader}
    rates = {"ctc": knobs.lr_ctc, "cut": knobs.lr_pipeline, "read": knobs.lr_pipeline}
    references = {name: torch.optim.Adam(net.parameters(), rates[name]) for name, net in networks.items()}
    x, cuts = twin.train.drawn(knobs.overlap, knobs.noise / 100), twin.train.cuts(knobs.overlap)
    for n in range(4):
        twin.step_index = n
        rows = coming_rows(twin, BATCH, 100)
        (row,) = take(experiment, knobs, 1)
        labels = twin.train.labels[rows]
        target = torch.zeros(BATCH, STRIP_WIDTH)
        for i, places in enumerate(cuts[rows].tolist()):
            target[i, [place for place in places if place >= 0]] = 1
        losses = {
            "ctc": ctc_of(twin.whole(x[rows]), labels),
            "cut": F.binary_cross_entropy(twin.cutter(x[rows])[:, 0].sigmoid(), target),
            "read": F.cross_entropy(twin.reader(pieces(x[rows], cuts[rows])[0]), labels[labels >= 0]),
        }
        for name, loss in losses.items():
            assert row[f"loss/{name}"] == pytest.approx(loss.item(), rel=1e-4)
            references[name].zero_grad()
            loss.backward()
            references[name].step()
    for mine, its in zip(experiment.whole.parameters(), twin.whole.parameters(), strict=True):
        torch.testing.assert_close(mine, its, atol=1e-5, rtol=1e-3)


def test_both_ways_have_about_as_many_parameters() -> None:
    experiment, _ = built(EndToEnd, strips=16)

    def count(network: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    pipeline, whole = count(experiment.cutter) + count(experiment.reader), count(experiment.whole)
    assert (pipeline, whole) == (15_411, 14_755)


def test_overlap_and_noise_are_changed_live_on_the_same_strips() -> None:
    run = Driven(EndToEnd, strips=32)
    before = run.experiment._drawn(run.knobs, "test")[0].clone()
    run.train(1).change(overlap=3, noise=0).train(1)
    x, cuts = run.experiment._drawn(run.knobs, "test")
    assert torch.equal(x, run.experiment.test.drawn(3, 0.0))
    assert torch.equal(cuts, run.experiment.test.cuts(3))
    run.change(overlap=2, noise=10)
    assert torch.equal(run.experiment._drawn(run.knobs, "test")[0], before)


def test_one_way_may_be_out_and_the_other_goes_on() -> None:
    run = Driven(EndToEnd, strips=32, lr_ctc=1.0).train(EVERY + 1)
    with torch.no_grad():
        run.experiment.whole.third.bias.fill_(float("nan"))
    run.train(EVERY)
    assert run.experiment.out() == ["end to end"]
    assert set(run.experiment.objectives(run.knobs)) == {"cut", "read"}
    assert {"loss/cut", "loss/read"} <= run.rows[-1].keys()
    assert all(value == value for row in run.rows for value in row.values())
    for panel in ("readings", "columns", "by_count", "mistakes"):
        run.look(panel)


# What is shown


@pytest.mark.slow
def test_the_large_panel_shows_where_it_is_cut_and_what_is_read() -> None:
    run = Driven(EndToEnd, strips=200, strip=0).train(150)
    picture = run.look("readings")
    assert len(picture.pixels) == SHOWN
    later = run.change(strip=5).look("readings")
    assert torch.equal(later.pixels[0], picture.pixels[5])
    for caption, labels in zip(picture.captions, spelt_out(run.experiment.test.labels), strict=False):
        truth, pipeline, whole = caption.split(" · ")
        assert truth == labels
        for way in (pipeline, whole):
            said, mark = way.split(" ")
            assert (mark == "✓") == (said == truth)


def test_columns_show_probabilities() -> None:
    run = Driven(EndToEnd, strips=64, noise=0).train(30)
    values = run.look("columns").values
    torch.testing.assert_close(values[2:].sum(0), torch.ones(STRIP_WIDTH))
    strip = run.experiment.test.drawn(2, 0.0)[run.knobs.strip]
    torch.testing.assert_close(values[1], strip.amax(0))


def test_mistakes_add_up_to_what_is_not_right() -> None:
    run = Driven(EndToEnd, strips=64).train(60)
    rights, _ = run.experiment._tested(run.knobs)
    for shares, way in zip(run.look("mistakes").values, ("pipeline", "ctc"), strict=True):
        assert float(shares.sum()) == pytest.approx(1 - float(rights[way].float().mean()), abs=1e-6)
    assert len(rights["ctc"]) == TESTED


def test_what_is_said_of_the_strips_is_what_the_pictures_show() -> None:
    experiment, knobs = built(EndToEnd)
    picture, said = said_of(experiment, knobs, "readings")
    marks = [[part.endswith("✓") for part in caption.split(" · ")[1:]] for caption in picture.captions]
    assert said == {
        "all": len(marks),
        "pipeline": sum(a for a, _ in marks),
        "whole": sum(b for _, b in marks),
    }
    picture, said = said_of(experiment, knobs, "columns")
    assert said["cuts"] == int((picture.values[0] > 0.5).sum())
    assert said["percent"] == rough(100 * float(picture.values[2].mean()))
    picture, said = said_of(experiment, knobs, "mistakes")
    shares = [rough(100 * float(row.sum())) for row in picture.values]
    assert [said["pipeline"], said["whole"]] == shares


def test_of_a_network_that_says_nothing_no_blanks_are_read() -> None:
    run = Driven(EndToEnd)
    with torch.no_grad():
        next(run.experiment.whole.parameters()).fill_(float("nan"))
    assert run.look("columns").reading is None
