"""Tasks for a recurrent network in the five shapes of reading and saying, each made as it is asked for.

Shape letters: `B` sequences, `T` time steps, `I` numbers read per step, `O` numbers said per step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.kit.data.digits import Digits, sklearn_digits

SILENT = "·"  # what stands for nothing read
SIDE = 8  # pixels of a digit
ALPHABET = "abcdefgh"
MOVES = {"right": (0, 1), "left": (0, -1), "up": (-1, 0), "down": (1, 0)}
TAGS = ("pronoun", "verb", "article", "adjective", "noun")
PRONOUNS, ARTICLES, ADJECTIVES = ("I", "you", "we", "they"), ("the", "a", "my"), ("old", "small", "green")
VERBS, NOUNS = ("see", "buy", "paint", "need"), ("house", "tree", "bird", "garden")
BOTH = ("watch", "play", "love", "book")  # verbs after a pronoun, nouns after an article
LEXICON = tuple(dict.fromkeys((*PRONOUNS, *VERBS, *BOTH, *ARTICLES, *ADJECTIVES, *NOUNS)))
DRAWN = 0.9  # share of the digits that are for training
HIT = 0.1  # a point this near to where it belongs is right; a digit is 2 high
# Strokes of the ten digits, by corners within ±1, y upwards; between them the pen goes straight.
STROKES: Sequence[Sequence[tuple[float, float]]] = (
    ((0, 1), (-0.5, 0.6), (-0.5, -0.6), (0, -1), (0.5, -0.6), (0.5, 0.6), (0, 1)),
    ((-0.3, 0.6), (0, 1), (0, -1)),
    ((-0.5, 0.6), (0, 1), (0.5, 0.6), (0.4, 0.1), (-0.5, -1), (0.5, -1)),
    ((-0.5, 1), (0.5, 1), (0, 0.2), (0.5, -0.3), (0.3, -0.9), (-0.1, -1), (-0.5, -0.8)),
    ((0.3, -1), (0.3, 1), (-0.5, -0.3), (0.6, -0.3)),
    ((0.5, 1), (-0.4, 1), (-0.5, 0.1), (0.2, 0.2), (0.5, -0.4), (0.2, -1), (-0.5, -0.8)),
    ((0.4, 0.9), (-0.3, 0.5), (-0.5, -0.4), (-0.2, -1), (0.4, -0.8), (0.4, -0.2), (-0.1, 0), (-0.5, -0.4)),
    ((-0.5, 1), (0.5, 1), (-0.1, -1)),
    ((0.4, 0.7), (0, 1), (-0.4, 0.6), (0.4, -0.5), (0, -1), (-0.4, -0.5), (0.4, 0.7)),
    ((0.5, 0.5), (0, 0.1), (-0.5, 0.5), (0, 1), (0.5, 0.6), (0.3, -1)),
)


@dataclass(frozen=True)
class Read:
    """`x`: (T, B, I). `said`: what is to be said, classes (T, B) or points (T, B, 2). `asked`: bool (T,)."""

    x: Tensor
    said: Tensor
    asked: Tensor

    def to(self, device: torch.device) -> Read:
        """The same on `device`."""
        return Read(self.x.to(device), self.said.to(device), self.asked.to(device))


class SequenceTask(ABC):
    """What is read and what is to be said. `length` is what the learner chose; some steps may be added."""

    inputs: ClassVar[int]
    names: ClassVar[Sequence[str]]  # of the numbers said

    def __init__(self, length: int) -> None:
        self.length = length

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator, *, test: bool = False) -> Read:
        """`count` sequences; of what is held out, if `test`."""

    @abstractmethod
    def read(self, x: Tensor) -> list[str]:
        """What stands in one sequence (T, I), step by step, for people."""

    def loss(self, output: Tensor, example: Read) -> Tensor:
        """The mean cross-entropy of what is asked, for `output` (T, B, O)."""
        asked = example.asked
        return F.cross_entropy(output[asked].flatten(0, 1), example.said[asked].flatten())

    def right(self, output: Tensor, example: Read) -> Tensor:
        """Where the answer is right, bool (asked steps, B)."""
        return output[example.asked].argmax(2) == example.said[example.asked]

    def answer(self, said: Tensor) -> list[str]:
        """What is to be said in one sequence, (T,) or (T, 2), for people."""
        return [self.names[int(place)] for place in said]


class OneToOne(SequenceTask):
    """A picture, and what digit it is: one step. What any network does, a recurrent one does, too."""

    inputs, names = SIDE * SIDE, tuple("0123456789")

    def draw(self, count: int, generator: torch.Generator, *, test: bool = False) -> Read:
        pixels, labels = pictures(count, generator, test)
        return Read(pixels[None], labels[None], torch.tensor([True]))

    def read(self, x: Tensor) -> list[str]:
        return ["picture"] * len(x)


class OneToMany(SequenceTask):
    """A class first, then nothing: the pen's places, from the beginning of the stroke to its end."""

    inputs, names = 10, ("x", "y")

    def draw(self, count: int, generator: torch.Generator, *, test: bool = False) -> Read:
        digits = torch.arange(count) % 10 if test else torch.randint(10, (count,), generator=generator)
        x = torch.zeros(self.length, count, 10)
        x[0] = F.one_hot(digits, 10)
        paths = torch.stack([stroke(STROKES[digit], self.length) for digit in range(10)])  # (10, T, 2)
        return Read(x, paths[digits].transpose(0, 1), torch.ones(self.length, dtype=torch.bool))

    def read(self, x: Tensor) -> list[str]:
        return [str(int(x[0].argmax())), *[SILENT] * (len(x) - 1)]

    def loss(self, output: Tensor, example: Read) -> Tensor:
        """The mean squared distance from where the pen should be."""
        return (output - example.said).square().sum(2).mean()

    def right(self, output: Tensor, example: Read) -> Tensor:
        return (output - example.said).norm(dim=2) < HIT

    def answer(self, said: Tensor) -> list[str]:
        return [f"{x:.1f},{y:.1f}" for x, y in said.tolist()]


class ManyToOne(SequenceTask):
    """A digit moves by one pixel per step, out at one side and in at the other: whereto? Asked at the end.

    It begins anywhere, so where it is at the end tells nothing.
    """

    inputs, names = SIDE * SIDE, tuple(MOVES)

    def draw(self, count: int, generator: torch.Generator, *, test: bool = False) -> Read:
        frames = pictures(count, generator, test)[0].view(count, SIDE, SIDE)
        where = torch.randint(len(MOVES), (count,), generator=generator)
        start = torch.randint(SIDE, (count, 2), generator=generator)
        move = torch.tensor(list(MOVES.values()))[where]  # (B, 2)
        time = torch.arange(self.length)[:, None, None]
        at = (torch.arange(SIDE) - (start + time * move)[..., None]) % SIDE  # (T, B, 2, SIDE): pixels read
        rows, columns = at[:, :, 0, :, None], at[:, :, 1, None, :]
        moved = frames[torch.arange(count)[None, :, None, None], rows, columns]  # (T, B, SIDE, SIDE)
        asked = torch.arange(self.length) == self.length - 1
        return Read(moved.flatten(2), where.expand(self.length, -1), asked)

    def read(self, x: Tensor) -> list[str]:
        return [str(t + 1) for t in range(len(x))]


class Aligned(SequenceTask):
    """Words, and the part of speech of each: some are verbs or nouns, as the one before tells."""

    inputs, names = len(LEXICON), TAGS

    def draw(self, count: int, generator: torch.Generator, *, test: bool = False) -> Read:
        clauses = -(-self.length // (len(TAGS) - 1))
        tags = torch.arange(len(TAGS)).repeat(count, clauses)  # (B, 5 · clauses)
        words = torch.empty_like(tags)
        for tag, choice in enumerate((PRONOUNS, VERBS + BOTH, ARTICLES, ADJECTIVES, NOUNS + BOTH)):
            codes = torch.tensor([LEXICON.index(word) for word in choice])
            words[:, tag :: len(TAGS)] = codes[
                torch.randint(len(choice), (count, clauses), generator=generator)
            ]
        left_out = (tags == TAGS.index("adjective")) & (torch.rand(tags.shape, generator=generator) < 0.5)
        kept = left_out.int().argsort(dim=1, stable=True)[:, : self.length]  # in their order
        x = F.one_hot(words.gather(1, kept).T, len(LEXICON)).float()
        return Read(x, tags.gather(1, kept).T, torch.ones(self.length, dtype=torch.bool))

    def read(self, x: Tensor) -> list[str]:
        return [LEXICON[place] for place in x.argmax(1).tolist()]


class AfterReading(SequenceTask):
    """Letters are read to the end; then they are to be said, the last one first, while nothing is read."""

    inputs, names = len(ALPHABET), tuple(ALPHABET)

    def draw(self, count: int, generator: torch.Generator, *, test: bool = False) -> Read:
        letters = torch.randint(len(ALPHABET), (self.length, count), generator=generator)
        x = F.pad(F.one_hot(letters, len(ALPHABET)).float(), (0, 0, 0, 0, 0, self.length))
        asked = torch.arange(2 * self.length) >= self.length
        return Read(x, torch.cat([letters, letters.flip(0)]), asked)

    def read(self, x: Tensor) -> list[str]:
        return [ALPHABET[int(row.argmax())] if row.any() else SILENT for row in x]


TASKS: dict[str, type[SequenceTask]] = {
    "one-to-one": OneToOne,
    "one-to-many": OneToMany,
    "many-to-one": ManyToOne,
    "aligned": Aligned,
    "after-reading": AfterReading,
}


def pictures(count: int, generator: torch.Generator, test: bool) -> tuple[Tensor, Tensor]:
    """`count` digits, (count, 64) from 0 to 1, and what they are: the last tenth of all is for tests."""
    digits = _digits()
    cut = int(DRAWN * len(digits))
    low, high = (cut, len(digits)) if test else (0, cut)
    rows = torch.randint(low, high, (count,), generator=generator)
    return (digits.images[rows].flatten(1) + 1) / 2, digits.labels[rows]


@cache
def _digits() -> Digits:
    return sklearn_digits(SIDE)


def stroke(corners: Sequence[tuple[float, float]], count: int) -> Tensor:
    """`count` places (count, 2) at equal distances along a line through `corners`, both ends among them."""
    points = torch.tensor(corners, dtype=torch.float32)
    along = F.pad((points[1:] - points[:-1]).norm(dim=1).cumsum(0), (1, 0))  # (corners,)
    at = torch.linspace(0, float(along[-1]), count)
    leg = torch.searchsorted(along, at, right=True).clamp(1, len(along) - 1)
    share = ((at - along[leg - 1]) / (along[leg] - along[leg - 1]))[:, None]
    return points[leg - 1] + share * (points[leg] - points[leg - 1])
