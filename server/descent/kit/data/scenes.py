"""Small pictures of two shapes on a black ground, each with the one caption that is true of it.

A scene has two of the nine places of a 3 × 3 grid, one beside or above the other. The bigger object is named
first; of two that are equally big, the left or the upper one. English names the other one after the relation,
Korean before it: "a big red circle above a small blue square", "작은 파란 사각형 위에 있는 큰 빨간 원".

Some pairs of colour and shape are held out: no scene to train on has one of them, every scene to test on has.
Shape letter: `N` scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.kit.data.gapped import Language
from descent.kit.data.translation import END, PAD, START

SCENE_SIDE = 24  # pixels
CENTRES = (4.125, 12.0, 19.875)  # of the three columns and rows
HALF_WIDTHS = (2.25, 3.5)  # of what is small, and of what is big
SHIFT = 0.375  # pixels by which chance moves an object, each way

SceneShape = Literal["circle", "square", "triangle", "cross"]
SceneColour = Literal["red", "blue", "yellow", "white", "green", "purple"]
SceneSize = Literal["small", "big"]
ScenePlace = Literal[
    "top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right"
]
SCENE_SHAPES: tuple[SceneShape, ...] = ("circle", "square", "triangle", "cross")
SCENE_COLOURS: dict[SceneColour, tuple[float, float, float]] = {
    "red": (0.95, 0.2, 0.2), "blue": (0.2, 0.4, 1.0), "yellow": (0.95, 0.85, 0.2),
    "white": (0.95, 0.95, 0.95), "green": (0.2, 0.8, 0.3), "purple": (0.8, 0.3, 0.9),
}  # fmt: skip
SCENE_SIZES: tuple[SceneSize, ...] = ("small", "big")
SCENE_PLACES: tuple[ScenePlace, ...] = (
    "top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right",
)  # fmt: skip
UNSEEN_PAIRS: tuple[tuple[SceneColour, SceneShape], ...] = (
    ("red", "triangle"), ("blue", "cross"), ("yellow", "circle"), ("white", "square"),
)  # fmt: skip
SCENE_PAIRS = len(SCENE_COLOURS) * len(SCENE_SHAPES)
RELATIONS = 4  # left of, right of, above, below

# Words by language: sizes, colours, shapes, relations, in the order of the constants above.
SCENE_WORDS: dict[Language, tuple[Sequence[str], ...]] = {
    "en": (
        SCENE_SIZES, tuple(SCENE_COLOURS), SCENE_SHAPES, ("left of", "right of", "above", "below"),
    ),
    "ko": (
        ("작은", "큰"), ("빨간", "파란", "노란", "하얀", "초록색", "보라색"),
        ("원", "사각형", "삼각형", "십자가"),
        ("왼쪽에 있는", "오른쪽에 있는", "위에 있는", "아래에 있는"),
    ),
}  # fmt: skip


class Scenes(NamedTuple):
    """N scenes. Each (N, 2), the object that is named first in column 0; `shifts` (N, 2, 2) as x and y."""

    sizes: Tensor
    colours: Tensor
    shapes: Tensor
    places: Tensor  # from 0, row by row
    shifts: Tensor

    def to(self, device: torch.device) -> Scenes:
        """The same scenes on `device`."""
        return Scenes(*(part.to(device) for part in self))

    def offsets(self) -> tuple[Tensor, Tensor]:
        """Columns and rows from the second object to the first, (N,) each."""
        columns, rows = self.places % 3, self.places // 3
        return columns[:, 0] - columns[:, 1], rows[:, 0] - rows[:, 1]

    def relations(self) -> Tensor:
        """The index of the first object's relation to the second, (N,)."""
        across, down = self.offsets()
        return torch.where(across.abs() > down.abs(), (across > 0).long(), 2 + (down > 0).long())

    def diagonal(self) -> Tensor:
        """Where neither word is true: as many columns apart as rows, (N,)."""
        across, down = self.offsets()
        return across.abs() == down.abs()

    def pairs(self) -> Tensor:
        """The pair of colour and shape of each object, (N, 2)."""
        return self.colours * len(SCENE_SHAPES) + self.shapes

    def coverage(self) -> Tensor:
        """How much of each pixel an object covers, (N, 2, H, W)."""
        axis = torch.arange(SCENE_SIDE, device=self.places.device) + 0.5
        centres = axis.new_tensor(CENTRES)
        x = axis - (centres[self.places % 3] + self.shifts[..., 0])[..., None, None]  # (N, 2, 1, W)
        y = axis[:, None] - (centres[self.places // 3] + self.shifts[..., 1])[..., None, None]  # (N, 2, H, 1)
        r = axis.new_tensor(HALF_WIDTHS)[self.sizes][..., None, None]
        side, up, bar = x.abs(), y.abs(), 0.35 * r
        distances = torch.stack(  # to the edge of each shape, negative within
            [
                (x.square() + y.square()).sqrt() - r,
                torch.maximum(side, up) - 0.9 * r,
                torch.maximum(y - 0.85 * r, (2 * side - y - r) / 5**0.5),
                torch.minimum(torch.maximum(side - r, up - bar), torch.maximum(up - r, side - bar)),
            ]
        )
        chosen = self.shapes[None, ..., None, None].expand(1, *distances.shape[1:])
        return (0.5 - distances.gather(0, chosen)[0]).clamp(0, 1)

    def pixels(self) -> Tensor:
        """The pictures, (N, 3, H, W) from 0 to 1."""
        colours = self.shifts.new_tensor(list(SCENE_COLOURS.values()))[self.colours]  # (N, 2, 3)
        return (self.coverage()[:, :, None] * colours[..., None, None]).sum(1).clamp(max=1)


def named_in_order(scenes: Scenes) -> Scenes:
    """The same scenes, in each of them the object first that is to be named first."""
    across, down = scenes.offsets()
    before = torch.where(across.abs() > down.abs(), across < 0, down < 0)
    bigger, smaller = (scenes.sizes[:, 0] > scenes.sizes[:, 1]), (scenes.sizes[:, 0] < scenes.sizes[:, 1])
    stays = bigger | (before & ~smaller)
    return Scenes(*(torch.where(stays.view(-1, *[1] * (p.ndim - 1)), p, p.flip(1)) for p in scenes))


def scene_of(objects: Sequence[tuple[SceneSize, SceneColour, SceneShape, ScenePlace]]) -> Scenes:
    """One scene of two objects, each in the middle of its place."""
    columns = zip(*objects, strict=True)
    tables: tuple[Sequence[str], ...] = (SCENE_SIZES, tuple(SCENE_COLOURS), SCENE_SHAPES, SCENE_PLACES)
    sizes, colours, shapes, places = (
        torch.tensor([[table.index(value) for value in column]])
        for table, column in zip(tables, columns, strict=True)
    )
    return named_in_order(Scenes(sizes, colours, shapes, places, torch.zeros(1, 2, 2)))


def unseen_pairs() -> Tensor:
    """Which pairs of colour and shape are held out, (SCENE_PAIRS,)."""
    return torch.tensor([pair in UNSEEN_PAIRS for pair in product(SCENE_COLOURS, SCENE_SHAPES)])


def draw_scenes(n: int, generator: torch.Generator, *, held_out: bool) -> Scenes:
    """So many random scenes: without any pair that is held out, or with one or two such pairs in each."""
    held = unseen_pairs()
    ours = held.nonzero()[:, 0] if held_out else (~held).nonzero()[:, 0]
    pairs = ours[torch.randint(len(ours), (n, 2), generator=generator)]
    if held_out:  # the other object is any
        other = torch.randint(2, (n, 1), generator=generator)
        pairs = pairs.scatter(1, other, torch.randint(SCENE_PAIRS, (n, 1), generator=generator))
    cells = torch.cartesian_prod(torch.arange(9), torch.arange(9))
    across, down = (cells % 3).diff(dim=1).abs(), (cells // 3).diff(dim=1).abs()
    cells = cells[(across != down)[:, 0]]  # beside or above each other, not diagonal, not in one place
    places = cells[torch.randint(len(cells), (n,), generator=generator)]
    sizes = torch.randint(len(SCENE_SIZES), (n, 2), generator=generator)
    shifts = (torch.rand(n, 2, 2, generator=generator) * 2 - 1) * SHIFT
    colours, shapes = pairs // len(SCENE_SHAPES), pairs % len(SCENE_SHAPES)
    return named_in_order(Scenes(sizes, colours, shapes, places, shifts))


class SceneCaptions:
    """The captions of a language, as words and as tokens from `START` to `END`, filled up with `PAD`."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.kinds = SCENE_WORDS[language]
        known = (word for kind in self.kinds for phrase in kind for word in phrase.split())
        article = ["a"] if language == "en" else []
        self.words = ["·", "START", "END", *dict.fromkeys([*article, *known])]  # the same word once
        token = {word: i for i, word in enumerate(self.words)}
        ranges = [range(len(SCENE_SIZES)), range(len(SCENE_COLOURS)), range(len(SCENE_SHAPES))]
        objects = [*product(*ranges)]
        rows = [
            [START, *(token[word] for word in self.written(first, relation, second)), END]
            for first, second in product(objects, objects)
            for relation in range(RELATIONS)
        ]
        self.longest = max(map(len, rows))
        padded = torch.tensor([row + [PAD] * (self.longest - len(row)) for row in rows])
        self.table = padded.view(len(objects), len(objects), RELATIONS, self.longest)

    def written(self, first: Sequence[int], relation: int, second: Sequence[int]) -> list[str]:
        """The words for two objects, each by size, colour and shape, and the relation between them."""
        *kinds, relations = self.kinds
        one, other = ([kind[i] for kind, i in zip(kinds, o, strict=True)] for o in (first, second))
        between = relations[relation].split()
        if self.language == "en":
            return ["a", *one, *between, "a", *other]
        return [*other, *between, *one]

    def encode(self, scenes: Scenes) -> Tensor:
        """The captions of scenes, (N, T + 1)."""
        objects = scenes.sizes * SCENE_PAIRS + scenes.pairs()
        table = self.table.to(objects.device)
        return table[objects[:, 0], objects[:, 1], scenes.relations()]

    def decode(self, tokens: Sequence[int]) -> list[str]:
        """The words up to `END`, without the signs."""
        whole = list(tokens)
        if END in whole:
            whole = whole[: whole.index(END)]
        return [self.words[token] for token in whole if token not in (PAD, START)]


def on_objects(weights: Tensor, scenes: Scenes) -> Tensor:
    """The share of weights over cells (N, T, L) that lies on either object and on neither, (N, T, 3).

    A cell belongs to an object that covers some of it. No two objects share a cell of 4 × 4 pixels.
    """
    side = round(weights.shape[-1] ** 0.5)
    covered = F.adaptive_max_pool2d(scenes.coverage(), side).flatten(2) > 0.05  # (N, 2, L)
    on = weights @ covered.to(weights).mT
    return torch.cat([on, 1 - on.sum(-1, keepdim=True)], -1)
