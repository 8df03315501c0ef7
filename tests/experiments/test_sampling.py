"""Temperature, top-k and top-p against their definitions, one token at a time."""

from __future__ import annotations

import math

import pytest
import torch

from descent.kit.nn.sampling import drawn_token, sampled_from


def by_definition(z: list[float], temperature: float, k: int, top_p: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in z]
    p = [power / sum(powers) for power in powers]
    order = sorted(range(len(z)), key=lambda i: -p[i])[: k or len(z)]
    whole = sum(p[i] for i in order)
    kept, reached = [], 0.0
    for i in order:  # the fewest whose sum reaches top_p
        if reached >= top_p:
            break
        kept.append(i)
        reached += p[i] / whole
    total = sum(p[i] for i in kept)
    return [p[i] / total if i in kept else 0.0 for i in range(len(z))]


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("k", [0, 1, 3, 100])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1.0])
def test_what_is_drawn_from_is_the_definition(temperature: float, k: int, top_p: float) -> None:
    z = torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    found = sampled_from(z, temperature, k, top_p)
    expected = [by_definition(row, temperature, k, top_p) for row in z.tolist()]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-4)
    assert float(found.sum(-1).sub(1).abs().max()) < 1e-5


def test_temperature_0_is_greedy_and_what_small_temperatures_tend_to() -> None:
    z = torch.randn(50, generator=torch.Generator().manual_seed(1))
    greedy = sampled_from(z, 0.0, 0, 1.0)
    assert greedy.tolist() == [float(i == int(z.argmax())) for i in range(50)]
    torch.testing.assert_close(sampled_from(z, 1e-3, 0, 1.0), greedy)


def test_tokens_are_drawn_as_often_as_they_are_likely_and_what_was_cut_never() -> None:
    p = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    draws = [(i + 0.5) / 1000 for i in range(1000)]
    counts = torch.bincount(torch.cat([drawn_token(p, draw) for draw in draws]), minlength=6)
    torch.testing.assert_close(counts / 1000, p, atol=2e-3, rtol=0)
    for draw in (0.0, 1.0 - 1e-9, 1.0):
        assert float(p[drawn_token(p, draw)]) > 0
