"""Strips of one to four handwritten digits in a row, with what they say and where one begins.

Digits of 8×8 pixels stand 8 − overlap columns apart, or one more by chance; where two meet, the darker ink
stays. A strip is cut at the first column of its first digit, half-way between the middles of two neighbours,
and at the first column after its last digit: n + 1 places for n digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

DIGIT = 8  # rows and columns of a digit
MOST_DIGITS = 4
STRIP_WIDTH = MOST_DIGITS * (DIGIT + 1)  # T: of the widest, and a column after it
PIECE = DIGIT + 2  # columns of the window in which a piece of a strip is shown


@dataclass(frozen=True)
class StripPlan:
    """What chance decides about N strips, whatever the overlap and the strength of the noise.

    `digits`: (N, 4, 8, 8), ink from 0 to 1; `labels`: (N, 4), −1 where there is no digit; `counts`: (N,), how
    many digits; `apart`: (N, 4), columns that each is moved away from the next; `place`: (N,) from 0, at the
    left end, to 1; `noise`: (N, 8, T), standard normal.
    """

    digits: Tensor
    labels: Tensor
    counts: Tensor
    apart: Tensor
    place: Tensor
    noise: Tensor

    def __len__(self) -> int:
        return len(self.counts)

    def to(self, device: torch.device) -> StripPlan:
        """The same strips on `device`."""
        parts = self.digits, self.labels, self.counts, self.apart, self.place, self.noise
        return StripPlan(*(part.to(device) for part in parts))

    def begins(self, overlap: int) -> Tensor:
        """The first column of each digit, (N, 4)."""
        steps = DIGIT - overlap + self.apart
        begins = F.pad(steps.cumsum(1)[:, :-1], (1, 0))
        length = begins.gather(1, self.counts[:, None] - 1)[:, 0] + DIGIT
        return begins + (self.place * (STRIP_WIDTH - length)).long()[:, None]

    def cuts(self, overlap: int) -> Tensor:
        """Where to cut, (N, 5): columns, and −1 after the last one."""
        begins = self.begins(overlap)
        ends = begins.gather(1, self.counts[:, None] - 1) + DIGIT
        between = (begins[:, 1:] + begins[:, :-1] + DIGIT) // 2
        cuts = torch.cat([begins[:, :1], between, ends], 1).scatter(1, self.counts[:, None], ends)
        return cuts.where(torch.arange(MOST_DIGITS + 1, device=cuts.device) <= self.counts[:, None], -1)

    def drawn(self, overlap: int, noise: float) -> Tensor:
        """The strips (N, 8, T): ink from 0 to 1, and noise with the standard deviation `noise`."""
        strips = torch.zeros_like(self.noise)
        columns = torch.arange(STRIP_WIDTH, device=strips.device)
        for k, begin in enumerate(self.begins(overlap).unbind(1)):
            column = columns - begin[:, None]  # of the k-th digit, (N, T)
            inside = (column >= 0) & (column < DIGIT) & (self.labels[:, k, None] >= 0)
            at = column.clamp(0, DIGIT - 1)[:, None].expand(-1, DIGIT, -1)
            strips = torch.maximum(strips, self.digits[:, k].gather(2, at) * inside[:, None])
        return strips + noise * self.noise


def plan_strips(images: Tensor, labels: Tensor, count: int, generator: torch.Generator) -> StripPlan:
    """`count` strips of digits drawn from `images` (D, 8, 8), with replacement, and their `labels` (D,)."""
    rows = torch.randint(len(labels), (count, MOST_DIGITS), generator=generator)
    counts = torch.randint(1, MOST_DIGITS + 1, (count,), generator=generator)
    apart = torch.randint(2, (count, MOST_DIGITS), generator=generator)
    place = torch.rand(count, generator=generator)
    noise = torch.randn(count, DIGIT, STRIP_WIDTH, generator=generator)
    there = torch.arange(MOST_DIGITS) < counts[:, None]
    return StripPlan(images[rows], labels[rows].where(there, -1), counts, apart, place, noise)


def marked(places: Tensor) -> Tensor:
    """1 in the columns whose numbers stand in `places` (B, some), −1 for none: (B, T)."""
    columns = torch.arange(STRIP_WIDTH, device=places.device)
    return (columns == places[:, :, None]).any(1).float()


def pieces(x: Tensor, cuts: Tensor) -> tuple[Tensor, Tensor]:
    """What lies between one cut and the next in strips x (B, 8, T), alone in the middle of a window.

    Cuts (B, C) as `found_cuts` has them. Returns the pieces, (M, 8, 10), and which there are, (B, C − 1).
    """
    there = cuts[:, 1:] >= 0
    strip, k = there.nonzero(as_tuple=True)
    left, right = cuts[strip, k, None], cuts[strip, k + 1, None]  # (M, 1)
    column = (left + right - PIECE + 1) // 2 + torch.arange(PIECE, device=x.device)  # (M, 10)
    inside = (column >= left) & (column < right)
    at = column.clamp(0, x.shape[2] - 1)[:, None].expand(-1, DIGIT, -1)
    return x[strip].gather(2, at) * inside[:, None], there


def agree(said: Tensor, truth: Tensor, tolerance: int = 0) -> Tensor:
    """Which rows of `said` (S, L) are those of `truth` (S, fewer), each entry within `tolerance`: (S,)."""
    truth = F.pad(truth, (0, said.shape[1] - truth.shape[1]), value=-1)
    return (((said - truth).abs() <= tolerance) & ((said < 0) == (truth < 0))).all(1)
