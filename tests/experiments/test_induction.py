"""Sequences that repeat, and the scores of heads made by hand."""

from __future__ import annotations

import pytest
import torch

from descent.kit.nn.induction import head_scores, repeating


def test_a_sequence_repeats_with_its_period_and_draws_no_token_twice_in_one() -> None:
    periods = torch.tensor([6, 9, 20])
    tokens = repeating(periods, 50, 32, torch.Generator().manual_seed(0), distinct=True)
    assert tokens.shape == (3, 50)
    for row, period in zip(tokens.tolist(), periods.tolist(), strict=True):
        assert row[period:] == row[:-period]
        assert len(set(row[:period])) == period
        assert set(row) <= set(range(32))


def test_tokens_that_need_not_be_distinct_are_drawn_alike_and_each_by_itself() -> None:
    periods = torch.full((400,), 20)
    tokens = repeating(periods, 50, 32, torch.Generator().manual_seed(0), distinct=False)
    assert torch.equal(tokens[:, 20:], tokens[:, :-20])
    counts = torch.bincount(tokens[:, :20].flatten(), minlength=32)
    assert len(counts) == 32
    assert ((counts - 250).abs() < 5 * 250**0.5).all()
    twice = sum(len(set(row)) < 20 for row in tokens[:, :20].tolist()) / 400
    assert twice > 0.99  # 1 − 32!/(12!·32²⁰)


def test_perfect_heads_have_the_score_1_and_blind_ones_what_chance_gives() -> None:
    T, period = 24, 8
    tokens = repeating(torch.tensor([period, period]), T, 32, torch.Generator().manual_seed(0), distinct=True)
    previous, induction = torch.zeros(T, T), torch.zeros(T, T)
    for t in range(T):
        previous[t, max(0, t - 1)] = 1
        induction[t, max(0, t - period + 1)] = 1
    blind = torch.ones(T, T).tril()
    blind = blind / blind.sum(1, keepdim=True)
    weights = torch.stack([previous, induction, blind]).expand(2, 3, T, T)
    scores = head_scores(weights, tokens)
    assert scores[0, 0] == scores[1, 1] == 1
    assert scores[1, 0] == 0
    assert float(scores[0, 1]) == pytest.approx(1 / (T - 1))  # at t = 1, where 0 is all there is to look at
    # At t from `period` on there is one place for each earlier time, of t + 1 that are looked at alike.
    expected = [(t // period) / (t + 1) for t in range(period, T)]
    torch.testing.assert_close(scores[1, 2], torch.tensor(expected).mean())
    torch.testing.assert_close(scores[0, 2], torch.tensor([1 / (t + 1) for t in range(1, T)]).mean())
